"""A disk that fails, or stops the process, at a chosen call; and hits to write."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mailglass.journal import Disk
from mailglass.model import Hit

CALLS = ("open", "write", "sync", "truncate", "close", "sync_directory")


def make_hit(number: int, **changes: Any) -> Hit:
    fields: dict[str, Any] = {
        "at": datetime(2026, 11, 22, 8, tzinfo=UTC) + timedelta(milliseconds=number),
        "path_kind": "o",
        "method": "GET",
        "token": f"{number:029d}",
        "delivery_id": number,
        "target": 0,
        "address": "192.0.2.7",
        "http_version": "1.1",
        "headers": {"user-agent": "test"},
    }
    return Hit(**{**fields, **changes})


class FaultyDisk(Disk):
    """Raises `error` from the calls named in `failing`; counts all of them."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.error = 28  # ENOSPC
        self.calls = 0

    def _meet(self, call: str) -> None:
        self.calls += 1
        if call in self.failing:
            raise OSError(self.error, os.strerror(self.error))

    def open(self, path: Path) -> int:
        self._meet("open")
        return super().open(path)

    def write(self, file: int, data: bytes, offset: int) -> None:
        self._meet("write")
        super().write(file, data, offset)

    def sync(self, file: int) -> None:
        self._meet("sync")
        super().sync(file)

    def truncate(self, file: int, size: int) -> None:
        self._meet("truncate")
        super().truncate(file, size)

    def close(self, file: int) -> None:
        self._meet("close")
        super().close(file)

    def sync_directory(self, directory: Path) -> None:
        self._meet("sync_directory")
        super().sync_directory(directory)


class KillingDisk(FaultyDisk):
    """Ends the process with SIGKILL at call number `at`; a write is cut in half before that."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def _meet(self, call: str) -> None:
        self.calls += 1
        if self.calls == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def write(self, file: int, data: bytes, offset: int) -> None:
        if self.calls + 1 == self.at:
            Disk.write(self, file, data[: len(data) // 2], offset)
        super().write(file, data, offset)
