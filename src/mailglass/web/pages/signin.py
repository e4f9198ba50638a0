"""Signing in and out: by password (with a code where the user has a second factor), or by a link
that works once.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import RedirectResponse, Response

from ...history import end_session, sign_in, sign_in_with_password
from ..site import Site
from ..visitor import SESSION_COOKIE, Visitor
from ..wording import _

__all__ = ["routes"]


def routes(site: Site) -> APIRouter:
    """The ways in and out."""
    router = APIRouter()
    anybody, own_form = Depends(site.visitor), Depends(site.own_form)
    signed_form = Depends(site.signed_form)

    @router.get("/login")
    def form(visitor: Visitor = anybody) -> Response:
        return site.page(visitor, "signin/password.html", name="", fault="")

    @router.post("/login")
    def by_password(
        name: Annotated[str, Form(max_length=200)],
        password: Annotated[str, Form(max_length=200)],
        code: Annotated[str, Form(max_length=12)] = "",
        visitor: Visitor = own_form,
    ) -> Response:
        say = visitor.language.say
        check = sign_in_with_password(
            site.history, name, password, code, now=site.clock(), address=visitor.address
        )
        if check.wait_seconds:
            fault = say(
                "Too many attempts for this name. Try again in %(n)d minutes.",
                n=-(-check.wait_seconds // 60),
            )
            response = site.page(visitor, "signin/password.html", 429, name=name, fault=fault)
            response.headers["Retry-After"] = str(check.wait_seconds)
            return response
        if check.session is None:
            fault = say("The user name, the password or the code is wrong.")
            return site.page(visitor, "signin/password.html", 403, name=name, fault=fault)
        return site.start_session(check.session)

    @router.get("/login/{token}")
    def confirm_link(token: str, visitor: Visitor = anybody) -> Response:
        # a preview or scanner that follows the link must not use it up
        return site.page(visitor, "signin/link.html", token=token)

    @router.post("/login/{token}")
    def by_link(token: str, visitor: Visitor = own_form) -> Response:
        session = sign_in(site.history, token, address=visitor.address)
        if session is None:
            raise HTTPException(403, _("This login link was used or is too old"))
        return site.start_session(session)

    @router.post("/logout")
    def leave(visitor: Visitor = signed_form) -> Response:
        end_session(site.history, visitor.session)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(SESSION_COOKIE)
        return response

    return router
