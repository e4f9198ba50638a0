"""Who caused a hit: observations weighed in families, then the gates, then the actor.

The sum is one of log-odds, human to machine.  Within a family the signs for a machine count the
strongest in full and each further one by half, since a burst, a volley and the same second are one
fact seen three times; so do the signs for a person.  The two are kept apart, so that a further sign
of a machine can only lower the probability.  Pure: the same hit, surroundings and rules give the
same judgement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..model import Actor, EventType, Evidence, Hit, Judgement, TargetKind
from .delays import duration, step_of
from .look import Seen, is_followed, look
from .rules import Rules, log_odds
from .signals import Sign, signs_of
from .surroundings import NOTHING_AROUND, Surroundings

__all__ = [
    "event_of",
    "judge_alike",
    "judge_hit",
    "judge_seen",
    "verdict_word",
]

_UNDECIDED = 0.5
_REMEMBERED = 16384  # judgements of hits that look alike, about 2 kB each
_ABOVE = 0.01  # of log-odds: just inside the band of doubt
_NAMING = frozenset(
    f"client.{kind}" for kind in ("gmail_prefetch", "scanner", "preview", "crawler", "tool")
) | {"request.declared_prefetch"}
_EVENT_OF_ACTOR = {
    Actor.PRIVACY_PROXY: EventType.PROXIED,
    Actor.PREFETCH: EventType.PREFETCHED,
    Actor.SECURITY_SCANNER: EventType.SCANNED,
    Actor.CRAWLER: EventType.SCANNED,
    Actor.TOOL: EventType.SCANNED,
    Actor.LINK_PREVIEW: EventType.PREVIEWED,
    Actor.SENDER: EventType.SELF_VIEWED,
    Actor.UNKNOWN: EventType.FETCHED,
}
_NAMED = {actor: actor.value for actor in (Actor.SENDER, Actor.THIRD_PARTY)}
_FETCHED = EventType.FETCHED  # Python 3.11 takes 0.3 µs to find a member in its enumeration
_EVENT_OF_ACT = {"unsubscribe": EventType.UNSUBSCRIBED, "object": EventType.OBJECTED}
_EVENT_OF_PATH = {
    "o": EventType.OPENED,
    "c": EventType.CLICKED,
    "a": EventType.DOWNLOADED,
    "u": EventType.CLICKED,
    "n": EventType.CLICKED,
}


def judge_hit(hit: Hit, around: Surroundings = NOTHING_AROUND, *, rules: Rules) -> Judgement:
    """Who caused a hit, how sure we are that a person's act did, and why.

    The weights of the evidence add up to the log-odds of the probability.
    """
    is_click = is_followed(hit, around.kind)
    known = around.agent_known
    seen = look(hit, around.origin, rules, is_click=is_click, agent_known=known)
    return judge_seen(seen, around, rules)


def judge_alike(
    seen: Seen, delay: float | None, fields: Mapping[str, Any], rules: Rules, *, told: bool = True
) -> Judgement:
    """As `judge_seen`, remembered; `fields` are those of a Surroundings that are not at their
    default, without the `delay` in seconds.

    Most hits look like others: a campaign's readers share a few dozen clients, networks and steps
    of delay, and only the first of each is weighed. The delay is told anew; unless `told` it is
    left open in its sentence, as `{delay}`, and hits that are alike get one and the same object.
    """
    step = None if delay is None else step_of(delay, rules.steps)
    judgement, place = _remembered(seen, step, tuple(fields.items()), rules)
    if place is None or delay is None or not told:
        return judgement
    evidence = judgement.evidence
    item = _told_delay(evidence[place], duration(delay))
    return _with_item(judgement, place, item)


@lru_cache(_REMEMBERED)
def _remembered(
    seen: Seen, step: float | None, fields: tuple[tuple[str, Any], ...], rules: Rules
) -> tuple[Judgement, int | None]:
    """The judgement with its delay left open, and which of its items of evidence tells that."""
    around = Surroundings(seconds_since_delivery=step, **dict(fields))
    judgement = judge_seen(seen, around, rules)
    if step is None:
        return judgement, None
    for place, item in enumerate(judgement.evidence):
        if item.signal.startswith("timing."):
            text = rules.signals[item.signal].text
            left_open = Evidence(signal=item.signal, weight=item.weight, text=text)
            return _with_item(judgement, place, left_open), place
    return judgement, None


def _with_item(judgement: Judgement, place: int, item: Evidence) -> Judgement:
    evidence = judgement.evidence
    return Judgement(
        actor=judgement.actor,
        probability_human=judgement.probability_human,
        evidence=(*evidence[:place], item, *evidence[place + 1 :]),
        rules_version=judgement.rules_version,
    )


@lru_cache(_REMEMBERED)
def _told_delay(item: Evidence, delay: str) -> Evidence:
    text = item.text.replace("{delay}", delay)
    return Evidence(signal=item.signal, weight=item.weight, text=text)


def judge_seen(seen: Seen, around: Surroundings, rules: Rules) -> Judgement:
    """As `judge_hit`, when the tables were asked already."""
    if _is_privacy_fetch(seen) and around.sender_sign is None:
        return _privacy_fetch(seen, rules)
    signs = signs_of(seen, around, rules)
    prior = _prior_evidence(_prior(seen, around, rules), seen.is_click, around.expected_share)
    evidence = _weighed(signs, rules)
    total = prior.weight + sum(item.weight for item in evidence)
    total = _bounded(total, evidence, seen, rules)
    probability = 1 / (1 + math.exp(-total))
    actor = _actor(probability, signs, seen, rules)
    if around.sender_sign is not None:
        actor = Actor.SENDER
        evidence.append(_gate(rules, "gate.sender", around.sender_sign))
    elif around.read_before and around.elsewhere and probability >= rules.machine_below:
        actor = Actor.THIRD_PARTY
        evidence.append(_gate(rules, "gate.third_party", around.elsewhere))
    evidence.sort(key=lambda item: (-abs(item.weight), item.signal))
    return Judgement(
        actor=actor,
        probability_human=probability,
        evidence=(*evidence, prior),
        rules_version=rules.version,
    )


def event_of(hit: Hit, judgement: Judgement) -> EventType:
    """What may be claimed to have happened: no more than was seen.

    A refusal or an unsubscription is what the recipient's side asked for, whoever pressed.
    """
    if hit.method == "POST" and hit.action in _EVENT_OF_ACT:
        return _EVENT_OF_ACT[hit.action]
    told = _EVENT_OF_ACTOR.get(judgement.actor)
    return told or _EVENT_OF_PATH.get(hit.path_kind, _FETCHED)


def verdict_word(judgement: Judgement, rules: Rules) -> str:
    """The judgement in one word: human, machine, unknown, sender or third_party."""
    if judgement.actor in _NAMED:
        return _NAMED[judgement.actor]
    if judgement.probability_human < rules.machine_below:
        return "machine"
    return "human" if judgement.probability_human > rules.human_above else "unknown"


def _prior_key(seen: Seen, around: Surroundings) -> str:
    if seen.path_kind == "a" or around.kind is TargetKind.ATTACHMENT:
        return "download"
    return "click" if seen.is_click else "open"


def _prior(seen: Seen, around: Surroundings, rules: Rules) -> float:
    if around.expected_share is not None:
        return around.expected_share
    return rules.numbers["priors"][_prior_key(seen, around)]


@lru_cache(4096)
def _prior_evidence(prior: float, clicked: bool, learned: float | None) -> Evidence:
    what = "clicks" if clicked else "loads"
    where = "" if learned is None else " at this recipient's domain"
    return Evidence(
        signal="prior",
        weight=log_odds(prior),
        text=f"of 100 such {what}{where} about {prior * 100:.0f} are people's",
    )


def _weighed(signs: Sequence[Sign], rules: Rules) -> list[Evidence]:
    """The signs with what each still counts for beside the others of its family and direction."""
    keys = {(sign.signal.family, sign.signal.weight < 0) for sign in signs}
    if len(keys) < len(signs):
        signs = sorted(signs, key=lambda s: (-abs(s.signal.weight * s.share), s.signal.name))
    counted: dict[tuple[str, bool], float] = {}
    shrink = rules.numbers["caps"]["shrink"]
    evidence = []
    for signal, text, share in signs:
        weight = signal.weight * share
        key = (signal.family, weight < 0)
        factor = counted.get(key, 1.0)
        counted[key] = factor * shrink
        evidence.append(Evidence(signal=signal.name, weight=weight * factor, text=text))
    return evidence


def _bounded(total: float, evidence: list[Evidence], seen: Seen, rules: Rules) -> float:
    """Apply the cap and the gates that hold a probability back, each as an item of evidence."""
    cap = rules.numbers["caps"]["total"]
    total = _held(total, -cap, cap, "cap", evidence, rules)
    if seen.method == "HEAD":
        total = _held(total, -cap, log_odds(_UNDECIDED), "gate.head", evidence, rules)
    if seen.client is not None and seen.client.kind == "reader_proxy" and _is_trusted(seen):
        least = log_odds(rules.machine_below) + _ABOVE
        total = _held(total, least, cap, "gate.reader_proxy", evidence, rules)
    return total


def _held(
    total: float, low: float, high: float, name: str, evidence: list[Evidence], rules: Rules
) -> float:
    held = min(max(total, low), high)
    if held != total:
        evidence.append(_held_back(rules, name, held - total))
    return held


def _held_back(rules: Rules, name: str, weight: float) -> Evidence:
    if name == "cap":
        return Evidence(signal=name, weight=weight, text="one in a thousand stays in doubt")
    return Evidence(signal=name, weight=weight, text=rules.signals[name].text)


def _is_trusted(seen: Seen) -> bool:
    """Whether no network gives the name of a reader's proxy the lie."""
    if seen.is_click:
        return False
    return seen.network is None or seen.network.role not in ("hosting", "false_engagement")


def _is_privacy_fetch(seen: Seen) -> bool:
    """Apple's: its user agent from its egress or an unknown network, or its egress alone."""
    if seen.is_click:
        return False
    relay = seen.network is not None and seen.network.role == "private_relay"
    if seen.client is None:
        return relay
    known_other = seen.network is not None and seen.network.role in (
        "scanner",
        "hosting",
        "vendor",
        "isolating",
        "microsoft",
        "google_special",
        "false_engagement",
    )
    return seen.client.kind == "privacy_proxy" and not known_other


def _privacy_fetch(seen: Seen, rules: Rules) -> Judgement:
    """Outside the sum: whatever else was seen, the device may have fetched of its own accord."""
    gate = rules.signals["gate.privacy_proxy" if seen.client else "gate.privacy_network"]
    probability = rules.numbers["priors"]["privacy"]
    return Judgement(
        actor=Actor.PRIVACY_PROXY,
        probability_human=probability,
        evidence=(Evidence(signal=gate.name, weight=log_odds(probability), text=gate.text),),
        rules_version=rules.version,
    )


def _gate(rules: Rules, name: str, detail: str) -> Evidence:
    signal = rules.signals[name]
    return Evidence(signal=name, weight=0.0, text=signal.text.replace("{detail}", detail))


def _actor(probability: float, signs: Sequence[Sign], seen: Seen, rules: Rules) -> Actor:
    if probability > rules.human_above:
        return Actor.IMAGE_PROXY if _is_proxied(seen) else Actor.HUMAN
    if probability >= rules.machine_below:
        return Actor.UNKNOWN
    blamed = [s for s in signs if s.signal.actor is not None and s.signal.weight < 0]
    # Who names itself is believed before what it does; then the strongest sign speaks, and the
    # hour of the visit, which tells no scanner from a prefetch, when nothing else does.
    blamed.sort(
        key=lambda s: (
            s.signal.name not in _NAMING,
            s.signal.family == "timing" and s.signal.name != "timing.before_delivery",
            s.signal.weight,
            s.signal.name,
        )
    )
    if not blamed or blamed[0].signal.actor is None:
        return Actor.UNKNOWN
    actor = blamed[0].signal.actor
    if actor is Actor.PREFETCH and seen.is_click and blamed[0].signal.family == "network":
        return Actor.SECURITY_SCANNER
    return actor


def _is_proxied(seen: Seen) -> bool:
    if seen.client is not None and seen.client.kind == "reader_proxy":
        return True
    return seen.network is not None and seen.network.role in ("reader_proxy", "provider_proxy")
