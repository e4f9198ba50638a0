"""What a request shows of itself: its client, its network, its shape; nothing is weighed here.

A `Seen` holds no more than judging needs, so that hits that look alike are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..model import Hit, TargetKind
from .clients import Client
from .networks import Network
from .rules import Rules
from .surroundings import NOWHERE, Origin

__all__ = ["SCANNING_ROLES", "Seen", "is_followed", "look"]

SCANNING_ROLES = frozenset(
    {"scanner", "scanner_name", "isolating", "vendor", "vendor_by_name", "microsoft", "hosting"}
)
_VAGUE_ROLES = frozenset({"google", "web_proxy"})  # owners with several uses of one network
_FOLLOWED_PATHS = frozenset("cun")
_LONGEST_METHOD = 16  # characters of a method that are told; IANA's longest has 17
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
_MAY_SPEAK_OF_PREFETCH = frozenset(name for name, _ in _SPEAKS_OF_PREFETCH)
# Headers that say nothing about whether the others were kept.
_ALWAYS_KEPT = frozenset({"user-agent", "referer"})


class Seen(NamedTuple):
    """A request as the tables see it."""

    client: Client | None  # None when the user agent was not kept
    network: Network | None
    is_click: bool  # it followed a link, rather than loaded an image or an attachment
    path_kind: str
    method: str
    has_address: bool
    shape: tuple[tuple[str, str], ...]  # signals of the request's shape, with their detail


def look(
    hit: Hit,
    origin: Origin,
    rules: Rules,
    *,
    is_click: bool,
    agent_known: bool = True,
) -> Seen:
    """Ask the tables who is behind the user agent and the address, and read the headers."""
    headers = hit.headers
    client = rules.clients.classify(headers.get("user-agent", "")) if agent_known else None
    return Seen(
        client,
        _network_of(hit.address, origin, rules),
        is_click,
        hit.path_kind,
        hit.method[:_LONGEST_METHOD],
        bool(hit.address),
        _shape(hit.method, headers, client, is_click),
    )


def is_followed(hit: Hit, kind: TargetKind | None) -> bool:
    """Whether a hit is one on something that is followed, by its target or else by its path."""
    if kind is not None:
        return kind not in (TargetKind.BEACON, TargetKind.ATTACHMENT)
    return hit.path_kind in _FOLLOWED_PATHS


def _network_of(address: str, origin: Origin, rules: Rules) -> Network | None:
    """The most telling owner: a confirmed name, a prefix, a word, an autonomous system."""
    table = rules.networks
    found = table.of_address(address) if address else None
    if origin is NOWHERE:
        return found
    named = table.of_name(origin.host_name) if origin.host_name else None
    confirmed = origin.host_name_confirmed
    if named is not None and confirmed:
        return named
    worded = table.of_word(origin.network_word) if origin.network_word else None
    vague = worded if found is None else found
    if named is not None and confirmed is None and _may_speak(named, vague, address):
        return named
    if found is not None and (worded is None or found.role not in _VAGUE_ROLES):
        return found
    if worded is None and origin.asn is not None:
        return table.of_system(origin.asn)
    return worded


def _may_speak(named: Network, other: Network | None, address: str) -> bool:
    """Whether a name that nobody confirmed is believed: where nothing else says more."""
    if named.role in SCANNING_ROLES:
        return False
    return other.role in _VAGUE_ROLES if other is not None else not address


def _shape(
    method: str, headers: Mapping[str, str], client: Client | None, is_click: bool
) -> tuple[tuple[str, str], ...]:
    signs: list[tuple[str, str]] = []
    probes = client is not None and client.kind == "office_probe"
    if method != "GET" and not probes:
        signs.append(("request.not_get", ""))
    if not _MAY_SPEAK_OF_PREFETCH.isdisjoint(headers) and _declares_prefetch(headers):
        signs.append(("request.declared_prefetch", ""))
    if "range" in headers:
        signs.append(("request.range", ""))
    if not is_click and headers.get("referer") and "image/" in headers.get("accept", ""):
        signs.append(("request.image_from_page", ""))
    if client is not None and client.is_browser and headers:
        signs.extend(_browser_signs(method, headers, is_click))
    return tuple(signs)


def _declares_prefetch(headers: Mapping[str, str]) -> bool:
    return any(word in headers.get(name, "").lower() for name, word in _SPEAKS_OF_PREFETCH)


def _browser_signs(
    method: str, headers: Mapping[str, str], is_click: bool
) -> list[tuple[str, str]]:
    """Whether the headers are those of the browser that the user agent names."""
    odd = [word for name, word in _NO_BROWSER_SENDS.items() if name in headers]
    if method != "GET":
        odd = [word for word in odd if word != "Content-Length"]
    if _BROWSER_ALWAYS_SENDS not in headers and not _ALWAYS_KEPT.issuperset(headers):
        odd.append("no Accept")
    if odd:
        return [("request.contradicts_agent", ", ".join(odd))]
    wanted = "document" if is_click else "image"
    if "accept-language" in headers and headers.get("sec-fetch-dest") == wanted:
        return [("request.reader_headers", "")]
    return []
