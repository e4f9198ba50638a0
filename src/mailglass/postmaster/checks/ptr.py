"""PTR and its forward confirmation (RFC 8601 section 3, "iprev")."""

from __future__ import annotations

import asyncio
import ipaddress
import re

from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, WARN, Case, why_unknown
from ..findings import finding

__all__ = ["check_ptr", "looks_generic"]

_WORDS = re.compile(
    r"(?:\A|[.\-_\d])(?:dyn(?:amic)?|dhcp|dsl|adsl|pool|ppp|dial(?:up|in)?|cable|broadband|"
    r"client|cust(?:omer)?|home|residential|unknown|unassigned|no-?rdns)(?=[.\-_\d]|\Z)"
)
_MAX_NAMES = 10  # as RFC 7208 section 4.6.4 bounds it


def looks_generic(host: str, ip: str) -> bool:
    """Whether a name is made of its address or says that it is a home connection."""
    if ipaddress.ip_address(ip).version == 4:
        octets = ip.split(".")
        numbers = re.findall(r"\d+", host)
        plain = [str(int(number)) for number in numbers]
        for wanted in (octets, octets[::-1]):
            if any(plain[i : i + 4] == wanted for i in range(len(plain))):
                return True
        if "".join(octet.zfill(3) for octet in octets) in host.replace("-", ""):
            return True
        if ipaddress.ip_address(ip).packed.hex() in host:
            return True
    return bool(_WORDS.search(host))


async def check_ptr(case: Case) -> list[Finding]:
    """The names of the sending addresses."""
    if not case.ips:
        observed = "no sending address was given; name it with --ip"
        return [finding("ptr.record", INFO, observed)]
    found = await asyncio.gather(*(_address(case, ip) for ip in case.ips))
    return [each for group in found for each in group]


async def _address(case: Case, ip: str) -> list[Finding]:
    reverse = ipaddress.ip_address(ip).reverse_pointer
    answer = await case.resolver.ask(reverse, "PTR")
    if not answer.is_known:
        return [finding("ptr.record", UNKNOWN, why_unknown(answer))]
    if not answer.records:
        return [
            finding(
                "ptr.record",
                FAIL,
                f"{ip} has no PTR record ({answer.outcome})",
                fix="missing",
                ip=ip,
                reverse=reverse,
                domain=case.domain,
            )
        ]
    names = answer.records[:_MAX_NAMES]
    observed = f"{ip} is {', '.join(names)}"
    found = [finding("ptr.record", OK, observed)]
    if len(answer.records) > 1:
        found = [finding("ptr.record", WARN, observed, fix="several", reverse=reverse)]
    found.append(await _confirmed(case, ip, names))
    generic = [name for name in names if looks_generic(name, ip)]
    if generic:
        found.append(
            finding(
                "ptr.generic",
                WARN,
                generic[0],
                fix="generic",
                host=generic[0],
                reverse=reverse,
                domain=case.domain,
            )
        )
    else:
        found.append(finding("ptr.generic", OK, f"{names[0]} is a name of its own"))
    return found


async def _confirmed(case: Case, ip: str, names: tuple[str, ...]) -> Finding:
    address = ipaddress.ip_address(ip)
    kind = "A" if address.version == 4 else "AAAA"
    answers = await asyncio.gather(*(case.resolver.ask(name, kind) for name in names))
    for answer in answers:
        if any(ipaddress.ip_address(record) == address for record in answer.records):
            return finding("ptr.confirmed", OK, f"{answer.name} leads back to {ip}")
    silent = [answer for answer in answers if not answer.is_known]
    if silent:
        return finding("ptr.confirmed", UNKNOWN, why_unknown(silent[0]))
    leads = ", ".join(answers[0].records) or f"nothing ({answers[0].outcome})"
    return finding(
        "ptr.confirmed",
        FAIL,
        f"{names[0]} leads to {leads}, not to {ip}",
        fix="unconfirmed",
        host=names[0],
        kind=kind,
        ip=ip,
    )
