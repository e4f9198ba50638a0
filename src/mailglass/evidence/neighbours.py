"""Recent hits of the same origin on other deliveries, in bounded memory.

Ingest feeds the hits in about the order of their times and asks for a hit's `Crowd`, at once or
again when the settling time is over.  Counts go by the hits' own times in slots of 20 s, so that
the order of feeding does not matter while a key is held.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from ..model import Hit
from .networks import Network, network_key
from .rules import Rules
from .surroundings import ALONE, Crowd, DeliveryFacts

__all__ = ["Neighbours", "Trace"]

_SLOT_SECONDS = 20  # three of them make the minute that the rules speak of
_LONG_SLOT_SECONDS = 3600  # domains and user agents are compared over three of these
_ENOUGH = 128  # values told apart for one key: above every threshold of the rules
_MOST_SLOTS = 8  # kept for one key; the oldest goes
# Before the newest hit; a restart is told of twice as much, so that all neighbours of a younger hit
# are known then too. Neighbours of older ones may be forgotten: what was known of them stands.
_LATELY_SECONDS = 2.0 * _LONG_SLOT_SECONDS
_SOON_SECONDS = 60.0  # a pattern of a whole domain counts while people have not come yet

# Any: a visit is (address, delivery, domain), everything else is told apart and no more.
_Values: TypeAlias = set[Any]


class _Slots:
    """Sets of values by key and slot of time.

    Two generations of keys: when the young one is full it becomes the old one, and what was old
    and not asked for since is forgotten.
    """

    def __init__(self, seconds: int, most_keys: int) -> None:
        self._seconds = seconds
        self._half = max(1, most_keys // 2)
        self._young: dict[Hashable, dict[int, _Values]] = {}
        self._old: dict[Hashable, dict[int, _Values]] = {}

    @property
    def held(self) -> int:
        """How many keys are in memory."""
        return len(self._young) + len(self._old)

    def add(self, time: float, key: Hashable, value: Hashable) -> None:
        slots = self._young.get(key)
        if slots is None:
            slots = self._young[key] = self._old.pop(key, {})
            if len(self._young) > self._half:
                self._young, self._old = {key: slots}, self._young
        number = int(time // self._seconds)
        values = slots.get(number)
        if values is None:
            slots[number] = {value}
            if len(slots) > _MOST_SLOTS:
                del slots[min(slots)]
        elif len(values) < _ENOUGH:
            values.add(value)

    def near(self, time: float, key: Hashable) -> _Values:
        """The values of a key in the slot of `time` and in those before and after it."""
        slots = self._young.get(key) or self._old.get(key)
        if slots is None:
            return _NO_VALUES
        number = int(time // self._seconds)
        if len(slots) == 1:
            ((only, values),) = slots.items()
            return values if -1 <= only - number <= 1 else _NO_VALUES
        return set().union(*(slots.get(n, ()) for n in (number - 1, number, number + 1)))


_NO_VALUES: _Values = set()


class Trace(NamedTuple):
    """What neighbours take of a hit, for whoever walks through millions of kept ones."""

    at: datetime
    path_kind: str
    token: str  # may be left empty where it verified
    delivery_id: int | None
    target: int | None
    address: str
    headers: Mapping[str, str]


class Neighbours:
    """The sliding index over hits of all deliveries."""

    def __init__(self, rules: Rules, *, most_keys: int = 100_000) -> None:
        """`most_keys` bounds each of the four tables; all together stay below 300 MB."""
        self._owner_of = rules.networks.of_address
        least = rules.numbers["crowd"]
        self._least_nearby = min(least["recipients_of_address"], least["recipients_of_network"])
        self._least_alike = least["deliveries_of_domain"]
        self._least_hosters = least["hosters_of_agent"]
        self._networks = _Slots(_SLOT_SECONDS, most_keys)
        self._hosters = _Slots(_LONG_SLOT_SECONDS, most_keys)
        self._domains = _Slots(_LONG_SLOT_SECONDS, most_keys)
        self._forgers = _Slots(_LONG_SLOT_SECONDS, most_keys)
        self._newest = 0.0  # the time of the latest hit

    @property
    def held(self) -> int:
        """How many keys all tables hold together."""
        tables = (self._networks, self._hosters, self._domains, self._forgers)
        return sum(table.held for table in tables)

    def add(self, hit: Hit | Trace, facts: DeliveryFacts) -> None:
        """Take in one hit; the same hit again changes nothing.

        A hit whose token does not verify, and so names no target, marks its address: who alters
        tokens is a scanner. Other hits without a delivery of ours say nothing.
        """
        time = hit.at.timestamp()
        self._newest = max(self._newest, time)
        if hit.delivery_id is None:
            if hit.target is None and hit.token:
                self._forgers.add(time, hit.address, hit.token)
            return
        domain = facts.recipient_domain
        visit = (hit.address, hit.delivery_id, domain)
        self._networks.add(time, network_key(hit.address), visit)
        network = self._owner_of(hit.address)
        if network is not None and network.role == "hosting":
            self._hosters.add(time, hit.headers.get("user-agent", ""), network.owner)
        if domain:
            self._domains.add(time, domain, hit.delivery_id)
            pattern = _pattern(hit, facts, network)
            if pattern is not None:
                self._domains.add(time, pattern, hit.delivery_id)

    def crowd_again(self, hit: Hit | Trace, facts: DeliveryFacts, before: Crowd) -> Crowd:
        """The crowd of a hit whose crowd was once known: it grows while the hit is young."""
        if hit.at.timestamp() < self._newest - _LATELY_SECONDS:
            return before
        return self.crowd(hit, facts).at_least(before)

    def crowd(self, hit: Hit | Trace, facts: DeliveryFacts) -> Crowd:
        """What is known now of a hit's origin on other deliveries; `ALONE` when it is no remark."""
        time = hit.at.timestamp()
        network = self._owner_of(hit.address)
        nearby = self._networks.near(time, network_key(hit.address))
        pattern = _pattern(hit, facts, network)
        same = _NO_VALUES if pattern is None else self._domains.near(time, pattern)
        hosters = _NO_VALUES
        if network is not None and network.role == "hosting":
            hosters = self._hosters.near(time, hit.headers.get("user-agent", ""))
        forged = self._forgers.near(time, hit.address) if self._forgers.held else _NO_VALUES
        if (
            len(nearby) < self._least_nearby
            and len(same) < self._least_alike
            and len(hosters) < self._least_hosters
            and not forged
        ):
            return ALONE
        here = {visit for visit in nearby if visit[0] == hit.address}
        return Crowd(
            recipients_of_address=len(here),
            domains_of_address=len({domain for _, _, domain in here}),
            recipients_of_network=len({number for _, number, _ in nearby}),
            hosters_of_agent=len(hosters),
            deliveries_of_domain=len(self._domains.near(time, facts.recipient_domain)),
            same_pattern_of_domain=len(same),
            altered_tokens_of_address=len(forged),
        )


def _pattern(hit: Hit | Trace, facts: DeliveryFacts, network: Network | None) -> Hashable | None:
    """The early kind of a hit, by which a whole domain's deliveries may look alike.

    One scanner's fleet has one owner; people of one domain come from many networks.
    """
    if facts.recipient_domain is None or facts.delivered_at is None:
        return None
    delay = (hit.at - facts.delivered_at).total_seconds()
    if delay >= _SOON_SECONDS:
        return None
    origin = network.owner if network is not None else network_key(hit.address)
    return (facts.recipient_domain, origin, hit.path_kind, delay < 0)
