"""From what was seen and what lies around it to named observations, family by family.

Nothing here is weighed against anything else: that is for `judge`.  Each function looks at one
family and names what it sees by the signals of the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from .delays import duration
from .look import SCANNING_ROLES, Seen
from .rules import Rules, Signal
from .surroundings import ALONE, Crowd, Surroundings

__all__ = ["AT_ONCE", "MANY_LINKS", "VOLLEY", "Sign", "signs_of"]

_PROXYING_ROLES = frozenset({"reader_proxy", "provider_proxy", "private_relay", "web_proxy"})
_PROXIES_OWN = frozenset({"google", "reader_proxy", "provider_proxy"})
MANY_LINKS, _SEVERAL_LINKS = 5, 3  # newsletter code: 5 in 10 s; below 3 a person may do it
AT_ONCE = 2  # Adobe Marketo: two things of one reader in one second
VOLLEY = 3  # Trend Micro Phish Insight: more than 3 clicks in 3 s


class Sign(NamedTuple):  # a tuple, because a few are made for every hit
    """One observation, in words."""

    signal: Signal
    text: str
    share: float = 1.0  # of the signal's weight; below 1 where its data has aged


_Note: TypeAlias = Callable[..., None]


def signs_of(seen: Seen, around: Surroundings, rules: Rules) -> list[Sign]:
    """All observations of a hit."""
    signs: list[Sign] = []

    def note(name: str, detail: object = "", share: float = 1.0) -> None:
        signal = rules.signals[name]
        text = signal.text
        if "{" in text:
            client = seen.client.name if seen.client else ""
            # What a sign of the network tells of is its owner, also of one that no table holds.
            network = str(detail) if signal.family == "network" else ""
            network = network or (seen.network.owner if seen.network else "")
            text = _told(text, client, network, seen.method, str(detail))
        signs.append(Sign(signal, text, share))

    _client(around, rules, seen, note)
    _network(around, rules, seen, note)
    for name, detail in seen.shape:
        note(name, detail)
    _timing(around, rules, note)
    _behaviour(around, seen, note)
    _history(around, rules, seen, note)
    return signs


@lru_cache(8192)
def _told(template: str, client: str, network: str, method: str, detail: str) -> str:
    return template.format(
        client=client, network=network, method=method, delay=detail, detail=detail
    )


def _client(around: Surroundings, rules: Rules, seen: Seen, note: _Note) -> None:
    named = _client_signal(seen)
    if around.outdated_browser:
        said = "client.outdated_unnamed" if named is None else "client.outdated_browser"
        note(said)
        # What else the user agent says may be worse than its age, and never makes it good.
        if named is None or named == said or rules.signals[named].weight >= 0:
            return
    if named is not None:
        note(named)


def _client_signal(seen: Seen) -> str | None:
    if seen.client is None:
        return None
    match seen.client.kind:
        case "privacy_proxy" | "unrecognised":
            return "client.unrecognised_click" if seen.is_click else "client.unrecognised_open"
        case "office_probe":
            return "request.office_probe"
        case kind:
            return f"client.{kind}"


def _network(around: Surroundings, rules: Rules, seen: Seen, note: _Note) -> None:
    network, origin = seen.network, around.origin
    if around.known_network:
        note("network.known")
    if origin.host_name and origin.host_name_confirmed is None:
        named = rules.networks.of_name(origin.host_name)
        if named is not None and named.role in SCANNING_ROLES:
            note("network.unconfirmed_name", named.owner)
    if network is None:
        if origin.asn is not None:
            note("network.unlisted_provider", f"AS{origin.asn}")
        elif seen.has_address and not around.known_network:
            note("network.unlisted_address")
    elif network.role == "isolating":
        note(_isolation(around, rules))
    elif not (network.role in _PROXIES_OWN and _is_reader_proxy(seen)):
        # Gmail's proxy in Google's network is one fact, told by its user agent already.
        note(rules.roles[network.role][seen.is_click].name, network.owner, network.fresh)


def _isolation(around: Surroundings, rules: Rules) -> str:
    delay = around.seconds_since_delivery
    if delay is None:
        return "network.isolating"
    late = delay >= rules.numbers["times"]["isolation"]
    return "network.isolating_late" if late else "network.isolating_early"


def _timing(around: Surroundings, rules: Rules, note: _Note) -> None:
    delay = around.seconds_since_delivery
    early = -rules.numbers["times"]["clock_error"]
    if around.before_delivery or (delay is not None and delay < early):
        note("timing.before_delivery")
    elif delay is not None:
        later = rules.signals["timing.later"]
        signal = next((s for s in rules.delays if delay < s.below_seconds), later)
        note(signal.name, duration(delay))


def _behaviour(around: Surroundings, seen: Seen, note: _Note) -> None:
    if around.honeypot:
        note("behaviour.honeypot")
    if around.honeypot_elsewhere:
        note("behaviour.honeypot_elsewhere")
    if around.altered_token or around.crowd.altered_tokens_of_address:
        note("behaviour.altered_token")
    _links(around, seen, note)
    if around.clicks_in_volley > VOLLEY:
        note("behaviour.volley")
    if around.events_in_second >= AT_ONCE and not _is_mail_app(seen):
        note("behaviour.same_second")
    if around.unsubscribe_too:
        note("behaviour.unsubscribe_too")
    if around.click_without_open and seen.is_click:
        note("behaviour.click_without_open")
    if around.after_forward:
        note("behaviour.after_forward")
    scans = seen.network is not None and seen.network.role in SCANNING_ROLES
    if around.open_and_click_of_address and scans:
        note("behaviour.open_and_click_by_scanner")
    if around.after_scan and not scans:
        note("behaviour.after_scan")
    if around.images_asked_for:
        note("behaviour.images_asked_for")
    _after_open(around, seen, note)


def _links(around: Surroundings, seen: Seen, note: _Note) -> None:
    links = around.links_in_burst
    if around.all_links_in_burst or (links is not None and links >= MANY_LINKS):
        what = "all links were" if around.all_links_in_burst else f"{MANY_LINKS} links or more were"
        note("behaviour.all_links", what)
    elif links is not None and links >= _SEVERAL_LINKS:
        note("behaviour.several_links", f"{links} links were")
    elif links == 1 and seen.is_click and not around.is_only_link:
        note("behaviour.one_link")


def _after_open(around: Surroundings, seen: Seen, note: _Note) -> None:
    seconds = around.seconds_from_open
    if seconds is not None and 0 <= seconds < 1 and not _is_mail_app(seen):
        note("behaviour.click_at_once")
    elif around.follows_reader or (seconds is not None and seconds >= 3):
        note("behaviour.follows_reader")


def _is_mail_app(seen: Seen) -> bool:
    """Outlook on a desktop opens and clicks in one instant (warmbly PR 412)."""
    return seen.client is not None and seen.client.kind == "mail_app"


def _is_reader_proxy(seen: Seen) -> bool:
    return seen.client is not None and seen.client.kind == "reader_proxy"


def _history(around: Surroundings, rules: Rules, seen: Seen, note: _Note) -> None:
    proxies = _is_reader_proxy(seen) or (
        seen.network is not None and seen.network.role in _PROXYING_ROLES
    )
    if around.crowd is not ALONE:
        _crowd(around, rules, proxies, note)
    if around.domain_pattern:
        note("history.domain_pattern")
    if around.agents_of_address >= 2 and not _is_mail_app(seen) and not proxies:
        note("history.agents_of_address", around.agents_of_address)
    if around.known_device:
        note("history.known_device")
    if around.sender_network:
        note("history.sender_network")


def _crowd(around: Surroundings, rules: Rules, proxies: bool, note: _Note) -> None:
    crowd, limits = around.crowd, rules.numbers["crowd"]
    many = crowd.recipients_of_address >= limits["recipients_of_address"]
    if many and not proxies and not _one_company(around, rules):
        note("history.many_recipients", crowd.recipients_of_address)
    if crowd.recipients_of_network >= limits["recipients_of_network"] and not proxies:
        note("history.wave", crowd.recipients_of_network)
    if crowd.hosters_of_agent >= limits["hosters_of_agent"]:
        note("history.agent_of_hosters", crowd.hosters_of_agent)
    if not around.domain_pattern and not proxies and _shares_pattern(crowd, limits):
        note("history.domain_pattern")


def _one_company(around: Surroundings, rules: Rules) -> bool:
    """Whether many recipients behind one address may be colleagues behind one router."""
    delay = around.seconds_since_delivery
    late = delay is not None and delay >= rules.numbers["times"]["isolation"]
    return around.crowd.domains_of_address == 1 and late


def _shares_pattern(crowd: Crowd, limits: Mapping[str, float]) -> bool:
    if crowd.same_pattern_of_domain < limits["deliveries_of_domain"]:
        return False
    return crowd.same_pattern_of_domain >= limits["share_of_domain"] * crowd.deliveries_of_domain
