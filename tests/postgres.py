"""A PostgreSQL 15 for tests: Debian's package, own data directory, on loopback, not as root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import psycopg

__all__ = ["PostgresServer"]

_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
# What a power cut would do to a test's database is of no interest.
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "autovacuum": "off",
}


class PostgresServer:
    """One server, which may be stopped and started again; its databases stay."""

    def __init__(self, options: dict[str, str] | None = None) -> None:
        self._options = _OPTIONS | (options or {})
        # not under pytest's folder, which it closes to other users at each start
        self._folder = Path(tempfile.mkdtemp(prefix="mailglass-postgres-"))
        self._numbers = count(1)
        self._user = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._folder.chmod(0o755)
        data = self._folder / "data"
        data.mkdir()
        shutil.chown(data, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", str(data), "-U", "mailglass", "-A", "trust", "-E", "UTF8", "-N")

    @staticmethod
    def missing() -> bool:
        """Whether the package is not there."""
        return not (_PROGRAMS / "pg_ctl").exists()

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in self._options.items())
        options += f" -c port={self.port} -c unix_socket_directories={self._folder / 'data'}"
        self._control("start", "-o", options, "-l", str(self._folder / "data" / "log"))

    def stop(self, mode: str = "immediate") -> None:
        """Stop as after a crash, or in order with `fast`."""
        self._control("stop", "-m", mode)

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self._folder)

    def new_database(self) -> str:
        """The address of a new, empty database."""
        name = f"test{next(self._numbers)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._address(name).replace("postgresql:", "postgresql+psycopg:")

    def _address(self, database: str) -> str:
        return f"postgresql://mailglass@127.0.0.1:{self.port}/{database}"

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", *words)

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [str(_PROGRAMS / program), *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd="/",
            user=self._user.pw_uid,
            group=self._user.pw_gid,
            extra_groups=[],
        )
