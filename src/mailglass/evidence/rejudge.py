"""What judging again makes of kept hits, beside what was made of them before, and why.

Pure: reading and writing the history, and walking through it in bounded memory, is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Judgement, Verdict
from .judge import verdict_word
from .rules import Rules

__all__ = ["Change", "change_of_hit", "change_of_verdict"]

_TOLD_REASONS = 3  # the strongest, each way
_SAME_PROBABILITY = 0.005  # half of the last digit that is shown
_SAME_WEIGHT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What other rules make of a hit or of a delivery."""

    before: str
    after: str
    why: str
    is_decisive: bool  # another verdict, actor or level, and not only another probability


def change_of_hit(before: Judgement | None, after: Judgement, rules: Rules) -> Change | None:
    """How a hit is judged otherwise; None when what is shown stays the same."""
    if before is None:
        return Change(before="not judged", after=_told(after, rules), why="", is_decisive=True)
    is_decisive = before.actor is not after.actor or (
        verdict_word(before, rules) != verdict_word(after, rules)
    )
    moved = abs(before.probability_human - after.probability_human)
    if not is_decisive and moved < _SAME_PROBABILITY:
        return None
    return Change(
        before=_told(before, rules),
        after=_told(after, rules),
        why=_why(before, after),
        is_decisive=is_decisive,
    )


def change_of_verdict(before: Verdict, after: Verdict) -> Change | None:
    """How a delivery's verdict differs in its level; None when it does not."""
    if before.level is after.level:
        return None
    return Change(
        before=before.level.value,
        after=after.level.value,
        why=after.evidence[0].text if after.evidence else "",
        is_decisive=True,
    )


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
