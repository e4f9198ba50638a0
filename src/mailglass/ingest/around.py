"""What the history knows around deliveries: whose browsers and networks are the sender's own, and
from where a recipient was seen before.

A recipient's past is what came of deliveries with smaller numbers, so that two deliveries never
confirm each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

from ..addresses import domain_of
from ..evidence import Rules, network_key
from ..history import StoredDelivery, StoredEvent, Transaction, Visit
from ..model import EventType

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
    recipient_provider: str | None = None
    sender_provider: str | None = None  # only while the author has a copy with our beacon
    sender_copy_at: datetime | None = None  # since when; None: since it was sent


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
    told: Mapping[int, Sequence[StoredEvent]],
) -> dict[int, Around]:
    """What is known around each delivery; the recipients' past only on demand, since it costs a
    look-up each. `told` are the events of each that are no hits,
    as far as they bear on it."""
    found = _people_around(t, deliveries, rules, now, with_past=with_past)
    for delivery in deliveries if told else ():
        sees, since = _has_own_copy(told.get(delivery.id, ()))
        if sees:
            at_home = _providers(t, delivery, rules, since)
            found[delivery.id] = replace(found.get(delivery.id, Around()), **at_home)
    return found


def _has_own_copy(told: Sequence[StoredEvent]) -> tuple[bool, datetime | None]:
    """Whether the author has a copy that fires the recipient's beacon, and since when.

    Mail that was handed back for them to send lies in their Sent folder as it went out; a reply
    quotes what it answers. What we send ourselves they keep as it was before.
    """
    if any(e.event.raw.get("sent_by") == "submitter" for e in told):
        return True, None
    replied = [e.event.at for e in told if e.event.type is EventType.REPLIED]
    return bool(replied), min(replied, default=None)


def _providers(
    t: Transaction, delivery: StoredDelivery, rules: Rules, since: datetime | None
) -> dict[str, Any]:  # fields of Around
    """The providers of both, when they are known and differ."""
    recipients = rules.mailboxes.get(delivery.recipient_domain)
    message = t.message(None, str(delivery.message_id)) if recipients else None
    domain = domain_of(parseaddr(message.author)[1]) if message else ""
    senders = rules.mailboxes.get(domain)
    if senders is None or senders == recipients:
        return {}
    return {
        "recipient_provider": recipients,
        "sender_provider": senders,
        "sender_copy_at": since,
    }


def _people_around(
    t: Transaction,
    deliveries: Sequence[StoredDelivery],
    rules: Rules,
    now: datetime,
    *,
    with_past: bool,
) -> dict[int, Around]:
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
