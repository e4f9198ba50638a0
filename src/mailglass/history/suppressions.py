"""The named statements about recipients to whom nothing more is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from ..addresses import canonical_address
from . import schema
from .records import Suppression
from .rights import RightsStatements

__all__ = ["SuppressionStatements"]


class SuppressionStatements(RightsStatements):
    """What a transaction can do with suppressions."""

    def suppress(self, entry: Suppression) -> None:
        """Send nothing more to a recipient; a newer reason replaces an older one."""
        self.unsuppress(entry.account_id, entry.recipient)
        self._db.execute(
            schema.suppression.insert().values(
                account_id=entry.account_id,
                recipient=canonical_address(entry.recipient),
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
                c.account_id == account_id, c.recipient.in_(list(self._names([recipient])))
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
        names = self._names(recipients) if recipients else {}
        if recipients:
            query = query.where(c.recipient.in_(list(names)))
        return [_suppression(row, names) for row in self._db.execute(query.order_by(c.since))]

    def list_suppressions(
        self, account_id: int, now: datetime, *, after: str, limit: int
    ) -> list[Suppression]:
        """The suppressions in force of an account, by address, behind the address `after`."""
        c = schema.suppression.c
        query = sa.select(schema.suppression).where(
            c.account_id == account_id,
            c.recipient > after,
            sa.or_(c.expires_at.is_(None), c.expires_at > now.timestamp()),
        )
        rows = self._db.execute(query.order_by(c.recipient).limit(limit))
        return [_suppression(row) for row in rows]


def _suppression(
    row: Any,  # of a select, which SQLAlchemy types as Any
    names: Mapping[str, str] | None = None,
) -> Suppression:
    return Suppression(
        account_id=row.account_id,
        recipient=(names or {}).get(row.recipient, row.recipient),
        reason=row.reason,
        evidence=row.evidence,
        since=datetime.fromtimestamp(row.since, UTC),
        expires_at=datetime.fromtimestamp(row.expires_at, UTC) if row.expires_at else None,
    )
