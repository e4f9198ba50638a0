"""What the neighbours of kept hits were, for judging them again.

The hits go once through the index of neighbours in the order in which they were taken, and each is
asked about when the settling time after it has passed, as ingest does. What is remembered of a hit
is the number of its crowd: 4 bytes, and most crowds are alike.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable

from ..evidence import ALONE, Crowd, DeliveryFacts, Neighbours, Rules, Trace
from ..history import History, StoredHit, Whereabouts

__all__ = ["Crowds"]

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

    def __call__(self, hit: StoredHit, facts: DeliveryFacts) -> Crowd:
        """The crowd of a hit; alone when it came later than those that were read."""
        place = hit.id - self._first
        if not 0 <= place < len(self._numbers):
            return ALONE
        return self._crowds[self._numbers[place]]

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
                if place is None and (trace.delivery_id is not None or not trace.token):
                    continue  # it means nothing of ours, and its token is no altered one
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


_NO_FACTS = DeliveryFacts()


def _facts(trace: Trace, place: Whereabouts) -> DeliveryFacts:
    return DeliveryFacts(
        delivery_id=trace.delivery_id or 0,
        recipient_domain=place.recipient_domain,
        delivered_at=place.delivered_at,
    )
