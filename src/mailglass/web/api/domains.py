"""Domains: those that the account sends from, and those under which its targets stand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.concurrency import run_in_threadpool as _in_thread
from pydantic import StringConstraints

from ...history import Belongings, Domain, DomainKind, DomainState, Scope, Transaction
from ...lookup import registered_name
from ..control import challenge_record, is_controlled
from .access import Caller, permit
from .problems import NotThere
from .words import In, Moment, Number, NumberInPath, Out, number_of

__all__ = ["router"]

router = APIRouter(tags=["domains"])

_Reader = Annotated[Caller, Depends(permit(Scope.DOMAINS_READ))]
_Writer = Annotated[Caller, Depends(permit(Scope.DOMAINS_WRITE))]
_Kind = Annotated[DomainKind, Path()]


class DomainIn(In):
    """A domain to add."""

    kind: DomainKind
    name: Annotated[str, StringConstraints(min_length=3, max_length=253)]


class DomainOut(Out):
    """A domain and what its last check said."""

    id: Number
    kind: DomainKind
    name: str
    state: DomainState
    record_name: str | None  # of a sending domain: where a TXT record proves that it is yours
    record_text: str | None  # and what it must hold
    created_at: Moment
    verified_at: Moment | None
    checked_at: Moment | None


class DomainsOut(Out):
    """The domains of the account."""

    items: list[DomainOut]


@router.get("/domains")
def domains(caller: _Reader, kind: Annotated[DomainKind | None, Query()] = None) -> DomainsOut:
    """The domains of the account, by kind and name."""
    kinds = list(DomainKind) if kind is None else [kind]
    with caller.desk.history.reading() as t:
        found = [d for one in kinds for d in t.domains(caller.account_id, one)]
    return DomainsOut(items=[_out(d) for d in found])


@router.post("/domains", status_code=201)
def add_domain(caller: _Writer, wanted: DomainIn) -> DomainOut:
    """Add a domain. Publish the TXT record of a sending domain, or point a tracking domain at the
    collector, then ask for its check."""
    name = registered_name(wanted.name)
    with caller.desk.history.transaction() as t:
        mine = Belongings(t, caller.account_id)
        return _out(mine.add_domain(wanted.kind, name, caller.desk.clock()))


@router.get("/domains/{kind}/{domain_id}")
def domain(caller: _Reader, kind: _Kind, domain_id: NumberInPath) -> DomainOut:
    """One domain."""
    with caller.desk.history.reading() as t:
        return _out(_domain_of(t, caller, kind, domain_id))


@router.post("/domains/{kind}/{domain_id}/check")
async def check_domain(caller: _Writer, kind: _Kind, domain_id: NumberInPath) -> DomainOut:
    """Look in the DNS whether the domain is set up, and remember the answer."""
    desk = caller.desk
    found = await _in_thread(lambda: _read(caller, kind, domain_id))
    is_verified = await is_controlled(desk.resolver, found, desk.tracking_host)
    return await _in_thread(lambda: _remember(caller, found, is_verified, desk.clock()))


@router.delete("/domains/{kind}/{domain_id}", status_code=204, response_class=Response)
def remove_domain(caller: _Writer, kind: _Kind, domain_id: NumberInPath) -> Response:
    """Forget a domain."""
    with caller.desk.history.transaction() as t:
        if not t.remove_domain(caller.account_id, kind, number_of(domain_id)):
            raise NotThere(f"there is no {kind.value} domain {domain_id}")
    return Response(status_code=204)


def _domain_of(t: Transaction, caller: Caller, kind: DomainKind, domain_id: str) -> Domain:
    found = t.domain(caller.account_id, kind, number_of(domain_id))
    if found is None:
        raise NotThere(f"there is no {kind.value} domain {domain_id}")
    return found


def _read(caller: Caller, kind: DomainKind, domain_id: str) -> Domain:
    with caller.desk.history.reading() as t:
        return _domain_of(t, caller, kind, domain_id)


def _remember(caller: Caller, found: Domain, is_verified: bool, at: datetime) -> DomainOut:
    with caller.desk.history.transaction() as t:
        t.set_domain_checked(found, is_verified=is_verified, at=at)
        return _out(_domain_of(t, caller, found.kind, str(found.id)))


def _out(found: Domain) -> DomainOut:
    name, text = challenge_record(found)
    return DomainOut(
        id=str(found.id),
        kind=found.kind,
        name=found.name,
        state=found.state,
        record_name=name,
        record_text=text,
        created_at=found.created_at,
        verified_at=found.verified_at,
        checked_at=found.checked_at,
    )
