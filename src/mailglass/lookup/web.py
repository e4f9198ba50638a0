"""The real fetcher, over httpx: names go through our own resolver, certificates are checked.

The request goes to an IP address that we looked up ourselves, with the host's name in SNI, in Host
and in the certificate check; so `--resolver` holds for HTTP too, and the address that was judged
(public or private) is the one that is used.

Nothing of an answer comes back with a later request: no cookies are kept, no answers, no
connections and no TLS sessions. Whoever is asked cannot tell that two requests belong together.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx

from .addresses import is_public
from .outcomes import Answer, FetchOutcome, Outcome, Page, Resolver
from .trust import tls_context

__all__ = ["WebFetcher"]


class WebFetcher:
    """Fetches URLs one connection a request; use it as an asynchronous context."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        timeout_seconds: float = 4.0,
        private: bool = False,
        allowed: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = (),
        certificates: str | None = None,
    ) -> None:
        """`timeout_seconds` bounds a whole request with its redirects.

        `private` allows addresses that are not public, `allowed` those of some networks: leave it
        off wherever a stranger can choose the URL. `certificates` names a PEM file of authorities
        instead of the usual ones.
        """
        self._resolver = resolver
        self._timeout_seconds = timeout_seconds
        self._private = private
        self._allowed = tuple(allowed)
        self._client = httpx.AsyncClient(
            verify=tls_context(certificates, True),
            timeout=timeout_seconds,
            headers={"User-Agent": "mailglass", "Accept": "*/*", "Accept-Encoding": "identity"},
            trust_env=False,
            # httpx always has a jar; this one takes nothing from anybody.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            # A kept connection would be found by its address alone, and serve another host's
            # request without that host's certificate; and it would tie two requests together.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

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
        """One request; see the protocol. A redirect from https to http is never followed."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._follow(url, method, body, headers or {}, limit_bytes, redirects)
        except TimeoutError:
            text = f"no complete answer within {self._timeout_seconds:g} s"
            return Page(url=url, outcome=FetchOutcome.TIMEOUT, detail=text)

    async def _follow(
        self,
        url: str,
        method: str,
        body: bytes,
        headers: Mapping[str, str],
        limit_bytes: int,
        redirects: int,
    ) -> Page:
        hops: list[str] = []
        while True:
            page = await self._once(url, method, body, headers, limit_bytes, tuple(hops))
            target = page.headers.get("location")
            if not (300 <= page.status < 400 and target and len(hops) < redirects):
                return page
            following = urljoin(url, target)
            if url.startswith("https:") and not following.startswith("https:"):
                return page
            hops.append(url)
            url = following

    async def _once(
        self,
        url: str,
        method: str,
        body: bytes,
        headers: Mapping[str, str],
        limit_bytes: int,
        hops: tuple[str, ...],
    ) -> Page:
        def failed(outcome: FetchOutcome, detail: str) -> Page:
            return Page(url=url, outcome=outcome, hops=hops, detail=detail)

        try:
            host, port, target = _split(url)
        except ValueError as error:
            return failed(FetchOutcome.BROKEN, str(error))
        address = await self._address(host)
        if isinstance(address, Page):
            return failed(address.outcome, address.detail)
        if not self._may_go_to(address):
            return failed(FetchOutcome.FORBIDDEN, f"{host} has the private address {address}")
        literal = f"[{address}]" if ":" in address else address
        request = self._client.build_request(
            method,
            target.format(literal),
            content=body or None,
            headers={**headers, "Host": host if port is None else f"{host}:{port}"},
            extensions={"sni_hostname": host},
        )
        try:
            return await self._receive(request, url, limit_bytes, hops)
        except httpx.TimeoutException as error:
            return failed(FetchOutcome.TIMEOUT, f"{host} at {address}: {type(error).__name__}")
        except httpx.ConnectError as error:
            is_tls = "SSL" in str(error) or isinstance(error.__context__, ssl.SSLError)
            outcome = FetchOutcome.TLS_FAILED if is_tls else FetchOutcome.UNREACHABLE
            return failed(outcome, f"{host} at {address}: {error}")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            return failed(FetchOutcome.BROKEN, f"{host} at {address}: {error}")

    def _may_go_to(self, text: str) -> bool:
        address = ipaddress.ip_address(text)
        return self._private or is_public(text) or any(address in net for net in self._allowed)

    async def _receive(
        self, request: httpx.Request, url: str, limit_bytes: int, hops: tuple[str, ...]
    ) -> Page:
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_raw(4096):
                body += chunk
                if len(body) > limit_bytes:
                    break
        finally:
            await response.aclose()
        return Page(
            url=url,
            outcome=FetchOutcome.ANSWERED,
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=bytes(body[:limit_bytes]),
            truncated=len(body) > limit_bytes,
            hops=hops,
        )

    async def _address(self, host: str) -> str | Page:
        try:
            return str(ipaddress.ip_address(host.strip("[]")))
        except ValueError:
            answers = await asyncio.gather(
                self._resolver.ask(host, "A"), self._resolver.ask(host, "AAAA")
            )
        for answer in answers:
            if answer.records:
                return answer.records[0]
        return _no_address(host, answers)


def _no_address(host: str, answers: Sequence[Answer]) -> Page:
    failures = [answer for answer in answers if not answer.is_known]
    if failures:
        silent = any(answer.outcome is Outcome.TIMEOUT for answer in failures)
        outcome = FetchOutcome.TIMEOUT if silent else FetchOutcome.DNS_FAILED
        return Page(url="", outcome=outcome, detail=f"{host}: {failures[0].detail}")
    return Page(url="", outcome=FetchOutcome.NO_ADDRESS, detail=f"{host} has no address")


def _split(url: str) -> tuple[str, int | None, str]:
    """Host, port and the URL with a place for the address."""
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{url[:80]!r} is no http or https URL")
    port = parts.port
    place = "{}" if port is None else f"{{}}:{port}"
    path = (parts.path or "/").replace("{", "%7B").replace("}", "%7D")
    query = parts.query.replace("{", "%7B").replace("}", "%7D")
    return host, port, urlunsplit((parts.scheme, place, path, query, ""))
