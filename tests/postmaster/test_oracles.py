"""Where pyspf and checkdmarc judge the same thing, they say the same, or the RFC decides.

Both are optional: install pyspf and checkdmarc to run this. The tables of differences are part of
the test: a difference that goes away, or a new one, fails it.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
from postmaster_zones import cases

from mailglass.lookup import DnsResolver
from mailglass.postmaster import check_host, survey, tree_walk

pytestmark = pytest.mark.servers

SPF_CASES = [(case["name"], ip) for case in cases() for ip in case.get("ip", ())]
TXT_DOMAINS = [
    case.get("domain", case["name"] + ".test") for case in cases() if case["name"] != "no-server"
]


def domain_of(name: str) -> str:
    case = next(case for case in cases() if case["name"] == name)
    return str(case.get("domain", name + ".test"))


# What pyspf says instead, and why the RFC is on our side.
PYSPF_DIFFERENCES: dict[str, str] = {}  # none on 2026-11-22 with pyspf 2.0.14


def pyspf_result(spf: Any, name: str, ip: str) -> str:
    domain = domain_of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result, _, _ = spf.query(i=ip, s=f"postmaster@{domain}", h=domain).check()
    return str(result)


def lookup_for(port: int) -> Any:
    """What pyspf calls to ask the DNS, here always nsd."""

    def ask(name: str, kind: str, tcpfallback: bool = True, timeout: float = 30) -> list[Any]:
        import spf

        answer = asyncio.run(DnsResolver([("127.0.0.1", port)]).ask(name, kind))
        if not answer.is_known:
            raise spf.TempError("DNS " + answer.detail)
        if kind == "MX":
            pairs = (record.split(" ") for record in answer.records)
            return [((name, kind), (int(number), host)) for number, host in pairs]
        if kind in ("TXT", "SPF"):
            return [((name, kind), (record.encode(),)) for record in answer.records]
        return [((name, kind), record) for record in answer.records]

    return ask


@pytest.mark.parametrize(("name", "ip"), SPF_CASES)
def test_our_spf_result_is_that_of_pyspf(
    nsd: int, monkeypatch: pytest.MonkeyPatch, name: str, ip: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spf = pytest.importorskip("spf")
    monkeypatch.setattr(spf, "DNSLookup", lookup_for(nsd))
    resolver = DnsResolver([("127.0.0.1", nsd)])
    ours = asyncio.run(check_host(resolver, ip, domain_of(name)))
    theirs = pyspf_result(spf, name, ip)
    assert theirs == PYSPF_DIFFERENCES.get(name, str(ours.result)), ours


# By domain: what checkdmarc says of SPF (valid, lookups, voids), and why we differ.
CHECKDMARC_SPF_DIFFERENCES: dict[str, tuple[Any, ...]] = {
    # ABNF strings have no case (RFC 5234 section 2.3), so V=SPF1 is a record; pyspf agrees.
    "spf-upper-case.test": (False,),
    # What ptr finds depends on the sending address, which a survey does not have (RFC 7208 5.5).
    "spf-ptr.test": (True, 1, 1),
}


def resolver_of_dnspython(port: int) -> Any:
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = port
    resolver.timeout = resolver.lifetime = 2.0
    return resolver


@pytest.mark.parametrize("domain", TXT_DOMAINS)
def test_our_count_of_spf_lookups_is_that_of_checkdmarc(nsd: int, domain: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("checkdmarc.spf")
        theirs = module.check_spf(domain, resolver=resolver_of_dnspython(nsd))
    seen = asyncio.run(survey(DnsResolver([("127.0.0.1", nsd)]), domain))
    silent = any(term.silent for term in seen.terms)
    broken = any(term.problem for term in seen.terms)
    valid = bool(seen.record) and not broken and not silent
    valid = valid and seen.lookups <= 10 and seen.voids <= 2
    ours: tuple[Any, ...] = (valid,)
    their: tuple[Any, ...] = (theirs["valid"],)
    if valid and theirs["valid"]:
        ours = (valid, seen.lookups, seen.voids)
        their = (True, theirs["dns_lookups"], theirs["void_dns_lookups"])
    assert their == CHECKDMARC_SPF_DIFFERENCES.get(domain, ours), theirs


CHECKDMARC_DMARC_DIFFERENCES: dict[str, Any] = {}  # none on 2026-11-22 with checkdmarc 6.0.4


@pytest.mark.parametrize("domain", TXT_DOMAINS)
def test_the_dmarc_record_that_applies_is_that_of_checkdmarc(nsd: int, domain: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("checkdmarc.dmarc")
        theirs = module.check_dmarc(domain, resolver=resolver_of_dnspython(nsd))
    policy = asyncio.run(tree_walk(DnsResolver([("127.0.0.1", nsd)]), domain)).policy
    ours = policy.domain if policy else None
    their = theirs.get("location") if theirs.get("record") else None
    assert their == CHECKDMARC_DMARC_DIFFERENCES.get(domain, ours), theirs
