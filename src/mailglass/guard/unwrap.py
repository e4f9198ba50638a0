"""Reads where a wrapped link goes, from the link alone: nothing is ever asked of a network.

`wrappers.tsv` names the services whose links hold their target. Beyond those, a link is unwrapped
only when it is a redirect by its form: a target in base64 or hexadecimal digits (`embedded`), or in
a parameter where the path or the host's first name speaks of clicks (`/redirect`, `click.`), or
where a token that is nobody's credential stands beside a target on another host. Sharing, signing
in and translating also carry a URL in a parameter and must go where they went, so every doubt
leaves the link alone.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote

from .acting import acts
from .address import printable_base64
from .embedded import TARGET_NAMES, embedded, whole_url
from .hosts import HostTable
from .shape import shape_of, split_url
from .tables import read_table

__all__ = ["Unwrapped", "unwrap"]

# Wrappings inside wrappings: three were the most seen in one link (a gateway around a newsletter
# service around a shortener); five leaves room.
_MAX_DEPTH = 5
# Browsers take no more than about 2,000 to 8,000 characters; a longer target is no link.
_MAX_TARGET = 8192

# Some spelling of "http", in base64 wherever it begins, or of an object that may hold it.
_HOLDS_TARGET = re.compile(r"[hH][tT][tT][pP]|aHR0c|h0dH|odHRw|eyJ|68747470")
_HOST = r"[^\s/?#\\<>\"'@&,;|(){}^`]+"
_TARGET = re.compile(rf"https?://{_HOST}\.{_HOST}(?:[/?#][!#-;=?-\[\]-z|~]*)?\Z")
_IN_PATH = re.compile(r"/C?L[0O]/(https?(?::|%3a)(?:%2f|/){2}.+?)/\d+/[\w-]{36,}", re.IGNORECASE)
_CLICK_PATH = re.compile(
    r"/(?:click|clicks|clickthru|ls/click|wf/click|track|tracking|tracker|trk|redirect|redir|rd|"
    r"out|outgoing|outbound|exit|leave|leaving|away|deref|dereferr?er|goto|jump|lnk|links?|linkout|"
    r"link-?filter|external-?link|ct|cl|ctr|aff|campaign)(?:[/.?_-]|\Z)|/(?:url|l|r|go)(?:\.php)?/?\Z",
    re.IGNORECASE,
)
# Not `track.`: parcels are followed there, and the shop's page stands in a parameter.
_CLICK_HOST = re.compile(
    r"(?:clicks?|trk|links?|lnk|redir(?:ect)?|out|away|exit|leave|jump|ct|cl)\d*\.", re.IGNORECASE
)
# Names of what signs somebody in; a link with one of them is spent when it is cut.
_CREDENTIAL = re.compile(
    r"token|code|otp|jwt|ticket|session|nonce|state|auth|access|magic|invit|passw|pwd|secret|key|"
    r"hash|sig",
    re.IGNORECASE,
)
# Of these, what is no everyday parameter of a click host either.
_SPENT = re.compile(
    r"token|code|otp|jwt|ticket|session|nonce|auth|access|magic|invit|passw|pwd|secret|rsvp",
    re.IGNORECASE,
)
_NO_REDIRECT = re.compile(
    r"share|intent|login|log-in|signin|sign-in|signup|register|oauth|openid|authoriz|auth\b|"
    r"(?<![a-z])sso(?![a-z])|saml|translate|cache|archive|validat|proxy|compose|mailto|bookmark|submit|oembed|preview|"
    r"screenshot|qr|unsub|opt-?out|preferences|confirm|verify|report",
    re.IGNORECASE,
)
# Pieces of a path that are no words; by chance they hold the letters of one.
_TOKENS = re.compile(r"[^/]{40,}")


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """Where a wrapped link goes."""

    target: str
    vendor: str | None  # the outermost wrapping's service; None when only its form was known


def unwrap(url: str) -> Unwrapped | None:
    """The innermost target that stands inside the link; None when there is none to be read."""
    vendor: str | None = None
    target = url
    for depth in range(_MAX_DEPTH):
        step = _step(target)
        if step is None:
            break
        target = step.target
        vendor = step.vendor if depth == 0 else vendor
    return Unwrapped(target, vendor) if target != url else None


def _step(url: str) -> Unwrapped | None:
    if len(url) > 4 * _MAX_TARGET or not _HOLDS_TARGET.search(url, len("https://")):
        return None
    _, host, path, query = split_url(url)
    if row := _wrappers().find(host, path):
        found = _METHODS[row["method"]](url, path, query, row["argument"])
        target = _plausible(found) if found else None
        return Unwrapped(target, row["vendor"]) if target else None
    if _NO_REDIRECT.search(host + _TOKENS.sub("", path)) or acts(path):
        return None
    if target := _encoded(host, path, query) or _redirect_parameter(url, host, path, query):
        return Unwrapped(target, None)
    return None


@cache
def _wrappers() -> HostTable:
    return HostTable(read_table("wrappers.tsv"))


def _plausible(target: str) -> str | None:
    """The target when it is an http URL that a browser would follow as it is."""
    for _ in range(3):  # some services encode twice, none three times over
        if re.match(r"https?%(?:25)*3a", target, re.IGNORECASE):
            target = unquote(target)
    target = target.replace(" ", "%20")
    if len(target) > _MAX_TARGET:
        return None
    if not target.isascii():
        target = "".join(c if c.isascii() else _percent(c) for c in target)
    return target if _TARGET.match(target) and "\ufffd" not in target else None


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))


def _parameters(query: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {name.lower(): value for name, equals, value in pairs if equals}


def _named_parameter(url: str, path: str, query: str, argument: str) -> str | None:
    values = _parameters(query)
    for name in argument.split():
        if value := values.get(name):
            printed = printable_base64(unquote(value))
            if printed and printed.startswith("http"):
                return whole_url(printed)
            return None if _is_cut_short(value, query) else unquote(value)
    return None


def _is_cut_short(value: str, query: str) -> bool:
    """Whether a bare `&` may have cut an unencoded target: its own parameters follow as ours."""
    return "?" in value and "://" in value and not query.endswith(value)


def _path(url: str, path: str, query: str, argument: str) -> str | None:
    match = _IN_PATH.search(path)
    return unquote(match.group(1)) if match else None


_UNDERSCORES = re.compile(
    r"/v2/(?:\w{1,8}/)?___(https?)(?::|%3a)(?:/|%2f){1,2}(.+?)___\.[\w=-]*(#.*)?\Z", re.IGNORECASE
)


def _underscores(url: str, path: str, query: str, argument: str) -> str | None:
    """Between three underscores each, as it is; some mail programs fold the two slashes."""
    match = _UNDERSCORES.search(url)
    return f"{match[1]}://{match[2]}{match[3] or ''}" if match else None


def _last_segment(url: str, path: str, query: str, argument: str) -> str | None:
    return unquote(path.rpartition("/")[2])


def _mandrill(url: str, path: str, query: str, argument: str) -> str | None:
    """A JSON object in base64 whose `p` is again JSON, with the target as `url`."""
    value = unquote(_parameters(query).get(argument, ""))
    try:
        outer = json.loads(base64.urlsafe_b64decode(value.rstrip("=") + "=="))
        inner = json.loads(outer["p"])
        target = inner["url"]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        return None
    return target if isinstance(target, str) else None


def _proofpoint_v2(url: str, path: str, query: str, argument: str) -> str | None:
    """`-` stands for `%` and `_` for `/`."""
    value = _parameters(query).get(argument, "")
    return unquote(value.translate(str.maketrans("-_", "%/"))) or None


_V3 = re.compile(r"/v3/__(.+?)__;([^!]*)!")
_V3_MARK = re.compile(r"\*(?:\*(.))?")
# `**` and one character stand for a run; its length is the character's place in this alphabet,
# from two on.
_V3_LENGTHS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _proofpoint_v3(url: str, path: str, query: str, argument: str) -> str | None:
    """Each `*` stands for one of the characters that follow in base64, `**X` for a run of them."""
    match = _V3.search(url)
    if match is None:
        return None
    try:
        kept = base64.urlsafe_b64decode(match.group(2).rstrip("=") + "==").decode()
    except ValueError:
        return None
    position = 0

    def put_back(mark: re.Match[str]) -> str:
        nonlocal position
        length = 1 if mark.group(1) is None else _V3_LENGTHS.find(mark.group(1)) + 2
        piece = kept[position : position + length]
        position += length
        return piece

    target = _V3_MARK.sub(put_back, match.group(1))
    if position != len(kept):
        return None
    # Some mail programs fold the two slashes into one.
    return re.sub(r"\A(https?:/)(?=[^/])", r"\1/", target)


_Method = Callable[[str, str, str, str], str | None]
_METHODS: dict[str, _Method] = {
    "parameter": _named_parameter,
    "path": _path,
    "underscores": _underscores,
    "last-segment": _last_segment,
    "mandrill": _mandrill,
    "proofpoint-v2": _proofpoint_v2,
    "proofpoint-v3": _proofpoint_v3,
}


def _encoded(host: str, path: str, query: str) -> str | None:
    """A target in base64 or hexadecimal digits; beside a credential it is where a page goes on."""
    found = embedded(path, query)
    if found is None:
        return None
    if found.names:
        is_click = found.in_path or _CLICK_PATH.search(path) or _CLICK_HOST.match(host)
        if not is_click or any(map(_CREDENTIAL.search, (*found.names, *_parameters(query)))):
            return None
    return _plausible(found.target)


def _redirect_parameter(url: str, host: str, path: str, query: str) -> str | None:
    """The target in a parameter of a link that is a redirect by its form."""
    parameters = _parameters(query)
    candidates = {
        name: value
        for name, value in parameters.items()
        if name in TARGET_NAMES and re.match(r"https?(?::|%(?:25)*3a)", value, re.IGNORECASE)
    }
    if len(candidates) != 1:
        return None
    (value,) = candidates.values()
    # To some servers a semicolon parts parameters as well.
    if _is_cut_short(value, query) or ";" in value or any(map(_SPENT.search, parameters)):
        return None
    target = _plausible(unquote(value))
    if _CLICK_PATH.search(path) or _CLICK_HOST.match(host):
        return target
    is_elsewhere = target is not None and split_url(target)[1] != host
    return target if is_elsewhere and _has_token(url, value, parameters) else None


def _has_token(url: str, value: str, parameters: Mapping[str, str]) -> bool:
    """Whether a token stands beside the value that holds the target, and no credential."""
    if any(_CREDENTIAL.search(name) for name in parameters):
        return False
    return any(token != value for token in shape_of(url).tokens)
