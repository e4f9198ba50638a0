"""The pages and their way in, on FastAPI; templates escape everything that comes from mail.

Every page is for one signed-in user and shows that user's account only. A page needs no script and
no other site, and its Content-Security-Policy says so.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException as StarletteHTTPException

from ..errors import StorageUnavailable
from ..history import (
    History,
    User,
    end_session,
    session_user,
    sign_in,
    sign_in_with_password,
    timeline,
)

__all__ = ["Config", "create_app", "serve"]

_COOKIE = "mailglass-session"
_PAGE = 50  # messages on a page of the list

_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'"

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where the dashboard listens and how browsers reach it."""

    host: str
    port: int
    url: str


class _SignInNeeded(Exception):
    """Nobody is signed in."""


def create_app(config: Config, history: History) -> FastAPI:
    """The dashboard as an ASGI application."""
    app = FastAPI(title="Mailglass", docs_url=None, redoc_url=None, openapi_url=None)
    templates = Jinja2Templates(directory=_HERE / "templates")
    is_secure = config.url.startswith("https:")

    def signed_in(request: Request) -> User:
        session = request.cookies.get(_COOKIE)
        user = session_user(history, session) if session else None
        if user is None:
            raise _SignInNeeded
        return user

    signed = Depends(signed_in)

    @app.middleware("http")
    async def guard(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = _POLICY + "; frame-ancestors 'none'"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def page(request: Request, name: str, status: int = 200, **values: object) -> HTMLResponse:
        return templates.TemplateResponse(request, name, values, status_code=status)

    @app.exception_handler(_SignInNeeded)
    async def to_sign_in(request: Request, _: Exception) -> Response:
        return RedirectResponse("/login", 303)

    @app.exception_handler(StorageUnavailable)
    async def unavailable(request: Request, error: Exception) -> Response:
        response = page(
            request, "problem.html", 503, title="The history cannot be read now", text=str(error)
        )
        response.headers["Retry-After"] = "5"
        return response

    @app.exception_handler(StarletteHTTPException)
    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        return page(request, "problem.html", error.status_code, title=str(error.detail), text="")

    def start_session(session: str) -> Response:
        response = RedirectResponse("/messages", 303)
        response.set_cookie(_COOKIE, session, httponly=True, samesite="lax", secure=is_secure)
        return response

    @app.get("/healthz")
    def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/style.css")
    def style() -> Response:
        text = (_HERE / "style.css").read_text()
        return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    @app.get("/login")
    def login_page(request: Request) -> Response:
        return page(request, "login.html", wrong=False)

    @app.post("/login")
    def login(
        request: Request,
        name: Annotated[str, Form(max_length=200)],
        password: Annotated[str, Form(max_length=200)],
    ) -> Response:
        session = sign_in_with_password(history, name, password)
        if session is None:
            return page(request, "login.html", 403, wrong=True)
        return start_session(session)

    @app.get("/login/{token}")
    def confirm_link(request: Request, token: str) -> Response:
        # a preview or scanner that follows the link must not use it up
        return page(request, "login_link.html", token=token)

    @app.post("/login/{token}")
    def login_by_link(request: Request, token: str) -> Response:
        session = sign_in(history, token)
        if session is None:
            raise HTTPException(403, "This login link was used or is too old")
        return start_session(session)

    @app.post("/logout")
    def logout(request: Request) -> Response:
        end_session(history, request.cookies.get(_COOKIE, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(_COOKIE)
        return response

    @app.get("/")
    def home(user: User = signed) -> Response:
        return RedirectResponse("/messages", 303)

    @app.get("/messages")
    def messages(request: Request, before: int | None = None, user: User = signed) -> Response:
        with history.reading() as t:
            found = t.messages(user.account_id, before=before, limit=_PAGE)
            deliveries = t.deliveries_of(m.id for m in found)
        rows = [(m, [d for d in deliveries if d.message_id == m.id]) for m in found]
        older = found[-1].id if len(found) == _PAGE else None
        return page(request, "messages.html", user=user, rows=rows, older=older)

    @app.get("/messages/{number}")
    def message(request: Request, number: str, user: User = signed) -> Response:
        with history.reading() as t:
            story = timeline(t, user.account_id, number)
        if story is None:
            raise HTTPException(404, "There is no such message")
        return page(request, "message.html", user=user, story=story)

    return app


async def serve(
    config: Config, *, history: History, stopping: asyncio.Event, on_ready: Callable[[], None]
) -> None:
    """Serve the dashboard until `stopping`; `on_ready` is called when it listens."""
    server = _Server(
        uvicorn.Config(
            create_app(config, history),
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )
    serving = asyncio.create_task(server.serve())
    await asyncio.wait(
        (serving, asyncio.create_task(server.listening.wait())),
        return_when=asyncio.FIRST_COMPLETED,
    )
    if not serving.done():
        on_ready()
        await asyncio.wait(
            (serving, asyncio.create_task(stopping.wait())), return_when=asyncio.FIRST_COMPLETED
        )
        server.should_exit = True
    await serving


class _Server(uvicorn.Server):
    """Says when it listens, and leaves the signals to us."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
