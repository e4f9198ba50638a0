"""Which part of a file a request asks for (RFC 9110 sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Part", "choose_part"]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` to before `stop` of a file of `size` bytes, and the status."""

    status: int
    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    @property
    def content_range(self) -> str | None:
        if self.status == 206:
            return f"bytes {self.start}-{self.stop - 1}/{self.size}"
        return f"bytes */{self.size}" if self.status == 416 else None


def choose_part(method: str, headers: Mapping[str, str], etag: str, size: int) -> Part:
    """The whole file, one range of it, nothing new (304), nothing there (416) or another (412).

    Several ranges, another unit or an If-Range that does not match get the whole file, which the
    RFC allows; a range of HEAD means nothing.
    """
    expected = headers.get("if-match")
    if expected is not None and expected.strip() != "*" and etag not in _items(expected):
        return Part(412, 0, 0, size)  # strong comparison: W/ never matches
    wanted = headers.get("if-none-match")
    if wanted is not None and _matches(wanted, etag):
        return Part(304, 0, 0, size)
    match = _RANGE.fullmatch(headers.get("range", "").strip())
    if (
        method == "HEAD"
        or match is None
        or match.groups() == ("", "")
        or headers.get("if-range", etag) != etag
    ):
        return Part(200, 0, size, size)
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return Part(200, 0, size, size)
    return Part(206, start, stop, size) if start < stop else Part(416, 0, 0, size)


def _matches(wanted: str, etag: str) -> bool:
    return wanted.strip() == "*" or etag in [item.removeprefix("W/") for item in _items(wanted)]


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]
