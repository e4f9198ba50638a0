"""What every page shares: templates in the reader's language, who may see it, and its faults.

The way in is a dependency of each page: `visitor` for anybody, `signed` for who is signed in,
`posted` for a form of theirs that changes something, `owner` for what only an owner may change.
No page needs another site, and its Content-Security-Policy says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from ..evidence import Rules, load_rules
from ..history import History, session_user
from ..languages import LANGUAGES, Language
from .shown import Shown
from .visitor import SESSION_COOKIE, Visitor, is_own_form, visitor_of

__all__ = ["HERE", "Config", "NotAllowed", "SignInNeeded", "Site"]

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where the dashboard listens and how browsers reach it."""

    host: str
    port: int
    url: str
    data_directory: Path | None = None  # where the imported reports lie
    resolver: str | None = None  # HOST:PORT of the DNS server to ask; None: the system's
    tracking_host: str | None = None  # the host of beacons and links
    own_link: Callable[[int], str] | None = None  # of a user: marks a browser as the sender's
    smtp_port: int = 25  # where MX hosts answer


class SignInNeeded(Exception):
    """Nobody is signed in."""


class NotAllowed(Exception):
    """The form is none of ours, or the reader's role does not reach so far; the text says which."""


class Site:
    """The dashboard's shared parts."""

    def __init__(
        self,
        config: Config,
        history: History,
        *,
        rules: Rules | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`rules` are those that ingest judges by; the packaged ones when None."""
        self.config = config
        self.history = history
        self.rules = rules or load_rules()
        self.clock = clock
        self.is_secure = config.url.startswith("https:")
        self._templates = {tag: _environment(language) for tag, language in LANGUAGES.items()}

    def page(
        self,
        visitor: Visitor,
        name: str,
        /,
        status: int = 200,
        **values: Any,  # what it shows
    ) -> HTMLResponse:
        """A page, or a part of one, from its template."""
        return HTMLResponse(self.render(visitor, name, **values), status)

    def render(self, visitor: Visitor, name: str, /, **values: Any) -> str:  # as above
        """A template's text."""
        return (
            self._templates[visitor.language.tag]
            .get_template(name)
            .render(
                visitor=visitor,
                show=Shown(visitor, self.clock(), self.rules.networks),
                languages=LANGUAGES,
                **values,
            )
        )

    def problem(
        self,
        visitor: Visitor,
        status: int,
        title: str,
        text: str = "",
        *,
        error_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page that says what went wrong and what to do next."""
        response = self.page(
            visitor, "problem.html", status, title=title, text=text, error_id=error_id
        )
        response.headers.update(headers or {})
        return response

    # who may come in

    def visitor(self, request: Request) -> Visitor:
        """Anybody."""
        session = request.cookies.get(SESSION_COOKIE)
        return visitor_of(request, session_user(self.history, session) if session else None)

    def signed(self, request: Request) -> Visitor:
        """Who is signed in; raises SignInNeeded."""
        visitor = self.visitor(request)
        if visitor.user is None:
            raise SignInNeeded
        return visitor

    async def own_form(self, request: Request) -> Visitor:
        """Anybody who sends a form of ours; raises NotAllowed."""
        visitor = await run_in_threadpool(self.visitor, request)
        given = request.headers.get("x-form-token", "")
        if not given and visitor.session:
            given = str((await request.form()).get("form_token", ""))
        if not is_own_form(request, visitor, given):
            raise NotAllowed(
                visitor.language.say(
                    "This form is too old or was sent from another site. Go back, load the page "
                    "again and repeat it."
                )
            )
        return visitor

    async def signed_form(self, request: Request) -> Visitor:
        """Who is signed in and sends a form that concerns only themselves."""
        visitor = await self.own_form(request)
        if visitor.user is None:
            raise SignInNeeded
        return visitor

    async def posted(self, request: Request) -> Visitor:
        """Who is signed in and may change things of the account."""
        return self._with_role(await self.signed_form(request), ("owner", "member"))

    async def owner(self, request: Request) -> Visitor:
        """Who may change the account itself: users, keys, domains, policies."""
        return self._with_role(await self.signed_form(request), ("owner",))

    def _with_role(self, visitor: Visitor, roles: tuple[str, ...]) -> Visitor:
        assert visitor.user is not None
        if visitor.user.role not in roles:
            raise NotAllowed(
                visitor.language.say(
                    "Your role in this account does not allow this. Ask an owner of the account."
                )
            )
        return visitor

    def start_session(self, session: str, to: str = "/") -> Response:
        """Sign a browser in."""
        response = RedirectResponse(to, 303)
        response.set_cookie(
            SESSION_COOKIE, session, httponly=True, samesite="lax", secure=self.is_secure
        )
        return response


@cache
def _environment(language: Language) -> jinja2.Environment:
    """A language's templates, compiled once in a process; they keep nothing between pages."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,  # everything that comes from mail stands as text
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    catalog = language.catalog
    environment.filters["code"] = lambda text: Markup("<code>{}</code>").format(text)
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # the extension's own
        catalog.ugettext, catalog.ungettext, newstyle=True
    )
    return environment
