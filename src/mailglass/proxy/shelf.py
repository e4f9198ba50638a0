"""Pictures on disk, each fetched once; of bounded size, the oldest go first.

That a URL gave no picture is kept as well, or it would be asked again. When a picture is looked at
is not written down. What was promised to be fetched and is not yet stands in `wanted`, so that it
is fetched after a crash too.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Picture", "Shelf"]

_KEPT_OF_FULL = 0.9  # what is left when the shelf was full, so that not each picture clears it
_BLOCK_BYTES = 4096  # what a file takes at least


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as it is served; no type when the URL gave none."""

    content_type: str
    data: bytes


class Shelf:
    """The pictures in one directory; safe to use from several threads."""

    def __init__(self, directory: Path, *, max_bytes: int) -> None:
        self._pictures, self._wanted = directory / "pictures", directory / "wanted"
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        for folder in (self._pictures, self._wanted):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._size_bytes = sum(size for _, size, _ in self._files())

    def has(self, url: str) -> bool:
        """Whether the URL was fetched, with whatever outcome."""
        return self._place(url).exists()

    def read(self, url: str) -> Picture | None:
        """The picture; None when the URL was not fetched or gave none."""
        try:
            content_type, _, data = self._place(url).read_bytes().partition(b"\n")
        except OSError:
            return None
        return Picture(content_type.decode("ascii"), data) if content_type else None

    def write(self, url: str, picture: Picture | None) -> None:
        """Keep what a URL gave, whole or not at all."""
        place = self._place(url)
        place.parent.mkdir(exist_ok=True, mode=0o700)
        part = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
        head = picture.content_type if picture else ""
        part.write_bytes(head.encode("ascii") + b"\n" + (picture.data if picture else b""))
        size = max(part.stat().st_size, _BLOCK_BYTES)
        part.replace(place)
        with self._lock:
            self._size_bytes += size
            if self._size_bytes > self._max_bytes:
                self._clear(int(self._max_bytes * _KEPT_OF_FULL))

    def promise(self, urls: Iterable[str]) -> Path:
        """Put a list of URLs on stable storage until `keep_promise`."""
        place = self._wanted / f"{uuid.uuid4().hex}.json"
        part = place.with_suffix(".part")
        with part.open("w") as file:
            json.dump(list(urls), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
        return place

    def keep_promise(self, place: Path) -> None:
        """All URLs of this promise were fetched."""
        place.unlink(missing_ok=True)

    def promises(self) -> Iterator[tuple[Path, list[str]]]:
        """What was promised before this process began, and not kept."""
        for place in sorted(self._wanted.glob("*.json")):
            try:
                urls = json.loads(place.read_text())
            except (OSError, ValueError):
                place.unlink(missing_ok=True)
                continue
            yield place, [str(url) for url in urls]

    def forget_before(self, timestamp: float) -> None:
        """Remove what was fetched before this time (seconds since 1970)."""
        with self._lock:
            for fetched_at, size, place in self._files():
                if fetched_at < timestamp:
                    place.unlink(missing_ok=True)
                    self._size_bytes -= size

    def _place(self, url: str) -> Path:
        name = hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
        return self._pictures / name[:2] / name

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for place in self._pictures.glob("*/*"):
            try:
                found = place.stat()
            except OSError:
                continue
            yield found.st_mtime, max(found.st_size, _BLOCK_BYTES), place

    def _clear(self, target_bytes: int) -> None:
        for _, size, place in sorted(self._files()):
            if self._size_bytes <= target_bytes:
                return
            place.unlink(missing_ok=True)
            self._size_bytes -= size
