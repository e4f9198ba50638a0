"""The named statements about events: told by the spool and by mail, or judged from hits.

The event of a hit is a few numbers; its evidence stands in `judgement`, the rest in the hit. When
the hit is no longer kept, the event stays with what it says by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from ..evidence.delays import duration
from ..evidence.surroundings import ALONE, Crowd
from ..model import Actor, Event, EventType, Evidence, Judgement
from . import schema
from .counting import hit_counter
from .deliveries import DeliveryStatements
from .hammered import IN_DETAIL, HammeredStatements
from .hits import HIT_SQL, HitStatements, hit_columns
from .records import JudgedDelivery, JudgedHit, KnownFacts, SeenHit, StoredEvent, StoredHit
from .schema.base import CODES, Who
from .statements import add_many, among, chunks, evidence_list, evidence_of, json_text, moment

__all__ = ["EVENT_COLUMNS", "EventStatements", "select_events"]

EVENT_COLUMNS = (
    "id",
    "account_id",
    "delivery_id",
    "type",
    "at",
    "hit_id",
    "path_kind",
    "target",
    "who",
    "judgement_id",
    "told",
    "crowd",
)
_TYPES, _WHOS = CODES[EventType], CODES[Who]


class EventStatements(HammeredStatements, HitStatements, DeliveryStatements):
    """What a transaction can do with events."""

    def add_events(self, events: Sequence[StoredEvent]) -> None:
        """Events that were told."""
        if not events:
            return
        places = self._places_of(e.delivery_id for e in events)
        self._hold_pen()
        first = self.take_numbers("event", len(events))
        rows = []
        for number, stored in enumerate(events, first):
            place, event = places[stored.delivery_id], stored.event
            at = event.at.timestamp()
            self._count(place, int(at // 3600), event.type.value, 1)
            told = {"evidence": evidence_list(event.evidence), "raw": dict(event.raw)}
            rows.append(
                (
                    number,
                    place.account_id,
                    stored.delivery_id,
                    _TYPES[event.type],
                    at,
                    *(None,) * 5,
                    json_text({name: value for name, value in told.items() if value}),
                    None,
                )
            )
        add_many(self._db, schema.event, EVENT_COLUMNS, rows)

    def known_facts(
        self, delivery_ids: Iterable[int], *, whole: bool = False
    ) -> dict[int, KnownFacts]:
        """What was told of deliveries, and their hits with what was last made of each.

        Of a delivery with very many hits only some are read, unless `whole`.
        """
        ids = set(delivery_ids)
        hammered = {} if whole or not ids else self._hammered(ids, IN_DETAIL)
        facts = self._all_known_facts(ids - hammered.keys())
        for number, counted in hammered.items():
            facts[number] = self._some_known_facts(number, counted)
        return facts

    def _some_known_facts(self, number: int, counted: int) -> KnownFacts:
        c = schema.event.c
        rows: list[Any] = []  # of a select
        for some in chunks(self._edges(number)):
            rows += self._db.execute(select_events().where(c.id.in_(some))).all()
        with_hits = [row for row in rows if row.kept_hit_id is not None and row.address]
        told = select_events().where(c.delivery_id == number, c.path_kind.is_(None))
        return KnownFacts(
            told=self._events(self._db.execute(told).all()),
            standing=self._events(rows),
            near=[
                SeenHit(
                    stored=stored,
                    event_id=row.id,
                    type=row.type,
                    who=row.who,
                    judgement_id=row.judgement_id,
                    crowd=_crowd_of(row.crowd),
                )
                for row, stored in zip(with_hits, self._stored_hits(with_hits), strict=True)
            ],
            further=max(0, counted - sum(row.who is not Who.SENDER for row in rows)),
        )

    def _all_known_facts(self, ids: Collection[int]) -> dict[int, KnownFacts]:
        if not ids:
            return {}
        condition, values = among(self._db, ids)
        rows = self._db.exec_driver_sql(
            "SELECT e.id, e.account_id, e.delivery_id, e.type, e.at, e.told, e.path_kind, e.who,"
            f" e.judgement_id, e.crowd, {HIT_SQL} FROM event e LEFT JOIN hit h ON h.id = e.hit_id"
            f" WHERE e.delivery_id {condition}",
            (values,),
        ).all()
        told: dict[int, list[StoredEvent]] = {}
        passed: dict[int, list[tuple[datetime, EventType]]] = {}
        with_hits: list[Any] = []  # rows
        judged_for_good: list[int] = []
        for row in rows:
            number, account_id, delivery_id, type_, at, text, path_kind = row[:7]
            if path_kind is not None:
                # without its address a hit cannot be judged again as it was
                if row.address:
                    with_hits.append(row)
                else:
                    judged_for_good.append(number)
            elif type_ in _PASSING or (type_ == _QUEUED and text in _EMPTY):
                passed.setdefault(delivery_id, []).append((moment(at), _TYPE_OF[type_]))
            else:
                told.setdefault(delivery_id, []).append(
                    StoredEvent(
                        id=number,
                        account_id=account_id,
                        delivery_id=delivery_id,
                        event=_told_event(_TYPE_OF[type_], at, text),
                    )
                )
        for event in self._numbered(judged_for_good):
            told.setdefault(event.delivery_id, []).append(event)
        seen: dict[int, list[SeenHit]] = {}
        for row, stored in zip(with_hits, self._stored_hits(with_hits), strict=True):
            seen.setdefault(row[2], []).append(_seen(row, stored))
        return {
            number: KnownFacts(
                told=told.get(number, ()),
                seen=seen.get(number, ()),
                passed=passed.get(number, ()),
            )
            for number in told.keys() | seen.keys() | passed.keys()
        }

    def _numbered(self, event_ids: Iterable[int]) -> list[StoredEvent]:
        """Events by number, in order."""
        found: list[StoredEvent] = []
        for some in chunks(event_ids):
            query = select_events().where(schema.event.c.id.in_(some)).order_by(schema.event.c.id)
            found += self._events(self._db.execute(query).all())
        return found

    def events_of(
        self, delivery_ids: Iterable[int], *, told_only: bool = False, most: int | None = None
    ) -> list[StoredEvent]:
        """The events of deliveries, by time; without the judged ones when `told_only`.

        With `most` the first so many of each delivery; what is read is bounded by it.
        """
        c, found = schema.event.c, []
        ids = set(delivery_ids)
        hammered = {} if most is None or not ids else self._hammered(ids, most)
        for number in hammered:
            for some in chunks(self._first_events(number, most or 0)):
                found += self._events(self._db.execute(select_events().where(c.id.in_(some))).all())
        for some in chunks(ids - hammered.keys()):
            query = select_events().where(c.delivery_id.in_(some))
            if told_only:
                query = query.where(c.judgement_id.is_(None), c.hit_id.is_(None))
            found += self._events(self._db.execute(query).all())
        found.sort(key=lambda e: (e.event.at, e.id))
        return found if most is None else _first(found, most)

    def events_after(
        self,
        account_id: int | None,
        after: int,
        *,
        limit: int = 100,
        types: Sequence[EventType] = (),
    ) -> list[StoredEvent]:
        """The next events of an account (of all with None) above the number `after`, in order:
        all, or those of some types.

        Numbers become visible in their order: who goes on behind the last one misses none.
        """
        c = schema.event.c
        query = select_events().where(c.id > after).order_by(c.id).limit(limit)
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        if types:
            query = query.where(c.type.in_(types))
        return self._events(self._db.execute(query).all())

    def last_event_id(self) -> int:
        """The number of the newest event; 0 when there is none."""
        return self._db.execute(sa.select(sa.func.max(schema.event.c.id))).scalar() or 0

    def set_judged(self, judged: Sequence[JudgedDelivery]) -> None:
        """What is made of hits and deliveries now, in place of what was made of them before."""
        if not judged:
            return
        self._hold_pen()
        numbers = self._judgement_numbers(
            [hit.judgement for one in judged for hit in one.hits if hit.judgement is not None]
        )
        new: list[tuple[JudgedDelivery, JudgedHit, int | None]] = []
        gone: list[int] = []
        finer: list[tuple[int | None, str | None, int]] = []
        for one in judged:
            for hit in one.hits:
                made = hit.judgement
                number = None if made is None else numbers[id(made)]
                before = hit.before
                if before is None or before.type is not hit.type or before.who is not hit.who:
                    new.append((one, hit, number))
                    if before is not None:
                        gone.append(before.event_id)
                        self._count_judged(one, hit, before.type, before.who, -1)
                    self._count_judged(one, hit, hit.type, hit.who, 1)
                elif before.judgement_id != number or before.crowd != hit.crowd:
                    finer.append((number, _crowd_text(hit.crowd), before.event_id))
        self._remove(gone)
        self._judge_finer(finer)
        self._add_judged(new)
        self._write_verdicts(
            [(one.delivery, one.verdict, one.last_event_at, _counters(one)) for one in judged]
        )

    def _count_judged(
        self, one: JudgedDelivery, hit: JudgedHit, type_: EventType, who: Who, number: int
    ) -> None:
        seen = hit.stored.hit
        place = self._places[one.delivery.id]
        facts = (seen.path_kind, seen.target, type_, who)
        self._count_hit(place, seen.at.timestamp(), facts, number)

    def _remove(self, event_ids: Iterable[int]) -> None:
        for some in chunks(event_ids):
            self._db.execute(schema.event.delete().where(schema.event.c.id.in_(some)))

    def _judge_finer(self, rows: list[tuple[int | None, str | None, int]]) -> None:
        if rows:
            self._db.exec_driver_sql(_JUDGE_FINER[self._db.dialect.name], rows)

    def _add_judged(self, new: Sequence[tuple[JudgedDelivery, JudgedHit, int | None]]) -> None:
        if not new:
            return
        first = self.take_numbers("event", len(new))
        rows = [
            (
                number,
                one.delivery.account_id,
                one.delivery.id,
                _TYPES[hit.type],
                hit.stored.hit.at.timestamp(),
                hit.stored.id,
                hit.stored.hit.path_kind,
                hit.stored.hit.target,
                _WHOS[hit.who],
                judgement_id,
                None,
                _crowd_text(hit.crowd),
            )
            for number, (one, hit, judgement_id) in enumerate(new, first)
        ]
        add_many(self._db, schema.event, EVENT_COLUMNS, rows)

    def remove_hits(self, delivery_ids: Iterable[int], *, keep_events: bool) -> int:
        """Remove the hits of deliveries; returns how many.

        With `keep_events` what was made of them stays and counts, without address or user agent;
        else their events go too, and the counts with them. Verdicts stay as they are until the
        delivery is judged again.
        """
        h, e = schema.hit.c, schema.event.c
        removed = 0
        for some in chunks(delivery_ids):
            self._places_of(some)
            judged = sa.and_(e.delivery_id.in_(some), e.path_kind.is_not(None))
            if keep_events:
                hits = sa.select(e.hit_id).where(judged, e.hit_id.is_not(None))
                done = self._db.execute(schema.hit.delete().where(h.id.in_(hits)))
                self._db.execute(schema.event.update().where(judged).values(hit_id=None))
                removed += done.rowcount
                continue
            rows = self._db.execute(sa.select(schema.event).where(judged)).all()
            for row in rows:
                facts = (row.path_kind, row.target, row.type, row.who)
                self._count_hit(self._places[row.delivery_id], row.at, facts, -1)
            for hits_of_some in chunks(r.hit_id for r in rows if r.hit_id is not None):
                self._db.execute(schema.hit.delete().where(h.id.in_(hits_of_some)))
                removed += len(hits_of_some)
            self._remove(row.id for row in rows)
            zero = dict.fromkeys(_COUNTER_NAMES, 0)
            self._db.execute(
                schema.delivery.update().where(schema.delivery.c.id.in_(some)).values(**zero)
            )
        return removed

    def _events(self, rows: Sequence[Any]) -> list[StoredEvent]:
        """The events of rows of `select_events`."""
        judgements = self._judgements(r.judgement_id for r in rows if r.judgement_id is not None)
        wordings = self._wordings(r.head_id for r in rows if r.head_id is not None)
        found = []
        for row in rows:
            if row.path_kind is None:
                evidence, raw = _told(row.told)
            else:
                judgement = judgements.get(row.judgement_id, _UNJUDGED)
                evidence = _with_delay(judgement.evidence, row.at, row.delivered_at)
                head = None if row.head_id is None else wordings[row.head_id]
                raw = _raw_of_hit(row, judgement, head)
            event = Event(type=row.type, at=moment(row.at), evidence=evidence, raw=raw)
            found.append(
                StoredEvent(
                    id=row.id,
                    account_id=row.account_id,
                    delivery_id=row.delivery_id,
                    hit_id=row.kept_hit_id,
                    event=event,
                )
            )
        return found


_TYPE_OF = {number: type_ for type_, number in _TYPES.items()}
_WHO_OF = {number: who for who, number in _WHOS.items()}
# Of these no more than type and time bears on a judgement.
_PASSING = frozenset(
    _TYPES[type_]
    for type_ in (
        EventType.DEFERRED,
        EventType.DELIVERED,
        EventType.BOUNCED,
        EventType.REJECTED,
        EventType.SUPPRESSED,
    )
)
_QUEUED, _EMPTY = _TYPES[EventType.QUEUED], (None, "{}")  # it may say who sent it
_JUDGE_FINER = {
    "sqlite": "UPDATE event SET judgement_id = ?, crowd = ? WHERE id = ?",
    "postgresql": "UPDATE event SET judgement_id = %s, crowd = %s WHERE id = %s",
}
_NOTHING_TOLD: tuple[tuple[Evidence, ...], dict[str, Any]] = ((), {})
_COUNTER_NAMES = schema.mail.HIT_COUNTERS
_UNJUDGED = Judgement(
    actor=Actor.UNKNOWN, probability_human=0.5, evidence=(), rules_version=""
)  # of a hit that could not be judged


def select_events() -> sa.Select[Any]:  # Any: columns of several types
    """Events with the address, user agent and method of their hit."""
    e, h, d = schema.event.c, schema.hit.c, schema.delivery.c
    return (
        sa.select(schema.event, d.delivered_at, *hit_columns())
        .join(schema.delivery, d.id == e.delivery_id, isouter=True)
        .join(schema.hit, h.id == e.hit_id, isouter=True)
    )


def _first(events: Sequence[StoredEvent], most: int) -> list[StoredEvent]:
    """The first so many of each delivery."""
    taken: Counter[int] = Counter()
    found = []
    for event in events:
        taken[event.delivery_id] += 1
        if taken[event.delivery_id] <= most:
            found.append(event)
    return found


def _seen(row: Any, stored: StoredHit) -> SeenHit:  # a row of the driver's, typed as Any
    return SeenHit(
        stored=stored,
        event_id=row[0],
        type=_TYPE_OF[row[3]],
        who=_WHO_OF[row[7]],
        judgement_id=row[8],
        crowd=_crowd_of(row[9]),
    )


def _crowd_of(text: str | None) -> Crowd:
    return ALONE if text is None else Crowd(*orjson.loads(text))


def _crowd_text(crowd: Crowd) -> str | None:
    return None if crowd == ALONE else json_text(list(crowd.counts()))


def _counters(one: JudgedDelivery) -> dict[str, int]:
    """What is to be added to the delivery's counters: hits that are new or counted otherwise now.

    A difference, since events whose hit is no longer kept go on counting.
    """
    counters: dict[str, int] = {}
    for hit in one.hits:
        before = hit.before
        if before is not None:
            if before.who is hit.who:
                continue
            _add(counters, hit_counter(hit.stored.hit.path_kind, before.who), -1)
        _add(counters, hit_counter(hit.stored.hit.path_kind, hit.who), 1)
    return counters


def _add(counters: dict[str, int], name: str | None, number: int) -> None:
    if name is not None:
        counters[name] = counters.get(name, 0) + number


def _told_event(type_: EventType, at: float, text: str | None) -> Event:
    evidence, raw = _NOTHING_TOLD if text in _EMPTY else _told(text)
    return Event(type=type_, at=moment(at), evidence=evidence, raw=raw)


def _told(text: str | None) -> tuple[tuple[Evidence, ...], dict[str, Any]]:
    told = orjson.loads(text or "{}")
    return evidence_of(told.get("evidence", ())), told.get("raw", {})


def _with_delay(
    evidence: tuple[Evidence, ...], at: float, delivered_at: float | None
) -> tuple[Evidence, ...]:
    """The evidence with the delay told where its place was left open."""
    if delivered_at is None:
        return evidence
    delay = (moment(at) - moment(delivered_at)).total_seconds()
    return tuple(
        Evidence(signal=e.signal, weight=e.weight, text=e.text.replace("{delay}", duration(delay)))
        if e.signal.startswith("timing.")
        else e
        for e in evidence
    )


def _raw_of_hit(row: Any, judgement: Judgement, head: Any) -> dict[str, Any]:  # Any: a row; JSON
    """What `evidence.event_from` says of a hit, as far as it is kept."""
    raw: dict[str, Any] = {
        "actor": judgement.actor.value,
        "probability_human": judgement.probability_human,
        "rules_version": judgement.rules_version,
        "target": row.target,
        "path_kind": row.path_kind,
        "who": row.who.value,
    }
    if head is not None:
        method, _, headers = head
        raw |= {
            "address": row.address,
            "user_agent": headers.get("user-agent", ""),
            "method": method,
        }
    return raw
