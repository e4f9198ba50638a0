"""All hits of one delivery together: what each one's neighbours in the message say of it.

Two rounds: the first judges each hit by its request, its time and the bursts around it; the second
knows which of them were people's and scanners', and so sees pairs, followers and forwards.
The order in which the hits are handed in does not matter, only their times.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from ..model import Hit, Judgement, TargetKind
from .judge import judge_alike
from .look import SCANNING_ROLES, Seen, look
from .networks import Network, network_key
from .priors import kind_of_hit
from .rules import Rules
from .signals import AT_ONCE, MANY_LINKS, VOLLEY
from .surroundings import (
    ALONE,
    NOWHERE,
    Crowd,
    DeliveryFacts,
    Origin,
    Surroundings,
)
from .windows import count_near, distinct_near

__all__ = ["judge_delivery", "surroundings_of"]

_CLICKABLE = frozenset({TargetKind.LINK, TargetKind.UNSUBSCRIBE, TargetKind.NOTICE})
_FOLLOWED = _CLICKABLE | {TargetKind.HONEYPOT}
_KIND_OF_PATH = {
    "o": TargetKind.BEACON,
    "c": TargetKind.LINK,
    "a": TargetKind.ATTACHMENT,
    "u": TargetKind.UNSUBSCRIBE,
    "n": TargetKind.NOTICE,
}
_NOTICE_PATH = "n"
_FEW_LINKS = 2  # a message with no more may have all of them followed by a person


# Python 3.11 takes 0.3 µs to find a member in its enumeration.
_BEACON, _LINK = TargetKind.BEACON, TargetKind.LINK
_UNSUBSCRIBE, _HONEYPOT = TargetKind.UNSUBSCRIBE, TargetKind.HONEYPOT


@dataclass(slots=True)
class _Place:
    """One hit among the others, in order of time."""

    hit: Hit
    kind: TargetKind
    seen: Seen
    visitor: Hashable  # the owner of a scanning network, else the /24 or /48
    time: float
    link: int | None  # the target, when it is one that is followed
    delay: float | None  # seconds since delivery
    # A Surroundings in the making, without the delay and what is at its default: copying the
    # record for each addition doubled the time of a hit (measured 2026-11-22).  Any: as its fields.
    fields: dict[str, Any]


def judge_delivery(
    facts: DeliveryFacts,
    hits: Sequence[Hit],
    *,
    rules: Rules,
    crowds: Sequence[Crowd] | None = None,
    origins: Mapping[str, Origin] | None = None,
    told: bool = True,
) -> list[Judgement]:
    """A judgement for each hit, in the order of `hits`.

    `crowds` stands beside `hits`; `origins` is by address.  Time and memory are linear in `hits`.
    Unless `told` the delay is left open in its sentence, which is how a history keeps it.
    """
    order: Sequence[int] = range(len(hits))
    if len(hits) > 1:
        order = sorted(order, key=lambda i: (hits[i].at, hits[i].path_kind, i))
    places = _places(facts, [hits[i] for i in order], rules, origins)
    if crowds is not None:
        for place, i in zip(places, order, strict=True):
            if crowds[i] is not ALONE:
                place.fields["crowd"] = crowds[i]
    judged = [judge_alike(p.seen, p.delay, p.fields, rules, told=told) for p in places]
    if len(hits) <= 1:
        return judged
    judged = _second_round(facts, places, judged, rules, told=told)
    by_index = dict(zip(order, judged, strict=True))
    return [by_index[i] for i in range(len(hits))]


def surroundings_of(
    facts: DeliveryFacts,
    hits: Sequence[Hit],
    *,
    rules: Rules,
    origins: Mapping[str, Origin] | None = None,
) -> list[Surroundings]:
    """What the first round knows around each hit, in the order of their times."""
    ordered = sorted(hits, key=lambda h: (h.at, h.path_kind))
    return [
        Surroundings(seconds_since_delivery=p.delay, **p.fields)
        for p in _places(facts, ordered, rules, origins)
    ]


def _places(
    facts: DeliveryFacts,
    hits: Sequence[Hit],
    rules: Rules,
    origins: Mapping[str, Origin] | None,
) -> list[_Place]:
    common: dict[str, Any] = {}
    if facts.links_sent == 1:
        common["is_only_link"] = True
    knows_people = facts.knows_people
    places = []
    for hit in hits:
        origin = origins.get(hit.address, NOWHERE) if origins else NOWHERE
        place = _place(facts, hit, origin, rules, common.copy())
        if knows_people:
            _describe_person(place.fields, facts, hit, rules)
        places.append(place)
    if len(places) > 1:
        _add_company(facts, places, rules)
    return places


def _place(
    facts: DeliveryFacts, hit: Hit, origin: Origin, rules: Rules, fields: dict[str, Any]
) -> _Place:
    kind = None
    if hit.target is not None and hit.path_kind != _NOTICE_PATH:  # which may name a beacon's target
        kind = facts.targets.get(hit.target)
    kind = kind or _KIND_OF_PATH.get(hit.path_kind, _LINK)
    is_followed = kind in _FOLLOWED
    seen = look(hit, origin, rules, is_click=is_followed)
    if origin is not NOWHERE:
        fields["origin"] = origin
    _describe(fields, facts, hit, kind, rules)
    if rules.expected and facts.recipient_domain is not None:
        share = rules.expected.get((facts.recipient_domain, kind_of_hit(hit.path_kind)))
        if share is not None:
            fields["expected_share"] = share
    network = seen.network
    scans = network is not None and network.role in SCANNING_ROLES
    return _Place(
        hit,
        kind,
        seen,
        network if scans else network_key(hit.address),
        hit.at.timestamp(),
        hit.target if is_followed else None,
        _seconds_after(facts.delivered_at, hit),
        fields,
    )


def _describe(
    fields: dict[str, Any], facts: DeliveryFacts, hit: Hit, kind: TargetKind, rules: Rules
) -> None:
    """What the delivery says of a hit, whatever the other hits are; defaults are left alone."""
    fields["kind"] = kind
    if kind in _CLICKABLE:
        fields["links_in_burst"] = 1
        fields["click_without_open"] = True
    elif kind is _HONEYPOT:
        fields["honeypot"] = True
    if facts.forwarded_at is not None and _is_soon_after(facts.forwarded_at, hit, rules):
        fields["after_forward"] = True


def _describe_person(fields: dict[str, Any], facts: DeliveryFacts, hit: Hit, rules: Rules) -> None:
    near, agent = network_key(hit.address), hit.headers.get("user-agent", "")
    if near in facts.known_networks:
        fields["known_network"] = True
    if agent and agent in facts.known_agents:
        fields["known_device"] = True
    if near in facts.sender_networks:
        fields["sender_network"] = True
    sign = _sender_sign(facts, hit, near, agent, rules)
    if sign is not None:
        fields["sender_sign"] = sign


def _seconds_after(moment: datetime | None, hit: Hit) -> float | None:
    return None if moment is None else (hit.at - moment).total_seconds()


def _is_soon_after(moment: datetime, hit: Hit, rules: Rules) -> bool:
    return 0 <= (hit.at - moment).total_seconds() <= rules.numbers["times"]["isolation"]


def _sender_sign(facts: DeliveryFacts, hit: Hit, near: str, agent: str, rules: Rules) -> str | None:
    """Why a hit is the sender's own view; None when nothing says so."""
    if (hit.address, agent) in facts.sender_visitors:
        return "this browser was marked as the sender's own"
    limit = rules.numbers["times"]["heads_up"]
    for announced in facts.sender_announced:
        if 0 <= (hit.at - announced).total_seconds() <= limit:
            return "the sender's client announced it"
    replied = facts.replied_at
    if replied is not None and hit.at > replied and near in facts.sender_networks:
        return "the recipient's reply quotes the message, and this is the network of its author"
    if _is_from_senders_provider(facts, hit, agent, rules):
        return "the images were fetched by the sender's mailbox provider, not the recipient's"
    return None


def _is_from_senders_provider(facts: DeliveryFacts, hit: Hit, agent: str, rules: Rules) -> bool:
    if facts.sender_provider is None or facts.recipient_provider is None:
        return False
    if facts.sender_copy_at is not None and hit.at <= facts.sender_copy_at:
        return False
    client = rules.clients.classify(agent)
    return (
        client.kind == "reader_proxy"
        and client.name == facts.sender_provider != facts.recipient_provider
    )


def _add_company(facts: DeliveryFacts, places: Sequence[_Place], rules: Rules) -> None:
    """Add to each hit what its visitor did besides, at any time and within the windows."""
    trapped = {p.visitor for p in places if p.kind is _HONEYPOT}
    shown = {p.hit.address for p in places if p.link is None}
    both = {p.hit.address for p in places if p.link is not None and p.hit.address in shown}
    for place in places:
        if place.visitor in trapped and place.kind is not _HONEYPOT:
            place.fields["honeypot_elsewhere"] = True
        if place.hit.address in both:
            place.fields["open_and_click_of_address"] = True
    widest = rules.numbers["times"]["agents"]
    if any(b.time - a.time <= widest for a, b in pairwise(places)):
        _add_windows(facts, places, rules)


def _add_windows(facts: DeliveryFacts, places: Sequence[_Place], rules: Rules) -> None:
    """Count what happened around each hit, for the visitor and for the same user agent."""
    seconds = rules.numbers["times"]
    times = [p.time for p in places]
    visitors = [p.visitor for p in places]
    links = [p.link for p in places]
    acts = ["shown" if p.link is None else p.link for p in places]
    leaving = [1 if p.kind is _UNSUBSCRIBE else None for p in places]
    agents = [_agent_of(p) for p in places]
    by_visitor = distinct_near(times, visitors, links, seconds["burst"])
    by_agent = distinct_near(
        times, [a or v for a, v in zip(agents, visitors, strict=True)], links, seconds["burst"]
    )
    volleys = count_near(times, visitors, links, seconds["volley"])
    at_once = distinct_near(times, visitors, acts, seconds["same_second"])
    left = distinct_near(times, visitors, leaving, seconds["burst"])
    programs = distinct_near(times, [p.hit.address for p in places], agents, seconds["agents"])
    sent = facts.links_sent
    # No count goes beyond what is remarked on, so that more hits look alike.
    for i, place in enumerate(places):
        fields = place.fields
        burst = max(by_visitor[i], by_agent[i])
        followed = min(burst, MANY_LINKS)
        if place.link is not None:
            fields["links_in_burst"] = max(followed, 1)
            if volleys[i] > VOLLEY:
                fields["clicks_in_volley"] = VOLLEY + 1
        elif burst > _FEW_LINKS:
            fields["links_in_burst"] = followed
        if sent is not None and _FEW_LINKS < sent <= burst:
            fields["all_links_in_burst"] = True
        if at_once[i] >= AT_ONCE:
            fields["events_in_second"] = AT_ONCE
        if left[i] > 0 and burst > 1:
            fields["unsubscribe_too"] = True
        if programs[i] > 1:
            fields["agents_of_address"] = programs[i]


def _agent_of(place: _Place) -> str | None:
    """The user agent of a browser, which may betray one scanner behind many addresses."""
    client = place.seen.client
    return place.hit.headers.get("user-agent") if client and client.is_browser else None


def _second_round(
    facts: DeliveryFacts,
    places: Sequence[_Place],
    first: list[Judgement],
    rules: Rules,
    *,
    told: bool,
) -> list[Judgement]:
    """Judge again the hits for which it matters who made the others."""
    scanned = _after_scans(places, rules)
    reader: _Place | None = None
    readers: set[Hashable] = set()
    was_shown = False
    judged = []
    for i, place in enumerate(places):
        changes: dict[str, Any] = {}
        if i in scanned:
            changes["after_scan"] = True
        if was_shown and place.fields.get("click_without_open"):
            changes["click_without_open"] = False
            changes["follows_reader"] = place.visitor in readers
        if reader is not None and _is_stranger(facts, place, reader):
            changes.update(read_before=True, elsewhere="a new device and network")
        place.fields.update(changes)
        judged.append(
            judge_alike(place.seen, place.delay, place.fields, rules, told=told)
            if changes
            else first[i]
        )
        if first[i].probability_human > rules.human_above:
            was_shown = was_shown or place.kind is _BEACON
            if not _is_proxied(place.seen):
                readers.add(place.visitor)
                reader = reader or place
    return judged


def _after_scans(places: Sequence[_Place], rules: Rules) -> set[int]:
    """The clicks that a scanner's click on the same link accompanies, as a person's do.

    A scanner that follows several links is at work for itself, not because somebody clicked.
    """
    scans = [_lone_scan(place) for place in places]
    if not any(target is not None for target in scans):
        return set()
    near = distinct_near(
        [p.time for p in places], [p.link for p in places], scans, rules.numbers["times"]["pair"]
    )
    return {
        i for i, place in enumerate(places) if place.kind is _LINK and near[i] and scans[i] is None
    }


def _lone_scan(place: _Place) -> int | None:
    """The link that a scanning network followed, when it followed that one alone."""
    if place.kind is not _LINK or not isinstance(place.visitor, Network):
        return None
    return place.link if place.fields.get("links_in_burst") == 1 else None


def _is_stranger(facts: DeliveryFacts, place: _Place, reader: _Place) -> bool:
    """Whether neither device nor network is the reader's, nor any known of the recipient.

    A recipient of whom nothing is known may well be using another device of their own.
    """
    if not facts.known_networks or _is_proxied(place.seen):
        return False
    if "known_network" in place.fields or "known_device" in place.fields:
        return False
    agents = (p.hit.headers.get("user-agent", "") for p in (place, reader))
    return place.visitor != reader.visitor and len(set(agents)) > 1


def _is_proxied(seen: Seen) -> bool:
    """Whether address and user agent are a provider's and say nothing of the device."""
    if seen.client is not None and seen.client.kind in ("reader_proxy", "privacy_proxy"):
        return True
    return seen.network is not None and seen.network.role in ("private_relay", "web_proxy")
