"""The real resolver, over dnspython: one question, a few tries, a clear outcome.

Questions go straight to the named servers: no search list, no hosts file, no cache.
A CNAME whose target the server did not follow (an authoritative server asked directly) is followed
here, so that `--resolver` may name any kind of server.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.resolver

from ..errors import ConfigurationError
from .outcomes import Answer, Outcome

__all__ = ["DnsResolver", "parse_server"]

_PAYLOAD_BYTES = 1232  # DNS flag day 2020: fits every path without fragments
_MAX_ALIASES = 8  # BIND and unbound stop between 8 and 16
_OUTCOMES = {dns.rcode.NXDOMAIN: Outcome.NXDOMAIN, dns.rcode.REFUSED: Outcome.REFUSED}


def parse_server(text: str) -> tuple[str, int]:
    """Read HOST, HOST:PORT or [HOST]:PORT, where HOST is an IP address.

    Raises ConfigurationError for anything else.
    """
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise ConfigurationError(
            f"{text!r} is no DNS server; write an IP address and a port, such as 127.0.0.1:53"
        )
    return host, number


class DnsResolver:
    """Asks the given servers in turn."""

    def __init__(
        self,
        servers: Sequence[tuple[str, int]],
        *,
        timeout_seconds: float = 2.0,
        attempts: int = 2,
        at_once: int = 250,
    ) -> None:
        """`timeout_seconds` for each try; `attempts` rounds over all servers.

        The defaults end a question to one silent server in 4 s, so that a check that depends on
        two questions still ends within 10. `at_once` bounds the open sockets; an examination asks
        about 110 questions, and none should wait for a socket.
        """
        self.servers = tuple(servers)
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._gate = asyncio.Semaphore(at_once)

    @classmethod
    def from_system(cls) -> DnsResolver:
        """The servers that the system's resolver uses; raises ConfigurationError without any."""
        try:
            system = dns.resolver.Resolver()
        except (dns.exception.DNSException, OSError) as error:
            raise ConfigurationError(
                f"the system names no DNS server ({error}); name one with --resolver"
            ) from error
        servers = [(str(address), system.port) for address in system.nameservers]
        # Two servers and two tries at most: four silent tries of 2 s would be too long to wait.
        return cls(servers[:2], attempts=1 if len(servers) > 1 else 2)

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        """The records of type `kind`; see the protocol."""
        asked, aliases = _plain(name), []
        authenticated = True
        current = name
        for _ in range(_MAX_ALIASES):
            try:
                response = await self._query(current, kind, unchecked)
            except _NoAnswerError as failure:
                return Answer(name=asked, kind=kind, outcome=failure.outcome, detail=failure.detail)
            authenticated &= bool(response.flags & dns.flags.AD)
            try:
                chain = response.resolve_chaining()
            except dns.exception.DNSException as error:
                return Answer(name=asked, kind=kind, outcome=Outcome.SERVFAIL, detail=str(error))
            aliases += [_target(rdata) for cname in chain.cnames for rdata in cname]
            records = tuple(_present(rdata) for rdata in chain.answer) if chain.answer else ()
            is_open = chain.cnames and not records and not response.authority
            if is_open and response.rcode() == dns.rcode.NOERROR:
                current = chain.canonical_name.to_text()
                continue
            return Answer(
                name=asked,
                kind=kind,
                outcome=_outcome(response, records),
                records=records,
                aliases=tuple(aliases),
                authenticated=authenticated,
            )
        return Answer(
            name=asked,
            kind=kind,
            outcome=Outcome.SERVFAIL,
            aliases=tuple(aliases),
            detail=f"more than {_MAX_ALIASES} aliases in a row",
        )

    async def _query(self, name: str, kind: str, unchecked: bool) -> dns.message.QueryMessage:
        try:
            question = _question(name, kind, unchecked)
        except (dns.exception.DNSException, ValueError) as error:
            # Such a name cannot exist (RFC 1035 section 2.3.4).
            raise _NoAnswerError(Outcome.NXDOMAIN, f"no valid name: {error}") from error
        last = _NoAnswerError(Outcome.TIMEOUT, "no server answered")
        for _ in range(self._attempts):
            for host, port in self.servers:
                try:
                    response = await self._exchange(question, host, port)
                except _NoAnswerError as failure:
                    last = failure
                    continue
                if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    return response
                outcome = _OUTCOMES.get(response.rcode(), Outcome.SERVFAIL)
                code = dns.rcode.to_text(response.rcode())
                last = _NoAnswerError(outcome, f"{host} answered {code}")
            if last.outcome is not Outcome.TIMEOUT:
                break
        raise last

    async def _exchange(
        self, question: dns.message.QueryMessage, host: str, port: int
    ) -> dns.message.QueryMessage:
        try:
            async with self._gate:
                response, _ = await dns.asyncquery.udp_with_fallback(
                    question,
                    host,
                    timeout=self._timeout_seconds,
                    port=port,
                    ignore_unexpected=True,
                    ignore_errors=True,
                )
        except (dns.exception.Timeout, TimeoutError) as error:
            text = f"{host}:{port} did not answer within {self._timeout_seconds:g} s"
            raise _NoAnswerError(Outcome.TIMEOUT, text) from error
        except ConnectionRefusedError as error:
            raise _NoAnswerError(Outcome.TIMEOUT, f"nobody listens at {host}:{port}") from error
        except (OSError, EOFError, dns.exception.DNSException) as error:
            text = f"{host}:{port}: {error or type(error).__name__}"
            raise _NoAnswerError(Outcome.SERVFAIL, text) from error
        if not isinstance(response, dns.message.QueryMessage):
            raise _NoAnswerError(Outcome.SERVFAIL, f"{host}:{port} answered something else")
        return response


class _NoAnswerError(Exception):
    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


def _question(name: str, kind: str, unchecked: bool) -> dns.message.QueryMessage:
    # Labels are built one by one: the text form would read a backslash in a hostile name.
    labels = [_label(part) for part in name.rstrip(".").split(".")] if name.rstrip(".") else []
    flags = dns.flags.RD | dns.flags.AD | (dns.flags.CD if unchecked else 0)
    return dns.message.make_query(
        dns.name.Name([*labels, b""]), kind, use_edns=0, payload=_PAYLOAD_BYTES, flags=flags
    )


def _label(text: str) -> bytes:
    return text.encode("ascii") if text.isascii() else text.encode("idna")


def _outcome(response: dns.message.QueryMessage, records: tuple[str, ...]) -> Outcome:
    if records:
        return Outcome.ANSWERS
    return _OUTCOMES.get(response.rcode(), Outcome.NODATA)


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _target(rdata: dns.rdata.Rdata) -> str:
    return _plain(rdata.to_text())


def _present(rdata: dns.rdata.Rdata) -> str:
    if rdata.rdtype == dns.rdatatype.TXT:
        # RFC 7208 section 3.3: strings are joined without a space. Surrogates keep odd bytes.
        return b"".join(rdata.strings).decode("utf-8", "surrogateescape")  # type: ignore[attr-defined]
    text = rdata.to_text()
    return _plain(text) if rdata.rdtype != dns.rdatatype.TLSA else text
