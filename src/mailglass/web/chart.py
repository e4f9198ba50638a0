"""The bars of the overview's chart: hours, or the days of the reader's own zone.

Roll-ups keep the days of UTC and the hours. A day elsewhere is made of its hours; where a zone
differs by half an hour, the hour around midnight counts for the day in which it begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from ..history import Counts, Period

__all__ = ["Bar", "bars_of", "beginning", "period_of"]

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One stretch of time in the chart."""

    start: datetime
    human: int
    machine: int
    undetermined: int

    @property
    def total(self) -> int:
        """How high it stands."""
        return self.human + self.machine + self.undetermined


def beginning(days: int, now: datetime, zone: tzinfo) -> datetime:
    """When a chart of so many days, of which today is the last, begins; of one day 24 hours ago."""
    if days == 1:
        return _hour(now) - timedelta(hours=23)
    return _midnight(now.astimezone(zone).date() - timedelta(days=days - 1), zone)


def period_of(days: int, now: datetime, zone: tzinfo) -> Period:
    """Of what roll-ups the chart is made: of the days, which are fewer, where they are the same."""
    is_utc = not zone.utcoffset(now) and not zone.utcoffset(beginning(days, now, zone))
    return Period.DAY if days > 1 and is_utc else Period.HOUR


def bars_of(counts: Iterable[Counts], days: int, now: datetime, zone: tzinfo) -> Iterator[Bar]:
    """One for each stretch of time, also where nothing happened."""
    by_start: dict[datetime, list[Counts]] = {}
    for row in counts:
        if row.start is not None:
            by_start.setdefault(_start(row.start, days, zone), []).append(row)
    end = max(now, *by_start) if by_start else now  # a simulated world lies ahead of the clock
    start = beginning(days, now, zone)
    while start <= end:
        rows = by_start.get(start, ())
        yield Bar(
            start=start,
            human=_hits(rows, "human"),
            machine=_hits(rows, "machine"),
            undetermined=_hits(rows, "undetermined"),
        )
        start = start + _HOUR if days == 1 else _day_after(start, zone)


def _start(at: datetime, days: int, zone: tzinfo) -> datetime:
    return _hour(at) if days == 1 else _midnight(at.astimezone(zone).date(), zone)


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """In UTC, where days of 23 and 25 hours need no thought."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _day_after(start: datetime, zone: tzinfo) -> datetime:
    return _midnight(start.astimezone(zone).date() + timedelta(days=1), zone)


def _hits(rows: Iterable[Counts], who: str) -> int:
    return sum(row[f"{what}_{who}"] for row in rows for what in ("beacon", "link", "attachment"))
