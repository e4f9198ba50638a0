"""What all events of a delivery mean together: a level, a probability and the reasons.

The hits that a person may be behind are merged into visits (one network, gaps below half an hour);
a visit counts by its best hit, so that a repeat proves nothing more.  Visits that are decided
combine as independent; undecided ones count once, by the best of them; machines count nothing.
The order of the events does not matter.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from ..model import Actor, Event, EventType, Evidence, Hit, Judgement, Verdict, VerdictLevel
from .judge import event_of
from .networks import network_key
from .rules import Rules, log_odds

__all__ = ["Weighed", "as_told", "event_from", "weigh", "weigh_all", "weighed_from", "weighed_of"]

_PEOPLES = frozenset({EventType.OPENED, EventType.CLICKED, EventType.DOWNLOADED, EventType.FETCHED})
_MACHINES = {
    EventType.PREFETCHED: "prefetched before anybody looked",
    EventType.SCANNED: "scanned by a program",
    EventType.PREVIEWED: "previewed for a shared link",
}
_DEEDS = {
    EventType.OPENED: "displayed the images",
    EventType.CLICKED: "followed a link",
    EventType.DOWNLOADED: "downloaded an attachment",
}
_DEEDS_OF_PATHS = {"o": "loaded the images", "a": "asked for an attachment"}  # when undetermined
_FAILED = frozenset({EventType.BOUNCED, EventType.REJECTED, EventType.SUPPRESSED})
_ENGAGING = frozenset({EventType.CLICKED, EventType.DOWNLOADED})
_LEAST, _MOST = 0.001, 0.999  # no verdict is certain: one in a thousand, as the cap of a hit
_REMARKS = {
    EventType.PROXIED: "fetched by a privacy proxy, whether or not a person looked,",
    EventType.SELF_VIEWED: "viewed by the sender",
    EventType.AUTORESPONDED: "answered by a program",
    EventType.BOUNCED: "refused by the receiving side",
    EventType.REJECTED: "refused or called back on our side",
    EventType.SUPPRESSED: "not sent, since the recipient is on the suppression list",
    EventType.DEFERRED: "put off by the receiving server",
}
_PLAIN = _REMARKS | _MACHINES
_STATEMENTS = frozenset(
    {EventType.REPLIED, EventType.DISPLAYED, EventType.COMPLAINED}
    | {EventType.UNSUBSCRIBED, EventType.OBJECTED}
)
_ASKED_FOR = {  # on a page of ours, by whoever pressed its button
    EventType.UNSUBSCRIBED: "unsubscribed",
    EventType.OBJECTED: "refused tracking",
}
_FACTS = _FAILED | {EventType.DEFERRED, EventType.AUTORESPONDED}  # of the delivery, not of looks
# Members by plain names where every delivery passes: Python 3.11 takes 0.3 µs to find one in its
# enumeration.
_DELIVERED, _REPLIED = EventType.DELIVERED, EventType.REPLIED
(
    _LEVEL_PENDING,
    _LEVEL_UNDELIVERED,
    _LEVEL_DELIVERED,
    _LEVEL_MACHINE_ONLY,
    _LEVEL_MAYBE_OPENED,
    _LEVEL_OPENED,
    _LEVEL_ENGAGED,
    _LEVEL_ANSWERED,
) = VerdictLevel
_THIRD_PARTY = Actor.THIRD_PARTY.value
_ARRIVED = frozenset({EventType.DELIVERED, EventType.PROXIED, EventType.AUTORESPONDED})


class Weighed(NamedTuple):  # a tuple, since one is made of every event at every judging
    """What weighing takes of an event; of what servers said no more than the time and the type."""

    at: datetime
    type: EventType
    address: object = None  # from here on as `raw` says it, which may be anything
    probability_human: object = None
    actor: object = None
    user_agent: object = None
    path_kind: object = None
    raw: Mapping[str, object] = MappingProxyType({})  # of what was told, not of a hit


class _Source(NamedTuple):
    """All hits of one network, or of one provider's proxy, that a person may be behind."""

    best: Weighed
    probability: float
    visits: int  # times that it came, half an hour or more apart
    is_engaging: bool


class _Reason(NamedTuple):
    """One independent piece of evidence that a person saw the message."""

    signal: str
    probability: float
    text: str


def event_from(hit: Hit, judgement: Judgement) -> Event:
    """The event to keep for a hit, with what `weigh` and a later judging need in `raw`."""
    return Event(
        type=event_of(hit, judgement),
        at=hit.at,
        evidence=judgement.evidence,
        raw={
            "actor": judgement.actor.value,
            "probability_human": judgement.probability_human,
            "rules_version": judgement.rules_version,
            "address": hit.address,
            "user_agent": hit.headers.get("user-agent", ""),
            "target": hit.target,
            "path_kind": hit.path_kind,
            "method": hit.method,
        },
    )


def weighed_of(event: Event) -> Weighed:
    """What weighing takes of a kept event."""
    raw = event.raw
    return Weighed(
        event.at,
        event.type,
        raw.get("address"),
        raw.get("probability_human"),
        raw.get("actor"),
        raw.get("user_agent"),
        raw.get("path_kind"),
        raw,
    )


def weighed_from(hit: Hit, judgement: Judgement) -> Weighed:
    """The same of a hit that was judged just now: of `event_from`, without making the event."""
    return Weighed(
        hit.at,
        event_of(hit, judgement),
        hit.address,
        judgement.probability_human,
        judgement.actor,
        hit.headers.get("user-agent", ""),
        hit.path_kind,
    )


def weigh(
    events: Sequence[Event], now: datetime, rules: Rules, *, further_hits: int = 0
) -> Verdict:
    """What the events of one delivery mean at `now`.

    `further_hits` is how many there are besides, which were counted and are not among the events.

    An event of a hit carries `probability_human`, `address` and `user_agent` in `raw`, as
    `event_from` writes them; `actor`, `path_kind` and `target` make the sentences better.
    The weights of the evidence add up to the log-odds of the probability.
    """
    return weigh_all([weighed_of(e) for e in events], now, rules, further_hits=further_hits)


def weigh_all(
    events: Sequence[Weighed], now: datetime, rules: Rules, *, further_hits: int = 0
) -> Verdict:
    """As `weigh`, of what it takes of events."""
    ordered = _in_order(events)
    types = {event.type for event in ordered}
    sources = [] if types.isdisjoint(_PEOPLES) else _sources(ordered, rules)
    reasons = [] if types.isdisjoint(_STATEMENTS) else _strong(ordered, rules)
    reasons += _of_sources(sources, rules)
    delivered = _DELIVERED in types and types.isdisjoint(_FAILED)
    silent = rules.numbers["verdict"]["silent"] if delivered else _LEAST
    probability, evidence = _combined(silent, delivered, reasons)
    if EventType.REPLIED in types and not any(reason.signal == "replied" for reason in reasons):
        types.discard(EventType.REPLIED)  # an answer, perhaps, but not known to be the recipient's
    level = _level(types, sources, probability, rules)
    plain = _plain(ordered, rules)
    if further_hits:
        text = f"{further_hits} further hits are counted and were not weighed one by one"
        plain.append(Evidence(signal="further_hits", weight=0.0, text=text))
    headline = _headline(level, probability, reasons, plain)
    return Verdict(
        level=level,
        probability=probability,
        evidence=(headline, *evidence, *plain),
        is_final=_is_settled(ordered, now, level, rules),
        rules_version=rules.version,
    )


_AT = attrgetter("at")


def _in_order(events: Sequence[Weighed]) -> list[Weighed]:
    """By time; what happened at the same time in an order that the order of arrival cannot turn."""
    ordered = sorted(events, key=_AT)
    if any(a.at == b.at for a, b in pairwise(ordered)):
        ordered.sort(key=_order)
    return ordered


def _order(event: Weighed) -> tuple[object, ...]:
    """A total order for what matters here."""
    at, type_, *matters, _ = event
    return at, type_.value, *map(str, matters)


def _probability(event: Weighed) -> float:
    value = event.probability_human
    if isinstance(value, int | float) and 0 <= value <= 1:
        return min(max(float(value), 0.0), _MOST)
    return 0.0  # an event that does not say proves nothing


def _sources(events: Sequence[Weighed], rules: Rules) -> list[_Source]:
    """The events by who made them, in order of each one's best hit."""
    groups: dict[Hashable, list[Weighed]] = {}
    for event in events:
        if event.type in _PEOPLES and event.actor != _THIRD_PARTY:
            groups.setdefault(_source_of(event, rules), []).append(event)
    sources = [_source(group, rules) for group in groups.values()]
    if len(sources) > 1:
        sources.sort(key=lambda s: (-s.probability, _order(s.best)))
    return sources


def _source_of(event: Weighed, rules: Rules) -> Hashable:
    client = rules.clients.classify(str(event.user_agent or ""))
    if client.kind == "reader_proxy":
        return client.name  # a provider's proxy fetches from many networks
    return network_key(str(event.address or ""))


def _source(group: Sequence[Weighed], rules: Rules) -> _Source:
    visits = 1
    best = group[0]
    if len(group) > 1:
        gap = timedelta(seconds=rules.numbers["times"]["session_gap"])
        visits += sum(b.at - a.at >= gap for a, b in pairwise(group))
        best = max(group, key=lambda e: (_probability(e), e.type in _ENGAGING))
    engaging = any(
        e.type in _ENGAGING
        and _probability(e) > rules.human_above
        and e.path_kind not in ("u", "n")
        for e in group
    )
    return _Source(best, _probability(best), visits, engaging)


def _of_sources(sources: Sequence[_Source], rules: Rules) -> list[_Reason]:
    """Decided sources count each; of the undecided ones only the best."""
    reasons: list[_Reason] = []
    for source in sources:
        decided = source.probability > rules.human_above
        if not decided and (source.probability < rules.machine_below or _has_doubt(reasons)):
            continue
        name = "visit" if decided else "doubtful_visit"
        reasons.append(_Reason(name, source.probability, _visit_text(source, decided, rules)))
    return reasons


def _has_doubt(reasons: Iterable[_Reason]) -> bool:
    return any(reason.signal == "doubtful_visit" for reason in reasons)


def _visit_text(source: _Source, decided: bool, rules: Rules) -> str:
    event = source.best
    client = rules.clients.classify(str(event.user_agent or ""))
    who = client.name if client.kind not in ("none", "unrecognised") else "somebody"
    path = str(event.path_kind)
    deed = _DEEDS.get(event.type) or _DEEDS_OF_PATHS.get(path, "followed a link")
    if source.is_engaging and event.type not in _ENGAGING:
        deed = "displayed the message and followed a link"
    text = f"{who} {deed} {_when(event.at)}"
    if source.visits > 1:
        text += f", and came {source.visits} times"
    return text if decided else f"{text}, perhaps a person ({_percent(source.probability)})"


def _strong(events: Sequence[Weighed], rules: Rules) -> list[_Reason]:
    """What a person said or did outside the tracked targets, each kind once."""
    found: dict[EventType, _Reason] = {}
    for event in events:
        reason = _statement(event, rules)
        old = found.get(event.type)
        if reason is not None and (old is None or reason.probability > old.probability):
            found[event.type] = reason
    return sorted(found.values(), key=lambda r: (-r.probability, r.signal))


def _statement(event: Weighed, rules: Rules) -> _Reason | None:
    if event.type not in _STATEMENTS:
        return None
    numbers = rules.numbers["verdict"]
    when = _when(event.at)
    match event.type:
        case EventType.REPLIED if event.raw.get("by_another") is True:
            text = f"somebody who knows the message answered from another address {when}"
            return _Reason("replied_by_another", numbers["replied_by_another"], text)
        case EventType.REPLIED:
            return _Reason("replied", numbers["replied"], f"the recipient answered {when}")
        case EventType.DISPLAYED:
            if "automatic-action" in " ".join(str(v) for v in event.raw.values()).lower():
                text = f"a program confirmed the display of its own accord {when}"
                return _Reason("displayed", numbers["displayed_automatically"], text)
            return _Reason("displayed", numbers["displayed"], f"a receipt says displayed {when}")
        case EventType.COMPLAINED:
            return _Reason("complained", numbers["complained"], f"it was reported as spam {when}")
        case EventType.UNSUBSCRIBED | EventType.OBJECTED:
            pressed = _by_a_person(event)
            if pressed < rules.machine_below:
                return None
            text = f"somebody {_ASKED_FOR[event.type]} {when}"
            if pressed <= rules.human_above:
                text += f", perhaps a person ({_percent(pressed)})"
            return _Reason(event.type.value, min(numbers[event.type.value], pressed), text)
    return None


def _by_a_person(event: Weighed) -> float:
    """How likely a person pressed the button of a page: a scanner can press it too.

    Without a judgement, as of an unsubscription by mail, nothing speaks against it. Of a hit whose
    judgement was taken away with its address what stays is who it was by kind.
    """
    who, judged = event.raw.get("who"), event.probability_human
    if who == "machine":
        return 0.0
    if who == "human" or not isinstance(judged, int | float):
        return 1.0
    return float(judged)


@lru_cache(256)
def _silence(silent: float, delivered: bool) -> Evidence:
    """The share of people who read and leave no trace, with which every verdict begins."""
    share = f"about {silent * 100:.0f} of 100 delivered messages are read without leaving a trace"
    text = share if delivered else "nothing says that the message arrived"
    return Evidence(signal="silent", weight=log_odds(silent), text=text)


def _combined(
    silent: float, delivered: bool, reasons: Sequence[_Reason]
) -> tuple[float, list[Evidence]]:
    """One minus the product of the doubts, and what each reason added to the log-odds."""
    evidence = [_silence(silent, delivered)]
    doubt, before = 1 - silent, silent
    for reason in reasons:
        doubt *= 1 - min(reason.probability, _MOST)
        after = min(1 - doubt, _MOST)
        weight = log_odds(after) - log_odds(before)
        evidence.append(Evidence(signal=reason.signal, weight=weight, text=reason.text))
        before = after
    return before, evidence


def _level(
    types: set[EventType], sources: Sequence[_Source], probability: float, rules: Rules
) -> VerdictLevel:
    if _REPLIED in types:
        return _LEVEL_ANSWERED
    if any(source.is_engaging for source in sources):
        return _LEVEL_ENGAGED
    if probability > rules.human_above:
        return _LEVEL_OPENED
    if not types.isdisjoint(_FAILED):
        return _LEVEL_UNDELIVERED
    if probability >= rules.machine_below:
        return _LEVEL_MAYBE_OPENED
    if not types.isdisjoint(_MACHINES):
        return _LEVEL_MACHINE_ONLY
    return _LEVEL_PENDING if types.isdisjoint(_ARRIVED) else _LEVEL_DELIVERED


def _plain(events: Sequence[Weighed], rules: Rules) -> list[Evidence]:
    """What happened and does not count, in a sentence each; many of a kind in one."""
    texts: dict[tuple[str, str], list[Weighed]] = {}
    for event in events:
        text = _PLAIN.get(event.type)
        if event.actor == _THIRD_PARTY and event.type in _PEOPLES:
            text = "read by somebody else, as after a forward"
        if event.type in _ASKED_FOR and (_by_a_person(event) < rules.machine_below):
            text = f"{_ASKED_FOR[event.type]} by a program"
        if text is not None:
            texts.setdefault((event.type.value, text), []).append(event)
    return [
        Evidence(signal=kind, weight=0.0, text=_counted(text, group))
        for (kind, text), group in texts.items()
    ]


def _counted(text: str, group: Sequence[Weighed]) -> str:
    first = _when(group[0].at)
    told = f"{text} {first}" if len(group) == 1 else f"{text} {len(group)} times, first {first}"
    return told if group[0].type in _FACTS else f"{told}, which does not count"


_WORDS = {level: level.value.replace("_", " ").capitalize() for level in VerdictLevel}


def _headline(
    level: VerdictLevel,
    probability: float,
    reasons: Sequence[_Reason],
    plain: Sequence[Evidence],
) -> Evidence:
    """The verdict in one sentence for a person."""
    told = "; ".join(reason.text for reason in reasons) or "nobody was seen to look"
    beside = "".join(f" {item.text[0].upper()}{item.text[1:]}." for item in plain)
    text = f"{_WORDS[level]}, {_percent(probability)}: {told}.{beside}"
    return Evidence(signal="verdict", weight=0.0, text=text)


def as_told(probability: float) -> float:
    """A probability as people are told it: whole percent, 1 to 99, since nothing is certain."""
    return min(max(round(probability, 2), 0.01), 0.99)


def _percent(probability: float) -> str:
    return f"{as_told(probability):.0%}"


def _when(at: datetime) -> str:
    text = at.isoformat(" ", "seconds")  # ten times as fast as two formats
    return f"on {text[:10]} at {text[11:19]}"


def _is_settled(
    events: Sequence[Weighed], now: datetime, level: VerdictLevel, rules: Rules
) -> bool:
    """Whether nothing happened for the settling time."""
    if not events or level is _LEVEL_PENDING:
        return False
    return now - events[-1].at >= timedelta(seconds=rules.numbers["times"]["settle"])
