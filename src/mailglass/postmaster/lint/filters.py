"""What spam filters say of the message, when some are there."""

from __future__ import annotations

from collections.abc import Sequence

from ...lookup import FilterScore
from ...model import Finding
from ..case import INFO, OK, WARN
from ..findings import finding

__all__ = ["FilterScore", "check_scores"]

_SHOWN = 6  # rules with the most points


def check_scores(scores: Sequence[FilterScore]) -> list[Finding]:
    """One finding for each program, also for those that are not there."""
    return [_score(score) for score in scores]


def _score(score: FilterScore) -> Finding:
    name = f"lint.{score.program}"
    if score.points is None:
        return finding(name, INFO, f"not asked: {score.detail}")
    top = sorted(score.rules, key=lambda rule: -rule[1])[:_SHOWN]
    rules = ", ".join(f"{rule} {points:g}" for rule, points in top if points > 0) or "none"
    observed = f"{score.points:g} of {score.threshold:g}: {rules}"
    if score.points >= score.threshold:
        return finding(name, WARN, observed, fix="high", rules=rules)
    return finding(name, OK, observed)
