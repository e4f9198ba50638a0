"""Errors as problem documents (RFC 9457), each with the stable id of `mailglass.errors`.

`type` is an address of ours that explains the error; `id` is what a program compares. A fault of
ours says nothing of its cause: that is in the log.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from ...errors import ConfigurationError, Error, InputError, RetryLater
from ...history import Conflict

__all__ = [
    "PROBLEMS",
    "KeyMissing",
    "NotThere",
    "Problem",
    "ScopeMissing",
    "TooFast",
    "TooLarge",
    "add_handlers",
    "explanation",
    "problem_response",
]

_log = logging.getLogger("mailglass.api")

_MEDIA_TYPE = "application/problem+json"
# How long a client is asked to wait while the database or the disk cannot be used: roles look again
# after half a second to fifteen, and a PostgreSQL server starts within seconds.
_RETRY_SECONDS = 5


class KeyMissing(InputError):
    """The request carries no API key, or one that is unknown, expired or revoked."""

    id = "key-missing"


class ScopeMissing(InputError):
    """The API key does not permit this; another key with the named scope does."""

    id = "scope-missing"


class NotThere(InputError):
    """There is no such thing in the account of the API key."""

    id = "not-found"


class TooLarge(InputError):
    """The request is larger than what is taken."""

    id = "too-large"


class TooFast(RetryLater):
    """The API key, or the address, has made more requests than its rate permits."""

    id = "rate-limited"

    def __init__(self, text: str, *, wait_seconds: int) -> None:
        """`wait_seconds` until the next request is answered."""
        super().__init__(text)
        self.wait_seconds = wait_seconds


# What HTTP calls them, the narrowest first; an error that is not here is a fault of ours.
_STATUS: tuple[tuple[type[Error], int, str], ...] = (
    (KeyMissing, 401, "An API key is needed"),
    (ScopeMissing, 403, "The API key does not permit this"),
    (NotThere, 404, "There is no such thing"),
    (Conflict, 409, "Not possible in this state"),
    (TooLarge, 413, "The request is too large"),
    (TooFast, 429, "Too many requests"),
    (InputError, 422, "The request cannot be used as it is"),
    (RetryLater, 503, "Not possible now; try again"),
    (ConfigurationError, 500, "A fault of the installation"),
)

_HTTP_IDS = {400: "input", 404: "not-found", 405: "method-not-allowed", 415: "input"}


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    pointer: str  # JSON Pointer (RFC 6901) into the body, or the parameter's name
    detail: str


class Problem(BaseModel):
    """What went wrong, and what to do (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str  # an address that explains it
    title: str
    status: int
    detail: str
    id: str  # stable, as docs/reference/errors.md lists it
    errors: list[Fault] | None = None


# What every route may answer beside its own, for the OpenAPI document.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {
        "description": title,
        "content": {_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for code, title in (
        (400, "The request cannot be read"),
        (401, "An API key is needed"),
        (403, "The API key does not permit this"),
        (404, "There is no such thing"),
        (409, "Not possible in this state"),
        (413, "The request is too large"),
        (422, "The request cannot be used as it is"),
        (429, "Too many requests; Retry-After says how long to wait"),
        (503, "Not possible now; Retry-After says when to try again"),
    )
}


def problem_response(
    request: Request,
    status: int,
    id_: str,
    title: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document as a response."""
    base = str(request.scope.get("root_path", ""))
    document: dict[str, Any] = {
        "type": f"{base}/problems/{id_}",
        "title": title,
        "status": status,
        "detail": detail,
        "id": id_,
    }
    if errors is not None:
        document["errors"] = errors
    return Response(
        orjson.dumps(document), status, media_type=_MEDIA_TYPE, headers=dict(headers or {})
    )


def _for_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, Error)
    status, title = _status_of(error)
    detail = str(error)
    if status >= 500:
        _log.error("%s", error, extra={"action": "request-failed", "error": error.id})
    if status == 500:
        detail = "The log of the server says more."
    return problem_response(
        request, status, error.id, title, detail, headers=_headers(status, error)
    )


def _status_of(error: Error) -> tuple[int, str]:
    for kind, status, title in _STATUS:
        if isinstance(error, kind):
            return status, title
    return 500, "A fault of ours"


def _headers(status: int, error: Error) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}  # RFC 6750 section 3
    if isinstance(error, TooFast):
        return {"Retry-After": str(error.wait_seconds)}
    return {"Retry-After": str(_RETRY_SECONDS)} if status == 503 else {}


def _for_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    return problem_response(
        request,
        status,
        _HTTP_IDS.get(status, "input" if status < 500 else "error"),
        str(error.detail),
        f"{request.method} {request.url.path}",
        headers=error.headers,
    )


def _for_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [_fault(item) for item in error.errors()]
    first = faults[0] if faults else {"pointer": "", "detail": "it cannot be read"}
    return problem_response(
        request,
        422,
        InputError.id,
        "The request cannot be used as it is",
        f"{first['pointer'] or 'the body'}: {first['detail']}",
        errors=faults,
    )


def _fault(item: Mapping[str, Any]) -> dict[str, str]:
    """A fault as pydantic tells it; where the body is no JSON its place is a character's number,
    and RFC 6901 points at the whole."""
    if item["type"] == "json_invalid":
        reason = item.get("ctx", {}).get("error", item["msg"])
        return {"pointer": "", "detail": f"no JSON at character {item['loc'][-1]}: {reason}"}
    return {"pointer": _pointer(item["loc"]), "detail": str(item["msg"])}


def _pointer(place: tuple[int | str, ...]) -> str:
    where, *path = (str(step).replace("~", "~0").replace("/", "~1") for step in place)
    return "".join(f"/{step}" for step in path) if where == "body" else "/".join(path) or where


def _for_fault(request: Request, error: Exception) -> Response:
    _log.error("a request failed", exc_info=error, extra={"action": "request-failed"})
    return problem_response(
        request, 500, Error.id, "A fault of ours", "The log of the server says more."
    )


def explanation(id_: str) -> str | None:
    """What an error means, for whoever follows a problem's `type`."""
    waiting: list[type[Error]] = [Error]
    while waiting:
        kind = waiting.pop()
        if kind.id == id_:
            return f"{id_}\n\n{inspect.cleandoc(kind.__doc__ or '')}\n"
        waiting += kind.__subclasses__()
    return "method-not-allowed\n\nThe address knows other methods.\n" if id_ in _OTHERS else None


_OTHERS = {"method-not-allowed"}


def add_handlers(app: FastAPI) -> None:
    """Answer every error of this application with a problem document."""
    app.add_exception_handler(Error, _for_error)
    app.add_exception_handler(HTTPException, _for_http)
    app.add_exception_handler(RequestValidationError, _for_validation)
    app.add_exception_handler(Exception, _for_fault)
