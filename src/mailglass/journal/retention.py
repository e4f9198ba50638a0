"""Removing what is old and read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from .layout import Cursor, published_end, segment_path, segments

__all__ = ["expire"]


def expire(
    directory: Path, consumers: Iterable[Cursor], *, keep: timedelta, now: datetime
) -> list[Path]:
    """Remove segments that every consumer has left behind and that were last written before `keep`.

    `consumers` are the stored cursors of all that follow this journal; without any, nothing is
    removed. The segment that is being written and the ones after a cursor always stay. Returns
    what was removed, oldest first.
    """
    needed = min((cursor.segment for cursor in consumers), default=0)
    needed = min(needed, published_end(directory).segment)
    removed: list[Path] = []
    for number in segments(directory):
        path = segment_path(directory, number)
        if number >= needed or path.stat().st_mtime > (now - keep).timestamp():
            break
        path.unlink()
        removed.append(path)
    return removed
