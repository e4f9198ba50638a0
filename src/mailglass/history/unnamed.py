"""The named statements about hits that must not say whose they are.

A message's crowd is one delivery more, under the message's own number and without a recipient: it
stands for all recipients who are not told apart. What is known of an unnamed hit is an event of the
crowd: what it was on, who was behind it by kind, and the hour. Address, user agent, token and the
evidence that was drawn from them are not kept.

A message with few recipients has no crowd, since its number would name them. Of its unnamed hits a
row stays that leads to no delivery and counts for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..model import EventType, Hit, TrackingPolicy, VerdictLevel
from . import schema
from .counting import Place, hit_counter
from .events import EVENT_COLUMNS, EventStatements
from .records import StoredDelivery
from .rights import OnWithdrawal
from .schema.base import CODES, Who
from .schema.mail import HIT_COUNTERS
from .schema.rollups import LEVEL_COUNTERS
from .statements import add_many, chunks, moment
from .webhooks import Retold, WebhookStatements

__all__ = ["SMALLEST_CROWD", "UnnamedHit", "UnnamedStatements"]

# Recipients of a message below which its number alone says too much: official statistics do not
# publish cells smaller than 3 to 10, by country.
SMALLEST_CROWD = 5

_HOUR = 3600.0
# What a recipient asked for stays theirs: it is the proof that they asked.
_ASKED = frozenset({EventType.UNSUBSCRIBED, EventType.OBJECTED})
_LOOKS = frozenset(
    {
        VerdictLevel.MACHINE_ONLY,
        VerdictLevel.MAYBE_OPENED,
        VerdictLevel.OPENED,
        VerdictLevel.ENGAGED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnnamedHit:
    """A hit as it was seen and judged, before what says whose it is goes."""

    message_id: int
    hit: Hit
    type: EventType
    who: Who


class UnnamedStatements(EventStatements, WebhookStatements):
    """What a transaction can do with hits of recipients who are not told apart."""

    def set_tracking(self, delivery_ids: Iterable[int], policy: TrackingPolicy) -> None:
        """How closely deliveries are tracked from now on."""
        kept = None if policy is TrackingPolicy.IDENTIFIED else policy.value
        c = schema.delivery.c
        for some in chunks(delivery_ids):
            self._db.execute(schema.delivery.update().where(c.id.in_(some)).values(policy=kept))

    def crowds(self, message_ids: Iterable[int]) -> dict[int, StoredDelivery]:
        """The crowd of each message that has enough recipients, made when it is missing."""
        wanted = set(message_ids)
        there = {d.id: d for d in self.deliveries(wanted) if d.id == d.message_id}
        c = schema.delivery.c
        for message_id in wanted - there.keys():
            query = sa.select(c.id, c.account_id, c.message_id, c.domain_id)
            copies = self._db.execute(
                query.where(c.message_id == message_id).limit(SMALLEST_CROWD)
            ).all()
            if len(copies) == SMALLEST_CROWD:
                self._make_crowd(message_id, copies[0].account_id)
        return there | {d.id: d for d in self.deliveries(wanted - there.keys())}

    def _make_crowd(self, message_id: int, account_id: int) -> None:
        nowhere = self._domain_numbers([""])[""]
        c = schema.delivery.c
        first = sa.select(sa.func.min(c.delivered_at)).where(c.message_id == message_id)
        self._db.execute(
            schema.delivery.insert().values(
                id=message_id,
                message_id=message_id,
                account_id=account_id,
                recipient="",
                person="",
                domain_id=nowhere,
                policy=TrackingPolicy.ANONYMOUS.value,
                delivered_at=self._db.execute(first).scalar(),
                level=VerdictLevel.PENDING,
                probability=0.0,
                verdict_evidence="[]",
                is_final=True,
                rules_version="",
            )
        )

    def add_unnamed(self, hits: Sequence[UnnamedHit]) -> None:
        """Keep of hits what does not say whose they are."""
        crowds = self.crowds(h.message_id for h in hits)
        places = self._places_of(crowds)
        self._hold_pen()
        self.add_hits([(None, _bare(h.hit)) for h in hits if h.message_id not in crowds])
        rows = []
        counted: dict[int, dict[str, int]] = {}
        for one in hits:
            if one.message_id not in crowds:
                continue
            at = _hour(one.hit.at.timestamp())
            facts = (one.hit.path_kind, one.hit.target, one.type, one.who)
            self._count_hit(places[one.message_id], at, facts, 1)
            _add(counted, one.message_id, one.hit.path_kind, one.who, 1)
            rows.append((crowds[one.message_id].account_id, one.message_id, at, *facts))
        self._add_bare_events(rows)
        self._add_counters(counted)

    def _add_bare_events(
        self, rows: Sequence[tuple[int, int, float, str, int | None, EventType, Who]]
    ) -> None:
        if not rows:
            return
        first = self.take_numbers("event", len(rows))
        values = [
            {
                "id": number,
                "account_id": account_id,
                "delivery_id": crowd,
                "type": CODES[EventType][type_],
                "at": at,
                "hit_id": None,
                "path_kind": path_kind,
                "target": target,
                "who": CODES[Who][who],
                "judgement_id": None,
                "told": None,
                "crowd": None,
            }
            for number, (account_id, crowd, at, path_kind, target, type_, who) in enumerate(
                rows, first
            )
        ]
        columns = EVENT_COLUMNS
        add_many(self._db, schema.event, columns, [tuple(v[c] for c in columns) for v in values])

    def _add_counters(self, counted: Mapping[int, Mapping[str, int]]) -> None:
        c = schema.delivery.c
        for number, counters in counted.items():
            added = {name: c[name] + more for name, more in counters.items()}
            if added:
                self._db.execute(schema.delivery.update().where(c.id == number).values(**added))

    def unname(self, delivery_ids: Iterable[int], what: OnWithdrawal) -> int:
        """Take their hits from deliveries; returns how many events that were.

        Anonymised ones go to the message's crowd, where there is one, and are counted there;
        erased ones are counted nowhere any more. What the recipient asked for stays, without its
        address and user agent. The verdicts forget what was seen; ingest weighs them anew.
        """
        done = 0
        for some in chunks(delivery_ids):
            found = self._read(sa.select(schema.delivery).where(schema.delivery.c.id.in_(some)))
            deliveries = {d.id: d for d in found if d.id != d.message_id}
            done += self._unname(deliveries, what)
        return done

    def _unname(self, deliveries: Mapping[int, StoredDelivery], what: OnWithdrawal) -> int:
        e = schema.event.c
        query = sa.select(schema.event).where(
            e.delivery_id.in_(list(deliveries)), e.path_kind.is_not(None)
        )
        rows = self._db.execute(query).all()
        self._hold_pen()
        crowds: dict[int, StoredDelivery] = {}
        if rows and what is OnWithdrawal.ANONYMISE:
            crowds = self.crowds({d.message_id for d in deliveries.values()})
        places = self._places_of([*deliveries, *crowds])
        moved: list[dict[str, Any]] = []  # Any: numbers and a time
        gone: list[int] = []
        bare: list[tuple[int | None, Hit]] = []
        counted: dict[int, dict[str, int]] = {}
        stays: dict[int, dict[str, int]] = {}
        for row in rows:
            if row.type in _ASKED:
                _add(stays, row.delivery_id, row.path_kind, row.who, 1)
                moved.append({"event": row.id, "owner": row.delivery_id, "moment": row.at})
                continue
            facts = (row.path_kind, row.target, row.type, row.who)
            self._count_hit(places[row.delivery_id], row.at, facts, -1)
            crowd = crowds.get(deliveries[row.delivery_id].message_id)
            if crowd is None:
                gone.append(row.id)
                if what is OnWithdrawal.ANONYMISE:
                    bare.append((None, _bare_of(row)))
                continue
            self._count_hit(places[crowd.id], row.at, facts, 1)
            _add(counted, crowd.id, row.path_kind, row.who, 1)
            moved.append({"event": row.id, "owner": crowd.id, "moment": _hour(row.at)})
        self._remove_hits([row.hit_id for row in rows if row.hit_id is not None])
        self._unname_notices(deliveries, moved)
        self._remove(gone)
        self._move(moved)
        self._add_counters(counted)
        self.add_hits(bare)
        self._forget_looks(list(deliveries.values()), places, stays)
        return len(rows)

    def _unname_notices(
        self, deliveries: Mapping[int, StoredDelivery], moved: Sequence[Mapping[str, Any]]
    ) -> None:
        """Notices of hits say no more than their event will; where none is left, they go."""
        retold = {
            one["event"]: Retold(
                delivery_id=one["owner"],
                is_named=one["owner"] in deliveries,
                at=moment(one["moment"]),
            )
            for one in moved
        }
        self.retell_notices(retold)
        self.erase_notices_of_hits(deliveries.values(), but=retold)

    def _remove_hits(self, hit_ids: Iterable[int]) -> None:
        for some in chunks(hit_ids):
            self._db.execute(schema.hit.delete().where(schema.hit.c.id.in_(some)))

    def _move(self, moved: Sequence[Mapping[str, Any]]) -> None:
        if moved:
            self._db.execute(
                schema.event.update()
                .where(schema.event.c.id == sa.bindparam("event"))
                .values(
                    delivery_id=sa.bindparam("owner"),
                    at=sa.bindparam("moment"),
                    hit_id=None,
                    judgement_id=None,
                ),
                list(moved),
            )

    def _forget_looks(
        self,
        deliveries: Sequence[StoredDelivery],
        places: Mapping[int, Place],
        stays: Mapping[int, Mapping[str, int]],
    ) -> None:
        """Verdicts that say that somebody looked fall back to what the servers said; of the hits
        only what `stays` is counted."""
        c = schema.delivery.c
        for delivery in deliveries:
            level = delivery.verdict.level
            if level in _LOOKS:
                level = VerdictLevel.DELIVERED if delivery.delivered_at else VerdictLevel.PENDING
                place = places[delivery.id]
                hour = place.accepted_hour
                self._count(place, hour, LEVEL_COUNTERS[delivery.verdict.level], -1)
                self._count(place, hour, LEVEL_COUNTERS[level], 1)
            values: dict[str, Any] = dict.fromkeys(HIT_COUNTERS, 0)  # Any: several types
            values |= stays.get(delivery.id, {})
            self._db.execute(
                schema.delivery.update()
                .where(c.id == delivery.id)
                .values(
                    level=level, probability=0.0, verdict_evidence="[]", is_final=False, **values
                )
            )


def _hour(at: float) -> float:
    return at // _HOUR * _HOUR


def _add(
    counted: dict[int, dict[str, int]], number: int, path_kind: str, who: Who, more: int
) -> None:
    name = hit_counter(path_kind, who)
    if name is not None:
        counters = counted.setdefault(number, {})
        counters[name] = counters.get(name, 0) + more


def _bare(hit: Hit) -> Hit:
    return _bare_hit(hit.at.timestamp(), hit.path_kind, hit.method)


def _bare_of(row: Any) -> Hit:  # a row of `event`, which SQLAlchemy types as Any
    return _bare_hit(row.at, row.path_kind, "GET")


def _bare_hit(at: float, path_kind: str, method: str) -> Hit:
    return Hit(
        at=moment(_hour(at)),
        path_kind=path_kind,
        method=method,
        token="",
        delivery_id=None,
        target=None,
        anonymous=True,
        address="",
        http_version="",
    )
