"""Checking a journal: what each segment holds, and what in it is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import CorruptRecord
from ..model import Hit
from .layout import END_FILE, Cursor, extents, published_end, read_header, segments
from .reader import Poison, read

__all__ = ["Report", "SegmentReport", "verify"]

_BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReport:
    """What one segment holds."""

    segment: int
    size_bytes: int  # of the part that counts
    hits: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a journal holds."""

    end: Cursor  # how far it is on stable storage
    segments: tuple[SegmentReport, ...]
    poison: tuple[Poison, ...]  # stretches that are no record
    torn: tuple[Path, ...]  # tails that were cut after crashes, kept beside the segments
    missing: tuple[str, ...] = ()  # what is not there and should be, in words

    @property
    def hits(self) -> int:
        return sum(segment.hits for segment in self.segments)


def verify(directory: Path) -> Report:
    """Read all records and check each; raises CorruptRecord when the file `end` is damaged.

    Retention removes the oldest segments; one between others, or the end of one, is missed.
    """
    end = published_end(directory)
    poison: list[Poison] = []
    reports = []
    for extent in extents(directory, 0, end):
        at = Cursor(extent.segment, extent.start)
        hits, first_at, last_at = 0, None, None
        while at < Cursor(extent.segment, extent.end):
            found = [item for item in read(directory, at, _BATCH) if item[0].segment == at.segment]
            if not found:
                break
            at = found[-1][0]
            poison += [item for _, item in found if isinstance(item, Poison)]
            times = [item.at for _, item in found if isinstance(item, Hit)]
            hits += len(times)
            first_at, last_at = first_at or min(times, default=None), max(times, default=last_at)
        reports.append(
            SegmentReport(
                segment=extent.segment,
                size_bytes=extent.end,
                hits=hits,
                first_at=first_at,
                last_at=last_at,
            )
        )
    torn = tuple(sorted(directory.glob("torn-*")))
    return Report(
        end=end,
        segments=tuple(reports),
        poison=tuple(poison),
        torn=torn,
        missing=tuple(_missing(directory, end)),
    )


def _missing(directory: Path, end: Cursor) -> Iterator[str]:
    if not (directory / END_FILE).exists() and segments(directory):
        yield f"the file {END_FILE}: no record is shown before the collector's next start"
    expected: int | None = end.segment
    found = extents(directory, 0, end)
    for extent in reversed(found):
        if expected is not None and extent.segment != expected:
            yield f"segment {expected}"
        size = extent.path.stat().st_size
        if size < extent.end:
            yield f"the last {extent.end - size} bytes of segment {extent.segment}"
        expected = _number_before(directory, extent.segment)
    if not found and end.segment:
        yield f"segment {end.segment}"


def _number_before(directory: Path, segment: int) -> int | None:
    """The segment that the header of this one names; None when the header is damaged."""
    try:
        return read_header(directory, segment)[1].segment
    except CorruptRecord:
        return None
