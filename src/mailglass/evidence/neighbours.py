"""Recent hits of the same origin on other deliveries, in bounded memory.

Ingest feeds the hits in about the order of their times and asks for a hit's `Crowd`, at once or
again when the settling time is over.  Counts go by the hits' own times in slots of 20 s, so that
the order of feeding does not matter while a slot is held.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from ..model import Hit
from .networks import network_key
from .rules import Rules
from .surroundings import Crowd, DeliveryFacts

__all__ = ["Neighbours"]

_SLOT_SECONDS = 20  # three of them make the minute that the rules speak of
_LONG_SLOT_SECONDS = 3600  # domains and user agents are compared over two of these
_ENOUGH = 64  # deliveries told apart for one origin: above every threshold of the rules
_SOON_SECONDS = 60.0  # a pattern of a whole domain counts while people have not come yet


class _Slots:
    """Sets of values by key, in slots of time, the oldest dropped when there are too many."""

    def __init__(self, seconds: int, most_keys: int) -> None:
        self._seconds = seconds
        self._most = most_keys
        self._slots: OrderedDict[int, dict[Hashable, set[Hashable]]] = OrderedDict()
        self._keys = 0

    def add(self, time: float, key: Hashable, value: Hashable) -> None:
        number = int(time // self._seconds)
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = {}
        values = slot.get(key)
        if values is None:
            slot[key] = {value}
            self._keys += 1
            if self._keys > self._most:
                self._drop_oldest()
        elif len(values) < _ENOUGH:
            values.add(value)

    def near(self, time: float, key: Hashable, after: int) -> set[Hashable]:
        """The values of a key in the slot of `time`, the one before, and `after` following."""
        number = int(time // self._seconds)
        found: set[Hashable] = set()
        for n in range(number - 1, number + after + 1):
            slot = self._slots.get(n)
            if slot is not None and key in slot:
                found = found | slot[key] if found else slot[key]
        return found

    def _drop_oldest(self) -> None:
        oldest = min(self._slots)
        self._keys -= len(self._slots.pop(oldest))


class Neighbours:
    """The sliding index over hits of all deliveries."""

    def __init__(self, rules: Rules, *, most_keys: int = 200_000) -> None:
        """`most_keys` bounds each of the four tables; 200,000 keys take about 100 MB."""
        self._rules = rules
        self._addresses = _Slots(_SLOT_SECONDS, most_keys)
        self._networks = _Slots(_SLOT_SECONDS, most_keys)
        self._hosters = _Slots(_LONG_SLOT_SECONDS, most_keys)
        self._domains = _Slots(_LONG_SLOT_SECONDS, most_keys)

    def add(self, hit: Hit, facts: DeliveryFacts) -> None:
        """Take in one hit; the same hit again changes nothing."""
        if hit.delivery_id is None:
            return
        time = hit.at.timestamp()
        whose = (hit.delivery_id, facts.recipient_domain)
        self._addresses.add(time, hit.address, whose)
        self._networks.add(time, network_key(hit.address), hit.delivery_id)
        owner = self._hoster(hit)
        if owner is not None:
            self._hosters.add(time, hit.headers.get("user-agent", ""), owner)
        if facts.recipient_domain:
            self._domains.add(time, facts.recipient_domain, hit.delivery_id)
            pattern = _pattern(hit, facts)
            if pattern is not None:
                self._domains.add(time, pattern, hit.delivery_id)

    def crowd(self, hit: Hit, facts: DeliveryFacts) -> Crowd:
        """What is known now of a hit's origin on other deliveries."""
        time = hit.at.timestamp()
        deliveries = self._addresses.near(time, hit.address, 1)
        domains = {whose[1] for whose in deliveries if isinstance(whose, tuple)}
        hosters: set[Hashable] = set()
        if self._hoster(hit) is not None:
            hosters = self._hosters.near(time, hit.headers.get("user-agent", ""), 1)
        pattern = _pattern(hit, facts)
        same: set[Hashable] = set()
        whole: set[Hashable] = set()
        if pattern is not None:
            same = self._domains.near(time, pattern, 1)
            if len(same) > 1:
                whole = self._domains.near(time, facts.recipient_domain, 1)
        return Crowd(
            recipients_of_address=len(deliveries),
            domains_of_address=len(domains),
            recipients_of_network=len(self._networks.near(time, network_key(hit.address), 1)),
            hosters_of_agent=len(hosters),
            deliveries_of_domain=len(whole),
            same_pattern_of_domain=len(same),
        )

    def _hoster(self, hit: Hit) -> str | None:
        network = self._rules.networks.of_address(hit.address)
        if network is None or network.role != "hosting":
            return None
        return network.owner


def _pattern(hit: Hit, facts: DeliveryFacts) -> Hashable | None:
    """The early kind of a hit, by which a whole domain's deliveries may look alike."""
    if facts.recipient_domain is None or facts.delivered_at is None:
        return None
    delay = (hit.at - facts.delivered_at).total_seconds()
    if delay >= _SOON_SECONDS:
        return None
    return (facts.recipient_domain, hit.path_kind, delay < 0, delay >= _SOON_SECONDS / 6)
