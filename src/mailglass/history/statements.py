"""What all named statements share: the connection, what is remembered, and small conversions.

A file of statements is a mixin of `store.Transaction`: one subject, the tables it needs, no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ..model import Evidence
from .memory import Memory

__all__ = [
    "Statements",
    "add_many",
    "among",
    "chunks",
    "evidence_list",
    "evidence_of",
    "insert_new",
    "json_text",
    "moment",
    "plain",
    "seconds",
]

# SQLite takes 32,766 parameters in a statement; far fewer keep its parser quick.
_CHUNK = 500
_Value = TypeVar("_Value", int, str)


class Statements:
    """A transaction, seen from one subject."""

    _db: sa.Connection
    _memory: Memory

    def _flush(self) -> None:
        """Write what the transaction has gathered so far, so that a statement can read it."""


def chunks(values: Iterable[int]) -> Iterator[list[int]]:
    """The different values in order, a few hundred at a time."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]


def moment(seconds: float) -> datetime:
    """The time of a column."""
    return datetime.fromtimestamp(seconds, UTC)


def seconds(at: datetime | None) -> float | None:
    """A time for a column."""
    return None if at is None else at.timestamp()


def json_text(value: object) -> str:
    """A list or mapping for a column."""
    return orjson.dumps(value).decode()


def plain(text: str) -> str:
    """Text from mail without NUL and lone surrogates, which PostgreSQL takes in no column."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def evidence_list(evidence: Iterable[Evidence]) -> list[tuple[str, float, str]]:
    """Evidence as it is kept: weights to three digits, which is more than is shown."""
    return [(e.signal, round(e.weight, 3), e.text) for e in evidence]


def evidence_of(items: Iterable[Sequence[Any]]) -> tuple[Evidence, ...]:  # Any: JSON
    """Evidence from what is kept."""
    return tuple(Evidence(signal=s, weight=w, text=t) for s, w, t in items)


def insert_new(db: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that leaves a row alone which is there already; the same on both databases."""
    if db.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def among(db: sa.Connection, values: Iterable[_Value]) -> tuple[str, object]:
    """The rest of a `WHERE column …` and its one parameter: any number of values, one statement."""
    ordered = sorted(set(values))
    if db.dialect.name == "sqlite":
        return "IN (SELECT value FROM json_each(?))", json_text(ordered)
    return "= ANY(%s)", ordered


def add_many(
    db: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows as the driver takes them: no types are converted, so words come as numbers.

    For the tables that grow with each hit: the toolkit's own way costs 8 µs a row, this 2
    (measured 2026-11-28).
    """
    if not rows:
        return
    names = ", ".join(columns)
    if db.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        db.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows))
        return
    driver = db.connection.driver_connection
    assert driver is not None
    with driver.cursor().copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
