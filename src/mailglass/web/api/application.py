"""Puts the routes together, with what every answer carries, and writes the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ... import __version__
from . import (
    accounts,
    consents,
    deliveries,
    domains,
    events,
    keys,
    messages,
    statistics,
    suppressions,
    webhooks,
)
from .desk import Desk
from .problems import PROBLEMS, NotThere, Problem, add_handlers, explanation, problem_response

__all__ = ["create_api"]

_ABOUT = """\
What happened to your mail, and submitting more of it.

Send an API key as `Authorization: Bearer mg_…` (`mailglass key add NAME` makes one). Every error is
a problem document (RFC 9457) whose `id` is stable. Lists come in pages: ask again with `cursor` as
the answer's `next`. Numbers of things are texts, because JavaScript rounds above 53 bits.
"""

_RESOURCES = (
    messages,
    deliveries,
    events,
    statistics,
    suppressions,
    consents,
    webhooks,
    domains,
    accounts,
    keys,
)

# JSON around a message in base64: four thirds of it, the other fields, and escapes.
_ROOM_BYTES = 2_000_000
_SMALL_BYTES = 1_000_000  # of every request that hands in no message
_MESSAGE_PATHS = ("/messages", "/messages/raw", "/messages/instrument")


def create_api(desk: Desk) -> FastAPI:
    """The API as an ASGI application, to be mounted at /api/v1."""
    app = FastAPI(
        title="Mailglass",
        version=__version__,
        description=_ABOUT,
        openapi_url="/openapi.json",
        docs_url=None,  # its page would load a script from elsewhere
        redoc_url=None,
        responses=PROBLEMS,
    )
    app.state.desk = desk
    add_handlers(app)
    for resource in _RESOURCES:
        app.include_router(resource.router)

    @app.get("/problems/{name}", include_in_schema=False)
    def problem(name: str) -> Response:
        """What an error means: the address that its `type` is."""
        text = explanation(name)
        if text is None:
            raise NotThere(f"there is no error {name[:100]!r}")
        return PlainTextResponse(text)

    app.add_middleware(_Answers)
    app.add_middleware(_BodyLimit, most_bytes=desk.max_message_bytes * 4 // 3 + _ROOM_BYTES)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]  # as FastAPI advises
    return app


def _document(app: FastAPI) -> dict[str, Any]:  # Any: JSON
    """The OpenAPI document, with problems as they are and the scope that each route needs."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        document["servers"] = [{"url": "/api/v1"}]
        schemas = document["components"]["schemas"]
        reference = "#/components/schemas/{model}"
        problem = Problem.model_json_schema(ref_template=reference)
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for resource in _RESOURCES:
            for route in resource.router.routes:
                assert isinstance(route, APIRoute)
                _finish(document, route)
        app.openapi_schema = document
    return app.openapi_schema


def _finish(document: dict[str, Any], route: APIRoute) -> None:
    path = document["paths"][route.path_format]
    for method in route.methods or ():
        operation = path[method.lower()]
        operation["responses"]["422"] = PROBLEMS[422]
        for dependency in route.dependant.dependencies:
            scope = getattr(dependency.call, "scope", None)
            if scope is not None:
                operation["x-scope"] = scope.value
                text = operation.get("description", "")
                operation["description"] = f"{text}\n\nNeeds the scope `{scope.value}`.".strip()


class _Answers:
    """What every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
                allowance = scope["state"].get("allowance")
                if allowance is not None:
                    headers |= allowance.headers()
                added = [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app(scope, receive, answer)


class _TooLong(Exception):
    """More came than is taken."""


class _BodyLimit:
    """Refuses a request that is too long, by what it says or by what comes."""

    def __init__(self, app: ASGIApp, *, most_bytes: int) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/")
        most = self._most if path in _MESSAGE_PATHS else min(_SMALL_BYTES, self._most)
        request = Request(scope)
        said = request.headers.get("content-length", "")
        has_begun, seen = False, 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise _TooLong
            return message

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            if said.isdecimal() and int(said[:18]) > most:
                raise _TooLong
            await self._app(scope, limited, noting)
        except _TooLong:
            if has_begun:
                raise
            text = f"the request has more than {most} bytes"
            response = problem_response(request, 413, "too-large", "The request is too large", text)
            await response(scope, receive, send)
