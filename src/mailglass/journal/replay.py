"""Reading a journal from one end to the other, and putting its hits into another journal.

For a restored backup, another machine's segments, or a history that is to be built anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from ..model import Hit
from .codec import encode
from .layout import START, Cursor
from .reader import Poison, read
from .writer import Writer

__all__ = ["follow", "replay"]

_BATCH = 5000  # records a commit, 2 MB: one fdatasync for each


def follow(directory: Path, since: Cursor = START) -> Iterator[tuple[Cursor, Hit | Poison]]:
    """All records behind a cursor, up to the end as it is when the last one is reached."""
    while found := read(directory, since, _BATCH):
        yield from found
        since = found[-1][0]


def replay(
    source: Path,
    into: Writer,
    *,
    after: datetime | None = None,
    before: datetime | None = None,
    tell: Callable[[int], None] = lambda count: None,
) -> tuple[int, int]:
    """Append the hits of the journal `source` to another one; returns how many, and the poison.

    Only hits at or `after` one time and `before` another are taken; poison stays where it is.
    `tell` hears the count after each commit. What is replayed twice is there twice.
    Raises StorageUnavailable when the disk refuses; what was told of is on stable storage.
    """
    hits = poison = 0
    lines: list[bytes] = []
    for _, item in follow(source):
        if isinstance(item, Poison):
            poison += 1
        elif (after is None or item.at >= after) and (before is None or item.at < before):
            lines.append(encode(item))
        if len(lines) == _BATCH:
            hits += _commit(into, lines, hits, tell)
    hits += _commit(into, lines, hits, tell)
    return hits, poison


def _commit(into: Writer, lines: list[bytes], before: int, tell: Callable[[int], None]) -> int:
    count = len(lines)
    if lines:
        into.commit(lines)
        lines.clear()
        tell(before + count)
    return count
