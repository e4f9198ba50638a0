"""The named statements about deliveries and their verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from ..addresses import spellings
from ..model import TrackingPolicy, Verdict, VerdictLevel
from . import schema
from .counting import CountingStatements
from .records import Copies, StoredDelivery
from .schema.base import CODES
from .schema.mail import HIT_COUNTERS
from .schema.rollups import LEVEL_COUNTERS
from .statements import among, chunks, evidence_list, evidence_of, json_text, moment

__all__ = ["DeliveryStatements"]


class DeliveryStatements(CountingStatements):
    """What a transaction can do with deliveries."""

    def set_delivered(self, times: Mapping[int, datetime]) -> None:
        """When the receiving server took deliveries."""
        rows = [(at.timestamp(), number) for number, at in times.items()]
        if rows:
            self._db.exec_driver_sql(_SET_DELIVERED[self._db.dialect.name], rows)

    def deliveries_of(
        self,
        message_ids: Iterable[int],
        *,
        after: int | None = None,
        limit: int | None = None,
    ) -> list[StoredDelivery]:
        """The copies of messages in the order of their numbers, from above `after` on."""
        c = schema.delivery.c
        found: list[StoredDelivery] = []
        for some in chunks(message_ids):
            query = sa.select(schema.delivery).where(c.message_id.in_(some)).order_by(c.id)
            if after is not None:
                query = query.where(c.id > after)
            found += self._read(query.limit(limit) if limit is not None else query)
        return sorted(found, key=lambda d: d.id)[:limit]

    def recipients_of(self, message_id: int) -> list[tuple[int, str]]:
        """The number and the recipient of each copy of a message; erased ones are left out."""
        c = schema.delivery.c
        query = sa.select(c.id, c.recipient).where(c.message_id == message_id, c.recipient != "")
        return [(row.id, row.recipient) for row in self._db.execute(query)]

    def copies_of(self, message_ids: Iterable[int]) -> dict[int, tuple[StoredDelivery, Copies]]:
        """The first copy of each message, and all of them in sum, however many there are."""
        c = schema.delivery.c
        sums: dict[int, list[Any]] = {}  # Any: rows
        for some in chunks(message_ids):
            query = (
                sa.select(
                    c.message_id,
                    c.level,
                    sa.func.min(c.id).label("first"),
                    sa.func.count().label("number"),
                    sa.func.max(c.last_event_at).label("last"),
                )
                .where(c.message_id.in_(some))
                .group_by(c.message_id, c.level)
            )
            for row in self._db.execute(query):
                sums.setdefault(row.message_id, []).append(row)
        firsts = {
            d.message_id: d
            for d in self.deliveries(min(r.first for r in rows) for rows in sums.values())
        }
        found = {}
        for number, rows in sums.items():
            last = max((r.last for r in rows if r.last is not None), default=None)
            found[number] = (
                firsts[number],
                Copies(
                    levels={r.level: r.number for r in rows},
                    last_event_at=None if last is None else moment(last),
                ),
            )
        return found

    def deliveries(self, delivery_ids: Iterable[int]) -> list[StoredDelivery]:
        """Deliveries by number; those that do not exist are left out."""
        c = schema.delivery.c
        found: list[StoredDelivery] = []
        for some in chunks(delivery_ids):
            query = sa.select(schema.delivery).where(c.id.in_(some))
            found += self._read(query)
        return sorted(found, key=lambda d: d.id)

    def to_judge(self, delivery_ids: Iterable[int]) -> list[StoredDelivery]:
        """Deliveries by number, with of their verdicts the level alone: what judging needs."""
        ids = set(delivery_ids)
        if not ids:
            return []
        condition, values = among(self._db, ids)
        rows = self._db.exec_driver_sql(
            "SELECT id, account_id, message_id, domain_id, recipient, delivered_at, level, policy"
            f" FROM delivery WHERE id {condition} ORDER BY id",
            (values,),
        ).all()
        self._learn_places([row[:4] for row in rows])
        names = self._domain_names({row[3] for row in rows})
        return [
            StoredDelivery(
                id=number,
                message_id=message_id,
                account_id=account_id,
                recipient=recipient,
                recipient_domain=names[domain_id],
                delivered_at=None if delivered_at is None else moment(delivered_at),
                verdict=_BARE[level],
                policy=_POLICIES[policy],
            )
            for (
                number,
                account_id,
                message_id,
                domain_id,
                recipient,
                delivered_at,
                level,
                policy,
            ) in rows
        ]

    def deliveries_to(self, account_id: int | None, recipient: str) -> list[StoredDelivery]:
        """All copies to a recipient, however it is spelt, of one account or all."""
        c = schema.delivery.c
        query = sa.select(schema.delivery).where(c.person.in_(spellings(recipient)))
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        return self._read(query.order_by(c.id))

    def unsettled(self, before: datetime, limit: int) -> list[int]:
        """Deliveries whose verdict is provisional although their last event was before then."""
        c = schema.delivery.c
        query = (
            sa.select(c.id)
            .where(
                sa.text("is_final = 0" if self._db.dialect.name == "sqlite" else "NOT is_final"),
                c.last_event_at <= before.timestamp(),
                c.level != VerdictLevel.PENDING,
            )
            .order_by(c.last_event_at)
            .limit(limit)
        )
        return list(self._db.execute(query).scalars())

    def unsettle(self, delivery_ids: Iterable[int]) -> None:
        """Have deliveries judged again, as after a change of what bears on them."""
        c = schema.delivery.c
        for some in chunks(delivery_ids):
            self._db.execute(schema.delivery.update().where(c.id.in_(some)).values(is_final=False))

    def _read(
        self,
        query: sa.Select[Any],  # Any: as sa.select types it
    ) -> list[StoredDelivery]:
        self._flush()
        rows = self._db.execute(query).all()
        names = self._domain_names(row.domain_id for row in rows)
        self._learn_places([(r.id, r.account_id, r.message_id, r.domain_id) for r in rows])
        return [_delivery(row, names[row.domain_id]) for row in rows]

    def _write_verdicts(
        self, judged: Sequence[tuple[StoredDelivery, Verdict, datetime, dict[str, int]]]
    ) -> None:
        """New verdicts, the time of the last event, and what is added to the counters of hits."""
        rows = []
        for delivery, verdict, last_event_at, counters in judged:
            if verdict.level is not delivery.verdict.level:
                place = self._places[delivery.id]
                hour = place.accepted_hour
                self._count(place, hour, LEVEL_COUNTERS[delivery.verdict.level], -1)
                self._count(place, hour, LEVEL_COUNTERS[verdict.level], 1)
            rows.append(
                (
                    last_event_at.timestamp(),
                    CODES[VerdictLevel][verdict.level],
                    verdict.probability,
                    json_text(evidence_list(verdict.evidence)),
                    verdict.is_final,
                    verdict.rules_version,
                    *(counters.get(name, 0) for name in HIT_COUNTERS),
                    delivery.id,
                )
            )
        if rows:
            self._db.exec_driver_sql(_UPDATES[self._db.dialect.name], rows)


_SET = (
    "last_event_at",
    "level",
    "probability",
    "verdict_evidence",
    "is_final",
    "rules_version",
)
_UPDATES = {
    dialect: "UPDATE delivery SET "
    + ", ".join((*(f"{n} = {mark}" for n in _SET), *(f"{n} = {n} + {mark}" for n in HIT_COUNTERS)))
    + f" WHERE id = {mark}"
    for dialect, mark in (("sqlite", "?"), ("postgresql", "%s"))
}


_SET_DELIVERED = {
    "sqlite": "UPDATE delivery SET delivered_at = ? WHERE id = ?",
    "postgresql": "UPDATE delivery SET delivered_at = %s WHERE id = %s",
}
_POLICIES: dict[str | None, TrackingPolicy] = {policy.value: policy for policy in TrackingPolicy}
_POLICIES[None] = TrackingPolicy.IDENTIFIED
_BARE = {
    number: Verdict(level=level, probability=0.0, evidence=(), is_final=False, rules_version="")
    for level, number in CODES[VerdictLevel].items()
}


def _delivery(row: Any, domain: str) -> StoredDelivery:  # Any: a row
    values = row._mapping
    return StoredDelivery(
        id=row.id,
        message_id=row.message_id,
        account_id=row.account_id,
        recipient=row.recipient,
        recipient_domain=domain,
        delivered_at=None if row.delivered_at is None else moment(row.delivered_at),
        last_event_at=None if row.last_event_at is None else moment(row.last_event_at),
        verdict=Verdict(
            level=row.level,
            probability=row.probability,
            evidence=evidence_of(orjson.loads(row.verdict_evidence)),
            is_final=bool(row.is_final),
            rules_version=row.rules_version,
        ),
        policy=TrackingPolicy(row.policy or TrackingPolicy.IDENTIFIED),
        hits={n: values[n] for n in HIT_COUNTERS if values[n]},
    )
