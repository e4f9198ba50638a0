"""Which domain an organisation owns: by the public suffix list and by the DMARC tree walk.

RFC 7489 took the public suffix list; RFC 9989 (May 2026) walks up the DNS instead and lets a domain
say itself that it is one (psd=n) or a registry's (psd=y). Receivers of both kinds are in use, so
both answers are found and compared.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache

from publicsuffixlist import PublicSuffixList

from ..lookup import Answer, Resolver
from .tags import TagSyntaxError, parse_tags, versioned

__all__ = ["PolicyRecord", "TreeWalk", "same_organization", "suffix_organization", "tree_walk"]

_MAX_QUERIES = 8  # RFC 9989 section 4.10


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def suffix_organization(domain: str) -> str:
    """The organisational domain by the public suffix list; a public suffix stands for itself."""
    plain = domain.lower().rstrip(".")
    return _suffixes().privatesuffix(plain) or plain


def same_organization(one: str, other: str) -> bool:
    """Whether two domains belong together (relaxed alignment), by the public suffix list."""
    return suffix_organization(one) == suffix_organization(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRecord:
    """What the DNS holds at _dmarc of one domain."""

    domain: str
    answer: Answer
    records: tuple[str, ...]  # those that begin with v=DMARC1

    @property
    def text(self) -> str | None:
        """The record, when there is exactly one; receivers discard several."""
        return self.records[0] if len(self.records) == 1 else None

    @property
    def psd(self) -> str:
        """The psd tag: y, n or u (the default)."""
        try:
            return parse_tags(self.text or "").get("psd", "u").lower()
        except TagSyntaxError:
            return "u"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeWalk:
    """The records from a domain up to the top, and what follows from them."""

    steps: tuple[PolicyRecord, ...]  # the domain itself first
    organization: str

    @property
    def policy(self) -> PolicyRecord | None:
        """The record that applies: of the domain, else of its organisation, else of a registry."""
        found = [step for step in self.steps if step.text]
        if found and found[0] is self.steps[0]:
            return found[0]
        ours = [step for step in found if step.domain == self.organization]
        registries = [step for step in found if step.psd == "y"]
        return next(iter(ours or registries), None)


def _names(domain: str) -> list[str]:
    """The names asked: the domain, then seven labels at most, down to one."""
    labels = domain.lower().rstrip(".").split(".")
    names = [".".join(labels)]
    start = max(1, len(labels) - (_MAX_QUERIES - 1))
    return names + [".".join(labels[i:]) for i in range(start, len(labels))]


async def tree_walk(resolver: Resolver, domain: str) -> TreeWalk:
    """Walk up from a domain (RFC 9989 section 4.10); all names are asked at once."""
    names = _names(domain)
    answers = await asyncio.gather(*(resolver.ask(f"_dmarc.{name}", "TXT") for name in names))
    steps = tuple(
        PolicyRecord(domain=name, answer=answer, records=versioned(answer.records, "DMARC1"))
        for name, answer in zip(names, answers, strict=True)
    )
    return TreeWalk(steps=steps, organization=_organization(steps))


def _organization(steps: tuple[PolicyRecord, ...]) -> str:
    below = steps[0].domain
    shortest = steps[0].domain
    for number, step in enumerate(steps):
        if step.text and step.psd == "n":
            return step.domain
        if step.text and step.psd == "y" and number:
            return below
        if step.text:
            shortest = step.domain
        below = step.domain
    return shortest
