"""What the neighbours of kept hits were, for judging them again.

The hits go once through the index of neighbours in the order in which they were taken, and each is
asked about when the settling time after it has passed, as ingest does. What is remembered of a hit
is the number of its crowd: 4 bytes, and most crowds are alike.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable

from ..evidence import ALONE, Crowd, DeliveryFacts, Neighbours, Rules
from ..history import History, StoredHit

__all__ = ["Crowds"]

_CHUNK = 2_000  # hits read at a time
_MOST_WAITING = 20_000  # hits that wait to be asked about: some 20 MB


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

    def _note(self, hit: StoredHit, crowd: Crowd) -> None:
        if crowd is ALONE:
            return
        number = self._known.get(crowd)
        if number is None:
            number = self._known[crowd] = len(self._crowds)
            self._crowds.append(crowd)
        self._numbers[hit.id - self._first] = number

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
        waiting: deque[tuple[float, StoredHit, DeliveryFacts]] = deque()
        while after < last:
            with history.reading() as t:
                hits = t.hits_after(after, _CHUNK)
            if not hits:
                break
            for stored, place in hits:
                if place is None and (stored.hit.delivery_id is not None or not stored.hit.token):
                    continue  # it means nothing of ours, and its token is no altered one
                facts = DeliveryFacts(
                    delivery_id=stored.delivery_id or 0,
                    recipient_domain=place.recipient_domain if place else None,
                    delivered_at=place.delivered_at if place else None,
                )
                neighbours.add(stored.hit, facts)
                time = stored.hit.at.timestamp()
                if place is not None:
                    waiting.append((time, stored, facts))
                while waiting and (waiting[0][0] < time - settle or len(waiting) > _MOST_WAITING):
                    _, earlier, about = waiting.popleft()
                    crowds._note(earlier, neighbours.crowd(earlier.hit, about))
            after = hits[-1][0].id
            progress(len(hits))
        for _, stored, facts in waiting:
            crowds._note(stored, neighbours.crowd(stored.hit, facts))
        return crowds
