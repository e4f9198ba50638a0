"""BIMI: a logo beside the message (draft-brand-indicators-for-message-identification)."""

from __future__ import annotations

import re

from ...lookup import FetchOutcome, Page
from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, WARN, Case, why_unknown
from ..findings import finding
from ..organization import suffix_organization, tree_walk
from ..tags import TagSyntaxError, parse_tags, versioned

__all__ = ["check_bimi"]

_MAX_LOGO_BYTES = 32 * 1024  # draft-svg-tiny-ps-abrotman, section 4: should not exceed 32 KB


async def check_bimi(case: Case) -> list[Finding]:
    """The record of the From domain or its organisation, and what it points at."""
    organization = suffix_organization(case.author_domain)
    answer = await case.resolver.ask(f"default._bimi.{case.author_domain}", "TXT")
    if not answer.records and organization != case.author_domain:
        answer = await case.resolver.ask(f"default._bimi.{organization}", "TXT")
    if not answer.is_known:
        return [finding("bimi.record", UNKNOWN, why_unknown(answer))]
    records = versioned(answer.records, "BIMI1")
    if not records:
        return [finding("bimi.record", INFO, f"no record at {answer.name}")]
    try:
        tags = parse_tags(records[0])
    except TagSyntaxError as error:
        return [
            finding("bimi.record", FAIL, str(error), fix="broken", name=answer.name, fault=error)
        ]
    logo = tags.get("l", "")
    if len(records) > 1 or (logo and not logo.startswith("https://")):
        fault = f"{len(records)} records" if len(records) > 1 else f"l={logo} is not https"
        return [finding("bimi.record", FAIL, fault, fix="broken", name=answer.name, fault=fault)]
    if not logo:
        return [finding("bimi.record", INFO, "declines to show a logo (empty l=)")]
    return [await _policy(case, organization, records[0]), *await _logo(case, answer.name, tags)]


async def _policy(case: Case, organization: str, record: str) -> Finding:
    policy = (await tree_walk(case.resolver, case.author_domain)).policy
    try:
        tags = parse_tags((policy and policy.text) or "")
    except TagSyntaxError:
        tags = {}
    enforced = tags.get("p", "none").lower() in ("quarantine", "reject")
    partly = tags.get("pct", "100") != "100" or tags.get("sp", "").lower() == "none"
    if enforced and not partly:
        return finding("bimi.record", OK, record)
    observed = f"{record}; the DMARC policy is p={tags.get('p', 'missing')}"
    return finding("bimi.record", WARN, observed, fix="policy", organization=organization)


async def _logo(case: Case, name: str, tags: dict[str, str]) -> list[Finding]:
    url = tags["l"]
    page = await case.fetcher.fetch(url, limit_bytes=_MAX_LOGO_BYTES, redirects=3)
    if page.outcome in (FetchOutcome.TIMEOUT, FetchOutcome.DNS_FAILED, FetchOutcome.FORBIDDEN):
        return [finding("bimi.logo", UNKNOWN, f"{url}: {page.detail}")]
    fault = _logo_fault(page)
    if fault:
        return [finding("bimi.logo", FAIL, f"{url}: {fault}", fix="broken", url=url, fault=fault)]
    if not tags.get("a", "").startswith("https://"):
        observed = f"{url} is good; there is no certificate (a=), so Gmail and Apple do not show it"
        return [finding("bimi.logo", INFO, observed, fix="certificate", name=name)]
    return [finding("bimi.logo", OK, f"{url} is good; its certificate was not examined")]


def _logo_fault(page: Page) -> str:
    if page.outcome is not FetchOutcome.ANSWERED or page.status != 200:
        return page.detail or f"status {page.status}"
    if page.truncated:
        return f"more than {_MAX_LOGO_BYTES // 1024} KB"
    # The opening tag decides the profile; the file is never rendered or expanded.
    opening = re.search(rb"<svg\b[^>]*>", page.body)
    if not opening:
        return "no SVG"
    if not re.search(rb"baseProfile\s*=\s*[\"']tiny-ps[\"']", opening[0]):
        return "the profile is not tiny-ps"
    if re.search(rb"<(?:script|image|animate|foreignObject)\b", page.body):
        return "scripts, images and animation are not allowed"
    return "" if b"<title" in page.body else "the title is missing"
