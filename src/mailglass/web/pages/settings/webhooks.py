"""Webhook endpoints, what each was sent with every attempt, and sending again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import RedirectResponse, Response

from ....errors import InputError
from ....history import Belongings, Endpoint, EndpointState, Filters, NoticeState, Transaction
from ....model import EventType
from ....notify import check_url, new_secret
from ...site import Site
from ...visitor import Number, Visitor
from ...wording import _

__all__ = ["routes"]

_NOTICES = 100  # on the page of an endpoint


def routes(site: Site) -> APIRouter:
    """`/settings/webhooks`."""
    router = APIRouter(prefix="/settings/webhooks")
    signed, owner = Depends(site.signed), Depends(site.owner)

    def show(visitor: Visitor, secret: str = "") -> Response:
        with site.history.reading() as t:
            endpoints = t.endpoints(visitor.account_id)
        return site.page(
            visitor,
            "settings/webhooks.html",
            here="/settings",
            tab="/settings/webhooks",
            endpoints=endpoints,
            types=list(EventType),
            secret=secret,
        )

    @router.get("")
    def webhooks(visitor: Visitor = signed) -> Response:
        return show(visitor)

    @router.post("")
    def add(
        url: Annotated[str, Form(max_length=2000)],
        description: Annotated[str, Form(max_length=200)] = "",
        types: Annotated[list[EventType], Form()] = [],  # noqa: B006  # FastAPI copies it
        visitor: Visitor = owner,
    ) -> Response:
        try:
            check_url(url.strip())
        except InputError:
            raise InputError(
                visitor.language.say("%(url)s is no http or https address.", url=url.strip())
            ) from None
        secret = new_secret()
        with site.history.transaction() as t:
            Belongings(t, visitor.account_id).add_endpoint(
                url.strip(),
                secret,
                site.clock(),
                filters=Filters(types=tuple(types)),
                description=description,
            )
        return show(visitor, secret)

    @router.get("/{number}")
    def endpoint(number: Number, visitor: Visitor = signed) -> Response:
        with site.history.reading() as t:
            found = _endpoint(t, visitor, number)
            notices = t.notices(found.id, limit=_NOTICES)
            attempts = t.attempts_of(notice.id for notice in notices)
        return site.page(
            visitor,
            "settings/webhook.html",
            here="/settings",
            tab="/settings/webhooks",
            endpoint=found,
            notices=[(notice, attempts[notice.id]) for notice in notices],
            dead=NoticeState.DEAD,
            states=list(EndpointState),
        )

    @router.post("/{number}/state")
    def change_state(
        number: Number, state: Annotated[EndpointState, Form()], visitor: Visitor = owner
    ) -> Response:
        with site.history.transaction() as t:
            found = _endpoint(t, visitor, number)
            Belongings(t, visitor.account_id).change_endpoint(found, state=state)
        return RedirectResponse(f"/settings/webhooks/{number}", 303)

    @router.post("/{number}/replay")
    def replay(
        number: Number,
        notice: Annotated[str, Form(max_length=100)] = "",
        visitor: Visitor = owner,
    ) -> Response:
        with site.history.transaction() as t:
            found = _endpoint(t, visitor, number)
            t.replay_notices(found.id, site.clock(), number=notice or None)
        return RedirectResponse(f"/settings/webhooks/{number}", 303)

    @router.post("/{number}/remove")
    def remove(number: Number, visitor: Visitor = owner) -> Response:
        with site.history.transaction() as t:
            t.remove_endpoint(_endpoint(t, visitor, number).id)
        return RedirectResponse("/settings/webhooks", 303)

    return router


def _endpoint(t: Transaction, visitor: Visitor, number: int) -> Endpoint:
    found = t.endpoint(visitor.account_id, number)
    if found is None:
        raise HTTPException(404, _("There is no such endpoint"))
    return found
