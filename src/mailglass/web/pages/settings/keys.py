"""API keys: made, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response

from ....history import USUAL_SCOPES, Belongings, Scope
from ...site import Site
from ...visitor import NAME_PATTERN, Number, Visitor

__all__ = ["routes"]


def routes(site: Site) -> APIRouter:
    """`/settings/keys`."""
    router = APIRouter(prefix="/settings/keys")
    signed, owner = Depends(site.signed), Depends(site.owner)

    def show(visitor: Visitor, made: str = "") -> Response:
        with site.history.reading() as t:
            keys = t.keys(visitor.account_id)
        return site.page(
            visitor,
            "settings/keys.html",
            here="/settings",
            tab="/settings/keys",
            keys=[(key, key.is_good(site.clock())) for key in reversed(keys)],
            scopes=sorted(set(Scope) - {Scope.ACCOUNTS_WRITE}),
            usual=USUAL_SCOPES,
            made=made,
        )

    @router.get("")
    def keys(visitor: Visitor = signed) -> Response:
        return show(visitor)

    @router.post("")
    def add(
        name: Annotated[str, Form(max_length=200, pattern=NAME_PATTERN)],
        scopes: Annotated[list[Scope], Form()],
        days: Annotated[int, Form(ge=0, le=3650)] = 0,
        visitor: Visitor = owner,
    ) -> Response:
        assert visitor.user is not None
        now = site.clock()
        with site.history.transaction() as t:
            _, text = Belongings(t, visitor.account_id).add_key(
                name,
                set(scopes) - {Scope.ACCOUNTS_WRITE},  # an operator's, made on the server
                now,
                expires_at=now + timedelta(days=days) if days else None,
                created_by=visitor.user.id,
            )
        return show(visitor, text)

    @router.post("/revoke")
    def revoke(key_id: Annotated[Number, Form()], visitor: Visitor = owner) -> Response:
        with site.history.transaction() as t:
            t.revoke_key(visitor.account_id, key_id, site.clock())
        return RedirectResponse("/settings/keys", 303)

    return router
