"""Every SPF record that a receiver could reach from a domain, with the lookups on each path.

A receiver stops at the first match, so what it counts depends on the address; the survey counts as
if nothing matched, which is what the worst sender meets (RFC 7208 section 4.6.4).
Terms behind `all` are never evaluated and a redirect beside `all` is ignored (sections 5.1, 6.1).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ...lookup import Answer, Resolver
from .evaluation import is_domain
from .macros import expand, letters
from .record import COUNTED, SpfRecord, SpfSyntaxError, Term, parse_record, spf_records

__all__ = ["Survey", "SurveyedTerm", "survey"]

_MAX_RECORDS = 40  # four times what any receiver reads; a hostile tree must end
_MAX_MX = 10  # section 4.6.4


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyedTerm:
    """A term that costs a lookup, and what was found there."""

    path: tuple[str, ...]  # the domains whose records led to it
    text: str
    target: str  # the name looked up; empty when it depends on the mail
    voids: int = 0  # lookups that found nothing
    problem: str = ""  # why a receiver answers permerror here
    silent: str = ""  # why nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found in a tree of records."""

    domain: str
    answer: Answer  # TXT of the domain itself
    records: tuple[str, ...]  # its SPF records
    record: SpfRecord | None  # when there is exactly one and it follows the grammar
    fault: str = ""  # the break of the grammar in it
    terms: tuple[SurveyedTerm, ...] = ()
    loops: tuple[tuple[str, ...], ...] = ()  # paths that come back to where they were
    is_cut: bool = False  # the tree was larger than anyone reads

    @property
    def lookups(self) -> int:
        """How many lookups count against the limit of ten when nothing matches."""
        return len(self.terms)

    @property
    def voids(self) -> int:
        """How many lookups find nothing when nothing matches."""
        return sum(term.voids for term in self.terms)


async def survey(resolver: Resolver, domain: str) -> Survey:
    """Read the whole tree; every record is asked for once the one above it is known."""
    run = _Run(resolver)
    answer = await resolver.ask(domain, "TXT")
    texts = spf_records(answer.records)
    record, fault = _read(texts)
    terms = await run.visit(record, (domain.lower(),)) if record else ()
    return Survey(
        domain=domain,
        answer=answer,
        records=texts,
        record=record,
        fault=fault if texts else "",
        terms=terms,
        loops=tuple(run.loops),
        is_cut=run.is_cut,
    )


def _read(texts: tuple[str, ...]) -> tuple[SpfRecord | None, str]:
    """The one record, or what a receiver takes offence at."""
    if len(texts) != 1:
        return None, f"{len(texts)} SPF records" if texts else "no SPF record"
    try:
        return parse_record(texts[0]), ""
    except SpfSyntaxError as error:
        return None, str(error)


class _Run:
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._seen = 0
        self.loops: list[tuple[str, ...]] = []
        self.is_cut = False

    async def visit(self, record: SpfRecord, path: tuple[str, ...]) -> tuple[SurveyedTerm, ...]:
        found = await asyncio.gather(*(self._look(term, path) for term in _evaluated(record)))
        return tuple(term for terms in found for term in terms)

    async def _look(self, term: Term, path: tuple[str, ...]) -> tuple[SurveyedTerm, ...]:
        target = _target(term, path[-1])
        if not target or term.name == "ptr":
            return (SurveyedTerm(path=path, text=term.text, target=""),)
        if not is_domain(target):
            problem = f"{target} is no domain name" if term.name in ("include", "redirect") else ""
            return (SurveyedTerm(path=path, text=term.text, target=target, problem=problem),)
        if term.name in ("include", "redirect"):
            return await self._enter(term, target, path)
        kinds = {"mx": ("MX",), "exists": ("A",)}.get(term.name, ("A", "AAAA"))
        answers = await asyncio.gather(*(self._resolver.ask(target, kind) for kind in kinds))
        return (_judged(term, target, path, answers),)

    async def _enter(
        self, term: Term, target: str, path: tuple[str, ...]
    ) -> tuple[SurveyedTerm, ...]:
        if target in path:
            self.loops.append((*path, target))
            problem = "a loop: " + " > ".join((*path, target))
            return (SurveyedTerm(path=path, text=term.text, target=target, problem=problem),)
        self._seen += 1
        if self._seen > _MAX_RECORDS:
            self.is_cut = True
            return (SurveyedTerm(path=path, text=term.text, target=target),)
        answer = await self._resolver.ask(target, "TXT")
        if not answer.is_known:
            return (SurveyedTerm(path=path, text=term.text, target=target, silent=answer.detail),)
        record, fault = _read(spf_records(answer.records))
        own = SurveyedTerm(
            path=path,
            text=term.text,
            target=target,
            voids=int(answer.is_void),
            problem=f"{target}: {fault}" if fault else "",
        )
        below = await self.visit(record, (*path, target)) if record else ()
        return (own, *below)


def _evaluated(record: SpfRecord) -> list[Term]:
    """The terms that cost a lookup and that a receiver can come to."""
    terms: list[Term] = []
    for term in record.mechanisms:
        if term.name == "all":
            return terms
        if term.name in COUNTED:
            terms.append(term)
    return [*terms, record.redirect] if record.redirect else terms


def _target(term: Term, domain: str) -> str:
    """The name that a term looks up, or nothing when it depends on the mail."""
    if term.domain_spec is None:
        return domain
    if letters(term.domain_spec) - {"d"}:
        return ""
    return expand(term.domain_spec, {"d": domain}).lower().removesuffix(".")


def _judged(term: Term, target: str, path: tuple[str, ...], answers: list[Answer]) -> SurveyedTerm:
    """A term that asks for addresses or hosts; an address of either family is enough."""
    silent = next((answer.detail for answer in answers if not answer.is_known), "")
    is_void = not silent and all(answer.is_void for answer in answers)
    hosts = len(answers[0].records)
    too_many = term.name == "mx" and hosts > _MAX_MX
    return SurveyedTerm(
        path=path,
        text=term.text,
        target=target,
        voids=int(is_void),
        problem=f"{target} has {hosts} MX hosts, more than {_MAX_MX}" if too_many else "",
        silent=silent,
    )
