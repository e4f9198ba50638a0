"""One HTTP request as a simulated actor makes it: exact header fields, a connection of its own.

A library would send the fields in its own order and add its own; what is simulated here is just
that difference. Requests go to loopback, or to the sites that were named, never to the outside.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Answer", "Site", "find_site", "request"]

_TIMEOUT_SECONDS = 30.0  # assumed: what a mail client waits for a picture
_MOST_HEAD = 64 * 1024
_MOST_BODY = 64 << 20  # bytes; an attachment may be large, a simulation need not hold it


@dataclass(frozen=True, slots=True)
class Site:
    """Where to connect for a URL, and how the URL names itself."""

    host: str
    port: int
    authority: str  # the value of the Host field


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `status` is 0 when nothing did, and `error` says why."""

    status: int
    location: str = ""
    body_bytes: int = 0
    error: str = ""


def find_site(url: str, sites: Mapping[str, tuple[str, int]]) -> Site | None:
    """Where a URL may be asked for: a named site, or loopback; None for everywhere else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or any(c in url for c in "\r\n \t"):
        return None
    if parts.netloc in sites:
        return Site(*sites[parts.netloc], parts.netloc)
    if parts.scheme == "http" and _is_loopback(host):
        return Site(host, port or 80, parts.netloc)
    return None


async def request(
    site: Site,
    url: str,
    *,
    method: str,
    headers: Sequence[tuple[str, str]],
    client_address: str,
) -> Answer:
    """Ask `site` for the URL and read the answer to its end.

    `client_address` goes into X-Forwarded-For, since every connection comes from loopback.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(site.host, site.port, limit=_MOST_HEAD)
            try:
                writer.write(_head(site, url, method, headers, client_address))
                await writer.drain()
                return await _read_answer(reader, method)
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
        return Answer(status=0, error=f"{type(error).__name__}: {error}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _head(
    site: Site, url: str, method: str, headers: Sequence[tuple[str, str]], client_address: str
) -> bytes:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {site.authority if name == 'Host' else value}" for name, value in headers]
    lines += [f"X-Forwarded-For: {client_address}", "", ""]
    return "\r\n".join(lines).encode("utf-8")


async def _read_answer(reader: asyncio.StreamReader, method: str) -> Answer:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.LimitOverrunError as error:
        raise ValueError("the answer's head is too long") from error
    status = int(head[0].split(" ", 2)[1]) if " " in head[0] else 0
    fields = dict(line.lower().partition(": ")[::2] for line in head[1:] if line)
    location = next((line[10:] for line in head[1:] if line.lower().startswith("location: ")), "")
    has_body = method != "HEAD" and status not in (204, 304) and status >= 200
    size = await _skip_body(reader, fields) if has_body else 0
    return Answer(status=status, location=location, body_bytes=size)


async def _skip_body(reader: asyncio.StreamReader, fields: Mapping[str, str]) -> int:
    """Read the body and forget it; returns its size."""
    if "chunked" in fields.get("transfer-encoding", ""):
        total = 0
        while size := int((await reader.readline()).split(b";")[0], 16):
            total += await _skip(reader, size)
            await reader.readline()
        return total
    return await _skip(reader, int(fields.get("content-length", _MOST_BODY)))


async def _skip(reader: asyncio.StreamReader, size: int) -> int:
    read = 0
    while read < min(size, _MOST_BODY) and (piece := await reader.read(min(65536, size - read))):
        read += len(piece)
    return read
