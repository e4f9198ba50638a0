"""The dashboard as an ASGI application: the pages, and what holds for every answer."""

from __future__ import annotations

from contextlib import suppress

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.gzip import GZipMiddleware

from ..errors import InputError, StorageUnavailable
from ..history import History
from .pages import compose, deliverability, guard, messages, overview, profile, settings, signin
from .sentences import tell
from .shell import BodyLimit, Headers
from .site import HERE, Config, NotAllowed, SignInNeeded, Site
from .visitor import Visitor, visitor_of

__all__ = ["create_app"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_RETRY_SECONDS = 5
_MOST_BYTES = 40 << 20  # a message of 25 MiB, its files as they are or as text, and the form


def create_app(
    config: Config, history: History, *, outbox: compose.Outbox | None = None
) -> FastAPI:
    """All pages over one history; without an outbox nothing can be sent from them."""
    app = FastAPI(title="Mailglass", docs_url=None, redoc_url=None, openapi_url=None)
    site = Site(config, history)

    app.add_middleware(GZipMiddleware, minimum_size=1024)
    app.add_middleware(Headers, headers=_HEADERS)
    app.add_middleware(BodyLimit, most_bytes=_MOST_BYTES)
    _answer_faults(app, site)

    @app.get("/healthz")
    def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    for page in (signin, profile, overview, messages, deliverability, guard, settings):
        app.include_router(page.routes(site))
    app.include_router(compose.routes(site, outbox))
    app.mount("/static", _Static(directory=HERE / "static"))
    return app


class _Static(StaticFiles):
    """Files of the package: they change with its version only, so an hour's memory is safe."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # as given
        response.headers["Cache-Control"] = "max-age=3600"
        return response


def _answer_faults(app: FastAPI, site: Site) -> None:
    """Each fault is a page that says what to do next, with the error's id."""

    async def reader(request: Request) -> Visitor:
        with suppress(StorageUnavailable):
            return await run_in_threadpool(site.visitor, request)
        return visitor_of(request, None)

    @app.exception_handler(SignInNeeded)
    async def sign_in_needed(request: Request, _: Exception) -> Response:
        if request.headers.get("hx-request"):  # a part of a page cannot show the form
            return Response(status_code=401, headers={"HX-Redirect": "/login"})
        return RedirectResponse("/login", 303)

    @app.exception_handler(NotAllowed)
    async def not_allowed(request: Request, error: Exception) -> Response:
        visitor = await reader(request)
        return site.problem(visitor, 403, visitor.language.say("This was not done"), str(error))

    @app.exception_handler(StorageUnavailable)
    async def unavailable(request: Request, error: Exception) -> Response:
        visitor = visitor_of(request, None)
        return site.problem(
            visitor,
            503,
            visitor.language.say("The history cannot be read now"),
            str(error),
            error_id=StorageUnavailable.id,
            headers={"Retry-After": str(_RETRY_SECONDS)},
        )

    @app.exception_handler(InputError)
    async def input_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, InputError)
        visitor = await reader(request)
        title = visitor.language.say("That cannot be used as it is")
        return site.problem(visitor, 422, title, tell(str(error), visitor), error_id=error.id)

    @app.exception_handler(RequestValidationError)
    async def badly_filled(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        visitor = await reader(request)
        fields = ", ".join(str(fault["loc"][-1]) for fault in error.errors())
        return site.problem(
            visitor,
            422,
            visitor.language.say("That cannot be used as it is"),
            visitor.language.say("Something is wrong with: %(fields)s", fields=fields),
            error_id=InputError.id,
        )

    @app.exception_handler(StarletteHTTPException)
    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        visitor = await reader(request)
        title = visitor.language.say(str(error.detail))
        return site.problem(visitor, error.status_code, title)
