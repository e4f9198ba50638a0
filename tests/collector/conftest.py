from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.running import Running
from collector.running import running as start


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with start(tmp_path) as server:
        yield server
