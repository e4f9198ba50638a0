"""DMARC at the From domain: RFC 9989 of May 2026, and RFC 7489, which many receivers still follow.

What changed for a sender: the organisational domain is found by a walk up the DNS instead of the
public suffix list, pct, rf and ri are gone, t=y takes the place of pct=0, np speaks of subdomains
that do not exist, and a record without a policy means p=none.
"""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

from ...lookup import Answer
from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, WARN, Case, why_unknown
from ..findings import finding
from ..organization import PolicyRecord, TreeWalk, same_organization, suffix_organization, tree_walk
from ..tags import TagSyntaxError, parse_tags, versioned

__all__ = ["check_dmarc"]

_POLICIES = ("none", "quarantine", "reject")
_VALUES = {
    "p": _POLICIES,
    "sp": _POLICIES,
    "np": _POLICIES,
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "t": ("y", "n"),
    "psd": ("y", "n", "u"),
}
_REMOVED = ("pct", "rf", "ri")  # RFC 9989 appendix C.6


async def check_dmarc(case: Case) -> list[Finding]:
    """The record that applies to mail from the From domain, and what it asks."""
    walk, apex = await asyncio.gather(
        tree_walk(case.resolver, case.author_domain),
        case.resolver.ask(case.author_domain, "TXT"),
    )
    policy = walk.policy
    if policy is None or policy.text is None:
        return [_absent(case, walk, apex)]
    found = [_present(case, policy)]
    try:
        tags = parse_tags(policy.text)
    except TagSyntaxError as error:
        name = policy.answer.name
        broken = finding("dmarc.syntax", FAIL, str(error), fix="broken", name=name, fault=error)
        return [*found, broken]
    found += [_syntax(policy, tags), _organization(case, walk)]
    found += [_policy(case, policy, tags), await _reports(case, walk, policy, tags)]
    return [*found, _deprecated(policy, tags)]


def _absent(case: Case, walk: TreeWalk, apex: Answer) -> Finding:
    silent = [step.answer for step in walk.steps if not step.answer.is_known]
    several = [step for step in walk.steps if len(step.records) > 1]
    if several:
        observed = f"{len(several[0].records)} records at {several[0].answer.name}"
        return finding("dmarc.record", FAIL, observed, fix="several", name=several[0].answer.name)
    if silent:
        return finding("dmarc.record", UNKNOWN, why_unknown(silent[0]))
    if versioned(apex.records, "DMARC1"):
        observed = f"the record stands at {case.author_domain} itself, where nobody looks"
        return finding("dmarc.record", FAIL, observed, fix="misplaced", name=case.author_domain)
    near = [r for step in walk.steps for r in step.answer.records if "dmarc" in r.lower()]
    observed = f"no DMARC record at _dmarc.{case.author_domain} or above"
    if near:
        observed += f"; {near[0]!r} does not begin with v=DMARC1"
    organization = suffix_organization(case.author_domain)
    return finding("dmarc.record", FAIL, observed, fix="missing", organization=organization)


def _present(case: Case, policy: PolicyRecord) -> Finding:
    where = "its own" if policy.domain == case.author_domain else f"that of {policy.domain}"
    return finding("dmarc.record", OK, f"{policy.text} ({where})")


def _syntax(policy: PolicyRecord, tags: dict[str, str]) -> Finding:
    name = policy.answer.name
    wrong = [
        f"{tag}={tags[tag]}"
        for tag, allowed in _VALUES.items()
        if tag in tags and tags[tag].lower() not in allowed
    ]
    if "p" not in tags:
        # RFC 9989 section 4.8: p=none then; RFC 7489 applied none only when rua was there.
        wrong.append("p= is missing")
    if wrong:
        status = FAIL if tags.get("p", "none").lower() not in _POLICIES else WARN
        fault = ", ".join(wrong)
        return finding("dmarc.syntax", status, fault, fix="broken", name=name, fault=fault)
    if list(tags)[1] != "p":
        observed = "p= does not follow v=; RFC 7489 wanted it there, RFC 9989 does not"
        return finding("dmarc.syntax", INFO, observed)
    return finding("dmarc.syntax", OK, "the record can be read")


def _organization(case: Case, walk: TreeWalk) -> Finding:
    by_suffix = suffix_organization(case.author_domain)
    observed = f"{by_suffix} by the public suffix list, {walk.organization} by the tree walk"
    old = [s for s in walk.steps if s.text and s.domain in (case.author_domain, by_suffix)]
    if walk.policy and (not old or old[0].text != walk.policy.text):
        return finding(
            "dmarc.organization",
            WARN,
            f"{observed}: the policies differ",
            fix="differs",
            organization=by_suffix,
        )
    if by_suffix == walk.organization:
        return finding("dmarc.organization", OK, observed)
    return finding("dmarc.organization", INFO, f"{observed}; the policy is the same")


def _policy(case: Case, policy: PolicyRecord, tags: dict[str, str]) -> Finding:
    name = policy.answer.name
    inherited = policy.domain != case.author_domain
    used = "sp" if inherited and "sp" in tags else "p"
    value = tags.get(used, "none").lower()
    observed = f"{used}={value}"
    if value == "none":
        return finding("dmarc.policy", INFO, observed, fix="none", name=name)
    if tags.get("t", "n").lower() == "y":
        return finding("dmarc.policy", WARN, f"{observed}; t=y", fix="testing", name=name)
    if not inherited and tags.get("sp", "").lower() == "none":
        return finding("dmarc.policy", WARN, f"{observed}; sp=none", fix="subdomains", name=name)
    return finding("dmarc.policy", OK, observed)


async def _reports(
    case: Case, walk: TreeWalk, policy: PolicyRecord, tags: dict[str, str]
) -> Finding:
    name = policy.answer.name
    organization = suffix_organization(policy.domain)
    addresses = [part.strip() for part in tags.get("rua", "").split(",") if part.strip()]
    if not addresses:
        return finding(
            "dmarc.reports",
            WARN,
            "no rua: no reports",
            fix="missing",
            name=name,
            organization=organization,
        )
    domains = [_report_domain(address) for address in addresses]
    for address, domain in zip(addresses, domains, strict=True):
        if not domain:
            return finding("dmarc.reports", FAIL, address, fix="broken", fault=address)
    # Only the first few: a record of 64 KB could name thousands.
    foreign = {d for d in domains[:10] if d and not same_organization(d, policy.domain)}
    names = [f"{policy.domain}._report._dmarc.{domain}" for domain in sorted(foreign)]
    answers = await asyncio.gather(*(case.resolver.ask(name, "TXT") for name in names))
    for answer in answers:
        if not answer.is_known:
            return finding("dmarc.reports", UNKNOWN, why_unknown(answer))
        if not versioned(answer.records, "DMARC1"):
            observed = f"reports go to {', '.join(addresses)}; {answer.name} does not consent"
            return finding("dmarc.reports", FAIL, observed, fix="foreign", consent=answer.name)
    return finding("dmarc.reports", OK, f"reports go to {', '.join(addresses)}")


def _report_domain(address: str) -> str | None:
    """The domain of a mailto address; RFC 7489 allowed a size limit behind an exclamation mark."""
    parts = urlsplit(address)
    mailbox = re.sub(r"![0-9]+[kmgt]?\Z", "", parts.path, flags=re.IGNORECASE)
    local, _, domain = mailbox.rpartition("@")
    return domain.lower() if parts.scheme == "mailto" and local and domain else None


def _deprecated(policy: PolicyRecord, tags: dict[str, str]) -> Finding:
    present = [tag for tag in _REMOVED if tag in tags]
    if not present:
        return finding("dmarc.deprecated", OK, "no tag that RFC 9989 removed")
    status = WARN if tags.get("pct", "100") != "100" else INFO
    texts = ", ".join(f"{tag}={tags[tag]}" for tag in present)
    return finding(
        "dmarc.deprecated",
        status,
        texts,
        fix="present",
        tags=", ".join(present),
        name=policy.answer.name,
    )
