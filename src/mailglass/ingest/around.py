"""What the history knows around deliveries: whose browsers and networks are the sender's own, and
from where a recipient was seen before.

A recipient's past is what came of deliveries with smaller numbers, so that two deliveries never
confirm each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..evidence import Rules, network_key
from ..history import StoredDelivery, Transaction, Visit

__all__ = ["Around", "look_around"]

_MARKED = timedelta(days=180)  # assumed: a browser that was marked keeps its address no longer
_SIGNED_IN = timedelta(days=30)  # a network counts as the sender's this long after the last time
_SEEN = timedelta(days=180)  # of a recipient's past
_PROXIES = frozenset({"reader_proxy", "privacy_proxy", "gmail_prefetch"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What bears on a delivery's hits besides the delivery."""

    sender_visitors: frozenset[tuple[str, str]] = frozenset()  # address and user agent
    sender_networks: frozenset[str] = frozenset()
    known_networks: frozenset[str] = frozenset()
    known_agents: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Finder:
    """Looks things up by delivery in what was read for all of them."""

    devices: dict[int, frozenset[tuple[str, str]]]
    networks: dict[int, frozenset[str]]
    visits: dict[tuple[int, str], list[Visit]] = field(default_factory=dict)

    def knows(self, delivery: StoredDelivery) -> bool:
        return (
            delivery.account_id in self.devices
            or delivery.account_id in self.networks
            or (delivery.account_id, delivery.recipient) in self.visits
        )


def look_around(
    t: Transaction,
    deliveries: Sequence[StoredDelivery],
    rules: Rules,
    now: datetime,
    *,
    with_past: bool,
) -> dict[int, Around]:
    """What is known around each delivery; the recipients' past only on demand, since it costs a
    look-up each."""
    finder = _Finder(t.own_devices(now - _MARKED), t.own_networks(now - _SIGNED_IN))
    if with_past:
        finder.visits.update(t.visits_of(deliveries, now - _SEEN))
    if not (finder.devices or finder.networks or finder.visits):
        return {}
    return {d.id: _around(d, finder, rules) for d in deliveries if finder.knows(d)}


def _around(delivery: StoredDelivery, finder: _Finder, rules: Rules) -> Around:
    past = [
        visit
        for visit in finder.visits.get((delivery.account_id, delivery.recipient), ())
        if visit.delivery_id < delivery.id and _is_own_program(visit, rules)
    ]
    return Around(
        sender_visitors=finder.devices.get(delivery.account_id, frozenset()),
        sender_networks=finder.networks.get(delivery.account_id, frozenset()),
        known_networks=frozenset(network_key(visit.address) for visit in past),
        known_agents=frozenset(visit.user_agent for visit in past if visit.user_agent),
    )


def _is_own_program(visit: Visit, rules: Rules) -> bool:
    """Whether address and user agent are the recipient's, and not a provider's proxy."""
    return rules.clients.classify(visit.user_agent).kind not in _PROXIES
