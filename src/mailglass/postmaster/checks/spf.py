"""The SPF record, its cost, and what it says of the sending addresses (RFC 7208)."""

from __future__ import annotations

import asyncio
import ipaddress

from ...model import Finding
from ..case import FAIL, OK, UNKNOWN, WARN, Case, why_unknown
from ..findings import finding
from ..spf import MAX_LOOKUPS, MAX_VOIDS, SpfResult, Survey, SurveyedTerm, check_host, survey
from .alignment import check_alignment

__all__ = ["check_spf"]


async def check_spf(case: Case) -> list[Finding]:
    """Everything about SPF at the domain of MAIL FROM."""
    seen, alignment, results = await asyncio.gather(
        survey(case.resolver, case.domain),
        check_alignment(case, "spf.alignment", "aspf", "MAIL FROM at "),
        asyncio.gather(*(_result(case, ip) for ip in case.ips)),
    )
    found = [_record(case, seen)]
    if seen.fault and len(seen.records) == 1:
        found.append(
            finding(
                "spf.syntax", FAIL, seen.fault, fix="broken", domain=case.domain, fault=seen.fault
            )
        )
    if seen.record:
        found.append(finding("spf.syntax", OK, "the record follows the grammar"))
        found += [_includes(seen), _lookups(seen), _voids(seen), _all(case, seen), _ptr(seen)]
    if seen.records:
        found += results
    return [*found, alignment]


def _record(case: Case, seen: Survey) -> Finding:
    if not seen.answer.is_known:
        return finding("spf.record", UNKNOWN, why_unknown(seen.answer))
    if not seen.records:
        return finding(
            "spf.record",
            FAIL,
            f"no SPF record at {case.domain} ({seen.answer.outcome})",
            fix="missing",
            domain=case.domain,
            sources=_sources(case),
        )
    if len(seen.records) > 1:
        return finding(
            "spf.record",
            FAIL,
            f"{len(seen.records)} SPF records at {case.domain}",
            fix="several",
            domain=case.domain,
            merged=_merged(seen.records),
        )
    return finding("spf.record", OK, seen.records[0])


def _sources(case: Case) -> str:
    networks = [f"ip{ipaddress.ip_address(ip).version}:{ip}" for ip in case.ips]
    return " ".join(networks or ["mx"])


def _merged(records: tuple[str, ...]) -> str:
    """One record with the words of all, each once, the catch-all of the strictest last."""
    words = dict.fromkeys(word for record in records for word in record.split()[1:])
    closing = [word for word in words if word.lstrip("+-~?").lower() == "all"]
    strictest = min(closing, key="-~?+".find, default="~all") if closing else "~all"
    kept = [word for word in words if word not in closing]
    return " ".join(["v=spf1", *kept, strictest])


def _includes(seen: Survey) -> Finding:
    if seen.loops:
        loop = " > ".join(seen.loops[0])
        owner, term = seen.loops[0][-2:]
        observed = f"a loop: {loop}"
        return finding("spf.include", FAIL, observed, fix="loop", loop=loop, term=term, owner=owner)
    broken = [term for term in seen.terms if term.problem]
    if broken:
        first = broken[0]
        texts = "; ".join(f"{' > '.join(term.path)}: {term.problem}" for term in broken)
        return finding(
            "spf.include",
            FAIL,
            texts,
            fix="broken",
            term=first.text,
            owner=first.path[-1],
            problem=first.problem,
        )
    silent = [term for term in seen.terms if term.silent]
    if silent:
        return finding("spf.include", UNKNOWN, f"{silent[0].text}: {silent[0].silent}")
    count = sum(term.text.lower().lstrip("+-~?").startswith("include") for term in seen.terms)
    return finding("spf.include", OK, f"{count} includes, all good")


def _lookups(seen: Survey) -> Finding:
    paths = "; ".join(
        f"{number} {' > '.join(term.path)} > {term.text}"
        for number, term in enumerate(seen.terms, 1)
    )
    observed = f"{seen.lookups} lookups" + (f": {paths}" if paths else "")
    if seen.lookups > MAX_LOOKUPS:
        heaviest, cost = _heaviest(seen)
        return finding("spf.lookups", FAIL, observed, fix="many", heaviest=heaviest, cost=cost)
    if seen.is_cut or any(term.silent for term in seen.terms):
        return finding("spf.lookups", UNKNOWN, f"at least {observed}")
    return finding("spf.lookups", OK, observed)


def _heaviest(seen: Survey) -> tuple[str, int]:
    """The include of the domain's own record that costs most, with its lookups."""
    own: dict[str, int] = {}
    current = ""
    for term in seen.terms:
        current = term.text if len(term.path) == 1 else current
        own[current] = own.get(current, 0) + 1
    term_text = max(own, key=lambda text: own[text])
    return term_text, own[term_text]


def _voids(seen: Survey) -> Finding:
    voids = [term for term in seen.terms if term.voids]
    texts = ", ".join(_place(term) for term in voids)
    if seen.voids > MAX_VOIDS:
        observed = f"{seen.voids} void lookups: {texts}"
        return finding("spf.void-lookups", FAIL, observed, fix="many", terms=texts)
    if voids:
        observed = f"{seen.voids} void lookups: {texts}"
        return finding("spf.void-lookups", WARN, observed, fix="many", terms=texts)
    if any(term.silent for term in seen.terms):
        return finding("spf.void-lookups", UNKNOWN, "some names got no answer")
    return finding("spf.void-lookups", OK, "every name that is looked up exists")


def _place(term: SurveyedTerm) -> str:
    return f"{term.text} in {term.path[-1]}"


def _all(case: Case, seen: Survey) -> Finding:
    record = seen.record
    assert record is not None  # the caller asked
    term = record.catch_all
    if term is None and record.redirect:
        return finding("spf.all", OK, f"left to {record.redirect.text}")
    if term is None:
        observed = "no all and no redirect: everybody else is neutral"
        return finding("spf.all", WARN, observed, fix="missing", domain=case.domain)
    if term.qualifier in "-~":
        return finding("spf.all", OK, term.text)
    status = FAIL if term.qualifier == "+" else WARN
    return finding("spf.all", status, term.text, fix="open", term=term.text)


def _ptr(seen: Survey) -> Finding:
    terms = [term for term in seen.terms if term.text.lower().lstrip("+-~?").startswith("ptr")]
    if not terms:
        return finding("spf.ptr", OK, "no ptr mechanism")
    return finding("spf.ptr", WARN, _place(terms[0]), fix="present", term=terms[0].text)


async def _result(case: Case, ip: str) -> Finding:
    verdict = await check_host(
        case.resolver, ip, case.domain, unix_seconds=int(case.now.timestamp())
    )
    path = " > ".join(verdict.path)
    observed = f"{verdict.result} for {ip}: {verdict.reason} ({path}; {verdict.lookups} lookups)"
    if verdict.result is SpfResult.PASS:
        return finding("spf.result", OK, observed)
    if verdict.result is SpfResult.TEMPERROR:
        return finding("spf.result", UNKNOWN, observed)
    if verdict.result is SpfResult.PERMERROR:
        return finding("spf.result", FAIL, observed, fix="error", reason=verdict.reason)
    mechanism = f"ip{ipaddress.ip_address(ip).version}:{ip}"
    status = FAIL if verdict.result in (SpfResult.FAIL, SpfResult.SOFTFAIL) else WARN
    return finding(
        "spf.result", status, observed, fix="fail", mechanism=mechanism, domain=case.domain
    )
