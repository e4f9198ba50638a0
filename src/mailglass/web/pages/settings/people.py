"""Who may come in, and what each may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response

from ....errors import InputError
from ....history import Belongings, Role, User, new_login_link, new_user
from ...site import Site
from ...visitor import NAME_PATTERN, Number, Visitor

__all__ = ["routes"]


def routes(site: Site) -> APIRouter:
    """`/settings`, the first of the tabs."""
    router = APIRouter(prefix="/settings")
    signed, owner = Depends(site.signed), Depends(site.owner)

    def users(visitor: Visitor) -> list[User]:
        with site.history.reading() as t:
            return t.users(visitor.account_id)

    def show(visitor: Visitor, link: str = "") -> Response:
        return site.page(
            visitor,
            "settings/people.html",
            here="/settings",
            tab="/settings",
            users=users(visitor),
            roles=list(Role),
            link=link,
        )

    @router.get("")
    def people(visitor: Visitor = signed) -> Response:
        return show(visitor)

    @router.post("/people")
    def add(
        name: Annotated[str, Form(max_length=200, pattern=NAME_PATTERN)],
        role: Annotated[Role, Form()],
        visitor: Visitor = owner,
    ) -> Response:
        name = name.strip()
        if any(user.name == name for user in users(visitor)):
            raise InputError(visitor.language.say("%(name)s is a user already.", name=name))
        new_user(site.history, name, visitor.account_id, role)
        return show(visitor, new_login_link(site.history, name, site.config.url))

    @router.post("/people/change")
    def change(
        user_id: Annotated[Number, Form()],
        role: Annotated[Role, Form()],
        visitor: Visitor = owner,
    ) -> Response:
        with site.history.transaction() as t:
            Belongings(t, visitor.account_id).set_role(user_id, role)
        return RedirectResponse("/settings", 303)

    @router.post("/people/remove")
    def remove(user_id: Annotated[Number, Form()], visitor: Visitor = owner) -> Response:
        with site.history.transaction() as t:
            Belongings(t, visitor.account_id).remove_user(user_id, site.clock())
        return RedirectResponse("/settings", 303)

    return router
