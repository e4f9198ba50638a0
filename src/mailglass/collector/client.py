"""Whose request it is, and how many of them are recorded.

The limit never denies an answer: what is above it is answered and counted, not recorded, so that
one address cannot fill the disk. IPv6 addresses count by their /64, which is what one host gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

__all__ = ["WINDOW_SECONDS", "Limiter", "Proxies"]

WINDOW_SECONDS = 10  # an address may use up its rate for this long at once
_MAX_ADDRESSES = 200_000  # in one window: 30 MB; more are a flood


class Proxies:
    """Finds the client behind trusted proxies."""

    def __init__(self, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)
        self._is_trusted = lru_cache(4096)(self._look_up)

    def origin(self, peer: str, is_tls: bool, control: Mapping[str, str]) -> tuple[str, bool]:
        """The client's address, and whether it came by TLS; `control` is of the request's head.

        The address is the last one of X-Forwarded-For that is no trusted proxy, else the peer's.
        Only what trusted proxies added is read, from the right: the rest anybody can write.
        """
        address = peer
        if not self._networks or not self._is_trusted(address):
            return address, is_tls
        is_secure = is_tls or control.get("x-forwarded-proto", "").lower() == "https"
        for text in reversed(control.get("x-forwarded-for", "").split(",")):
            forwarded = _address(text.strip())
            if forwarded is None:
                break
            address = forwarded
            if not self._is_trusted(address):
                break
        return address, is_secure

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
    """Counts the hits of each address in a window of time."""

    def __init__(self, per_second: float) -> None:
        self._most = per_second * WINDOW_SECONDS
        self._counts: dict[str, int] = {}

    def begin_window(self) -> None:
        """Forget all counts; called every `WINDOW_SECONDS`."""
        self._counts.clear()

    def allows(self, address: str) -> bool:
        """Whether a hit of this address is to be recorded; counts it."""
        if ":" in address:
            address = _network_64(address)
        count = self._counts.get(address, 0) + 1
        if count > self._most or (count == 1 and len(self._counts) >= _MAX_ADDRESSES):
            return False
        self._counts[address] = count
        return True


@lru_cache(4096)
def _network_64(address: str) -> str:
    """The /64 of an IPv6 address, or the address itself when it holds an IPv4 one."""
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped) if mapped else ip.exploded[:19]
