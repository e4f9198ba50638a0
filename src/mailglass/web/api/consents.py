"""Consents: what recipients said about being tracked, with the proof of it.

A record is only ever added. A no acts at once: on mail that waits, on later hits of mail already
sent, and on earlier ones as the account's policy says.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field, StringConstraints

from ...addresses import canonical_address
from ...errors import InputError
from ...history import Consent, ConsentState, OnWithdrawal, Scope
from .access import Caller, permit
from .words import (
    Address,
    Cursor,
    In,
    Limit,
    Moment,
    Name,
    Number,
    Out,
    Page,
    cut,
    read_number_cursor,
)

__all__ = ["router"]

router = APIRouter(tags=["consents"])

_Reader = Annotated[Caller, Depends(permit(Scope.CONSENTS_READ))]
_Writer = Annotated[Caller, Depends(permit(Scope.CONSENTS_WRITE))]

_Words = Annotated[
    str, StringConstraints(max_length=10_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")
]


class ConsentIn(In):
    """What a recipient said."""

    recipient: Address
    state: ConsentState
    how: Name = Field(description="form, letter, telephone, import, …")
    shown: _Words = Field(default="", description="The words that the person was shown.")
    at: Moment | None = Field(default=None, description="When they said it; else now.")
    proof: dict[Name, _Words] = Field(
        default={}, max_length=20, description="Where it came from, such as a form's number."
    )


class ConsentOut(Out):
    """What a recipient said, when, how, and what they were shown."""

    id: Number
    recipient: str
    state: ConsentState
    at: Moment
    how: str
    shown: str
    proof: dict[str, Any]  # Any: JSON of whoever wrote it down


class NoOut(Out):
    """What a no has done to what was recorded before."""

    deliveries: int  # whose later hits are kept without identity
    events: int  # of earlier hits, that were anonymised or erased
    what: OnWithdrawal
    waiting: int  # deliveries that now go out untracked


class RecordedOut(Out):
    """What was written down, and what it did."""

    recipient: str
    state: ConsentState
    no: NoOut | None  # null when consent was given


class StateOut(Out):
    """What a recipient said last; null when they said nothing."""

    recipient: str
    state: ConsentState | None


@router.get("/consents")
def consents(
    caller: _Reader,
    recipient: Annotated[Address | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ConsentOut]:
    """What was said, in the order in which it was written down."""
    with caller.desk.history.reading() as t:
        found = t.consents(
            caller.account_id, recipient, after=read_number_cursor(cursor) or 0, limit=limit + 1
        )
    items, following = cut(found, limit, lambda c: c.id)
    return Page(items=[_out(c) for c in items], next=following)


@router.post("/consents", status_code=201)
def record(caller: _Writer, said: ConsentIn) -> RecordedOut:
    """Write down what a recipient said. A no (`refused`, `withdrawn`) acts at once, also on mail
    already sent."""
    now = caller.desk.clock()
    at = said.at or now
    if at > now:
        raise InputError("at: nobody has said anything in the future")
    if said.state is not ConsentState.GIVEN:
        return RecordedOut(
            recipient=canonical_address(said.recipient), state=said.state, no=_no(caller, said, at)
        )
    consent = Consent(
        account_id=caller.account_id,
        recipient=canonical_address(said.recipient),
        state=said.state,
        at=at,
        how=said.how,
        shown=said.shown,
        proof=said.proof,
    )
    with caller.desk.history.transaction() as t:
        t.add_consent(consent)
    return RecordedOut(recipient=consent.recipient, state=said.state, no=None)


def _no(caller: Caller, said: ConsentIn, at: Moment) -> NoOut:
    with caller.desk.history.transaction() as t:
        done = t.withdraw(
            caller.account_id,
            said.recipient,
            at,
            how=said.how,
            shown=said.shown,
            proof=said.proof,
            state=said.state,
        )
    return NoOut(
        deliveries=len(done.deliveries),
        events=done.events,
        what=done.what,
        waiting=caller.desk.intake.stop_tracking(caller.account_id, said.recipient),
    )


@router.get("/consents/{recipient:path}")
def state(caller: _Reader, recipient: Annotated[Address, Path()]) -> StateOut:
    """What a recipient said last."""
    with caller.desk.history.reading() as t:
        said = t.consent_states(caller.account_id, [recipient])
    name = canonical_address(recipient)
    return StateOut(recipient=name, state=said.get(name))


def _out(consent: Consent) -> ConsentOut:
    return ConsentOut(
        id=str(consent.id),
        recipient=consent.recipient,
        state=consent.state,
        at=consent.at,
        how=consent.how,
        shown=consent.shown,
        proof=dict(consent.proof),
    )
