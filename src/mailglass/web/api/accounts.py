"""Accounts: one's own, and for an operator's key the making of others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from ...history import USUAL_SCOPES, Conflict, Scope
from .access import Caller, permit
from .keys import NewKeyOut, key_out
from .words import In, Name, Number, Out

__all__ = ["router"]

router = APIRouter(tags=["accounts"])

_Reader = Annotated[Caller, Depends(permit(Scope.ACCOUNT_READ))]
_Writer = Annotated[Caller, Depends(permit(Scope.ACCOUNT_WRITE))]
_Operator = Annotated[Caller, Depends(permit(Scope.ACCOUNTS_WRITE))]


class AccountOut(Out):
    """Whose mail it is."""

    id: Number
    name: str


class AccountIn(In):
    """The name of an account."""

    name: Name


class NewAccountOut(AccountOut):
    """A new account with its first key, whose text is not shown again."""

    key: NewKeyOut


@router.get("/account")
def account(caller: _Reader) -> AccountOut:
    """The account of the key."""
    with caller.desk.history.reading() as t:
        name = t.account_name(caller.account_id)
    return AccountOut(id=str(caller.account_id), name=name)


@router.patch("/account")
def rename(caller: _Writer, wanted: AccountIn) -> AccountOut:
    """Give the account of the key another name."""
    with caller.desk.history.transaction() as t:
        if t.is_account_name_taken(wanted.name, by_other_than=caller.account_id):
            raise Conflict(f"another account has the name {wanted.name!r}")
        t.rename_account(caller.account_id, wanted.name)
    return AccountOut(id=str(caller.account_id), name=wanted.name)


@router.post("/accounts", status_code=201)
def add_account(caller: _Operator, wanted: AccountIn) -> NewAccountOut:
    """Make an account and its first key, which may make others. Existing accounts stay closed to
    the key of this request."""
    now = caller.desk.clock()
    with caller.desk.history.transaction() as t:
        if t.is_account_name_taken(wanted.name):
            raise Conflict(f"another account has the name {wanted.name!r}")
        made = t.add_account(wanted.name, now)
        scopes = USUAL_SCOPES | {Scope.ACCOUNT_WRITE, Scope.KEYS_WRITE, Scope.HITS_READ}
        key, text = t.add_key(made.id, "first", scopes, now)
    first = NewKeyOut(**key_out(key).model_dump(), key=text)
    return NewAccountOut(id=str(made.id), name=made.name, key=first)
