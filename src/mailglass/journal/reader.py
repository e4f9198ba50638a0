"""Following the journal: records behind a cursor, as far as they are on stable storage.

A record that fails its checksum is handed out as `Poison`, raw, and reading goes on behind it: one
damaged sector must not hide the hits after it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import CorruptRecord
from ..model import Hit
from .codec import MAX_LINE_BYTES, decode
from .layout import Cursor, Extent, extents, published_end

__all__ = ["Poison", "read"]

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Poison:
    """A stretch of a segment that is no record: to be kept and counted, not guessed at."""

    at: Cursor  # where it begins
    raw: bytes  # at most 64 KiB; a longer stretch comes in pieces
    reason: str


def read(directory: Path, cursor: Cursor, limit: int) -> list[tuple[Cursor, Hit | Poison]]:
    """Up to `limit` records behind `cursor`, oldest first, each with the cursor behind it.

    Shows nothing that a crash could take back (see `layout`). An empty list means that the reader
    has caught up. A cursor in a segment that retention removed goes on at the oldest one kept.
    Raises CorruptRecord when the file `end` is damaged, OSError when a segment cannot be read.
    """
    found: list[tuple[Cursor, Hit | Poison]] = []
    for extent in extents(directory, cursor.segment, published_end(directory)):
        offset = cursor.offset if cursor.segment == extent.segment else 0
        _read_extent(extent, max(offset, extent.start), limit, found)
        if len(found) >= limit:
            break
    return found


def _read_extent(
    extent: Extent, offset: int, limit: int, found: list[tuple[Cursor, Hit | Poison]]
) -> None:
    """Add the records of one segment from `offset` on to `found`, until it holds `limit`."""
    try:
        file = extent.path.open("rb")
    except FileNotFoundError:  # retention was faster
        return
    with file:
        # A file that lost its end is read to where it ends now: the last piece is not waited for.
        size = os.fstat(file.fileno()).st_size
        extent = replace(extent, end=min(extent.end, size))
        while offset < extent.end and len(found) < limit:
            file.seek(offset)
            data = file.read(min(_READ_BYTES, extent.end - offset))
            if not data:
                return
            offset += _take(data, extent, offset, limit, found)


def _take(
    data: bytes,
    extent: Extent,
    offset: int,
    limit: int,
    found: list[tuple[Cursor, Hit | Poison]],
) -> int:
    """Add the records that `data`, read at `offset`, holds whole; returns how many bytes they are.

    Takes at least one byte: a stretch without a line feed is poison, in pieces of a bounded size.
    """
    position = 0
    while position < len(data) and len(found) < limit:
        stop = data.find(b"\n", position, position + MAX_LINE_BYTES) + 1
        if not stop:
            is_whole = offset + len(data) >= extent.end or len(data) - position >= MAX_LINE_BYTES
            if not is_whole:
                break
            stop = min(len(data), position + MAX_LINE_BYTES)
        begin = Cursor(extent.segment, offset + position)
        found.append((Cursor(extent.segment, offset + stop), _record(data[position:stop], begin)))
        position = stop
    return position


def _record(line: bytes, begin: Cursor) -> Hit | Poison:
    try:
        return decode(line)
    except CorruptRecord as error:
        return Poison(begin, line, str(error))
