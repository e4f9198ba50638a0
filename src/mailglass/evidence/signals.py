"""From a hit and its surroundings to named observations, family by family.

Nothing here is weighed against anything else: that is for `judge`.  Each function looks at one
family and names what it sees by the signals of the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..model import Hit, TargetKind
from .clients import Client
from .networks import Network
from .rules import Rules, Signal
from .surroundings import Surroundings

__all__ = ["SCANNING_ROLES", "Seen", "Sign", "duration", "look", "signs_of"]

_CLICK_PATHS = frozenset("cun")
_BROWSER_ALWAYS_SENDS = "accept"  # every browser since 1996; scanners' libraries leave it out
_NO_BROWSER_SENDS = {"te": "TE", "content-length": "Content-Length"}  # on a GET
_SPEAKS_OF_PREFETCH = (
    ("sec-purpose", "prefetch"),
    ("purpose", "prefetch"),
    ("purpose", "preview"),
    ("x-purpose", "preview"),
    ("x-purpose", "prefetch"),
    ("x-moz", "prefetch"),
    ("x-moz", "preview"),
)
# Headers that say nothing about whether the others were kept.
_ALWAYS_KEPT = frozenset({"user-agent", "referer"})
_PROXYING_ROLES = frozenset({"reader_proxy", "provider_proxy", "private_relay", "web_proxy"})
_VAGUE_ROLES = frozenset({"google", "web_proxy"})  # owners with several uses of one network
SCANNING_ROLES = frozenset(
    {"scanner", "scanner_name", "isolating", "vendor", "vendor_by_name", "microsoft", "hosting"}
)


@dataclass(frozen=True, slots=True)
class Sign:
    """One observation, in words."""

    signal: Signal
    text: str
    share: float = 1.0  # of the signal's weight; below 1 where its data has aged


@dataclass(frozen=True, slots=True)
class Seen:
    """What the tables say about a hit, before anything is weighed."""

    client: Client | None  # None when the user agent was not kept
    network: Network | None
    is_click: bool


def look(hit: Hit, around: Surroundings, rules: Rules) -> Seen:
    """Ask the tables who is behind the user agent and the address."""
    client = (
        rules.clients.classify(hit.headers.get("user-agent", "")) if around.agent_known else None
    )
    return Seen(client, _network_of(hit, around, rules), is_click(hit, around))


def is_click(hit: Hit, around: Surroundings) -> bool:
    """Whether the hit followed a link, rather than loaded an image or an attachment."""
    if around.kind is not None:
        return around.kind not in (TargetKind.BEACON, TargetKind.ATTACHMENT)
    return hit.path_kind in _CLICK_PATHS


def signs_of(hit: Hit, around: Surroundings, rules: Rules, seen: Seen) -> list[Sign]:
    """All observations of a hit."""
    signs: list[Sign] = []

    def note(name: str, detail: object = "", share: float = 1.0) -> None:
        signal = rules.signals[name]
        text = signal.text
        if "{" in text:
            text = text.format(
                client=seen.client.name if seen.client else "",
                network=seen.network.owner if seen.network else "",
                method=hit.method[:16],
                delay=detail,
                detail=detail,
            )
        signs.append(Sign(signal, text, share))

    _client(around, seen, note)
    _network(hit, around, rules, seen, note)
    _request(hit, seen, note)
    _timing(around, rules, note)
    _behaviour(around, rules, seen, note)
    _history(around, rules, seen, note)
    return signs


_Note = Callable[..., None]


def _network_of(hit: Hit, around: Surroundings, rules: Rules) -> Network | None:
    """The most telling owner: a confirmed name, a prefix, a word, an autonomous system."""
    table = rules.networks
    named = table.of_name(around.host_name) if around.host_name else None
    if named is not None and around.host_name_confirmed:
        return named
    found = table.of_address(hit.address) if hit.address else None
    worded = table.of_word(around.network_word) if around.network_word else None
    vague = worded if found is None else found
    if named is not None and around.host_name_confirmed is None and _may_speak(named, vague, hit):
        return named
    if found is not None and (worded is None or found.role not in _VAGUE_ROLES):
        return found
    if worded is None and around.asn is not None:
        return table.of_system(around.asn)
    return worded


def _may_speak(named: Network, other: Network | None, hit: Hit) -> bool:
    """Whether a name that nobody confirmed is believed: where nothing else says more."""
    if named.role in SCANNING_ROLES:
        return False
    return other.role in _VAGUE_ROLES if other is not None else not hit.address


def _client(around: Surroundings, seen: Seen, note: _Note) -> None:
    if around.outdated_browser:
        note("client.outdated_browser" if seen.client else "client.outdated_unnamed")
        return
    if seen.client is None:
        return
    match seen.client.kind:
        case "privacy_proxy":
            note("client.unrecognised_click" if seen.is_click else "client.unrecognised_open")
        case "office_probe":
            note("request.office_probe")
        case "unrecognised":
            note("client.unrecognised_click" if seen.is_click else "client.unrecognised_open")
        case kind:
            note(f"client.{kind}")


def _network(hit: Hit, around: Surroundings, rules: Rules, seen: Seen, note: _Note) -> None:
    network = seen.network
    if around.known_network:
        note("network.known")
    if around.host_name and around.host_name_confirmed is None:
        named = rules.networks.of_name(around.host_name)
        if named is not None and named.role in SCANNING_ROLES:
            note("network.unconfirmed_name", named.owner)
    if network is None:
        if around.asn is not None:
            note("network.unlisted_provider", f"AS{around.asn}")
        elif hit.address and not around.known_network:
            note("network.unlisted_address")
        return
    if network.role == "isolating":
        note(_isolation(around, rules))
        return
    if seen.client and seen.client.kind == "reader_proxy" and network.role == "google":
        return  # Gmail's proxy in Google's network: one fact, already told by its user agent
    name = rules.roles[network.role][seen.is_click].name
    note(name, network.owner, network.fresh)


def _isolation(around: Surroundings, rules: Rules) -> str:
    delay = around.seconds_since_delivery
    if delay is None:
        return "network.isolating"
    late = delay >= rules.numbers["times"]["isolation"]
    return "network.isolating_late" if late else "network.isolating_early"


def _request(hit: Hit, seen: Seen, note: _Note) -> None:
    headers = hit.headers
    if hit.method != "GET" and not (seen.client and seen.client.kind == "office_probe"):
        note("request.not_get")
    if not headers:
        return
    for name, word in _SPEAKS_OF_PREFETCH:
        if name in headers and word in headers[name].lower():
            note("request.declared_prefetch")
            break
    if "range" in headers:
        note("request.range")
    accept = headers.get("accept", "")
    if not seen.is_click and "image/" in accept and headers.get("referer"):
        note("request.image_from_page")
    if seen.client and seen.client.is_browser:
        _browser_headers(hit, seen, note)


def _browser_headers(hit: Hit, seen: Seen, note: _Note) -> None:
    headers = hit.headers
    odd = [word for name, word in _NO_BROWSER_SENDS.items() if name in headers]
    if hit.method != "GET":
        odd = [word for word in odd if word != "Content-Length"]
    if _BROWSER_ALWAYS_SENDS not in headers and not _ALWAYS_KEPT.issuperset(headers):
        odd.append("no Accept")
    if odd:
        note("request.contradicts_agent", ", ".join(odd))
    elif "accept-language" in headers and "sec-fetch-dest" in headers:
        wanted = "document" if seen.is_click else "image"
        if headers["sec-fetch-dest"] == wanted:
            note("request.reader_headers")


def _timing(around: Surroundings, rules: Rules, note: _Note) -> None:
    delay = around.seconds_since_delivery
    if around.before_delivery or (
        delay is not None and delay < -rules.numbers["times"]["clock_error"]
    ):
        note("timing.before_delivery")
        return
    if delay is None:
        return
    for signal in rules.delays:
        if delay < signal.below_seconds:
            note(signal.name, duration(delay))
            return
    note("timing.later", duration(delay))


def duration(seconds: float) -> str:
    """A delay in the unit that people would use."""
    if seconds < 0:
        seconds = 0.0
    for bound, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < bound:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def _behaviour(around: Surroundings, rules: Rules, seen: Seen, note: _Note) -> None:
    if around.honeypot:
        note("behaviour.honeypot")
    if around.honeypot_elsewhere:
        note("behaviour.honeypot_elsewhere")
    if around.altered_token:
        note("behaviour.altered_token")
    _links(around, seen, note)
    if around.clicks_in_volley > 3:
        note("behaviour.volley", around.clicks_in_volley)
    if around.events_in_second >= 2 and not _is_outlook(seen):
        note("behaviour.same_second", around.events_in_second)
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
    since_open = around.seconds_from_open
    if since_open is not None and 0 <= since_open < 1 and not _is_outlook(seen):
        note("behaviour.click_at_once")
    elif around.follows_reader or (since_open is not None and since_open >= 3):
        note("behaviour.follows_reader")


def _links(around: Surroundings, seen: Seen, note: _Note) -> None:
    links = around.links_in_burst
    if around.all_links_in_burst or (links is not None and links >= 5):
        what = "all links were" if around.all_links_in_burst else f"{links} links were"
        note("behaviour.all_links", what)
    elif links is not None and links >= 3:
        note("behaviour.several_links", f"{links} links were")
    elif links == 1 and seen.is_click and around.links_sent != 1:
        note("behaviour.one_link")


def _is_outlook(seen: Seen) -> bool:
    """Outlook on a desktop opens and clicks in one instant (warmbly PR 412)."""
    return seen.client is not None and seen.client.kind == "mail_app"


def _history(around: Surroundings, rules: Rules, seen: Seen, note: _Note) -> None:
    crowd, limits = around.crowd, rules.numbers["crowd"]
    proxies = (seen.client is not None and seen.client.kind == "reader_proxy") or (
        seen.network is not None and seen.network.role in _PROXYING_ROLES
    )
    many = crowd.recipients_of_address >= limits["recipients_of_address"]
    if many and not proxies and not _one_company(around, rules):
        note("history.many_recipients", crowd.recipients_of_address)
    if crowd.recipients_of_network >= limits["recipients_of_network"] and not proxies:
        note("history.wave", crowd.recipients_of_network)
    if crowd.hosters_of_agent >= limits["hosters_of_agent"]:
        note("history.agent_of_hosters", crowd.hosters_of_agent)
    if around.domain_pattern or _shares_pattern(around, limits["deliveries_of_domain"], rules):
        note("history.domain_pattern")
    if around.agents_of_address >= 2 and not _is_outlook(seen) and not proxies:
        note("history.agents_of_address", around.agents_of_address)
    if around.known_device:
        note("history.known_device")
    if around.sender_network:
        note("history.sender_network")


def _one_company(around: Surroundings, rules: Rules) -> bool:
    """Whether many recipients behind one address may be colleagues behind one router."""
    delay = around.seconds_since_delivery
    late = delay is not None and delay >= rules.numbers["times"]["isolation"]
    return around.crowd.domains_of_address == 1 and late


def _shares_pattern(around: Surroundings, at_least: float, rules: Rules) -> bool:
    crowd = around.crowd
    if crowd.same_pattern_of_domain < at_least:
        return False
    share = rules.numbers["crowd"]["share_of_domain"]
    return crowd.same_pattern_of_domain >= share * crowd.deliveries_of_domain
