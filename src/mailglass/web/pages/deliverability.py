"""Will my mail arrive, and why did it not: a domain's findings, refusals by reason, reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from ...addresses import canonical_domain
from ...errors import CorruptRecord, InputError
from ...history import StoredDelivery, StoredEvent, Transaction, reply_words
from ...lookup import domain_name, network, own_name
from ...model import EventType, Finding, FindingStatus
from ...postmaster import Case, DomainReport, ReportFile, examine, summarise
from ...replies import Explanation, explain_reply
from ..site import Site
from ..visitor import Visitor

__all__ = ["routes"]

_REFUSALS = 1000  # of the newest, grouped by what they mean
_GRAVEST_FIRST = (
    FindingStatus.FAIL,
    FindingStatus.WARN,
    FindingStatus.UNKNOWN,
    FindingStatus.INFO,
    FindingStatus.OK,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Refusals that mean the same."""

    explanation: Explanation
    count: int
    said: str  # the words of the newest
    event: StoredEvent
    delivery: StoredDelivery


def routes(site: Site) -> APIRouter:
    """`/deliverability`."""
    router = APIRouter(prefix="/deliverability")
    signed = Depends(site.signed)

    @router.get("")
    def deliverability(
        domain: Annotated[str, Query(max_length=255)] = "",
        ip: Annotated[str, Query(max_length=45)] = "",
        selector: Annotated[str, Query(max_length=100)] = "",
        visitor: Visitor = signed,
    ) -> Response:
        assert visitor.user is not None
        fault = ""
        try:
            domain = domain_name(domain) if domain.strip() else ""
        except InputError as error:
            domain, fault = "", str(error)
        with site.history.reading() as t:
            reasons = _reasons(t, visitor.user.account_id)
            own = t.author_domains(visitor.user.account_id)
            is_alone = len(t.accounts()) == 1
        reports, report_fault = _reports(site, own, is_alone=is_alone)
        return site.page(
            visitor,
            "deliverability/deliverability.html",
            here="/deliverability",
            domain=domain,
            ip=ip,
            selector=selector,
            fault=fault,
            own=own,
            reasons=reasons,
            reports=reports,
            report_fault=report_fault,
        )

    @router.get("/findings")
    async def findings(
        domain: Annotated[str, Query(max_length=255)],
        ip: Annotated[str, Query(max_length=45)] = "",
        selector: Annotated[str, Query(max_length=100)] = "",
        visitor: Visitor = signed,
    ) -> Response:
        found = await _examine(site, domain_name(domain), ip.strip(), selector.strip())
        return site.page(
            visitor,
            "deliverability/findings.html",
            here="/deliverability",
            domain=domain,
            findings=sorted(found, key=lambda f: _GRAVEST_FIRST.index(f.status)),
            counts=[(s, sum(f.status is s for f in found)) for s in _GRAVEST_FIRST],
        )

    return router


async def _examine(site: Site, domain: str, ip: str, selector: str) -> Sequence[Finding]:
    async with network(site.config.resolver, private=False) as net:
        return await examine(
            Case(
                domain=domain,
                author_domain=domain,
                resolver=net.resolver,
                fetcher=net.fetcher,
                dialler=net.dialler,
                servers=net.servers,
                now=site.clock(),
                ips=(ip,) if ip else (),
                selectors=(selector,) if selector else (),
                tracking_host=site.config.tracking_host,
                helo=own_name(),
                smtp_port=site.config.smtp_port,
            )
        )


def _reasons(t: Transaction, account_id: int) -> list[Reason]:
    """The newest refusals by what they mean, the commonest first."""
    groups: dict[tuple[str, str], list[tuple[StoredEvent, Explanation, str]]] = {}
    for event in t.latest_refusals(account_id, _REFUSALS):
        said = _words(event)
        explanation = explain_reply(said)
        key = (explanation.class_.value, explanation.meaning)
        groups.setdefault(key, []).append((event, explanation, said))
    newest = [group[0] for group in groups.values()]
    deliveries = {d.id: d for d in t.deliveries(event.delivery_id for event, _, _ in newest)}
    reasons = [
        Reason(
            explanation=explanation,
            count=len(groups[explanation.class_.value, explanation.meaning]),
            said=said,
            event=event,
            delivery=deliveries[event.delivery_id],
        )
        for event, explanation, said in newest
        if event.delivery_id in deliveries
    ]
    return sorted(reasons, key=lambda r: (r.event.event.type is not EventType.BOUNCED, -r.count))


def _words(event: StoredEvent) -> str:
    raw = event.event.raw
    return reply_words(raw) or str(raw.get("problem", ""))


def _reports(
    site: Site, own: Iterable[str], *, is_alone: bool
) -> tuple[Sequence[DomainReport], str]:
    """What receivers report of this account's domains; of all, when there is no other account."""
    if site.config.data_directory is None:
        return (), ""
    try:
        rows = ReportFile(site.config.data_directory / "reports.jsonl").rows()
    except CorruptRecord as error:
        return (), str(error)
    shown = set(own)
    return summarise(r for r in rows if is_alone or canonical_domain(r.domain) in shown), ""
