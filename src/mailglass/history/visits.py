"""The named statements about hits as judging again reads them: many, in order, and of whom."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from . import schema
from .hits import HitStatements, hit_columns
from .records import StoredDelivery, StoredHit
from .schema.base import Who
from .statements import moment

__all__ = ["Visit", "VisitStatements", "Whereabouts"]

_RECIPIENTS = 300  # asked for in one statement


class Visit(NamedTuple):
    """A hit that a person was behind, on one of a recipient's deliveries."""

    delivery_id: int
    address: str
    user_agent: str


class Whereabouts(NamedTuple):
    """What the neighbours of a delivery's hits are told of it."""

    recipient_domain: str
    delivered_at: datetime | None


class VisitStatements(HitStatements):
    """What a transaction can do with hits of many deliveries."""

    def hits_after(self, after: int, limit: int) -> list[tuple[StoredHit, Whereabouts | None]]:
        """The next hits above the number `after`, in the order in which they were taken, each with
        where its delivery went; None when it means none of ours."""
        h, d = schema.hit.c, schema.delivery.c
        query = (
            sa.select(*hit_columns(), d.domain_id, d.delivered_at)
            .join(schema.delivery, d.id == h.delivery_id, isouter=True)
            .where(h.id > after)
            .order_by(h.id)
            .limit(limit)
        )
        rows = self._db.execute(query).all()
        names = self._domain_names({r.domain_id for r in rows if r.domain_id is not None})
        places = [
            None
            if row.domain_id is None
            else Whereabouts(
                names[row.domain_id],
                None if row.delivered_at is None else moment(row.delivered_at),
            )
            for row in rows
        ]
        return list(zip(self._stored_hits(rows), places, strict=True))

    def first_hit_since(self, at: datetime) -> int:
        """The number before that of the first hit at or after a time."""
        h = schema.hit.c
        query = sa.select(sa.func.min(h.id)).where(h.at >= at.timestamp())
        number = self._db.execute(query).scalar()
        return self.last_hit_id() if number is None else int(number) - 1

    def last_hit_id(self) -> int:
        """The number of the newest hit; 0 when there is none."""
        return self._db.execute(sa.select(sa.func.max(schema.hit.c.id))).scalar() or 0

    def judged_deliveries(self, after: int, since: datetime | None, limit: int) -> list[int]:
        """The next deliveries above the number `after` that have events, the last of them since
        then, in order."""
        d = schema.delivery.c
        query = sa.select(d.id).where(d.id > after, d.last_event_at.is_not(None))
        if since is not None:
            query = query.where(d.last_event_at >= since.timestamp())
        return list(self._db.execute(query.order_by(d.id).limit(limit)).scalars())

    def visits_of(
        self, deliveries: Iterable[StoredDelivery], since: datetime
    ) -> dict[tuple[int, str], list[Visit]]:
        """By account and recipient: people's hits since then on any of the recipient's deliveries.

        Recipients are compared as they were written.
        """
        wanted = {(d.account_id, d.recipient) for d in deliveries if d.recipient}
        names = sorted({recipient.lower() for _, recipient in wanted})
        d, e, h = schema.delivery.c, schema.event.c, schema.hit.c
        rows: list[Any] = []  # of a select
        for start in range(0, len(names), _RECIPIENTS):
            some = self._with_a_past(names[start : start + _RECIPIENTS])
            if not some:
                continue
            query = (
                sa.select(d.account_id, d.recipient, d.id, h.address, h.head_id)
                .join(schema.event, e.delivery_id == d.id)
                .join(schema.hit, h.id == e.hit_id)
                .where(
                    d.person.in_(some),
                    e.who == Who.HUMAN,
                    e.at >= since.timestamp(),
                )
            )
            rows += self._db.execute(query).all()
        heads = self._wordings(row.head_id for row in rows)
        found: dict[tuple[int, str], list[Visit]] = {}
        for row in rows:
            key = (row.account_id, row.recipient)
            if key in wanted:
                _, _, headers = heads[row.head_id]
                visit = Visit(row.id, row.address, headers.get("user-agent", ""))
                found.setdefault(key, []).append(visit)
        return found

    def _with_a_past(self, persons: list[str]) -> list[str]:
        """Those to whom more than one delivery went; the index alone answers."""
        c = schema.delivery.c
        query = (
            sa.select(c.person)
            .where(c.person.in_(persons))
            .group_by(c.person)
            .having(sa.func.count() > 1)
        )
        return list(self._db.execute(query).scalars())
