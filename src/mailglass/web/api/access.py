"""Who asks: the API key of a request, what it permits, and how often it may ask.

Everything a route finds is looked for in the account of the key, so that another account's things
are simply not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ...history import ApiKey, Scope, is_use_stale
from ..origin import address_of
from .desk import Desk
from .limits import RateLimit
from .problems import KeyMissing, ScopeMissing, TooFast

__all__ = ["Caller", "desk_of", "permit"]

_bearer = HTTPBearer(auto_error=False, description="An API key: `mailglass key add NAME`.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A request's key and where it leads."""

    key: ApiKey
    desk: Desk
    address: str  # from which it came; empty when that is not known

    @property
    def account_id(self) -> int:
        """Whose things the request is about."""
        return self.key.account_id


def desk_of(request: Request) -> Desk:
    """What the routes work with."""
    desk: Desk = request.app.state.desk
    return desk


def permit(scope: Scope) -> Callable[..., Caller]:
    """A dependency that lets in whoever has a scope; names it in the OpenAPI document."""

    def caller(
        request: Request,
        desk: Annotated[Desk, Depends(desk_of)],
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Caller:
        key = _key_of(request, desk, credentials)
        if scope not in key.scopes:
            raise ScopeMissing(f"the API key {key.prefix}… has not the scope {scope.value}")
        return Caller(key=key, desk=desk, address=address_of(request))

    caller.scope = scope  # type: ignore[attr-defined]  # read when the document is made
    return caller


def _key_of(
    request: Request, desk: Desk, credentials: HTTPAuthorizationCredentials | None
) -> ApiKey:
    if credentials is None:
        _count(request, desk.address_limit, address_of(request))
        raise KeyMissing("send the header `Authorization: Bearer` with an API key")
    now = desk.clock()
    with desk.history.reading() as t:
        key = t.key_of(credentials.credentials, now)
    if key is None:
        _count(request, desk.address_limit, address_of(request))
        raise KeyMissing("the API key is unknown, expired or revoked")
    _count(request, desk.key_limit, key.id)
    if is_use_stale(key, now):
        with desk.history.transaction() as t:
            t.set_key_used(key, now)
    return key


def _count(request: Request, limit: RateLimit, owner: object) -> None:
    """Count the request; the middleware tells what is left."""
    allowance = limit.take(owner)
    request.state.allowance = allowance
    if not allowance.is_granted:
        raise TooFast(
            f"{allowance.quota} requests in {allowance.window_seconds} s are answered; wait "
            f"{allowance.reset_seconds} s",
            wait_seconds=allowance.reset_seconds,
        )
