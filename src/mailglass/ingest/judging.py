"""Judges the deliveries that have news: every hit of each again, then the verdict.

A later hit can change what an earlier one means (a burst, a scan paired with a click), so all of a
delivery's hits are judged together; what changed is written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from ..evidence import (
    ALONE,
    Crowd,
    DeliveryFacts,
    Neighbours,
    Rules,
    Weighed,
    judge_delivery,
    verdict_word,
    weigh_all,
    weighed_from,
    weighed_of,
)
from ..history import (
    JudgedDelivery,
    JudgedHit,
    KnownFacts,
    SeenHit,
    StoredDelivery,
    StoredEvent,
    StoredHit,
    Transaction,
    Who,
)
from ..model import Actor, EventType, Hit, Judgement, TargetKind
from .around import Around, look_around

__all__ = ["WHO_OF_WORD", "Work", "delivery_facts", "judge_acts", "judge_again", "works"]

_log = logging.getLogger("mailglass.ingest")

WHO_OF_WORD = {
    "human": Who.HUMAN,
    "third_party": Who.HUMAN,
    "machine": Who.MACHINE,
    "unknown": Who.UNDETERMINED,
    "sender": Who.SENDER,
}
# A hit's crowd, from its delivery's facts and what was made of it before.
CrowdOf: TypeAlias = Callable[[StoredHit, DeliveryFacts, SeenHit | None], Crowd]
_LINK, _REPLIED = TargetKind.LINK, EventType.REPLIED
_NOTHING = KnownFacts()
_NOBODY = Around()
_NO_FACTS = DeliveryFacts()
_NOBODY_KNOWS = Judgement(
    actor=Actor.UNKNOWN, probability_human=0.5, evidence=(), rules_version=""
)  # where judging failed
_NONE_FRESH: Mapping[int, Sequence[StoredHit]] = {}
_NONE_KNOWN: Mapping[int, StoredDelivery] = {}


def judge_again(
    t: Transaction,
    delivery_ids: Iterable[int],
    rules: Rules,
    neighbours: Neighbours,
    now: datetime,
    new_hits: Iterable[StoredHit] = (),
    *,
    known: Mapping[int, StoredDelivery] = _NONE_KNOWN,
    with_past: bool = False,
) -> None:
    """Write the events and the verdict of each delivery as its facts stand now.

    Others may judge the same deliveries (`rejudging`), so it is the one writer from here on.
    `new_hits` are those that this transaction wrote; the others are read. `known` are deliveries
    as they stand, which need not be read again. The recipients' past counts on demand: at the
    settling time, which every delivery reaches.
    """
    t.be_the_writer()
    new = list(new_hits)
    fresh: dict[int, list[StoredHit]] = {}
    for hit in new:
        if hit.delivery_id is not None:
            fresh.setdefault(hit.delivery_id, []).append(hit)
    work = works(t, delivery_ids, rules, now, fresh, known=known, with_past=with_past)
    facts = {one.delivery.id: one.facts for one in work}
    for hit in new:  # in the order in which they were taken, as after a restart
        if hit.delivery_id is None or hit.delivery_id in facts:
            neighbours.add(hit.hit, facts.get(hit.delivery_id or 0, _NO_FACTS))
    for one in work:
        for seen in (*one.near, *one.seen):  # again: when it was delivered may be news
            neighbours.add(seen.stored.hit, one.facts)

    def crowd_of(stored: StoredHit, facts: DeliveryFacts, before: SeenHit | None) -> Crowd:
        if before is None:
            return neighbours.crowd(stored.hit, facts)
        return neighbours.crowd_again(stored.hit, facts, before.crowd)

    t.set_judged([one.judged(rules, crowd_of, now) for one in work])


def judge_acts(
    t: Transaction,
    acts: Sequence[tuple[StoredDelivery, Hit]],
    company: Iterable[Hit],
    rules: Rules,
    neighbours: Neighbours,
    now: datetime,
) -> list[Judgement]:
    """Who pressed the button of a page, of each act: judged like any hit, beside the delivery's
    others, those that are kept and those of its batch (`company`, in which the acts are)."""
    ids = {delivery.id for delivery, _ in acts}
    fresh: dict[int, list[StoredHit]] = {}
    for number, hit in enumerate(company):
        if hit.delivery_id in ids and not hit.anonymous:
            stored = StoredHit(id=-1 - number, delivery_id=hit.delivery_id, hit=hit)
            fresh.setdefault(hit.delivery_id, []).append(stored)

    def crowd_of(stored: StoredHit, facts: DeliveryFacts, before: SeenHit | None) -> Crowd:
        return neighbours.crowd(stored.hit, facts)

    found: dict[int, Judgement] = {}  # by the identity of the hit, of which two may be alike
    for work in works(t, ids, rules, now, fresh):
        for judged in work.judged(rules, crowd_of, now).hits:
            found[id(judged.stored.hit)] = judged.judgement or _NOBODY_KNOWS
    return [found.get(id(hit), _NOBODY_KNOWS) for _, hit in acts]


def works(
    t: Transaction,
    delivery_ids: Iterable[int],
    rules: Rules,
    now: datetime,
    fresh: Mapping[int, Sequence[StoredHit]] = _NONE_FRESH,
    *,
    known: Mapping[int, StoredDelivery] = _NONE_KNOWN,
    with_past: bool = True,
    whole: bool = False,
) -> list[Work]:
    """Deliveries with all that judging them needs, in the order of their numbers.

    Their verdicts are those that stand; without the recipients' past only the levels of them. Of
    deliveries with very many hits all are taken when `whole`, however long that takes.
    """
    deliveries = [d for d in _found(t, set(delivery_ids), known) if not d.is_crowd]
    if not deliveries:
        return []
    facts = t.known_facts((d.id for d in deliveries), whole=whole)
    targets = t.target_kinds(d.message_id for d in deliveries)
    told = {number: some.told for number, some in facts.items() if some.told}
    around = look_around(t, deliveries, rules, now, with_past=with_past, told=told)
    return [
        Work(
            d,
            facts.get(d.id, _NOTHING),
            fresh.get(d.id, ()),
            targets[d.message_id],
            around.get(d.id, _NOBODY),
        )
        for d in deliveries
    ]


def _found(
    t: Transaction, delivery_ids: set[int], known: Mapping[int, StoredDelivery]
) -> list[StoredDelivery]:
    """Deliveries in the order of their numbers, read as far as they are not known."""
    read = {d.id: d for d in t.to_judge(delivery_ids - known.keys())}
    both = [known.get(number) or read.get(number) for number in sorted(delivery_ids)]
    return [delivery for delivery in both if delivery is not None]


class Work:
    """A delivery to be judged, with all that is known of it.

    Beyond `history.hammered.IN_DETAIL` hits the judgements stand that were made: only new hits are
    judged, beside the first and the newest of those before, so that what a batch costs does not
    grow with what came earlier. Were the others judged again without their whole company, a hit
    at the edge of what is read could lose the burst that gave it away.
    """

    def __init__(
        self,
        delivery: StoredDelivery,
        known: KnownFacts,
        fresh: Sequence[StoredHit],
        targets: Mapping[int, TargetKind],
        around: Around,
    ) -> None:
        self.delivery = delivery
        self.told = known.told
        self.standing = known.standing
        self.near = known.near
        self.seen = known.seen
        self._passed = known.passed
        self._further = known.further
        self.facts = delivery_facts(delivery, targets, known.told, around)
        both: list[tuple[StoredHit, SeenHit | None]] = [(s.stored, s) for s in known.seen]
        both += [(hit, None) for hit in fresh]
        if len(both) > 1:
            both.sort(key=lambda pair: (pair[0].hit.at, pair[0].id))
        self.hits = [stored for stored, _ in both]
        self._before = [seen for _, seen in both]

    def judged(self, rules: Rules, crowd_of: CrowdOf, now: datetime) -> JudgedDelivery:
        """What is made of it now."""
        try:
            hits, events = self._judge(rules, crowd_of)
        except Exception:
            # a fault of ours with one delivery must not hide the facts of the others
            _log.exception(
                "delivery %d cannot be judged",
                self.delivery.id,
                extra={"action": "judging-failed", "delivery_id": self.delivery.id},
            )
            hits, events = self._unjudged(), []
        everything = [Weighed(at, type_) for at, type_ in self._passed]
        everything += [weighed_of(e.event) for e in (*self.told, *self.standing)]
        everything += events
        return JudgedDelivery(
            delivery=self.delivery,
            hits=hits,
            verdict=weigh_all(everything, now, rules, further_hits=self._further),
            last_event_at=max([e.at for e in everything], default=now),
            kept=[e for e in self.told if "who" in e.event.raw],
        )

    def _judge(self, rules: Rules, crowd_of: CrowdOf) -> tuple[list[JudgedHit], list[Weighed]]:
        if not self.hits:
            return [], []
        among = [*self.hits, *(seen.stored for seen in self.near)]
        known = [*self._before, *self.near]
        crowds = [crowd_of(s, self.facts, b) for s, b in zip(among, known, strict=True)]
        judged = judge_delivery(
            self.facts, [stored.hit for stored in among], rules=rules, crowds=crowds, told=False
        )
        events, hits = [], []
        for stored, judgement, before, crowd in zip(
            self.hits, judged, self._before, crowds, strict=False
        ):
            event = weighed_from(stored.hit, judgement)
            events.append(event)
            hits.append(
                JudgedHit(
                    stored=stored,
                    type=event.type,
                    who=WHO_OF_WORD[verdict_word(judgement, rules)],
                    judgement=judgement,
                    before=before,
                    crowd=crowd,
                )
            )
        return hits, events

    def _unjudged(self) -> list[JudgedHit]:
        return [
            JudgedHit(
                stored=stored,
                type=EventType.FETCHED,
                who=Who.UNDETERMINED,
                judgement=None,
                before=before,
                crowd=ALONE if before is None else before.crowd,
            )
            for stored, before in zip(self.hits, self._before, strict=True)
        ]


def delivery_facts(
    delivery: StoredDelivery | None,
    targets: Mapping[int, TargetKind],
    told: Sequence[StoredEvent] = (),
    around: Around = _NOBODY,
) -> DeliveryFacts:
    """What is known of a delivery, as far as judging its hits needs it; None: of nobody's."""
    replies = [e.event.at for e in told if e.event.type is _REPLIED] if told else ()
    return DeliveryFacts(
        delivery_id=delivery.id if delivery else 0,
        recipient_domain=delivery.recipient_domain if delivery else None,
        delivered_at=delivery.delivered_at if delivery else None,
        targets=targets,
        links_sent=list(targets.values()).count(_LINK),
        replied_at=min(replies, default=None),
        sender_visitors=around.sender_visitors,
        sender_networks=around.sender_networks,
        known_networks=around.known_networks,
        known_agents=around.known_agents,
        recipient_provider=around.recipient_provider,
        sender_provider=around.sender_provider,
        sender_copy_at=around.sender_copy_at,
    )
