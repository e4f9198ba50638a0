"""Whether a domain that authenticates is aligned with From (RFC 9989 section 4.4)."""

from __future__ import annotations

from ...model import Finding
from ..case import FAIL, INFO, OK, Case
from ..findings import finding
from ..organization import same_organization, suffix_organization, tree_walk
from ..tags import TagSyntaxError, parse_tags

__all__ = ["check_alignment"]


async def check_alignment(case: Case, kind_id: str, mode_tag: str, place: str) -> Finding:
    """The alignment of the examined domain; `mode_tag` is aspf or adkim, `place` where it stands.

    Relaxed alignment goes by the public suffix list: the tree walk gives the same answer except
    where a domain says psd=n, which `dmarc.organization` reports.
    """
    author_domain = case.author_domain
    observed = f"{place}{case.domain}, From at {author_domain}"
    if case.domain == author_domain:
        return finding(kind_id, OK, observed)
    if not same_organization(case.domain, author_domain):
        observed += f", whose organisation is {suffix_organization(author_domain)}"
        return finding(kind_id, FAIL, observed, fix="apart", author_domain=author_domain)
    if await _mode(case, mode_tag) == "s":
        observed += f"; {mode_tag}=s wants the same domain"
        return finding(kind_id, FAIL, observed, fix="strict", author_domain=author_domain)
    return finding(kind_id, INFO, f"{observed}: one organisation, aligned when relaxed")


async def _mode(case: Case, mode_tag: str) -> str:
    policy = (await tree_walk(case.resolver, case.author_domain)).policy
    try:
        return parse_tags((policy and policy.text) or "").get(mode_tag, "r").lower()
    except TagSyntaxError:
        return "r"
