"""What a lookup can end in, and the protocols behind which the network stands.

DNS outcomes follow RFC 8499 (NXDOMAIN, NODATA) and RFC 1035 section 4.1.1 (the response codes).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ..errors import RetryLater

__all__ = [
    "Answer",
    "Dialler",
    "FetchOutcome",
    "Fetcher",
    "Memo",
    "Outcome",
    "Page",
    "Resolver",
    "TlsSession",
    "Wire",
    "WireError",
]


class Outcome(StrEnum):
    """How a question to the DNS ended."""

    ANSWERS = "answers"
    NXDOMAIN = "nxdomain"  # the name does not exist, nor anything below it
    NODATA = "nodata"  # the name exists without records of this type
    SERVFAIL = "servfail"  # the server could not answer, or the answer failed validation
    REFUSED = "refused"  # the server would not answer
    TIMEOUT = "timeout"  # nobody answered in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the DNS said about one name and type."""

    name: str  # as asked, lower case, without the final dot
    kind: str  # A, AAAA, MX, TXT, ...
    outcome: Outcome
    records: tuple[str, ...] = ()  # presentation form; TXT strings joined, names lower-cased
    aliases: tuple[str, ...] = ()  # the CNAME targets passed on the way
    authenticated: bool = False  # the AD flag (RFC 4035): true as far as the server is trusted
    detail: str = ""  # what a person should know of a failure

    @property
    def is_known(self) -> bool:
        """Whether the DNS answered, be it that there is nothing."""
        return self.outcome in (Outcome.ANSWERS, Outcome.NXDOMAIN, Outcome.NODATA)

    @property
    def is_void(self) -> bool:
        """Whether the answer is that there is nothing (RFC 7208 section 4.6.4)."""
        return self.outcome in (Outcome.NXDOMAIN, Outcome.NODATA)


class Resolver(Protocol):
    """Answers questions about names."""

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        """The records of type `kind`; `unchecked` sets CD, so that bad signatures still answer."""
        ...


class Memo:
    """A resolver that asks each question once, also when it is asked twice at the same time.

    Made for one run: it never forgets.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._asked: dict[tuple[str, str, bool], asyncio.Task[Answer]] = {}

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        key = (name.lower().rstrip("."), kind, unchecked)
        if key not in self._asked:
            question = self._resolver.ask(name, kind, unchecked=unchecked)
            self._asked[key] = asyncio.ensure_future(question)
        # A check that runs out of time must not cancel the question of another one.
        return await asyncio.shield(self._asked[key])


class FetchOutcome(StrEnum):
    """How an HTTP request ended."""

    ANSWERED = "answered"  # with any status
    NO_ADDRESS = "no_address"  # the DNS knows no address for the host
    DNS_FAILED = "dns_failed"  # the DNS did not answer
    UNREACHABLE = "unreachable"  # nothing accepts connections there
    TLS_FAILED = "tls_failed"  # the certificate or the handshake is not acceptable
    TIMEOUT = "timeout"
    BROKEN = "broken"  # the answer is no HTTP, or the URL no URL
    FORBIDDEN = "forbidden"  # the address is private and this fetcher does not go there


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What came back for one URL."""

    url: str  # the one that answered, after redirects
    outcome: FetchOutcome
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names
    body: bytes = b""
    truncated: bool = False  # the body was longer than the limit
    hops: tuple[str, ...] = ()  # the URLs that redirected, in order
    detail: str = ""


class Fetcher(Protocol):
    """Fetches URLs with certificates checked, no cookies, no Referer."""

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        limit_bytes: int = 1 << 16,
        redirects: int = 0,
    ) -> Page:
        """One request; at most `redirects` hops are followed and `limit_bytes` of body read."""
        ...


class WireError(RetryLater):
    """A connection could not be made or did not last; `reason` says how."""

    id = "wire"

    def __init__(self, reason: str, text: str) -> None:
        """`reason`: refused, unreachable, timeout, closed, tls, certificate or garbage."""
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSession:
    """What was agreed in a TLS handshake."""

    version: str  # such as TLSv1.3
    cipher: str
    certificate: bytes  # the server's own, DER
    verified: bool  # whether its chain and its name were checked


class Wire(Protocol):
    """A connection that speaks in lines."""

    async def read_line(self) -> bytes:
        """The next line with its end; raises WireError."""
        ...

    async def write(self, data: bytes) -> None:
        """Send; raises WireError."""
        ...

    async def start_tls(self, server_name: str, *, verify: bool) -> TlsSession:
        """Go over to TLS; raises WireError, with reason `certificate` when only that is wrong."""
        ...

    async def close(self) -> None: ...


class Dialler(Protocol):
    """Opens connections."""

    async def dial(
        self, address: str, port: int, *, tls_name: str | None = None, verify: bool = True
    ) -> tuple[Wire, TlsSession | None]:
        """Connect to an IP address; with `tls_name` TLS from the first byte. Raises WireError."""
        ...
