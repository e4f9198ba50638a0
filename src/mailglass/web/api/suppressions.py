"""Suppressions: to whom the account sends nothing more."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import StringConstraints

from ...addresses import canonical_address
from ...history import Scope, Suppression
from .access import Caller, permit
from .problems import NotThere
from .words import Address, Cursor, In, Limit, Moment, Name, Out, Page, cut, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["suppressions"])

_Reader = Annotated[Caller, Depends(permit(Scope.SUPPRESSIONS_READ))]
_Writer = Annotated[Caller, Depends(permit(Scope.SUPPRESSIONS_WRITE))]
_Recipient = Annotated[Address, Path(description="Their address.")]


class SuppressionOut(Out):
    """A recipient to whom nothing is sent, and why."""

    recipient: str
    reason: str
    evidence: str  # the words that were the cause
    since: Moment
    expires_at: Moment | None


class SuppressionIn(In):
    """Why nothing is to be sent."""

    reason: Name = "requested"
    evidence: Annotated[
        str, StringConstraints(max_length=2_000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")
    ] = ""
    expires_at: Moment | None = None


@router.get("/suppressions")
def suppressions(caller: _Reader, cursor: Cursor = None, limit: Limit = 50) -> Page[SuppressionOut]:
    """The suppressions in force, by address."""
    with caller.desk.history.reading() as t:
        found = t.list_suppressions(
            caller.account_id, caller.desk.clock(), after=read_cursor(cursor) or "", limit=limit + 1
        )
    items, following = cut(found, limit, lambda s: s.recipient)
    return Page(items=[_out(s) for s in items], next=following)


@router.get("/suppressions/{recipient:path}")
def suppression(caller: _Reader, recipient: _Recipient) -> SuppressionOut:
    """Whether and why a recipient is sent nothing."""
    with caller.desk.history.reading() as t:
        found = t.suppressions(
            caller.desk.clock(), account_id=caller.account_id, recipients=[recipient]
        )
    if not found:
        raise NotThere(f"{recipient} is not suppressed")
    return _out(found[0])


@router.put("/suppressions/{recipient:path}")
def suppress(caller: _Writer, recipient: _Recipient, entry: SuppressionIn) -> SuppressionOut:
    """Send a recipient nothing more; a newer reason replaces an older one."""
    made = Suppression(
        account_id=caller.account_id,
        recipient=canonical_address(recipient),
        reason=entry.reason,
        evidence=entry.evidence,
        since=caller.desk.clock(),
        expires_at=entry.expires_at,
    )
    with caller.desk.history.transaction() as t:
        t.suppress(made)
    return _out(made)


@router.delete("/suppressions/{recipient:path}", status_code=204, response_class=Response)
def unsuppress(caller: _Writer, recipient: _Recipient) -> Response:
    """Lift a suppression, when you know that the reason is gone."""
    with caller.desk.history.transaction() as t:
        if not t.unsuppress(caller.account_id, recipient):
            raise NotThere(f"{recipient} is not suppressed")
    return Response(status_code=204)


def _out(entry: Suppression) -> SuppressionOut:
    return SuppressionOut(
        recipient=entry.recipient,
        reason=entry.reason,
        evidence=entry.evidence,
        since=entry.since,
        expires_at=entry.expires_at,
    )
