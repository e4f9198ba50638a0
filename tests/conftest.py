"""What every test may use.

`run_cli` runs the command in a process of its own, as a user does.
`history_address` is that of an empty database, once on SQLite and once on PostgreSQL.
`shared_data` is the folder of corpora that lie outside the project; tests skip without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from postgres import PostgresServer
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
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL 15 of the tests' own, started when the first test asks for it."""
    if PostgresServer.missing():
        pytest.skip("PostgreSQL 15 is not installed; tests/install-servers does it")
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def history_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The corpora: `MAILGLASS_SHARED`/data, or `shared/data` beside the checkout."""
    folder = Path(os.environ.get("MAILGLASS_SHARED", PROJECT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no corpora at {folder}")
    return folder
