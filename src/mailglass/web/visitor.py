"""Who looks at a page and how they like it; and the proof that a form is one of our own.

A form carries a token derived from the session (RFC 6265 cookies come along with any request that
another site causes; the token does not). Without a session, as on the sign-in form, the browser's
own word on where the request comes from is asked (Sec-Fetch-Site, else Origin).
"""

from __future__ import annotations

import hashlib
import hmac
import zoneinfo
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request
from pydantic import Field

from ..history import User
from ..languages import Language, choose_language
from .origin import address_of

__all__ = [
    "NAME_PATTERN",
    "SESSION_COOKIE",
    "THEMES",
    "Number",
    "Visitor",
    "form_token",
    "is_own_form",
    "visitor_of",
]

# What stands for a number of ours in an address or form: no more than a database can hold.
Number = Annotated[int, Field(ge=0, lt=2**63)]

# A name that somebody gives to a thing of theirs: it can be seen, and stands on one line.
NAME_PATTERN = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"

SESSION_COOKIE = "mailglass-session"
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """One reader of one page."""

    user: User | None
    session: str  # the token of the browser's session; empty without one
    language: Language
    zone: zoneinfo.ZoneInfo
    zone_is_chosen: bool  # False while the browser may still say which one it is in
    theme: str
    address: str = ""  # from which the request came; empty when that is not known

    @property
    def account_id(self) -> int:
        """The account of a signed-in reader; raises LookupError for anybody else."""
        if self.user is None:
            raise LookupError("nobody is signed in")
        return self.user.account_id

    @property
    def name(self) -> str:
        """Who it is; empty for anybody."""
        return self.user.name if self.user else ""

    @property
    def form_token(self) -> str:
        """What our forms carry."""
        return form_token(self.session)


def visitor_of(request: Request, user: User | None) -> Visitor:
    """The reader behind a request, as cookies and headers tell."""
    cookies = request.cookies
    zone = _zone(cookies.get("mailglass-zone", ""))
    theme = cookies.get("mailglass-theme", "auto")
    return Visitor(
        user=user,
        session=cookies.get(SESSION_COOKIE, "") if user else "",
        language=choose_language(
            cookies.get("mailglass-language"), request.headers.get("accept-language", "")
        ),
        zone=zone or zoneinfo.ZoneInfo("UTC"),
        zone_is_chosen=zone is not None,
        theme=theme if theme in THEMES else "auto",
        address=address_of(request),
    )


def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # the cookie is the reader's
        return None


def form_token(session: str) -> str:
    """The token of a session's forms; nobody can tell the session from it."""
    return hashlib.blake2b(session.encode(), digest_size=16, person=b"form").hexdigest()


def is_own_form(request: Request, visitor: Visitor, given: str) -> bool:
    """Whether a form was filled in on a page of ours."""
    if visitor.session:
        return hmac.compare_digest(given.encode(), visitor.form_token.encode())
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
