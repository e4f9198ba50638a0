"""Whose request it is, and how many of them are recorded.

The limit never denies an answer: what is above it is answered and counted, not recorded, so that
one address cannot fill the disk. IPv6 addresses count by their /64, which is what one host gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from .request import Request

__all__ = ["Limiter", "Proxies"]

_MAX_ADDRESSES = 50_000  # of which a limiter knows something: 10 MB
_BURST_SECONDS = 10.0  # of its rate, that an address may use up at once


class Proxies:
    """Finds the client behind trusted proxies."""

    def __init__(self, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)
        self._is_trusted = lru_cache(4096)(self._look_up)

    def client(self, request: Request) -> str:
        """The last address of X-Forwarded-For that is no trusted proxy; else the peer.

        Only what trusted proxies added is read, from the right: the rest anybody can write.
        """
        address = request.peer
        if not self._networks or not self._is_trusted(address):
            return address
        for text in reversed(request.control.get("x-forwarded-for", "").split(",")):
            forwarded = _address(text.strip())
            if forwarded is None:
                break
            address = forwarded
            if not self._is_trusted(address):
                break
        return address

    def is_secure(self, request: Request) -> bool:
        """Whether the client came by TLS, to us or to a trusted proxy."""
        if request.is_tls or not self._networks or not self._is_trusted(request.peer):
            return request.is_tls
        return request.control.get("x-forwarded-proto", "").lower() == "https"

    def _look_up(self, address: str) -> bool:
        ip = ip_address(address)
        return any(ip.version == n.version and ip in n for n in self._networks)


def _address(text: str) -> str | None:
    """An address as proxies write it, perhaps with a port; None when it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


class Limiter:
    """A token bucket for each address; the least recently seen are forgotten first."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = per_second * _BURST_SECONDS
        self._buckets: dict[str, tuple[float, float]] = {}

    def allows(self, address: str, now: float) -> bool:
        """Whether a hit of this address is to be recorded; `now` in seconds of any steady clock."""
        key = address if ":" not in address else _network_64(address)
        left, since = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        is_allowed = left >= 1.0
        self._buckets[key] = (left - 1.0 if is_allowed else left, now)
        if len(self._buckets) > _MAX_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        return is_allowed


@lru_cache(4096)
def _network_64(address: str) -> str:
    """The /64 of an IPv6 address, or the address itself when it holds an IPv4 one."""
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped) if mapped else ip.exploded[:19]
