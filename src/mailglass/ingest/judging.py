"""Judges the deliveries that have news: every hit of each again, then the verdict.

A later hit can change what an earlier one means (a burst, a scan paired with a click), so all of a
delivery's hits are judged together, and the events that were judged from them are written anew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from ..evidence import DeliveryFacts, Neighbours, Rules, event_from, judge_delivery, weigh
from ..history import StoredDelivery, StoredEvent, StoredHit, Transaction
from ..model import EventType, Target, TargetKind, Verdict

__all__ = ["judge_again", "remember"]

_log = logging.getLogger("mailglass.ingest")

_Item = TypeVar("_Item", StoredHit, StoredEvent)


def judge_again(
    t: Transaction,
    delivery_ids: Iterable[int],
    rules: Rules,
    neighbours: Neighbours,
    now: datetime,
) -> None:
    """Write the events and the verdict of each delivery as its facts stand now."""
    deliveries = t.deliveries(delivery_ids)
    if not deliveries:
        return
    ids = [d.id for d in deliveries]
    targets = t.targets_of(d.message_id for d in deliveries)
    hits = _by_delivery(t.hits_of(ids))
    told = _by_delivery(t.events_of(ids, told_only=True))
    facts = {d.id: _facts(d, targets.get(d.message_id, ()), told.get(d.id, [])) for d in deliveries}
    for number, some in hits.items():
        for stored in some:
            neighbours.add(stored.hit, facts[number])
    judged: list[StoredEvent] = []
    verdicts: dict[int, Verdict] = {}
    last_at: dict[int, datetime] = {}
    for delivery in deliveries:
        about = facts[delivery.id]
        try:
            events = _judged(about, hits.get(delivery.id, []), rules, neighbours)
        except Exception:
            # a fault of ours with one delivery must not hide the facts of the others
            _log.exception(
                "delivery %d cannot be judged",
                delivery.id,
                extra={"action": "judging-failed", "delivery_id": delivery.id},
            )
            events = []
        judged += events
        everything = [e.event for e in (*told.get(delivery.id, []), *events)]
        verdicts[delivery.id] = weigh(everything, now, rules)
        last_at[delivery.id] = max((e.at for e in everything), default=now)
    t.forget_judged_events(hits)
    t.add_events(judged)
    t.set_verdicts(verdicts, last_at)


def remember(t: Transaction, since: datetime, neighbours: Neighbours, most: int) -> None:
    """Tell a new index what was seen lately, so that a restart changes no judgement."""
    hits = _by_delivery(t.hits_since(since, most))
    for delivery in t.deliveries(hits):
        about = _facts(delivery, (), [])
        for stored in hits[delivery.id]:
            neighbours.add(stored.hit, about)


def _by_delivery(items: Iterable[_Item]) -> dict[int, list[_Item]]:
    found: dict[int, list[_Item]] = {}
    for item in items:
        if item.delivery_id is not None:
            found.setdefault(item.delivery_id, []).append(item)
    return found


def _facts(
    delivery: StoredDelivery, targets: tuple[Target, ...], told: list[StoredEvent]
) -> DeliveryFacts:
    replies = [e.event.at for e in told if e.event.type is EventType.REPLIED]
    return DeliveryFacts(
        delivery_id=delivery.id,
        recipient_domain=delivery.recipient_domain,
        delivered_at=delivery.delivered_at,
        targets={t.number: t.kind for t in targets},
        links_sent=sum(t.kind is TargetKind.LINK for t in targets),
        replied_at=min(replies, default=None),
    )


def _judged(
    facts: DeliveryFacts, hits: list[StoredHit], rules: Rules, neighbours: Neighbours
) -> list[StoredEvent]:
    if not hits:
        return []
    seen = [stored.hit for stored in hits]
    crowds = [neighbours.crowd(hit, facts) for hit in seen]
    judgements = judge_delivery(facts, seen, rules=rules, crowds=crowds)
    return [
        StoredEvent(
            delivery_id=facts.delivery_id,
            hit_id=stored.id,
            event=event_from(stored.hit, judgement),
        )
        for stored, judgement in zip(hits, judgements, strict=True)
    ]
