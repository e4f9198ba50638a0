"""What is to be expected of a recipient domain before a hit is looked at, learned from its past.

A Beta distribution for each domain and kind of hit: the kind's own share, worth `strength` hits,
beside the domain's hits that were decided.  Only what the request and its surroundings decided
counts: a domain's past must not confirm itself.
What was learned has a version, and rules that use it carry it in theirs: the same rules and the
same hits give the same judgement for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ..model import Actor, Judgement
from .rules import Rules

__all__ = [
    "Learned",
    "LearnedShare",
    "expected_share",
    "has_moved",
    "kind_of_hit",
    "learned_from",
    "share_of",
    "with_learned",
]

_LEARNED_FROM = frozenset(Actor) - {Actor.SENDER, Actor.THIRD_PARTY, Actor.PRIVACY_PROXY}
_KINDS_OF_PATHS = {"o": "open", "a": "download"}
_MOVED = 0.02  # assumed: below, a new version would change no more than the last digit shown


class LearnedShare(NamedTuple):
    """What one recipient domain showed of one kind of hit."""

    domain: str
    kind: str  # open, click, download
    people: float  # hits; older ones weigh less
    machines: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """One version of all that was learned."""

    version: int
    at: datetime
    shares: tuple[LearnedShare, ...]

    @property
    def hits(self) -> float:
        """How many decided hits stand behind it, the older ones weighing less."""
        return sum(share.people + share.machines for share in self.shares)


def with_learned(rules: Rules, learned: Learned | None) -> Rules:
    """The rules with the shares to expect of the domains that have a past."""
    if learned is None:
        return rules
    shares = {(share.domain, share.kind): expected_share(share, rules) for share in learned.shares}
    return rules.expecting(shares, f"learned{learned.version}")


def expected_share(share: LearnedShare, rules: Rules) -> float:
    """The share of people to expect of a domain's kind of hit.

    To a hundredth, as it is told: hits of domains that are alike are then judged alike.
    """
    base = rules.numbers["priors"][share.kind]
    return round(share_of(base, (share.people, share.machines), rules), 2)


def has_moved(before: Learned | None, shares: Iterable[LearnedShare], rules: Rules) -> bool:
    """Whether what is counted now would make another expectation than the last version."""
    if before is None:
        return any(share.people + share.machines > 0 for share in shares)
    told = {(s.domain, s.kind): s for s in before.shares}
    for share in shares:
        old = told.get((share.domain, share.kind)) or LearnedShare(share.domain, share.kind, 0, 0)
        if abs(expected_share(share, rules) - expected_share(old, rules)) >= _MOVED:
            return True
    return False


def kind_of_hit(path_kind: str) -> str:
    """Under which kind a hit is learned from and expected."""
    return _KINDS_OF_PATHS.get(path_kind, "click")


def learned_from(judgements: Iterable[Judgement], rules: Rules) -> tuple[int, int]:
    """How many hits were a person's and how many a machine's without regard to the prior."""
    people = machines = 0
    for judgement in judgements:
        if judgement.actor not in _LEARNED_FROM:
            continue
        weight = sum(e.weight for e in judgement.evidence if e.signal != "prior")
        people += weight > rules.human_weight
        machines += weight < rules.machine_weight
    return people, machines


def share_of(base: float, counted: tuple[float, float], rules: Rules) -> float:
    """The share of people to expect, from a kind's own share and a domain's counted hits.

    Bounded so that a domain's past alone decides no hit, and can be outgrown.
    """
    people, machines = counted
    if people + machines <= 0:
        return base
    numbers: Mapping[str, float] = rules.numbers["priors"]
    scale = min(1.0, numbers["learned_at_most"] / (people + machines))
    strength = numbers["strength"]
    mean = (base * strength + people * scale) / (strength + (people + machines) * scale)
    return min(max(mean, numbers["floor"]), numbers["ceiling"])
