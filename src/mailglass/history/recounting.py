"""The named statements that count everything anew: to see whether the roll-ups are right, and to
put them right.

Two passes over the events, by message and hour and by domain and day, and everything else from
those: a million events take about ten seconds on SQLite. They run as one transaction, in which
nobody else writes. Once whole messages were let go (`retention`), the sums that they are part of
cannot be counted anew; then those of single messages are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from ..model import EventType
from . import schema
from .counting import PERIODS, TARGET_PATHS
from .dictionaries import DictionaryStatements
from .schema.base import CODES, Dimension, Period, Who
from .schema.mail import HIT_COUNTERS
from .schema.rollups import COUNTERS, LEVEL_COUNTERS

__all__ = ["MESSAGES_LET_GO", "Miscount", "RecountStatements"]

MESSAGES_LET_GO = "messages-let-go"  # a counter: above nought once retention removed messages

_MOST_WRONG = 2000  # rows that are told; more of them say nothing new
_KEY = ("account_id", "dimension", "period", "key", "start")
_NAMING = ("id", "message_id", "number", *_KEY)  # columns that say what a row counts
_TARGET_PATHS = ",".join(f"'{path}'" for path in TARGET_PATHS)
_PATHS = {"beacon": "= 'o'", "link": "= 'c'", "attachment": "= 'a'", "page": "NOT IN ('o','c','a')"}
_LEVELS = tuple(LEVEL_COUNTERS.values())
_STARTS = {
    Period.TOTAL: "0",
    Period.DAY: "hour / 24 * 86400",
    Period.HOUR: "hour * 3600",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Miscount:
    """A counter that is not what its facts add up to."""

    where: str
    counter: str
    kept: int
    counted: int


_DIMENSIONS = {number: word for word, number in CODES[Dimension].items()}
_PERIODS = {number: word for word, number in CODES[Period].items()}


class RecountStatements(DictionaryStatements):
    """What a transaction can do to check and mend the roll-ups."""

    def recount(self) -> int:
        """How many rows of the roll-ups are not what the events and verdicts say."""
        self._flush()
        self._hold_pen()
        self._count_anew()
        differing = sum(self._differing(*pair) for pair in self._compared())
        self._drop()
        return differing

    def rebuild_rollups(self) -> None:
        """Make the roll-ups and the counters of deliveries what the events and verdicts say."""
        self._flush()
        self._hold_pen()
        for behind in list(self._numbers_behind()):
            self.take_numbers(behind.counter, behind.counted - behind.kept)
        self._count_anew()
        run = self._db.exec_driver_sql
        for table, recounted, columns, only in self._compared()[:2]:
            names = ", ".join(columns)
            run(f"DELETE FROM {table} WHERE {only}")
            run(f"INSERT INTO {table} ({names}) SELECT {names} FROM {recounted} WHERE {only}")
        counted = ", ".join(f"{name} = coalesce(r.{name}, 0)" for name in HIT_COUNTERS)
        run(
            f"UPDATE delivery SET {counted} FROM"
            " (SELECT d.id AS number, c.* FROM delivery d"
            " LEFT JOIN recounted_delivery c ON c.id = d.id) AS r WHERE r.number = delivery.id"
        )
        self._drop()

    def _miscounted_rollups(self) -> Iterator[Miscount]:
        """The roll-ups of every dimension and period, as `recount` compares them; it only reads."""
        is_sqlite = self._db.dialect.name == "sqlite"
        only = self._compared()[0][3]
        sides: tuple[dict[tuple[int, ...], Any], dict[tuple[int, ...], Any]] = ({}, {})
        for row in self._db.exec_driver_sql(_differing_rows(is_sqlite, only)):
            sides[row.side][tuple(row[1:6])] = row._mapping
        kept, counted = sides
        for key in sorted(kept.keys() | counted.keys()):
            where = self._what_it_counts(key)
            for name in COUNTERS:
                have = kept[key][name] if key in kept else 0
                right = counted[key][name] if key in counted else 0
                if have != right:
                    yield Miscount(where=where, counter=name, kept=have, counted=right)

    def _numbers_behind(self) -> Iterator[Miscount]:
        """Counters that would give a number a second time."""
        c = schema.counter.c
        for table in (schema.hit, schema.event):
            last = self._db.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0
            taken = self._db.execute(sa.select(c.value).where(c.name == table.name)).scalar() or 0
            if taken < last:
                where = f"numbers given to each {table.name}"
                yield Miscount(where=where, counter=table.name, kept=taken, counted=last)

    def _what_it_counts(self, key: tuple[int, ...]) -> str:
        """A row of the roll-ups in words."""
        account_id, dimension, period, number, start = key
        what, time = _DIMENSIONS[dimension], _PERIODS[period]
        if what is Dimension.DOMAIN:
            named = f"domain {self._domain_names([number]).get(number, number)}"
        else:
            named = f"{what.value} {account_id if what is Dimension.ACCOUNT else number}"
        if time is Period.TOTAL:
            return named
        at = datetime.fromtimestamp(start, UTC)
        return f"{named}, {at:%Y-%m-%d}" if time is Period.DAY else f"{named}, {at:%Y-%m-%d %H}h"

    def _compared(self) -> list[tuple[str, str, Sequence[str], str]]:
        """Tables with their recounted twins, their columns, and the rows that can be compared."""
        c = schema.counter.c
        was_let_go = self._db.execute(sa.select(c.value).where(c.name == MESSAGES_LET_GO)).scalar()
        only = f"dimension = {CODES[Dimension][Dimension.MESSAGE]}" if was_let_go else "1 = 1"
        return [(*_COMPARED[0], only), *((*others, "1 = 1") for others in _COMPARED[1:])]

    def _differing(self, table: str, recounted: str, columns: Sequence[str], only: str) -> int:
        names = ", ".join(columns)
        counts = " + ".join(f"abs({c})" for c in columns if c not in _NAMING)
        sides = []
        for one, other in ((table, recounted), (recounted, table)):
            sides.append(
                f"SELECT count(*) AS n FROM (SELECT {names} FROM {one}"
                f" WHERE {counts} > 0 AND {only} EXCEPT SELECT {names} FROM {other}) AS differing"
            )
        return sum(self._db.exec_driver_sql(side).scalar_one() for side in sides)

    def _count_anew(self) -> None:
        self._drop()
        run = self._db.exec_driver_sql
        for statement in _statements(self._db.dialect.name == "sqlite"):
            run(statement)

    def _drop(self) -> None:
        for name in _TEMPORARY:
            self._db.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


_TEMPORARY = (
    "by_message",
    "by_domain",
    "recounted_rollup",
    "recounted_target",
    "recounted_delivery",
)
_COMPARED = (
    ("rollup", "recounted_rollup", (*_KEY, *COUNTERS)),
    (
        "target_rollup",
        "recounted_target",
        ("message_id", "number", "human", "machine", "undetermined"),
    ),
    ("delivery", "recounted_delivery", ("id", *HIT_COUNTERS)),
)


def _statements(is_sqlite: bool) -> list[str]:
    """What counts everything into temporary tables, in order."""
    columns = ", ".join((*_KEY, *COUNTERS))
    rows = (f"INSERT INTO recounted_rollup ({columns}) {_rows_of(d)}" for d in Dimension)
    return [
        *(
            f"CREATE TEMPORARY TABLE {name} AS {select}"
            for name, select in _sources(is_sqlite).items()
        ),
        "CREATE TEMPORARY TABLE recounted_rollup AS SELECT * FROM rollup WHERE 1 = 0",
        *rows,
        "CREATE TEMPORARY TABLE recounted_target AS"
        f" SELECT d.message_id, e.target AS number, {', '.join(_who_counters())}"
        " FROM event e JOIN delivery d ON d.id = e.delivery_id"
        f" WHERE e.target IS NOT NULL AND e.path_kind IN ({_TARGET_PATHS}) GROUP BY 1, 2",
        "CREATE TEMPORARY TABLE recounted_delivery AS"
        f" SELECT delivery_id AS id, {', '.join(_hit_counters())}"
        " FROM event e WHERE path_kind IS NOT NULL GROUP BY 1",
        "CREATE UNIQUE INDEX recounted_delivery_id ON recounted_delivery (id)",
    ]


def _sources(is_sqlite: bool) -> dict[str, str]:
    """The two passes over the events, and the levels of deliveries."""
    hour = "CAST(at / 3600 AS BIGINT)" if is_sqlite else "floor(at / 3600)::bigint"
    accepted = hour.replace("at /", "m.accepted_at /")
    at = hour.replace("at /", "e.at /")
    counted = ", ".join((*_event_counters(), *(f"0 AS {name}" for name in _LEVELS)))
    levels = ", ".join(
        (*(f"0 AS {name}" for name in COUNTERS if name not in _LEVELS), *_level_counters())
    )
    return {
        "by_message": f"SELECT d.message_id, {at} AS hour, {counted}"
        " FROM event e JOIN delivery d ON d.id = e.delivery_id GROUP BY 1, 2"
        " UNION ALL"
        f" SELECT d.message_id, {accepted}, {levels}"
        f" FROM {_COPIES} GROUP BY 1, 2",
        "by_domain": f"SELECT d.account_id, d.domain_id, {at} / 24 * 24 AS hour, {counted}"
        " FROM event e JOIN delivery d ON d.id = e.delivery_id GROUP BY 1, 2, 3"
        " UNION ALL"
        f" SELECT d.account_id, d.domain_id, {accepted} / 24 * 24, {levels}"
        f" FROM {_COPIES} GROUP BY 1, 2, 3",
    }


def _differing_rows(is_sqlite: bool, only: str) -> str:
    """One reading for the rows of `rollup` that are wrong (side 0) and what is right (side 1)."""
    columns = ", ".join((*_KEY, *COUNTERS))
    counts = " + ".join(f"abs({name})" for name in COUNTERS)
    recounted = " UNION ALL ".join(_rows_of(dimension) for dimension in Dimension)
    tables = _sources(is_sqlite) | {f"recounted ({columns})": recounted}
    named = ", ".join(f"{name} AS MATERIALIZED ({text})" for name, text in tables.items())
    sides = [
        f"SELECT {side} AS side, x.* FROM (SELECT {columns} FROM {one}"
        f" WHERE {counts} > 0 AND {only} EXCEPT SELECT {columns} FROM {other}) AS x"
        for side, one, other in ((0, "rollup", "recounted"), (1, "recounted", "rollup"))
    ]
    order = ", ".join((*_KEY, "side"))
    return f"WITH {named} {' UNION ALL '.join(sides)} ORDER BY {order} LIMIT {_MOST_WRONG}"


def _rows_of(dimension: Dimension) -> str:
    """The roll-ups of one dimension from the two tables that were counted."""
    sums = ", ".join(f"sum(c.{name})" for name in COUNTERS)
    source, account, key = {
        Dimension.ACCOUNT: (_BY_MESSAGE, "m.account_id", "0"),
        Dimension.MESSAGE: (_BY_MESSAGE, "m.account_id", "m.id"),
        Dimension.CAMPAIGN: (_BY_MESSAGE, "m.account_id", "m.campaign_id"),
        Dimension.TAG: (
            f"{_BY_MESSAGE} JOIN message_tag g ON g.message_id = m.id",
            "m.account_id",
            "g.tag_id",
        ),
        Dimension.DOMAIN: ("by_domain c", "c.account_id", "c.domain_id"),
    }[dimension]
    selects = []
    for period in PERIODS[dimension]:
        wanted = "1 = 1"
        if dimension is Dimension.CAMPAIGN:
            wanted = "m.campaign_id IS NOT NULL"
        elif dimension is Dimension.MESSAGE and period is not Period.TOTAL:
            wanted = "m.copies > 1"
        selects.append(
            f"SELECT {account}, {CODES[Dimension][dimension]}, {CODES[Period][period]}, {key},"
            f" {_STARTS[period]}, {sums} FROM {source} WHERE {wanted} GROUP BY 1, 2, 3, 4, 5"
        )
    return " UNION ALL ".join(selects)


# Without the crowds for recipients who are not told apart (`unnamed`): those are sent no mail.
_COPIES = "delivery d JOIN message m ON m.id = d.message_id AND d.id <> d.message_id"
_BY_MESSAGE = "by_message c JOIN message m ON m.id = c.message_id"


def _event_counters() -> list[str]:
    types = CODES[EventType]
    return [
        *(_count(f"e.type = {types[type_]}", type_.value) for type_ in EventType),
        *_hit_counters(),
    ]


def _hit_counters() -> list[str]:
    found = []
    for name in HIT_COUNTERS:
        what, _, who = name.partition("_")
        condition = f"e.path_kind {_PATHS[what]} AND e.who = {CODES[Who][Who(who)]}"
        found.append(_count(condition, name))
    return found


def _who_counters() -> list[str]:
    whos = (Who.HUMAN, Who.MACHINE, Who.UNDETERMINED)
    return [_count(f"e.who = {CODES[Who][who]}", who.value) for who in whos]


def _level_counters() -> list[str]:
    codes = CODES[type(next(iter(LEVEL_COUNTERS)))]
    return [_count(f"d.level = {codes[level]}", name) for level, name in LEVEL_COUNTERS.items()]


def _count(condition: str, name: str) -> str:
    return f"count(*) FILTER (WHERE {condition}) AS {name}"
