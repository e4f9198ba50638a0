"""All hits of one delivery together: what each one's neighbours in the message say of it.

Two rounds: the first judges each hit by its request, its time and the bursts around it; the second
knows which of them were people's and scanners', and so sees pairs, followers and forwards.
The order in which the hits are handed in does not matter, only their times.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..model import Hit, Judgement, TargetKind
from .judge import judge_hit
from .networks import network_key
from .rules import Rules
from .signals import SCANNING_ROLES, Seen, look
from .surroundings import Crowd, DeliveryFacts, Origin, Surroundings

__all__ = ["judge_delivery", "surroundings_of"]

_NOWHERE = Origin()
_ALONE = Crowd()
_CLICKABLE = frozenset({TargetKind.LINK, TargetKind.UNSUBSCRIBE, TargetKind.NOTICE})
_KIND_OF_PATH = {
    "o": TargetKind.BEACON,
    "c": TargetKind.LINK,
    "a": TargetKind.ATTACHMENT,
    "u": TargetKind.UNSUBSCRIBE,
    "n": TargetKind.NOTICE,
}


@dataclass(slots=True)
class _Story:
    """The hits of one delivery in order of time, and what the windows over them counted."""

    hits: list[Hit]
    kinds: list[TargetKind]
    seen: list[Seen]
    visitors: list[Hashable]  # the owner of a scanning network, else the /24 or /48
    times: list[float]
    arounds: list[Surroundings]


def judge_delivery(
    facts: DeliveryFacts,
    hits: Sequence[Hit],
    *,
    rules: Rules,
    crowds: Sequence[Crowd] | None = None,
    origins: Mapping[str, Origin] | None = None,
) -> list[Judgement]:
    """A judgement for each hit, in the order of `hits`.

    `crowds` stands beside `hits`; `origins` is by address.  Time and memory are linear in `hits`.
    """
    order = sorted(range(len(hits)), key=lambda i: (hits[i].at, hits[i].path_kind, i))
    story = _story(facts, [hits[i] for i in order], rules, origins or {})
    if crowds is not None:
        story.arounds = [
            a if crowds[i] is _ALONE else replace(a, crowd=crowds[i])
            for a, i in zip(story.arounds, order, strict=True)
        ]
    first = [judge_hit(h, a, rules=rules) for h, a in zip(story.hits, story.arounds, strict=True)]
    if len(hits) > 1:
        first = _second_round(facts, story, first, rules)
    judgements: list[Judgement | None] = [None] * len(hits)
    for place, judgement in zip(order, first, strict=True):
        judgements[place] = judgement
    return [j for j in judgements if j is not None]


def surroundings_of(
    facts: DeliveryFacts,
    hits: Sequence[Hit],
    *,
    rules: Rules,
    origins: Mapping[str, Origin] | None = None,
) -> list[Surroundings]:
    """What the first round knows around each hit, in the order of their times."""
    ordered = sorted(hits, key=lambda h: (h.at, h.path_kind))
    return _story(facts, ordered, rules, origins or {}).arounds


def _story(
    facts: DeliveryFacts, hits: list[Hit], rules: Rules, origins: Mapping[str, Origin]
) -> _Story:
    kinds = [_kind(facts, hit) for hit in hits]
    arounds = [
        _alone(facts, hit, kind, origins.get(hit.address, _NOWHERE), rules)
        for hit, kind in zip(hits, kinds, strict=True)
    ]
    seen = [look(hit, around, rules) for hit, around in zip(hits, arounds, strict=True)]
    story = _Story(
        hits=hits,
        kinds=kinds,
        seen=seen,
        visitors=[_visitor(h, s) for h, s in zip(hits, seen, strict=True)],
        times=[hit.at.timestamp() for hit in hits],
        arounds=arounds,
    )
    if len(hits) > 1:
        _add_windows(story, rules)
    return story


def _kind(facts: DeliveryFacts, hit: Hit) -> TargetKind:
    kind = facts.targets.get(hit.target) if hit.target is not None else None
    return kind or _KIND_OF_PATH.get(hit.path_kind, TargetKind.LINK)


def _visitor(hit: Hit, seen: Seen) -> Hashable:
    """Who is taken for one visitor: a scanner's whole fleet, else one small network."""
    if seen.network is not None and seen.network.role in SCANNING_ROLES:
        return seen.network
    return network_key(hit.address)


def _alone(
    facts: DeliveryFacts, hit: Hit, kind: TargetKind, origin: Origin, rules: Rules
) -> Surroundings:
    """What the delivery says of a hit, whatever the other hits are."""
    near = network_key(hit.address)
    agent = hit.headers.get("user-agent", "")
    delay = None
    if facts.delivered_at is not None:
        delay = (hit.at - facts.delivered_at).total_seconds()
    return Surroundings(
        kind=kind,
        seconds_since_delivery=delay,
        asn=origin.asn,
        host_name=origin.host_name,
        host_name_confirmed=origin.host_name_confirmed,
        links_in_burst=1 if kind in _CLICKABLE else None,
        links_sent=facts.links_sent,
        click_without_open=kind in _CLICKABLE,
        honeypot=kind is TargetKind.HONEYPOT,
        after_forward=_soon_after(facts.forwarded_at, hit, rules),
        known_network=near in facts.known_networks,
        known_device=bool(agent) and agent in facts.known_agents,
        sender_sign=_sender_sign(facts, hit, near, agent, rules),
        sender_network=near in facts.sender_networks,
        domain_hits=facts.domain_hits,
    )


def _soon_after(moment: object, hit: Hit, rules: Rules) -> bool:
    if moment is None:
        return False
    seconds = (hit.at - moment).total_seconds()  # type: ignore[operator]
    return bool(0 <= seconds <= rules.numbers["times"]["isolation"])


def _sender_sign(facts: DeliveryFacts, hit: Hit, near: str, agent: str, rules: Rules) -> str | None:
    if (hit.address, agent) in facts.sender_visitors:
        return "this browser was marked as the sender's own"
    limit = rules.numbers["times"]["heads_up"]
    for announced in facts.sender_announced:
        if 0 <= (hit.at - announced).total_seconds() <= limit:
            return "the sender's client announced it"
    replied = facts.replied_at
    if replied is not None and hit.at > replied and near in facts.sender_networks:
        return "the recipient's reply quotes the message, and this is the network of its author"
    if _from_senders_provider(facts, agent, rules):
        return "the images were fetched by the sender's mailbox provider, not the recipient's"
    return None


def _from_senders_provider(facts: DeliveryFacts, agent: str, rules: Rules) -> bool:
    if facts.sender_provider is None or facts.recipient_provider is None:
        return False
    client = rules.clients.classify(agent)
    return (
        client.kind == "reader_proxy"
        and client.name == facts.sender_provider != facts.recipient_provider
    )


def _add_windows(story: _Story, rules: Rules) -> None:
    """Count what happened around each hit, for the visitor and for the same user agent."""
    times, number = story.times, rules.numbers["times"]
    links = [
        hit.target if kind in _CLICKABLE or kind is TargetKind.HONEYPOT else None
        for hit, kind in zip(story.hits, story.kinds, strict=True)
    ]
    agents: list[Hashable] = [
        _agent_group(h, s) for h, s in zip(story.hits, story.seen, strict=True)
    ]
    acts: list[Hashable] = ["shown" if link is None else link for link in links]
    by_visitor = _distinct_near(times, story.visitors, links, number["burst"])
    by_agent = _distinct_near(times, agents, links, number["burst"])
    volleys = _count_near(times, story.visitors, links, number["volley"])
    seconds = _distinct_near(times, story.visitors, acts, number["same_second"])
    leaving = _near_kind(story, TargetKind.UNSUBSCRIBE, number["burst"])
    programs = _distinct_near(
        times,
        [hit.address for hit in story.hits],
        [_browser_of(h, s) for h, s in zip(story.hits, story.seen, strict=True)],
        number["agents"],
    )
    trapped = {
        v for v, k in zip(story.visitors, story.kinds, strict=True) if k is TargetKind.HONEYPOT
    }
    shown = {h.address for h, link in zip(story.hits, links, strict=True) if link is None}
    followed = {h.address for h, link in zip(story.hits, links, strict=True) if link is not None}
    for i, around in enumerate(story.arounds):
        burst = max(by_visitor[i], by_agent[i])
        sent = around.links_sent
        is_link = links[i] is not None
        story.arounds[i] = replace(
            around,
            links_in_burst=max(burst, 1) if is_link else (burst if burst > 2 else None),
            all_links_in_burst=sent is not None and sent > 2 and burst >= sent,
            clicks_in_volley=volleys[i] if is_link else 0,
            events_in_second=seconds[i],
            unsubscribe_too=leaving[i] and burst > 1,
            honeypot_elsewhere=story.visitors[i] in trapped and not around.honeypot,
            open_and_click_of_address=story.hits[i].address in shown & followed,
            agents_of_address=programs[i],
        )


def _agent_group(hit: Hit, seen: Seen) -> Hashable:
    """The user agent, where it may betray one scanner behind many addresses."""
    if seen.client is None or not seen.client.is_browser:
        return network_key(hit.address)
    return hit.headers.get("user-agent", "")


def _browser_of(hit: Hit, seen: Seen) -> Hashable | None:
    return hit.headers.get("user-agent") if seen.client and seen.client.is_browser else None


def _distinct_near(
    times: Sequence[float],
    groups: Sequence[Hashable],
    values: Sequence[Hashable | None],
    radius: float,
) -> list[int]:
    """For each place, how many different values its group has within `radius`, None left out."""
    held: dict[tuple[Hashable, Hashable], int] = {}
    distinct: dict[Hashable, int] = {}
    result, low, high = [], 0, 0
    for i, time in enumerate(times):
        while high < len(times) and times[high] <= time + radius:
            if values[high] is not None:
                pair = (groups[high], values[high])
                held[pair] = held.get(pair, 0) + 1
                if held[pair] == 1:
                    distinct[groups[high]] = distinct.get(groups[high], 0) + 1
            high += 1
        while times[low] < time - radius:
            if values[low] is not None:
                pair = (groups[low], values[low])
                held[pair] -= 1
                if not held[pair]:
                    del held[pair]
                    distinct[groups[low]] -= 1
            low += 1
        result.append(distinct.get(groups[i], 0))
    return result


def _count_near(
    times: Sequence[float],
    groups: Sequence[Hashable],
    values: Sequence[Hashable | None],
    radius: float,
) -> list[int]:
    """As `_distinct_near`, every hit counted for itself."""
    each = [None if value is None else i for i, value in enumerate(values)]
    return _distinct_near(times, groups, each, radius)


def _near_kind(story: _Story, kind: TargetKind, radius: float) -> list[bool]:
    marks = [1 if k is kind else None for k in story.kinds]
    return [bool(n) for n in _distinct_near(story.times, story.visitors, marks, radius)]


def _second_round(
    facts: DeliveryFacts, story: _Story, first: list[Judgement], rules: Rules
) -> list[Judgement]:
    """Judge again the hits for which it matters who made the others."""
    scanned = _after_scans(story, rules)
    reader: tuple[Hashable, str] | None = None
    readers: set[Hashable] = set()
    was_shown = False
    judged = []
    for i, (hit, around) in enumerate(zip(story.hits, story.arounds, strict=True)):
        changed = around
        agent = hit.headers.get("user-agent", "")
        if i in scanned:
            changed = replace(changed, after_scan=True)
        if around.click_without_open and was_shown:
            follows = story.visitors[i] in readers
            changed = replace(changed, click_without_open=False, follows_reader=follows)
        if reader is not None and _is_stranger(facts, story, i, reader, agent):
            changed = replace(changed, read_before=True, elsewhere="a new device and network")
        judgement = first[i] if changed is around else judge_hit(hit, changed, rules=rules)
        judged.append(judgement)
        if first[i].probability_human <= rules.human_above:
            continue
        was_shown = was_shown or around.kind is TargetKind.BEACON
        if not _is_proxy(story.seen[i]):
            readers.add(story.visitors[i])
            reader = reader or (story.visitors[i], agent)
    return judged


def _after_scans(story: _Story, rules: Rules) -> set[int]:
    """The clicks that a scanner's click on the same link accompanies, as a person's do."""
    radius = rules.numbers["times"]["pair"]
    single: list[Hashable | None] = [
        story.hits[i].target
        if kind is TargetKind.LINK
        and isinstance(story.visitors[i], type(story.seen[i].network))
        and story.seen[i].network is not None
        and (story.arounds[i].links_in_burst or 0) <= 1
        else None
        for i, kind in enumerate(story.kinds)
    ]
    if not any(target is not None for target in single):
        return set()
    near = _distinct_near(
        story.times,
        [hit.target for hit in story.hits],
        single,
        radius,
    )
    return {
        i
        for i, kind in enumerate(story.kinds)
        if kind is TargetKind.LINK and near[i] and single[i] is None
    }


def _is_stranger(
    facts: DeliveryFacts, story: _Story, i: int, reader: tuple[Hashable, str], agent: str
) -> bool:
    """Whether neither device nor network is the reader's, nor any known of the recipient."""
    if not facts.known_networks or _is_proxy(story.seen[i]):
        return False  # whose other devices are unknown may well be using one of them
    around = story.arounds[i]
    if around.known_network or around.known_device:
        return False
    return story.visitors[i] != reader[0] and agent != reader[1]


def _is_proxy(seen: Seen) -> bool:
    """Whether address and user agent are a provider's and say nothing of the device."""
    if seen.client is not None and seen.client.kind in ("reader_proxy", "privacy_proxy"):
        return True
    return seen.network is not None and seen.network.role in ("private_relay", "web_proxy")
