"""The signed-in user's own things, and how any reader likes the pages."""

from __future__ import annotations

import zoneinfo
from typing import Annotated
from urllib.parse import urlsplit

import pyotp
import segno
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from ...history import change_password, set_second_factor
from ...languages import LANGUAGES
from ..site import Site
from ..visitor import THEMES, Visitor

__all__ = ["routes"]

_YEAR_SECONDS = 365 * 86_400


def routes(site: Site) -> APIRouter:
    """Password, second factor, preferences."""
    router = APIRouter()
    signed, signed_form = Depends(site.signed), Depends(site.signed_form)
    own_form = Depends(site.own_form)

    def show(visitor: Visitor, status: int = 200, *, said: str = "", fault: str = "") -> Response:
        user = visitor.user
        assert user is not None
        with site.history.transaction() as t:
            account = t.account(user.account_id)
        secret = pyotp.random_base32()
        uri = pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name="Mailglass")
        return site.page(
            visitor,
            "profile/profile.html",
            status,
            here="/profile",
            account=account,
            secret=secret,
            own_link=site.config.own_link(user.id) if site.config.own_link else None,
            picture=Markup(_picture(uri)),  # made here, from base32 and the user's quoted name
            said=said,
            fault=fault,
        )

    @router.get("/profile")
    def profile(visitor: Visitor = signed) -> Response:
        return show(visitor)

    @router.post("/profile/password")
    def password(
        password: Annotated[str, Form(min_length=12, max_length=200)],
        visitor: Visitor = signed_form,
    ) -> Response:
        assert visitor.user is not None
        change_password(site.history, visitor.user.id, password, visitor.session)
        return show(visitor, said=visitor.language.say("The password is changed."))

    @router.post("/profile/second-factor")
    def add_factor(
        secret: Annotated[str, Form(pattern="^[A-Z2-7]{32}$")],
        code: Annotated[str, Form(max_length=12)],
        visitor: Visitor = signed_form,
    ) -> Response:
        assert visitor.user is not None
        if not set_second_factor(site.history, visitor.user.id, secret, code):
            return show(visitor, 422, fault=visitor.language.say("The code is wrong."))
        return RedirectResponse("/profile", 303)

    @router.post("/profile/second-factor/remove")
    def remove_factor(
        code: Annotated[str, Form(max_length=12)], visitor: Visitor = signed_form
    ) -> Response:
        assert visitor.user is not None
        if not set_second_factor(site.history, visitor.user.id, None, code):
            return show(visitor, 422, fault=visitor.language.say("The code is wrong."))
        return RedirectResponse("/profile", 303)

    @router.post("/preferences")
    def preferences(
        request: Request,
        language: Annotated[str, Form(max_length=20)] = "",
        theme: Annotated[str, Form(max_length=10)] = "",
        zone: Annotated[str, Form(max_length=60)] = "",
        visitor: Visitor = own_form,
    ) -> Response:
        response = RedirectResponse(_back(request.headers.get("referer", "")), 303)
        for name, value, known in (
            ("language", language, LANGUAGES),
            ("theme", theme, THEMES),
            ("zone", zone, zoneinfo.available_timezones()),
        ):
            if value in known:
                response.set_cookie(
                    f"mailglass-{name}",
                    value,
                    max_age=_YEAR_SECONDS,
                    samesite="lax",
                    secure=site.is_secure,
                )
        return response

    return router


def _back(referrer: str) -> str:
    """The page of ours where the form stood; `//` at its start would name another host."""
    parts = urlsplit(referrer)
    query = f"?{parts.query}" if parts.query else ""
    return "/" + parts.path.lstrip("/\\") + query


def _picture(uri: str) -> str:
    return segno.make(uri, error="m").svg_inline(scale=4, border=2, dark="#000", light="#fff")
