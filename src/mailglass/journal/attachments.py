"""Attachments that were taken out of messages, each under the digest of its content.

The gateway adds, the collector streams. The digest stands in the URL under the token's tag, so the
collector needs no database to find a file, and a file is never changed under its name.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from ..errors import StorageUnavailable

__all__ = ["Attachments"]

_DIGEST_BYTES = 16  # 128 bits: two different files of one sender do not meet
_DIGEST = re.compile(r"[a-z2-7]{26}")


class Attachments:
    """The store; a directory with 1,024 folders by the first two letters of the digest."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @staticmethod
    def digest(content: bytes) -> str:
        """The name of a content: BLAKE2b of 16 bytes in lower-case base32, 26 characters."""
        raw = blake2b(content, digest_size=_DIGEST_BYTES).digest()
        return base64.b32encode(raw).decode("ascii").rstrip("=").lower()

    def add(self, content: bytes) -> str:
        """Store a content on stable storage and return its digest; one that is there stays.

        Raises StorageUnavailable when the disk does not take it.
        """
        digest = self.digest(content)
        path = self._path(digest)
        if path.exists():
            return digest
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, content)
            _sync_directory(path.parent)
            _sync_directory(self._directory)
        except OSError as error:
            raise StorageUnavailable(f"attachment {digest} could not be stored: {error}") from error
        return digest

    def open(self, digest: str) -> BinaryIO:
        """The content for reading; raises FileNotFoundError when there is none of this digest."""
        if not _DIGEST.fullmatch(digest):
            raise FileNotFoundError(f"{digest!r} is no digest")
        return self._path(digest).open("rb", buffering=0)

    def remove(self, digest: str) -> None:
        """Forget a content; its links answer that it is no longer there."""
        if _DIGEST.fullmatch(digest):
            self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside the name, sync, then rename: the name never shows half a file."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
