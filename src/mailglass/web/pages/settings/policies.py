"""How closely people are tracked, how long data stays, and to whom nothing more is sent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response

from ....errors import InputError
from ....history import KINDS, OF_ACCOUNTS, Belongings, OnWithdrawal, Policy, PolicyScope
from ....ingest import NIGHTLY
from ....model import TrackingPolicy
from ...site import Site
from ...visitor import Visitor

__all__ = ["routes"]

_SUPPRESSIONS = 200  # shown


def routes(site: Site) -> APIRouter:
    """`/settings/policies`."""
    router = APIRouter(prefix="/settings/policies")
    signed, owner = Depends(site.signed), Depends(site.owner)

    @router.get("")
    def policies(visitor: Visitor = signed) -> Response:
        with site.history.reading() as t:
            found = t.policies(visitor.account_id)
            own_days = t.retention(visitor.account_id).get(visitor.account_id, {})
            suppressions = t.suppressions(site.clock(), account_id=visitor.account_id)
            reports = t.reports(NIGHTLY)
        return site.page(
            visitor,
            "settings/policies.html",
            here="/settings",
            tab="/settings/policies",
            policies=found,
            scopes=list(PolicyScope),
            levels=list(TrackingPolicy),
            outcomes=list(OnWithdrawal),
            kinds=[(kind, KINDS[kind], own_days.get(kind)) for kind in OF_ACCOUNTS],
            suppressions=suppressions[:_SUPPRESSIONS],
            more=len(suppressions[_SUPPRESSIONS:]),
            report=next(iter(reports), None),
        )

    @router.post("")
    def set_policy(
        scope: Annotated[PolicyScope, Form()],
        mode: Annotated[TrackingPolicy, Form()],
        on_withdrawal: Annotated[OnWithdrawal, Form()],
        subject: Annotated[str, Form(max_length=320)] = "",
        visitor: Visitor = owner,
    ) -> Response:
        with site.history.transaction() as t:
            Belongings(t, visitor.account_id).set_policy(
                Policy(
                    account_id=visitor.account_id,
                    scope=scope,
                    subject=subject,
                    mode=mode,
                    on_withdrawal=on_withdrawal,
                    set_at=site.clock(),
                    set_by=visitor.name,
                )
            )
        return RedirectResponse("/settings/policies", 303)

    @router.post("/remove")
    def remove_policy(
        scope: Annotated[PolicyScope, Form()],
        subject: Annotated[str, Form(max_length=320)] = "",
        visitor: Visitor = owner,
    ) -> Response:
        with site.history.transaction() as t:
            t.remove_policy(visitor.account_id, scope, subject)
        return RedirectResponse("/settings/policies", 303)

    @router.post("/retention")
    def set_retention(
        kind: Annotated[str, Form(max_length=40)],
        days: Annotated[str, Form(max_length=6)] = "",
        visitor: Visitor = owner,
    ) -> Response:
        if kind not in OF_ACCOUNTS or (days and not days.isdecimal()):
            raise InputError(visitor.language.say("Days are a whole number; empty: as installed."))
        with site.history.transaction() as t:
            t.set_retention(visitor.account_id, kind, int(days) if days else None)
        return RedirectResponse("/settings/policies", 303)

    @router.post("/unsuppress")
    def unsuppress(
        recipient: Annotated[str, Form(max_length=320)], visitor: Visitor = owner
    ) -> Response:
        with site.history.transaction() as t:
            t.unsuppress(visitor.account_id, recipient)
        return RedirectResponse("/settings/policies", 303)

    return router
