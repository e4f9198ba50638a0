"""The kill switch: what a sender stops at once, without touching a message already sent.

A text file, one rule a line, `#` begins a comment; read at start and when told to reload:

    url https://shop.example/sale      links to this destination, however it is spelled
    domain shop.example                links to this host and those below it
    delivery 123                       links of one delivery
    delivery 100-200                   links of a range of deliveries: of one message
    untracked 123                      hits of this delivery are answered and not recorded

Destinations and rules are compared as a browser reads them: percent-encoding, letter case, IDN
(UTS 46) and the many spellings of an IPv4 address do not matter.
A link that is held back leads to a page that shows its destination and says so.

Recipients who said no on their notice page stand in a file of their own, one delivery a line,
synced before they are told that it is done: a restart must not forget them.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from bisect import bisect_right
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..addresses import canonical_domain
from ..errors import ConfigurationError
from .answer import safe_location

__all__ = ["KillSwitch"]

log = logging.getLogger("mailglass.collector")

_PORTS = {"http": 80, "https": 443}
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile("[A-Za-z0-9._~-]")  # RFC 3986 section 2.3
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")  # a host whose last label is one is IPv4 (WHATWG)


class KillSwitch:
    """The rules as last read."""

    def __init__(self, file: Path | None, objections: Path) -> None:
        """`objections` is written by us and need not exist.

        Raises ConfigurationError when a file cannot be read or understood.
        """
        self._file = file
        self._objections = objections
        self._objected = {int(n) for n in _lines_of(objections) if n.isdecimal()}
        self._read()

    def reload(self) -> None:
        """Read the file again; one that is not understood leaves the rules as they are."""
        try:
            self._read()
        except ConfigurationError as error:
            log.error("kept the old rules: %s", error, extra={"action": "kill-switch-refused"})

    def holds_back(self, to: str, delivery_id: int) -> bool:
        """Whether a link is stopped."""
        if not (self._urls or self._domains or self._ranges):
            return False
        if self._is_in_range(delivery_id):
            return True
        url, host = _canonical(to)
        return url in self._urls or self._is_in_domain(host)

    def object(self, delivery_id: int) -> None:
        """Record nothing more of a delivery: its recipient said no; until a restart, see `keep`."""
        self._objected.add(delivery_id)

    def keep(self, delivery_id: int) -> None:
        """Have an objection outlast a restart; takes as long as the disk does. Raises OSError."""
        with self._objections.open("a") as file:
            file.write(f"{delivery_id}\n")
            file.flush()
            os.fsync(file.fileno())

    def is_untracked(self, delivery_id: int) -> bool:
        return delivery_id in self._objected or delivery_id in self._untracked

    def _read(self) -> None:
        lines = [] if self._file is None else _lines_of(self._file)
        urls, domains, untracked, ranges = set(), set(), set(), []
        faults = []
        for number, line in enumerate(lines, 1):
            word, _, value = line.partition("#" if line.startswith("#") else " ")
            value = value.strip()
            try:
                if word == "url":
                    urls.add(_canonical(value)[0])
                elif word == "domain":
                    domains.add(_canonical_host(value))
                elif word == "delivery":
                    first, _, last = value.partition("-")
                    ranges.append((int(first), int(last or first)))
                elif word == "untracked":
                    untracked.add(int(value))
                elif word:
                    raise ValueError(f"no rule begins with {word!r}")
            except ValueError as error:
                faults.append(f"{self._file}, line {number}: {error}")
        if faults:
            raise ConfigurationError("\n".join(faults))
        self._urls, self._domains, self._untracked = urls, domains, untracked
        self._ranges = _merged(ranges)

    def _is_in_range(self, delivery_id: int) -> bool:
        position = bisect_right(self._ranges, (delivery_id, 1 << 63)) - 1
        return position >= 0 and delivery_id <= self._ranges[position][1]

    def _is_in_domain(self, host: str) -> bool:
        while host:
            if host in self._domains:
                return True
            host = host.partition(".")[2]
        return False


def _lines_of(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the kill switch file cannot be read: {error}") from error


def _canonical(to: str) -> tuple[str, str]:
    """A destination in one spelling, without user and default port, and its host.

    What a browser gets is compared (`safe_location`), not what the sender wrote.
    """
    location = safe_location(to)
    try:
        parts = urlsplit(location)
        host, port = _canonical_host(parts.hostname or ""), parts.port
    except ValueError:  # no URL that a browser would follow
        return location, ""
    authority = host if port in (None, _PORTS.get(parts.scheme)) else f"{host}:{port}"
    path = parts._replace(scheme="", netloc="", path=parts.path or "/").geturl()
    return f"{parts.scheme}://{authority}{_ENCODED.sub(_respell, path)}", host


def _respell(match: re.Match[str]) -> str:
    character = chr(int(match[0][1:], 16))
    return character if _UNRESERVED.match(character) else match[0].upper()


def _canonical_host(host: str) -> str:
    """The name or address that a browser connects to: lower case, A-labels, no dot at the end."""
    host = canonical_domain(unquote(host.strip("[]")))
    with suppress(OSError, ValueError):  # no address after all
        if ":" in host:
            return str(ip_address(host))
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            return socket.inet_ntoa(socket.inet_aton(host))
    return host


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order, overlapping ones joined."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
