"""API keys: list, make, revoke. A key cannot make one that may do more than itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from ...history import USUAL_SCOPES, ApiKey, Belongings, Scope
from .access import Caller, permit
from .problems import NotThere, ScopeMissing
from .words import (
    Cursor,
    In,
    Limit,
    Moment,
    Name,
    Number,
    NumberInPath,
    Out,
    Page,
    cut,
    number_of,
    read_number_cursor,
)

__all__ = ["KeyOut", "NewKeyOut", "key_out", "router"]

router = APIRouter(tags=["keys"])

_Reader = Annotated[Caller, Depends(permit(Scope.ACCOUNT_READ))]
_Writer = Annotated[Caller, Depends(permit(Scope.KEYS_WRITE))]


class KeyOut(Out):
    """A key; its text is shown only when it is made."""

    id: Number
    name: str
    prefix: str  # its first characters
    scopes: list[Scope]
    created_at: Moment
    last_used_at: Moment | None  # to the minute
    expires_at: Moment | None
    revoked_at: Moment | None


class NewKeyOut(KeyOut):
    """A key with its text, which is not shown again."""

    key: str


class KeyIn(In):
    """A new key."""

    name: Name
    scopes: list[Scope] | None = None  # else the usual ones that this key has
    expires_at: Moment | None = None


@router.get("/keys")
def keys(caller: _Reader, cursor: Cursor = None, limit: Limit = 50) -> Page[KeyOut]:
    """The keys of the account, also those that are no longer good."""
    with caller.desk.history.reading() as t:
        found = t.keys(caller.account_id, after=read_number_cursor(cursor) or 0, limit=limit + 1)
    items, following = cut(found, limit, lambda k: k.id)
    return Page(items=[key_out(k) for k in items], next=following)


@router.post("/keys", status_code=201)
def add_key(caller: _Writer, wanted: KeyIn) -> NewKeyOut:
    """A new key of the account; it gets no scope that the key of this request has not."""
    now = caller.desk.clock()
    scopes = USUAL_SCOPES & caller.key.scopes if wanted.scopes is None else set(wanted.scopes)
    beyond = sorted(scopes - caller.key.scopes)
    if beyond:
        raise ScopeMissing(f"this key cannot give what it has not: {', '.join(beyond)}")
    with caller.desk.history.transaction() as t:
        mine = Belongings(t, caller.account_id)
        made, text = mine.add_key(wanted.name, scopes, now, expires_at=wanted.expires_at)
    return NewKeyOut(**key_out(made).model_dump(), key=text)


@router.delete("/keys/{key_id}", status_code=204, response_class=Response)
def revoke_key(caller: _Writer, key_id: NumberInPath) -> Response:
    """Revoke a key: it opens nothing from now on."""
    with caller.desk.history.transaction() as t:
        if not t.revoke_key(caller.account_id, number_of(key_id), caller.desk.clock()):
            raise NotThere(f"there is no good key {key_id}")
    return Response(status_code=204)


def key_out(key: ApiKey) -> KeyOut:
    """A key without its text."""
    return KeyOut(
        id=str(key.id),
        name=key.name,
        prefix=key.prefix,
        scopes=sorted(key.scopes),
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )
