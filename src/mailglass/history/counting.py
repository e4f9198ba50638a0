"""The named statements about roll-ups: gathered while a transaction writes, added up at its end.

Every statement that adds, changes or removes an event or a verdict says so here, in the same
transaction; so the counts are those of the facts after every commit, also when events come late or
are judged again. A batch adds once to each row it concerns, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from ..model import EventType
from . import schema
from .dictionaries import DictionaryStatements
from .schema.base import CODES, Dimension, Period, Who
from .schema.rollups import COUNTERS
from .statements import chunks

__all__ = ["PERIODS", "TARGET_PATHS", "CountingStatements", "Counts", "Place", "hit_counter"]

_HOUR, _DAY = 3600, 86400

# The periods kept for each dimension. Rows cost space: a message lives for days, so its hours
# suffice, and for a message to one recipient its events; of domains and tags there are many.
PERIODS: Mapping[Dimension, tuple[Period, ...]] = {
    Dimension.ACCOUNT: (Period.TOTAL, Period.DAY, Period.HOUR),
    Dimension.MESSAGE: (Period.TOTAL, Period.HOUR),
    Dimension.CAMPAIGN: (Period.TOTAL, Period.DAY, Period.HOUR),
    Dimension.TAG: (Period.TOTAL, Period.DAY),
    Dimension.DOMAIN: (Period.TOTAL, Period.DAY),
}
_WHAT = {"o": "beacon", "c": "link", "a": "attachment"}
# Paths on which a target itself is asked for. A notice page may bear the token of a beacon, and who
# reads it has loaded no image.
TARGET_PATHS = tuple(_WHAT)
_KEY_COLUMNS = ("account_id", "dimension", "period", "key", "start")
_Key = tuple[int, int, int, int, int]
_KEY = itemgetter(0)
_K = TypeVar("_K", bound=Hashable)


class Place(NamedTuple):
    """Where a delivery is counted."""

    account_id: int
    message_id: int
    domain_id: int
    campaign_id: int | None
    tag_ids: tuple[int, ...]
    accepted_hour: int  # hours since 1970
    has_copies: bool  # whether the message has other deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One row of a roll-up; counters that are nought are left out."""

    key: int  # 0 for the account, else the id of a message, campaign, tag or domain
    start: datetime | None  # None for a total
    counts: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        return self.counts.get(name, 0)


@lru_cache(256)
def hit_counter(path_kind: str, who: Who) -> str | None:
    """The counter of a hit; None for the sender's own."""
    if who is Who.SENDER:
        return None
    return f"{_WHAT.get(path_kind, 'page')}_{who.value}"


class CountingStatements(DictionaryStatements):
    """What a transaction can do with roll-ups."""

    _places: dict[int, Place]
    _counted: dict[tuple[int, int, int], dict[str, int]]  # by message, domain and hour
    _counted_at: dict[tuple[int, int, int], Place]
    _targets_counted: dict[tuple[int, int], dict[str, int]]

    def _count(self, place: Place, hour: int, counter: str, number: int) -> None:
        counts = self._counts_at(place, hour)
        counts[counter] = counts.get(counter, 0) + number

    def _counts_at(self, place: Place, hour: int) -> dict[str, int]:
        """What is counted of an hour of a message's deliveries to a domain."""
        key = (place.message_id, place.domain_id, hour)
        counts = self._counted.get(key)
        if counts is None:
            counts = self._counted[key] = {}
            self._counted_at[key] = place
        return counts

    def _count_hit(
        self, place: Place, at: float, facts: tuple[str, int | None, EventType, Who], number: int
    ) -> None:
        """Count the event of a hit: its path, target, type and who is behind it."""
        path_kind, target, type_, who = facts
        counts = self._counts_at(place, int(at // _HOUR))
        name = _NAMES[type_]
        counts[name] = counts.get(name, 0) + number
        counter = hit_counter(path_kind, who)
        if counter is None:
            return
        counts[counter] = counts.get(counter, 0) + number
        if target is not None and path_kind in _WHAT:
            key = (place.message_id, target)
            targets = self._targets_counted.get(key)
            if targets is None:
                targets = self._targets_counted[key] = {}
            name = _NAMES[who]
            targets[name] = targets.get(name, 0) + number

    def _places_of(self, delivery_ids: Iterable[int]) -> dict[int, Place]:
        """Where deliveries are counted; those that do not exist are left out."""
        missing = [i for i in delivery_ids if i not in self._places]
        d = schema.delivery.c
        for some in chunks(missing):
            query = sa.select(d.id, d.account_id, d.message_id, d.domain_id).where(d.id.in_(some))
            rows = self._db.execute(query).all()
            self._learn_places([(r.id, r.account_id, r.message_id, r.domain_id) for r in rows])
        return self._places

    def _learn_places(self, rows: Sequence[tuple[int, int, int, int]]) -> None:
        """Remember where deliveries are counted: id, account, message and domain of each."""
        messages = self._message_places({row[2] for row in rows})
        for number, account_id, message_id, domain_id in rows:
            self._places[number] = Place(account_id, message_id, domain_id, *messages[message_id])

    def _message_places(
        self, message_ids: Iterable[int]
    ) -> dict[int, tuple[int | None, tuple[int, ...], int, bool]]:
        found: dict[int, tuple[int | None, tuple[int, ...], int, bool]] = {}
        missing = []
        for number in message_ids:
            known = self._memory.value_of("message-place", number)
            if known is None:
                missing.append(number)
            else:
                found[number] = known
        m, link = schema.message.c, schema.message_tag.c
        for some in chunks(missing):
            tags: dict[int, tuple[int, ...]] = {}
            query = sa.select(link.message_id, link.tag_id).where(link.message_id.in_(some))
            for message_id, tag_id in self._db.execute(query):
                tags[message_id] = (*tags.get(message_id, ()), tag_id)
            messages = sa.select(m.id, m.campaign_id, m.accepted_at, m.copies).where(m.id.in_(some))
            for row in self._db.execute(messages):
                hour = int(row.accepted_at // _HOUR)
                place = (row.campaign_id, tags.get(row.id, ()), hour, row.copies > 1)
                found[row.id] = place
                self._memory.learn_value("message-place", row.id, place)
        return found

    # adding up

    def _write_counts(self) -> None:
        if not self._counted and not self._targets_counted:
            return
        self._hold_pen()
        rows = self._rollup_rows()
        _add_up(self._db, "rollup", _KEY_COLUMNS, rows)
        _add_up(self._db, "target_rollup", ("message_id", "number"), self._targets_counted)
        self._counted.clear()
        self._counted_at.clear()
        self._targets_counted.clear()

    def _rollup_rows(self) -> dict[_Key, dict[str, int]]:
        """What is added to the rows of the roll-ups.

        First by the finest time of each dimension, then from those to the coarser ones: a batch
        concerns thousands of messages and few hours.
        """
        finest: dict[Dimension, dict[tuple[int, int, int], dict[str, int]]]
        finest = {dimension: {} for dimension in PERIODS}
        for which, counts in self._counted.items():
            place, hour = self._counted_at[which], which[2]
            account, day = place.account_id, hour // 24 * 24
            _sum_up(finest[Dimension.MESSAGE], (account, place.message_id, hour), counts)
            _sum_up(finest[Dimension.DOMAIN], (account, place.domain_id, day), counts)
            _sum_up(finest[Dimension.ACCOUNT], (account, 0, hour), counts)
            if place.campaign_id is not None:
                _sum_up(finest[Dimension.CAMPAIGN], (account, place.campaign_id, hour), counts)
            for number in place.tag_ids:
                _sum_up(finest[Dimension.TAG], (account, number, day), counts)
        # The hours of a message to one recipient are the delivery's own, told by its events.
        lone = {p.message_id for p in self._counted_at.values() if not p.has_copies}
        rows: dict[_Key, dict[str, int]] = {}
        for dimension, periods in PERIODS.items():
            code = CODES[Dimension][dimension]
            for (account, key, hour), counts in finest[dimension].items():
                is_lone = dimension is Dimension.MESSAGE and key in lone
                for period in (Period.TOTAL,) if is_lone else periods:
                    seconds = _SECONDS[period]
                    start = hour * _HOUR // seconds * seconds if seconds else 0
                    _sum_up(rows, (account, code, CODES[Period][period], key, start), counts)
        return rows

    # what is shown

    def counts(
        self,
        account_id: int,
        dimension: Dimension = Dimension.ACCOUNT,
        period: Period = Period.TOTAL,
        *,
        keys: Sequence[int] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Counts]:
        """The roll-ups of an account by key and time; `until` is the first time left out."""
        self._flush()
        r = schema.rollup.c
        query = _select_counts(account_id, dimension, period)
        if dimension is Dimension.ACCOUNT:
            query = query.where(r.key == 0)
        if keys is not None:
            query = query.where(r.key.in_(keys))
        if since is not None:
            query = query.where(r.start >= int(since.timestamp()))
        if until is not None:
            query = query.where(r.start < int(until.timestamp()))
        return [_counts(row) for row in self._db.execute(query.order_by(r.key, r.start))]

    def largest(self, account_id: int, dimension: Dimension, limit: int = 50) -> list[Counts]:
        """The totals of the messages, campaigns, tags or domains with the most deliveries."""
        self._flush()
        query = _select_counts(account_id, dimension, Period.TOTAL)
        query = query.order_by(schema.rollup.c.queued.desc()).limit(limit)
        return [_counts(row) for row in self._db.execute(query)]

    def target_counts(self, message_id: int) -> dict[int, dict[str, int]]:
        """For each target of a message: hits by who was behind them."""
        self._flush()
        t = schema.target_rollup
        rows = self._db.execute(sa.select(t).where(t.c.message_id == message_id))
        return {
            r.number: {"human": r.human, "machine": r.machine, "undetermined": r.undetermined}
            for r in rows
        }


_NAMES: Mapping[EventType | Who, str] = {word: word.value for word in (*EventType, *Who)}
_SECONDS = {Period.TOTAL: 0, Period.DAY: _DAY, Period.HOUR: _HOUR}


def _sum_up(sums: dict[_K, dict[str, int]], key: _K, counts: Mapping[str, int]) -> None:
    """Add counts to those of a key."""
    into = sums.get(key)
    if into is None:
        sums[key] = dict(counts)
        return
    for name, number in counts.items():
        into[name] = into.get(name, 0) + number


def _add_up(
    db: sa.Connection,
    table: str,
    keyed: Sequence[str],
    rows: Mapping[Any, Mapping[str, int]],  # Any: tuples of the key's columns
) -> None:
    """Add to rows, which are made when they are missing; only the columns that change are sent.

    In the order of the keys, so that two writers cannot wait for each other.
    """
    mark = "?" if db.dialect.name == "sqlite" else "%s"
    for names, values in _by_columns(rows):
        columns = ", ".join((*keyed, *names))
        marks = ", ".join([mark] * (len(keyed) + len(names)))
        added = ", ".join(f"{n} = {table}.{n} + excluded.{n}" for n in names)
        db.exec_driver_sql(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})"
            f" ON CONFLICT ({', '.join(keyed)}) DO UPDATE SET {added}",
            values,
        )


# Rows that change a set of columns which few others change go together, with noughts: preparing a
# statement costs more than some columns too many (measured 2026-11-28).
_FEW = 20


def _by_columns(
    rows: Mapping[Any, Mapping[str, int]],
) -> list[tuple[list[str], list[tuple[int, ...]]]]:
    """The rows by the columns that they change, each with the values of key and columns."""
    alike: dict[frozenset[str], list[Any]] = {}
    for key in sorted(rows):
        counts = rows[key]
        if 0 in counts.values():
            counts = {name: number for name, number in counts.items() if number}
        if counts:
            alike.setdefault(frozenset(counts), []).append((key, counts))
    few = [row for some in alike.values() if len(some) < _FEW for row in some]
    groups = [(names, some) for names, some in alike.items() if len(some) >= _FEW]
    if few:
        groups.append((frozenset().union(*(counts for _, counts in few)), sorted(few, key=_KEY)))
    found = []
    for names, some in groups:
        ordered = sorted(names)
        found.append(
            (ordered, [(*key, *[counts.get(n, 0) for n in ordered]) for key, counts in some])
        )
    return found


def _select_counts(account_id: int, dimension: Dimension, period: Period) -> sa.Select[Any]:
    r = schema.rollup.c  # Any: columns of several types
    return sa.select(schema.rollup).where(
        r.account_id == account_id, r.dimension == dimension, r.period == period
    )


def _counts(row: Any) -> Counts:  # a row of a select, which SQLAlchemy types as Any
    values = row._mapping
    return Counts(
        key=row.key,
        start=None if row.period is Period.TOTAL else datetime.fromtimestamp(row.start, UTC),
        counts={name: values[name] for name in COUNTERS if values[name]},
    )
