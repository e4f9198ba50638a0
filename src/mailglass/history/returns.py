"""The named statements about mail that came back and about suppressed recipients.

A part of `store.Transaction`, in a module of its own because nothing else needs these tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from . import schema
from .records import Returned, Suppression

__all__ = ["ReturnStatements"]

NEW, TAKEN, APART = "new", "taken", "apart"


class ReturnStatements:
    """What a transaction can do with returned mail and suppressions."""

    _db: sa.Connection

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
        return [
            Returned(
                id=row.id,
                at=datetime.fromtimestamp(row.at, UTC),
                envelope_recipient=row.envelope_recipient,
                raw=row.raw,
                state=row.state,
                kind=row.kind,
                trust=row.trust,
                delivery_id=row.delivery_id,
            )
            for row in self._db.execute(query)
        ]

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

    def suppress(self, entry: Suppression) -> None:
        """Send nothing more to a recipient; a newer reason replaces an older one."""
        self.unsuppress(entry.account_id, entry.recipient)
        self._db.execute(
            schema.suppression.insert().values(
                account_id=entry.account_id,
                recipient=entry.recipient.lower(),
                reason=entry.reason,
                evidence=entry.evidence,
                since=entry.since.timestamp(),
                expires_at=entry.expires_at.timestamp() if entry.expires_at else None,
            )
        )

    def unsuppress(self, account_id: int, recipient: str) -> bool:
        """Lift a suppression; False when there was none."""
        c = schema.suppression.c
        done = self._db.execute(
            schema.suppression.delete().where(
                c.account_id == account_id, c.recipient == recipient.lower()
            )
        )
        return bool(done.rowcount)

    def suppressions(
        self, now: datetime, *, account_id: int | None = None, recipients: Sequence[str] = ()
    ) -> list[Suppression]:
        """The suppressions in force, of one account or of some recipients when they are given."""
        c = schema.suppression.c
        query = sa.select(schema.suppression).where(
            sa.or_(c.expires_at.is_(None), c.expires_at > now.timestamp())
        )
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        if recipients:
            query = query.where(c.recipient.in_([r.lower() for r in recipients]))
        return [
            Suppression(
                account_id=row.account_id,
                recipient=row.recipient,
                reason=row.reason,
                evidence=row.evidence,
                since=datetime.fromtimestamp(row.since, UTC),
                expires_at=datetime.fromtimestamp(row.expires_at, UTC) if row.expires_at else None,
            )
            for row in self._db.execute(query.order_by(c.since))
        ]
