"""Whether the domain exists, whether it is signed, and who answered."""

from __future__ import annotations

import asyncio
import csv
from importlib.resources import files

from ...lookup import Outcome
from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, WARN, Case, why_unknown
from ..findings import finding

__all__ = ["check_dnssec", "check_domain"]


def _public_resolvers() -> dict[str, str]:
    text = files("mailglass.postmaster").joinpath("data/public_resolvers.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["address"]: row["operator"] for row in rows}


async def check_domain(case: Case) -> list[Finding]:
    """The resolver, and SOA and reachability of the domains of MAIL FROM and From."""
    domains = dict.fromkeys((case.domain, case.author_domain))
    found = await asyncio.gather(*(_soa(case, domain) for domain in domains))
    return [await _resolver(case), *found]


async def _resolver(case: Case) -> Finding:
    public = _public_resolvers()
    known = [f"{server} ({public[server]})" for server in case.servers if server in public]
    if known:
        return finding("dns.resolver", WARN, f"public resolver {', '.join(known)}", fix="public")
    answer = await case.resolver.ask(case.domain, "SOA")
    asked = ", ".join(case.servers) or "the given resolver"
    if answer.outcome in (Outcome.TIMEOUT, Outcome.REFUSED):
        return finding("dns.resolver", UNKNOWN, f"{asked}: {answer.detail}", fix="silent")
    return finding("dns.resolver", OK, f"{asked} answers")


async def _soa(case: Case, domain: str) -> Finding:
    """An SOA at the domain or above it, and something that mail can be sent to (Yahoo)."""
    labels = domain.split(".")
    names = [".".join(labels[i:]) for i in range(len(labels))]
    soas, kinds = await asyncio.gather(
        asyncio.gather(*(case.resolver.ask(name, "SOA") for name in names[:8])),
        asyncio.gather(*(case.resolver.ask(domain, kind) for kind in ("MX", "A", "AAAA"))),
    )
    silent = [answer for answer in (*soas, *kinds) if not answer.is_known]
    zone = next((answer.name for answer in soas if answer.records), None)
    if zone is None or not any(answer.records for answer in kinds):
        if silent:
            return finding("dns.soa", UNKNOWN, why_unknown(silent[0]))
        if any(answer.outcome is Outcome.NXDOMAIN for answer in kinds):
            return finding(
                "dns.soa", FAIL, f"{domain} does not exist", fix="missing", domain=domain
            )
        if zone is not None:
            observed = f"{domain} has neither MX nor address; its zone is {zone}"
            return finding("dns.soa", FAIL, observed, fix="unreachable", domain=domain)
        return finding(
            "dns.soa", WARN, f"no SOA at {domain} or above", fix="missing", domain=domain
        )
    return finding("dns.soa", OK, f"{domain} lies in the zone {zone}")


async def check_dnssec(case: Case) -> list[Finding]:
    """Whether the domain's answers are signed and hold (RFC 4035)."""
    ds, soa, unchecked = await asyncio.gather(
        case.resolver.ask(case.domain, "DS"),
        case.resolver.ask(case.domain, "SOA"),
        case.resolver.ask(case.domain, "SOA", unchecked=True),
    )
    if soa.outcome is Outcome.SERVFAIL and unchecked.is_known:
        observed = "answers only when signatures are not checked: they do not hold"
        return [finding("dnssec.signed", FAIL, observed, fix="bogus", domain=case.domain)]
    if not soa.is_known:
        return [finding("dnssec.signed", UNKNOWN, why_unknown(soa))]
    if soa.authenticated:
        return [finding("dnssec.signed", OK, "signed, and the resolver found the signatures good")]
    if not ds.is_known:
        return [finding("dnssec.signed", UNKNOWN, why_unknown(ds))]
    if ds.records:
        observed = "a DS record stands at the parent, but this resolver does not validate"
        return [finding("dnssec.signed", UNKNOWN, observed)]
    observed = "not signed: no DS record at the parent"
    return [finding("dnssec.signed", INFO, observed, fix="unsigned", domain=case.domain)]
