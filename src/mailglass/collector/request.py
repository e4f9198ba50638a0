"""One request, as far as the collector looks at it.

Which headers are kept for the evidence is decided here: what tells programs from persons, never
what tells one person from another across messages (no cookies, no authorization).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from ..journal import prepare

__all__ = ["KEPT_HEADERS", "Fields", "Head", "Request"]

KEPT_HEADERS = frozenset(
    [
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-length",
        "dnt",
        "from",
        "host",
        "if-range",
        "priority",
        "purpose",
        "range",
        "referer",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-fetch-user",
        "sec-gpc",
        "sec-purpose",
        "te",
        "upgrade-insecure-requests",
        "user-agent",
        "via",
        "x-moz",
        "x-purpose",
        "x-requested-with",
    ]
)
_CONTROL = [
    "content-type",
    "expect",
    "if-match",
    "if-none-match",
    "x-forwarded-for",
    "x-forwarded-proto",
]

# Characters of a header that are kept: a hit's line stays below 64 KiB (see `journal.codec`).
_MAX_FIELD = 512
_MAX_LONG_FIELD = 1024
_LONG = ("referer", "user-agent", "x-forwarded-for")

# From the bytes on the wire to the name; the two common spellings need no lower-casing.
_NAMES = {
    spelling.encode(): (
        name,
        name in KEPT_HEADERS,
        _MAX_LONG_FIELD if name in _LONG else _MAX_FIELD,
    )
    for name in (*KEPT_HEADERS, *_CONTROL)
    for spelling in (name, name.title())
}


@dataclass(frozen=True, slots=True)
class Head:
    """What a request's head says besides its target; shared by requests with the same bytes."""

    method: str
    http_version: str
    keep_alive: bool
    headers: dict[str, str]  # what the journal keeps
    control: dict[str, str]  # what only the answer depends on
    prepared: bytes  # all that the journal keeps of it, as it writes it


class Request(NamedTuple):
    """A request that arrived whole."""

    at_ms: int  # milliseconds since 1970, UTC
    peer: str  # the address at the other end of the connection, perhaps a proxy's
    is_tls: bool
    url: bytes
    head: Head
    body: bytes = b""

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)


class Fields:
    """Headers as they arrive."""

    __slots__ = ("control", "headers")

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.control: dict[str, str] = {}

    def add(self, name: bytes, value: bytes) -> None:
        """Take a header in if we look at it; repeated ones are joined (RFC 9110 section 5.2)."""
        known = _NAMES.get(name) or _NAMES.get(name.lower())
        if known is None:
            return
        key, is_kept, limit = known
        fields = self.headers if is_kept else self.control
        text = value.decode("latin-1")
        if key in fields:
            text = f"{fields[key]}, {text}"
        if len(text) > limit:  # of a list of proxies the end is what trusted ones wrote
            text = text[-limit:] if key == "x-forwarded-for" else text[:limit]
        fields[key] = text

    def head(self, method: str, http_version: str, *, keep_alive: bool) -> Head:
        prepared = prepare(method, http_version, self.headers)
        return Head(method, http_version, keep_alive, self.headers, self.control, prepared)
