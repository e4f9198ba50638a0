"""What the neighbours of kept hits were, for judging them again.

The hits go once through the index of neighbours in the order in which they were taken, and each is
asked about when the settling time after it has passed, as ingest does. What is remembered of a hit
is the number of its crowd: 4 bytes, and most crowds are alike.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from ..evidence import ALONE, Crowd, DeliveryFacts, Neighbours, Rules, Trace
from ..history import History, SeenHit, StoredHit, Transaction, Whereabouts

__all__ = ["Crowds", "remember"]

_CHUNK = 2_000  # hits read at a time
_MOST_WAITING = 20_000  # hits that wait to be asked about: some 10 MB


class Crowds:
    """The crowds of all hits from a number on."""

    def __init__(self, first: int, last: int) -> None:
        """Of the hits `first` to `last`, none of which is known yet."""
        self._first = first
        self._numbers = array("I", bytes(4 * max(last - first + 1, 0)))
        self._crowds: list[Crowd] = [ALONE]
        self._known: dict[Crowd, int] = {ALONE: 0}

    def __call__(self, hit: StoredHit, facts: DeliveryFacts, before: SeenHit | None) -> Crowd:
        """The crowd of a hit; as it was known before when it came later than those that were read.

        Neighbours that are kept no longer go on counting, but for what the rules' tables of
        networks have a say in.
        """
        place = hit.id - self._first
        known = ALONE if before is None else before.crowd
        if not 0 <= place < len(self._numbers):
            return known
        found = self._crowds[self._numbers[place]]
        if known is ALONE:
            return found
        return found.at_least(replace(known, hosters_of_agent=0, same_pattern_of_domain=0))

    def _note(self, number: int, crowd: Crowd) -> None:
        if crowd is ALONE:
            return
        known = self._known.get(crowd)
        if known is None:
            known = self._known[crowd] = len(self._crowds)
            self._crowds.append(crowd)
        self._numbers[number - self._first] = known

    @classmethod
    def read(
        cls, history: History, rules: Rules, after: int, progress: Callable[[int], None]
    ) -> Crowds:
        """Read all hits above the number `after`; `progress` is told how many were read."""
        with history.reading() as t:
            last = t.last_hit_id()
        crowds = cls(after + 1, last)
        neighbours = Neighbours(rules)
        settle = rules.numbers["times"]["settle"]
        waiting: deque[tuple[float, int, Trace, DeliveryFacts]] = deque()
        while after < last:
            with history.reading() as t:
                traces = t.traces_after(after, _CHUNK)
            if not traces:
                break
            for number, trace, place in traces:
                facts = _NO_FACTS if place is None else _facts(trace, place)
                neighbours.add(trace, facts)
                time = trace.at.timestamp()
                if place is not None:
                    waiting.append((time, number, trace, facts))
                while waiting and (waiting[0][0] < time - settle or len(waiting) > _MOST_WAITING):
                    _, earlier, about, its_facts = waiting.popleft()
                    crowds._note(earlier, neighbours.crowd(about, its_facts))
            after = traces[-1][0]
            progress(len(traces))
        for _, number, trace, facts in waiting:
            crowds._note(number, neighbours.crowd(trace, facts))
        return crowds


def remember(t: Transaction, neighbours: Neighbours, lately: timedelta, most: int) -> None:
    """Tell a new index the hits of lately, at most so many, so that a restart changes no judgement.

    Lately is before the newest hit, whatever the clock says: after a long rest ingest goes on where
    it was. All hits are told in the order in which they were taken, also those that mean no
    delivery of ours: an altered token is the gravest sign that an address can give.
    """
    last = t.last_hit_id()
    for _, newest, _ in t.traces_after(last - 1, 1):
        after = max(t.first_hit_since(newest.at - lately), last - most)
        while traces := t.traces_after(after, _CHUNK):
            for _, trace, place in traces:
                neighbours.add(trace, _NO_FACTS if place is None else _facts(trace, place))
            after = traces[-1][0]


_NO_FACTS = DeliveryFacts()


def _facts(trace: Trace, place: Whereabouts) -> DeliveryFacts:
    return DeliveryFacts(
        delivery_id=trace.delivery_id or 0,
        recipient_domain=place.recipient_domain,
        delivered_at=place.delivered_at,
    )
