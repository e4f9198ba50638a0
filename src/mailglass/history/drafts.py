"""The named statements about drafts: mail that a user of the dashboard has not sent yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from . import schema
from .statements import Statements, json_text, moment

__all__ = ["Draft", "DraftStatements"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The fields of the compose form as they stood."""

    id: int
    changed_at: datetime
    content: Mapping[str, Any]  # as the form writes it


class DraftStatements(Statements):
    """What a transaction can do with the drafts of one user."""

    def save_draft(
        self, account_id: int, user_id: int, content: Mapping[str, Any], at: datetime, number: int
    ) -> int:
        """Keep a draft; `number` is the one it replaces, or 0. Returns its number."""
        d = schema.draft
        values = {"content": json_text(content), "changed_at": at.timestamp()}
        done = self._db.execute(
            d.update().where(*_own(account_id, user_id), d.c.id == number).values(values)
        )
        if done.rowcount:
            return number
        row = self._db.execute(
            d.insert().values(
                account_id=account_id, user_id=user_id, created_at=at.timestamp(), **values
            )
        ).inserted_primary_key
        assert row is not None
        return int(row[0])

    def drafts(self, account_id: int, user_id: int, limit: int = 50) -> list[Draft]:
        """A user's drafts, the one changed last first."""
        query = sa.select(schema.draft).where(*_own(account_id, user_id))
        query = query.order_by(schema.draft.c.changed_at.desc()).limit(limit)
        return [_draft(row) for row in self._db.execute(query)]

    def draft(self, account_id: int, user_id: int, number: int) -> Draft | None:
        """One of a user's drafts."""
        query = sa.select(schema.draft).where(
            *_own(account_id, user_id), schema.draft.c.id == number
        )
        row = self._db.execute(query).one_or_none()
        return _draft(row) if row else None

    def delete_draft(self, account_id: int, user_id: int, number: int) -> None:
        """Throw a draft away."""
        d = schema.draft
        self._db.execute(d.delete().where(*_own(account_id, user_id), d.c.id == number))


def _own(account_id: int, user_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return schema.draft.c.account_id == account_id, schema.draft.c.user_id == user_id


def _draft(row: Any) -> Draft:  # a row of a select, which SQLAlchemy types as Any
    return Draft(id=row.id, changed_at=moment(row.changed_at), content=orjson.loads(row.content))
