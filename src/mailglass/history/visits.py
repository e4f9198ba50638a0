"""The named statements about hits as judging again reads them: many, in order, and of whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from ..addresses import canonical_address
from ..evidence import Trace
from . import schema
from .hits import HitStatements, unpack_token
from .records import StoredDelivery
from .schema.base import CODES, Who
from .statements import among, moment

__all__ = ["Visit", "VisitStatements", "Whereabouts"]


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

    def traces_after(self, after: int, limit: int) -> list[tuple[int, Trace, Whereabouts | None]]:
        """The next hits above the number `after`, in the order in which they were taken: number,
        what neighbours take of it, and where its delivery went; None when it means none of ours.
        """
        mark = "?" if self._db.dialect.name == "sqlite" else "%s"
        rows = self._db.exec_driver_sql(
            "SELECT h.id, h.at, h.path_kind, h.token, h.delivery_id, h.target, h.address,"
            " h.head_id, d.domain_id, d.delivered_at"
            " FROM hit h LEFT JOIN delivery d ON d.id = h.delivery_id"
            f" WHERE h.id > {mark} ORDER BY h.id LIMIT {mark}",
            (after, limit),
        ).all()
        heads = self._wordings(row[7] for row in rows)
        names = self._domain_names({row[8] for row in rows if row[8] is not None})
        found = []
        for number, at, path, token, delivery_id, target, address, *more in rows:
            head_id, domain, delivered_at = more
            text = "" if delivery_id is not None else unpack_token(token)
            headers = heads[head_id][2]
            trace = Trace(moment(at), path, text, delivery_id, target, address, headers)
            place = None
            if domain is not None:
                place = Whereabouts(
                    names[domain], None if delivered_at is None else moment(delivered_at)
                )
            found.append((number, trace, place))
        return found

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
        persons = self._with_a_past({canonical_address(recipient) for _, recipient in wanted})
        if not persons:
            return {}
        condition, names = among(self._db, persons)
        mark = "?" if self._db.dialect.name == "sqlite" else "%s"
        rows = self._db.exec_driver_sql(
            "SELECT d.account_id, d.recipient, d.id, h.address, h.head_id FROM delivery d"
            " JOIN event e ON e.delivery_id = d.id JOIN hit h ON h.id = e.hit_id"
            f" WHERE d.person {condition} AND e.who = {CODES[Who][Who.HUMAN]} AND e.at >= {mark}",
            (names, since.timestamp()),
        ).all()
        heads = self._wordings(row.head_id for row in rows)
        found: dict[tuple[int, str], list[Visit]] = {}
        for row in rows:
            key = (row.account_id, row.recipient)
            if key in wanted:
                _, _, headers = heads[row.head_id]
                visit = Visit(row.id, row.address, headers.get("user-agent", ""))
                found.setdefault(key, []).append(visit)
        return found

    def _with_a_past(self, persons: Collection[str]) -> list[str]:
        """Those to whom more than one delivery went; the index alone answers."""
        if not persons:
            return []
        condition, names = among(self._db, persons)
        rows = self._db.exec_driver_sql(
            f"SELECT person FROM delivery WHERE person {condition}"
            " GROUP BY person HAVING count(*) > 1",
            (names,),
        )
        return [row[0] for row in rows]
