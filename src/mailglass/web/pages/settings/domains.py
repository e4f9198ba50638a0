"""Domains that an account sends from, and hosts under which its targets stand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from ....history import Belongings, DomainKind
from ....lookup import network, registered_name
from ...control import challenge_record, is_controlled
from ...site import Site
from ...visitor import Number, Visitor
from ...wording import _

__all__ = ["routes"]


def routes(site: Site) -> APIRouter:
    """`/settings/domains`."""
    router = APIRouter(prefix="/settings/domains")
    signed, owner = Depends(site.signed), Depends(site.owner)

    @router.get("")
    def domains(visitor: Visitor = signed) -> Response:
        with site.history.reading() as t:
            found = {kind: t.domains(visitor.account_id, kind) for kind in DomainKind}
        return site.page(
            visitor,
            "settings/domains.html",
            here="/settings",
            tab="/settings/domains",
            domains=found,
            record=challenge_record,
            tracking_host=site.config.tracking_host,
        )

    @router.post("")
    def add(
        kind: Annotated[DomainKind, Form()],
        name: Annotated[str, Form(max_length=255)],
        visitor: Visitor = owner,
    ) -> Response:
        plain = registered_name(name)
        with site.history.transaction() as t:
            Belongings(t, visitor.account_id).add_domain(kind, plain, site.clock())
        return RedirectResponse("/settings/domains", 303)

    @router.post("/{kind}/{number}/check")
    async def check(kind: DomainKind, number: Number, visitor: Visitor = owner) -> Response:
        with site.history.reading() as t:
            found = t.domain(visitor.account_id, kind, number)
        if found is None:
            raise HTTPException(404, _("There is no such domain"))
        async with network(site.config.resolver, private=False) as net:
            is_verified = await is_controlled(
                net.resolver, found, site.config.tracking_host or "localhost"
            )

        def remember() -> None:
            with site.history.transaction() as t:
                t.set_domain_checked(found, is_verified=is_verified, at=site.clock())

        await run_in_threadpool(remember)
        return RedirectResponse("/settings/domains", 303)

    @router.post("/{kind}/{number}/remove")
    def remove(kind: DomainKind, number: Number, visitor: Visitor = owner) -> Response:
        with site.history.transaction() as t:
            t.remove_domain(visitor.account_id, kind, number)
        return RedirectResponse("/settings/domains", 303)

    return router
