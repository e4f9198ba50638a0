"""The named statements about mail that came back."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from . import schema
from .records import Returned
from .statements import Statements

__all__ = ["ReturnStatements"]

NEW, TAKEN, APART = "new", "taken", "apart"


class ReturnStatements(Statements):
    """What a transaction can do with returned mail."""

    def add_returned(self, at: datetime, envelope_recipient: str, raw: bytes) -> bool:
        """Keep a mail that came back; False when the same mail to the same address is here."""
        digest = hashlib.sha256(envelope_recipient.encode() + b"\0" + raw).hexdigest()
        c = schema.returned.c
        if self._db.execute(sa.select(c.id).where(c.digest == digest)).first():
            return False
        self._db.execute(
            schema.returned.insert().values(
                digest=digest,
                at=at.timestamp(),
                envelope_recipient=envelope_recipient,
                raw=raw,
                state=NEW,
            )
        )
        return True

    def returned(self, state: str = NEW, limit: int = 100) -> list[Returned]:
        """The oldest returned mails in a state: new, taken or apart."""
        c = schema.returned.c
        query = sa.select(schema.returned).where(c.state == state).order_by(c.id).limit(limit)
        return [_returned(row) for row in self._db.execute(query)]

    def latest_returned(self, state: str | None, limit: int = 100) -> list[Returned]:
        """The newest mails that came back, in a state or in any."""
        c = schema.returned.c
        query = sa.select(schema.returned).order_by(c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(c.state == state)
        return [_returned(row) for row in self._db.execute(query)]

    def returned_mail(self, number: int) -> Returned | None:
        """One mail that came back."""
        query = sa.select(schema.returned).where(schema.returned.c.id == number)
        row = self._db.execute(query).one_or_none()
        return None if row is None else _returned(row)

    def settle_returned(
        self, number: int, *, kind: str, trust: str | None, delivery_id: int | None
    ) -> None:
        """Say what a returned mail was; without a delivery it is kept apart."""
        self._db.execute(
            schema.returned.update()
            .where(schema.returned.c.id == number)
            .values(
                state=APART if delivery_id is None else TAKEN,
                kind=kind,
                trust=trust,
                delivery_id=delivery_id,
            )
        )


def _returned(row: Any) -> Returned:  # a row of a select, typed as Any
    return Returned(
        id=row.id,
        at=datetime.fromtimestamp(row.at, UTC),
        envelope_recipient=row.envelope_recipient,
        raw=row.raw,
        state=row.state,
        kind=row.kind,
        trust=row.trust,
        delivery_id=row.delivery_id,
    )
