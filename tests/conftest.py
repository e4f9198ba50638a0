"""What every test may use.

`run_cli` runs the command in a process of its own, as a user does.
`shared_data` is the folder of corpora that lie outside the project; tests skip without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from product import PROJECT, environment

settings.register_profile("default", deadline=None, print_blob=True)  # never assert a time
settings.load_profile("default")


@pytest.fixture
def run_cli() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    def run(*args: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "mailglass", *args],
            input=stdin,
            capture_output=True,
            env={**environment(), **env},
            timeout=300,
        )

    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The corpora: `MAILGLASS_SHARED`/data, or `shared/data` beside the checkout."""
    folder = Path(os.environ.get("MAILGLASS_SHARED", PROJECT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no corpora at {folder}")
    return folder
