"""Judging kept hits again with other rules, one delivery at a time, and what would change and why.

Pure and streaming: deliveries come in and answers go out one by one, so memory is that of the
largest delivery.  Reading and writing the history is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..model import Event, Hit, Judgement, Verdict
from .delivery import judge_delivery
from .judge import verdict_word
from .rules import Rules
from .surroundings import ALONE, Crowd, DeliveryFacts, Origin
from .verdict import event_from, weigh

__all__ = ["Change", "KeptDelivery", "KeptHit", "Rejudged", "rejudge"]

_TOLD_REASONS = 3  # the strongest, each way
_SAME_PROBABILITY = 0.005  # half of the last digit that is shown
_SAME_WEIGHT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptHit:
    """A hit of the history and how it was judged."""

    key: object  # the caller's name for it
    hit: Hit
    judged: Judgement | None = None  # None when it never was
    crowd: Crowd = ALONE


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDelivery:
    """A delivery of the history with all that bears on its verdict."""

    facts: DeliveryFacts
    hits: Sequence[KeptHit]
    told: Sequence[Event] = ()  # the events that come from no hit
    verdict: Verdict | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What another set of rules makes of a hit, or of a delivery when `key` is None."""

    key: object
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """A delivery judged again; the judgements stand in the order of its hits."""

    delivery_id: int
    judgements: tuple[Judgement, ...]
    verdict: Verdict
    changes: tuple[Change, ...]


def rejudge(deliveries: Iterable[KeptDelivery], rules: Rules, now: datetime) -> Iterator[Rejudged]:
    """Judge each delivery again, in the order in which they come."""
    for kept in deliveries:
        hits = [k.hit for k in kept.hits]
        judgements = judge_delivery(
            kept.facts,
            hits,
            rules=rules,
            crowds=[k.crowd for k in kept.hits],
            origins=kept.origins,
        )
        events = [event_from(hit, j) for hit, j in zip(hits, judgements, strict=True)]
        verdict = weigh([*kept.told, *events], now, rules)
        yield Rejudged(
            delivery_id=kept.facts.delivery_id,
            judgements=tuple(judgements),
            verdict=verdict,
            changes=tuple(_changes(kept, judgements, verdict, rules)),
        )


def _changes(
    kept: KeptDelivery, judgements: Sequence[Judgement], verdict: Verdict, rules: Rules
) -> Iterator[Change]:
    for one, after in zip(kept.hits, judgements, strict=True):
        before = one.judged
        if before is None:
            yield Change(key=one.key, before="not judged", after=_told(after, rules), why="")
        elif _differs(before, after, rules):
            yield Change(
                key=one.key,
                before=_told(before, rules),
                after=_told(after, rules),
                why=_why(before, after),
            )
    old = kept.verdict
    if old is not None and old.level is not verdict.level:
        why = verdict.evidence[0].text
        yield Change(key=None, before=old.level.value, after=verdict.level.value, why=why)


def _differs(before: Judgement, after: Judgement, rules: Rules) -> bool:
    if before.actor is not after.actor or verdict_word(before, rules) != verdict_word(after, rules):
        return True
    return abs(before.probability_human - after.probability_human) >= _SAME_PROBABILITY


def _told(judgement: Judgement, rules: Rules) -> str:
    word = verdict_word(judgement, rules)
    return f"{word}, {judgement.actor.value}, {judgement.probability_human:.0%} human"


def _why(before: Judgement, after: Judgement) -> str:
    """The signals that came, went or changed their weight, the strongest first."""
    old = {e.signal: e.weight for e in before.evidence}
    new = {e.signal: e.weight for e in after.evidence}
    moved = {s: new.get(s, 0.0) - old.get(s, 0.0) for s in old.keys() | new.keys()}
    ranked = sorted(moved, key=lambda s: (-abs(moved[s]), s))
    told = [
        f"{name} {old.get(name, 0.0):+.1f} to {new.get(name, 0.0):+.1f}"
        for name in ranked[:_TOLD_REASONS]
        if abs(moved[name]) >= _SAME_WEIGHT
    ]
    return "; ".join(told)
