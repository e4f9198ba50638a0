"""Learns from the history what share of people to expect of each recipient domain.

Judged events are counted once, when their settling time is over, a few thousand at a time while
nothing else is to do. Once a day what was counted weighs a little less, and when it would make
another expectation it becomes a new version. Other rules begin anew: what they would have decided
is not known before the hits are judged by them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..evidence import Rules, has_moved, kind_of_hit, learned_from
from ..history import Transaction

__all__ = ["count_some", "learn"]

_SOME = 5_000  # events counted in one transaction: some 50 ms
_COUNTED, _RULES, _AGED = "learned-up-to", "learned-by-rules", "learned-aged-at"
_LEARNED_PATHS = frozenset("oca")


def count_some(t: Transaction, rules: Rules, now: datetime) -> int:
    """Count the next events that have settled; returns how many, 0 when there are no more.

    `rules` are those without anything learned: their version is what is remembered.
    """
    # A refreshed list of networks is no other rule, or a daily refresh would forget everything.
    version = rules.version.partition("+lists")[0]
    if t.cursor(_RULES) != version:
        t.age_learned_counts(0)
        t.set_cursor(_RULES, version)
        t.set_cursor(_COUNTED, "0")
    settled = now - timedelta(seconds=rules.numbers["times"]["settle"])
    events = t.judged_events(int(t.cursor(_COUNTED) or 0), settled, _SOME)
    leaning = {
        number: learned_from([judgement], rules) for number, judgement in events.judgements.items()
    }
    counts: dict[tuple[int, str], tuple[float, float]] = {}
    for domain_id, path_kind, number in events.rows:
        people, machines = leaning.get(number, (0, 0))
        if path_kind in _LEARNED_PATHS and (people or machines):
            key = (domain_id, kind_of_hit(path_kind))
            so_far = counts.get(key, (0.0, 0.0))
            counts[key] = (so_far[0] + people, so_far[1] + machines)
    t.add_learned_counts(counts)
    t.set_cursor(_COUNTED, str(events.last_id))
    return len(events.rows)


def learn(t: Transaction, rules: Rules, now: datetime) -> bool:
    """Once a day: age what is counted, and keep a new version when it says something new.

    Returns whether there is one.
    """
    last = t.cursor(_AGED)
    age = timedelta.max if last is None else now - datetime.fromisoformat(last)
    if age < timedelta(days=1):
        return False
    if last is not None:
        days = min(age.total_seconds() / 86_400, 3650.0)
        t.age_learned_counts(0.5 ** (days / rules.numbers["priors"]["half_life_days"]))
    t.set_cursor(_AGED, now.isoformat())
    shares = t.learned_counts()
    if not has_moved(t.learned(), shares, rules):
        return False
    t.add_learned(shares, rules.version, now)
    return True
