"""The list of messages, and the story of one."""

from __future__ import annotations

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import Response

from ...history import timeline
from ..site import Site
from ..visitor import Visitor
from ..wording import _

__all__ = ["routes"]

_PAGE = 50  # messages on a page of the list


def routes(site: Site) -> APIRouter:
    """`/messages` and what is below it."""
    router = APIRouter(prefix="/messages")
    signed = Depends(site.signed)

    @router.get("")
    def messages(before: int | None = None, visitor: Visitor = signed) -> Response:
        assert visitor.user is not None
        with site.history.transaction() as t:
            found = t.messages(visitor.user.account_id, before=before, limit=_PAGE)
            deliveries = t.deliveries_of(m.id for m in found)
        rows = [(m, [d for d in deliveries if d.message_id == m.id]) for m in found]
        older = found[-1].id if len(found) == _PAGE else None
        return site.page(visitor, "messages/list.html", here="/messages", rows=rows, older=older)

    @router.get("/{number}")
    def message(number: str, visitor: Visitor = signed) -> Response:
        assert visitor.user is not None
        with site.history.transaction() as t:
            story = timeline(t, visitor.user.account_id, number)
        if story is None:
            raise HTTPException(404, _("There is no such message"))
        return site.page(visitor, "messages/message.html", here="/messages", story=story)

    return router
