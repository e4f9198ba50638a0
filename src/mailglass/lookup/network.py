"""How whoever starts an examination reaches the network: one resolver, fetcher and dialler."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import idna

from ..errors import InputError
from .dialling import SocketDialler
from .dns import DnsResolver, parse_server
from .outcomes import Memo
from .web import WebFetcher

__all__ = ["Network", "domain_name", "network", "own_name", "registered_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What is handed to the rooms that ask."""

    resolver: Memo
    fetcher: WebFetcher
    dialler: SocketDialler
    servers: tuple[str, ...]


@asynccontextmanager
async def network(
    server: str | None, *, smtp_seconds: float = 7.0, private: bool = True
) -> AsyncIterator[Network]:
    """A network for one run; `server` is HOST:PORT of the only DNS server to ask.

    `smtp_seconds` bounds each step with a mail server; 7, since postscreen(8) keeps a stranger
    waiting for 6 before its banner. `private` lets web requests reach private addresses, which
    are for the user at the terminal to look at, not for the user of a page.
    """
    dns = DnsResolver([parse_server(server)]) if server else DnsResolver.from_system()
    resolver = Memo(dns)
    async with WebFetcher(resolver, private=private) as fetcher:
        yield Network(
            resolver=resolver,
            fetcher=fetcher,
            dialler=SocketDialler(timeout_seconds=smtp_seconds),
            servers=tuple(host for host, _ in dns.servers),
        )


def domain_name(text: str) -> str:
    """A domain as it stands in the DNS; raises InputError for what can be none."""
    plain = text.strip().rstrip(".").lower()
    try:
        ascii_name = plain if plain.isascii() else idna.encode(plain, uts46=True).decode("ascii")
    except UnicodeError as error:  # idna's own errors too
        raise InputError(f"{text!r} is no domain name: {error}") from error
    labels = ascii_name.split(".")
    good = all(re.fullmatch(r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?", each) for each in labels)
    if not good or len(ascii_name) > 253:
        raise InputError(f"{text!r} is no domain name; write it as example.org")
    return ascii_name


def registered_name(text: str) -> str:
    """The same of a domain that somebody can own: below a top-level domain, not `localhost`."""
    name = domain_name(text)
    if "." not in name or name.rpartition(".")[2].isdecimal():
        raise InputError(f"{text!r} is no domain name; write it as example.org")
    return name


def own_name() -> str:
    """The name to greet servers with."""
    name = socket.getfqdn()
    return name if "." in name else "localhost.localdomain"
