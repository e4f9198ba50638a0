"""What is to be expected of a recipient domain before a hit is looked at, learned from its past.

A Beta distribution: the share of the hit's kind, worth `strength` hits, beside the hits of the
domain that were decided.  Only what the request and its surroundings decided counts: a domain's
past must not confirm itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Actor, Judgement
from .rules import Rules

__all__ = ["learned_from", "share_of"]

_LEARNED_FROM = frozenset(Actor) - {Actor.SENDER, Actor.THIRD_PARTY, Actor.PRIVACY_PROXY}


def learned_from(judgements: Iterable[Judgement], rules: Rules) -> tuple[int, int]:
    """How many hits were a person's and how many a machine's without regard to the prior.

    To be added to a domain's count, and given back as `DeliveryFacts.domain_hits`.
    """
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
    numbers = rules.numbers["priors"]
    scale = min(1.0, numbers["learned_at_most"] / (people + machines))
    strength = numbers["strength"]
    mean = (base * strength + people * scale) / (strength + (people + machines) * scale)
    return min(max(mean, numbers["floor"]), numbers["ceiling"])
