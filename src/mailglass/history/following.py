"""The named statements by which ingest knows how far it is, and numbers what it writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from . import schema
from .statements import Statements, insert_new

__all__ = ["FollowingStatements"]


class FollowingStatements(Statements):
    """What a transaction can do with cursors, counters and what was set aside."""

    def cursor(self, name: str) -> str | None:
        """Where a reader stopped."""
        return self._db.execute(
            sa.select(schema.cursor.c.value).where(schema.cursor.c.name == name)
        ).scalar()

    def set_cursor(self, name: str, value: str) -> None:
        """Where a reader stops now."""
        done = self._db.execute(
            schema.cursor.update().where(schema.cursor.c.name == name).values(value=value)
        )
        if not done.rowcount:
            self._db.execute(schema.cursor.insert().values(name=name, value=value))

    def take_numbers(self, name: str, count: int) -> int:
        """The first of `count` numbers that nobody has.

        Whoever takes some holds the counter until the transaction ends: numbers appear to readers
        in their order, so that a reader who goes on behind the last one it saw misses none.
        """
        c = schema.counter.c
        raised = (
            schema.counter.update()
            .where(c.name == name)
            .values(value=c.value + count)
            .returning(c.value)
        )
        last = self._db.execute(raised).scalar()
        if last is None:
            self._db.execute(insert_new(self._db, schema.counter).values(name=name, value=0))
            last = self._db.execute(raised).scalar_one()
        return int(last) - count + 1

    def add_poison(self, place: str, at: datetime, reason: str, raw: bytes) -> None:
        """Set a record aside that could not be used; the same place counts once."""
        self._db.execute(
            insert_new(self._db, schema.poison).values(
                id=place, at=at.timestamp(), reason=reason, raw=raw
            )
        )

    def poison(self) -> list[Mapping[str, Any]]:
        """What was set aside."""
        return [dict(row._mapping) for row in self._db.execute(sa.select(schema.poison))]
