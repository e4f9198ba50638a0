"""Truth beside judgement: what the simulated world did, and what was made of it.

Hits are paired with the requests that caused them by token, method and address, in the order of
time; what finds no partner is counted, on either side.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from ..model import Actor, Judgement, TargetKind
from .live import LiveDelivery, Visit

__all__ = ["Example", "JudgedHit", "Summary", "summarise"]

_MACHINE_BELOW, _HUMAN_ABOVE = 0.2, 0.8  # the three bands: machine, undecided, human


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedHit:
    """A recorded hit and what was made of it."""

    token: str
    method: str
    address: str
    judgement: Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One request with its truth and its judgement, to be shown."""

    recipient: str
    provider: str
    kind: TargetKind
    visit: Visit
    judgement: Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The closing count of a demo."""

    delivered: int
    read: int  # deliveries that their person displayed, seen or not
    silent_reads: int  # of those, the ones that no request shows
    clicked: int  # deliveries with a link followed by their person
    machine_requests: int
    human_requests: int
    undecided: int  # judged hits in the middle band
    right: int  # decided hits whose band agrees with the truth
    wrong: int
    altered: int  # requests with an altered token, which no judged hit of a delivery can be of
    unrecorded: int  # other requests that were answered and have no judged hit
    unexplained: int  # judged hits that no request of the world caused
    actors: dict[tuple[Actor, Actor], int]  # counts by true actor and judged actor
    examples: dict[str, Example]  # machine, opened, clicked: the clearest judged one of each


def summarise(deliveries: Iterable[LiveDelivery], judged: Iterable[JudgedHit]) -> Summary:
    """Compare what the world did with how its hits were judged."""
    deliveries = list(deliveries)
    waiting: defaultdict[tuple[str, str, str], deque[Judgement]] = defaultdict(deque)
    for hit in judged:
        waiting[hit.token.lower(), hit.method, hit.address].append(hit.judgement)
    pairs: list[Example] = []
    altered = unrecorded = 0
    for delivery in deliveries:
        for visit in sorted(delivery.visits, key=lambda visit: visit.at):
            key = (visit.token, visit.fetch.method, visit.fetch.place.address)
            if queue := waiting[key]:
                pairs.append(_example(delivery, visit, queue.popleft()))
            elif visit.fetch.alters_token:
                altered += 1
            elif visit.answer.status:
                unrecorded += 1
    unexplained = sum(len(queue) for queue in waiting.values())
    return _count(deliveries, pairs, altered, unrecorded, unexplained)


def _example(delivery: LiveDelivery, visit: Visit, judgement: Judgement) -> Example:
    return Example(
        recipient=delivery.recipient,
        provider=delivery.provider,
        kind=visit.fetch.target.kind,
        visit=visit,
        judgement=judgement,
    )


def _count(
    deliveries: list[LiveDelivery],
    pairs: list[Example],
    altered: int,
    unrecorded: int,
    unexplained: int,
) -> Summary:
    decided = [pair for pair in pairs if _band(pair.judgement) is not None]
    right = sum(_band(pair.judgement) == pair.visit.fetch.by_person for pair in decided)
    reads = [delivery for delivery in deliveries if delivery.truth.was_read]
    made = [visit for delivery in deliveries for visit in delivery.visits]
    human = sum(visit.fetch.by_person for visit in made)
    return Summary(
        delivered=len(deliveries),
        read=len(reads),
        silent_reads=sum(not any(v.fetch.by_recipient for v in d.visits) for d in reads),
        clicked=sum(any(act.target.kind is TargetKind.LINK for act in d.truth.acts) for d in reads),
        machine_requests=len(made) - human,
        human_requests=human,
        undecided=len(pairs) - len(decided),
        right=right,
        wrong=len(decided) - right,
        altered=altered,
        unrecorded=unrecorded,
        unexplained=unexplained,
        actors=dict(Counter((p.visit.fetch.actor, p.judgement.actor) for p in pairs)),
        examples=_examples(pairs),
    )


def _band(judgement: Judgement) -> bool | None:
    """True for human, False for machine, None for undecided."""
    if judgement.probability_human > _HUMAN_ABOVE:
        return True
    return False if judgement.probability_human < _MACHINE_BELOW else None


def _examples(pairs: list[Example]) -> dict[str, Example]:
    """The surest judgement of each sort, those that are wrong included."""
    groups = {
        "machine": [p for p in pairs if _band(p.judgement) is False],
        "opened": [p for p in pairs if p.kind is TargetKind.BEACON and _band(p.judgement) is True],
        "clicked": [p for p in pairs if p.kind is TargetKind.LINK and _band(p.judgement) is True],
    }
    return {
        name: max(group, key=lambda p: abs(p.judgement.probability_human - 0.5))
        for name, group in groups.items()
        if group
    }
