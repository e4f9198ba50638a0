"""The named statements that look whether a history holds together. They only read.

Counting all events again is a scan: some seconds for each million on SQLite. Everything else is
bounded by an index or stops at the first thousand faults.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson
import sqlalchemy as sa

from . import schema
from .counting import TARGET_PATHS
from .recounting import MESSAGES_LET_GO, Miscount, RecountStatements
from .schema.base import Dimension, Period, Who
from .schema.mail import HIT_COUNTERS
from .statements import chunks

__all__ = ["CheckingStatements", "Miscount", "Orphans"]

_MOST = 1000  # faults of a kind that are counted; more of them say nothing new


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Rows that lead nowhere."""

    table: str
    what: str  # what they should lead to
    count: int  # at most a thousand


class CheckingStatements(RecountStatements):
    """What a transaction can say of the history as a whole."""

    def damage(self) -> list[str]:
        """What the database itself finds wrong with its pages and keys; PostgreSQL is not asked."""
        if self._db.dialect.name != "sqlite":
            return []
        found = [str(row[0]) for row in self._db.exec_driver_sql("PRAGMA quick_check(20)")]
        found = [text for text in found if text != "ok"]
        keys = self._db.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20)
        return found + [f"{row[0]}: row {row[1]} refers to nothing in {row[2]}" for row in keys]

    def orphans(self) -> list[Orphans]:
        """Rows without what they belong to, where no foreign key holds them."""
        e, h, d = schema.event.c, schema.hit.c, schema.delivery.c
        w, j = schema.wording.c, schema.judgement.c
        ways = (
            (e.delivery_id, d.id, "delivery"),
            (e.hit_id, h.id, "hit"),
            (e.judgement_id, j.id, "judgement"),
            (h.delivery_id, d.id, "delivery"),
            (h.head_id, w.id, "wording"),
            (h.rest_id, w.id, "wording"),
        )
        found = self._stray_notices()
        for column, target, name in ways:
            missing = (
                sa.select(sa.literal(1))
                .select_from(column.table)
                .join(target.table, target == column, isouter=True)
                .where(column.is_not(None), target.is_(None))
                .limit(_MOST)
            )
            count = self._db.execute(sa.select(sa.func.count()).select_from(missing.subquery()))
            number = count.scalar_one()
            if number:
                found.append(Orphans(table=column.table.name, what=name, count=number))
        return found

    def _stray_notices(self) -> list[Orphans]:
        """Notices about nothing of ours.

        That their event is there no more is none of it: one that was judged otherwise has a new
        number, and what a no or an erasure took away may have been told before. But its number was
        given once, and its delivery is there, unless messages were let go, which notices outlive.
        """
        e, n = schema.event.c, schema.webhook_notice.c
        given, let_go = self._counter("event"), self._counter(MESSAGES_LET_GO)
        query = (
            sa.select(n.event_id, n.body)
            .join(schema.event, e.id == n.event_id, isouter=True)
            .where(e.id.is_(None))
        )
        count = 0
        for some in self._db.execute(query).partitions(_MOST):
            told = {row.event_id: _delivery_told_of(row.body) for row in some}
            there = set(told.values())
            there = there if let_go else self._deliveries_among(there)
            count += sum(i > given or number not in there for i, number in told.items())
            if count >= _MOST:
                break
        stray = Orphans(table="webhook_notice", what="event", count=min(count, _MOST))
        return [stray] if count else []

    def _counter(self, name: str) -> int:
        c = schema.counter.c
        return self._db.execute(sa.select(c.value).where(c.name == name)).scalar() or 0

    def _deliveries_among(self, numbers: Iterable[int]) -> set[int]:
        c = schema.delivery.c
        found: set[int] = set()
        for some in chunks(numbers):
            found |= set(self._db.execute(sa.select(c.id).where(c.id.in_(some))).scalars())
        return found

    def miscounts(self) -> Iterator[Miscount]:
        """Every counter that is kept against the events and verdicts that it counts."""
        self._flush()
        yield from self._miscounted_rollups()
        yield from self._miscounted_targets()
        yield from self._miscounted_deliveries()
        yield from self._numbers_behind()

    def _miscounted_targets(self) -> Iterator[Miscount]:
        e, d = schema.event.c, schema.delivery.c
        query = (
            sa.select(d.message_id, e.target, e.who, sa.func.count().label("number"))
            .join(schema.delivery, d.id == e.delivery_id)
            .where(e.target.is_not(None), e.path_kind.in_(TARGET_PATHS))
            .where(e.who.is_not(None), e.who != Who.SENDER)
            .group_by(d.message_id, e.target, e.who)
        )
        counted: dict[tuple[int, int], dict[str, int]] = {}
        for row in self._db.execute(query):
            counted.setdefault((row.message_id, row.target), {})[row.who.value] = row.number
        for row in self._db.execute(sa.select(schema.target_rollup)):
            counts = counted.pop((row.message_id, row.number), {})
            for name in ("human", "machine", "undetermined"):
                if row._mapping[name] != counts.get(name, 0):
                    yield Miscount(
                        where=f"target {row.number} of message {row.message_id}",
                        counter=name,
                        kept=row._mapping[name],
                        counted=counts.get(name, 0),
                    )
        for (message_id, number), counts in counted.items():
            for name, count in counts.items():
                where = f"target {number} of message {message_id}"
                yield Miscount(where=where, counter=name, kept=0, counted=count)

    def _miscounted_deliveries(self) -> Iterator[Miscount]:
        """A delivery's own counters against those of its message, all together."""
        d, r = schema.delivery.c, schema.rollup.c
        sums = [sa.func.sum(d[name]).label(name) for name in HIT_COUNTERS]
        told = {
            row.message_id: row._mapping
            for row in self._db.execute(sa.select(d.message_id, *sums).group_by(d.message_id))
        }
        kept = sa.select(schema.rollup).where(
            r.dimension == Dimension.MESSAGE, r.period == Period.TOTAL
        )
        for row in self._db.execute(kept):
            mine = told.get(row.key)
            for name in HIT_COUNTERS:
                have = 0 if mine is None else int(mine[name] or 0)
                if have != row._mapping[name]:
                    yield Miscount(
                        where=f"deliveries of message {row.key}",
                        counter=name,
                        kept=have,
                        counted=row._mapping[name],
                    )


def _delivery_told_of(body: str) -> int:
    """The number of the delivery that a notice's body is about; 0 when it names none."""
    data = orjson.loads(body).get("data", {})
    return int(data.get("delivery_id") or 0)
