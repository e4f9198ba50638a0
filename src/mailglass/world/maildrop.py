"""Where the simulated servers keep what they accepted, and how often each message came.

Real stores (Cyrus, Exchange) suppress a second copy with the same Message-ID; what matters to a
sender is whether there was one. So both are counted: raw arrivals, and distinct messages.
With a directory a message is on stable storage before it is accepted: its bytes first, in a file
named by their digest, then one line in `arrivals.jsonl`; what a crash leaves half written there was
never accepted, and is passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..errors import StorageUnavailable

__all__ = ["Maildrop"]


class Maildrop:
    """Accepted mail; in memory only its counts, unless a directory keeps the bytes.

    `arrivals` counts by Message-ID and recipient. One writer at a time.
    """

    def __init__(self, directory: Path | None = None) -> None:
        """Raises StorageUnavailable when the directory cannot be made or read."""
        self.directory = directory
        self.arrivals: Counter[tuple[str, str]] = Counter()
        if directory is not None:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                self._recover(directory / "arrivals.jsonl")
            except OSError as error:
                raise StorageUnavailable(f"{directory}: {error.strerror}") from error

    @property
    def raw(self) -> int:
        """How many copies were accepted, repeated ones included."""
        return self.arrivals.total()

    @property
    def distinct(self) -> int:
        """How many messages were accepted, each counted once a recipient."""
        return len(self.arrivals)

    @property
    def repeated(self) -> dict[tuple[str, str], int]:
        """The messages that came more than once to a recipient, and how often."""
        return {key: times for key, times in self.arrivals.items() if times > 1}

    def keep(self, message_id: str, recipients: Iterable[str], content: bytes) -> None:
        """Count a message, and with a directory store it durably first.

        Raises StorageUnavailable when it cannot be stored; then nothing was counted.
        """
        recipients = list(recipients)
        if self.directory is not None:
            try:
                self._store(self.directory, message_id, recipients, content)
            except OSError as error:
                raise StorageUnavailable(f"{self.directory}: {error.strerror}") from error
        self.arrivals.update((message_id, recipient) for recipient in recipients)

    def _store(
        self, directory: Path, message_id: str, recipients: list[str], content: bytes
    ) -> None:
        name = hashlib.sha256(content).hexdigest() + ".eml"
        if not (directory / name).exists():
            _write_synced(directory / f"{name}.part", content, os.O_TRUNC)
            os.replace(directory / f"{name}.part", directory / name)
        line = {"message_id": message_id, "recipients": recipients, "file": name}
        _write_synced(directory / "arrivals.jsonl", json.dumps(line).encode() + b"\n", os.O_APPEND)
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)  # the names, beside the bytes
        finally:
            os.close(handle)

    def _recover(self, index: Path) -> None:
        """Count what earlier processes accepted, and cut a torn last line off."""
        if not index.exists():
            return
        kept = index.read_bytes()
        whole = kept.rfind(b"\n") + 1
        if whole < len(kept):
            os.truncate(index, whole)
        for line in kept[:whole].splitlines():
            row = json.loads(line)
            self.arrivals.update((row["message_id"], to) for to in row["recipients"])


def _write_synced(path: Path, data: bytes, flag: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o600)
    try:
        with memoryview(data) as rest:
            done = 0
            while done < len(data):
                done += os.write(handle, rest[done:])
        os.fsync(handle)
    finally:
        os.close(handle)
