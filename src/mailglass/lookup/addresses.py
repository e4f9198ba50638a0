"""Which addresses are public: where a stranger's URL may lead us.

Python's `is_global` follows the registries of IANA, but not the addresses that carry another one
inside: a gateway or the system may take 64:ff9b::7f00:1 to 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from .outcomes import Answer, Outcome

__all__ = ["SystemResolver", "is_public"]

_NAT64 = (  # RFC 6052 section 2.1; RFC 8215 for a network's own
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291 section 2.5.5.1, long deprecated
_RELAY = ipaddress.IPv4Network("192.88.99.0/24")  # RFC 7526: leads into 6to4
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")  # RFC 6890: for protocols, not for servers


def is_public(text: str) -> bool:
    """Whether an IP address leads to the open network, by itself and by what it carries inside."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return _is_public_v4(address)
    inside = address.ipv4_mapped or address.sixtofour
    if inside is None and (address.teredo or any(address in net for net in _NAT64)):
        inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo:
            inside = address.teredo[1]
    if inside is not None and not _is_public_v4(inside):
        return False
    return (
        (address.is_global or address.ipv4_mapped is not None)
        and not address.is_multicast
        and not address.is_site_local
        and address not in _COMPATIBLE
    )


def _is_public_v4(address: ipaddress.IPv4Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and address not in _RELAY
        and address not in _PROTOCOLS
    )


class SystemResolver:
    """Asks what every program on the machine asks: the hosts file, then the system's resolver.

    Only for addresses (A and AAAA): it is what finds `localhost` and the names of neighbours.
    """

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        """See the protocol; the system does not say why there is no answer."""
        family = _FAMILIES.get(kind)
        if family is None:
            text = f"the system's resolver cannot be asked for {kind} records"
            return Answer(name=name, kind=kind, outcome=Outcome.REFUSED, detail=text)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(name, None, family=family, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            known = isinstance(error, socket.gaierror) and error.errno in _NO_SUCH
            outcome = Outcome.NODATA if known else Outcome.SERVFAIL
            return Answer(name=name, kind=kind, outcome=outcome, detail=str(error))
        records = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        return Answer(name=name, kind=kind, outcome=Outcome.ANSWERS, records=records)


_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}
_NO_SUCH = {socket.EAI_NONAME, socket.EAI_NODATA}
