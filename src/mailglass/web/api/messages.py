"""Messages: submit, instrument, look at, withdraw."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from ...errors import InputError, RetryLater
from ...gateway import Receipt, Submitter
from ...history import (
    EVENTS_OF_COPY,
    Conflict,
    MessageSearch,
    Scope,
    StoredDelivery,
    StoredEvent,
    further_hits,
)
from ...ingest import Accepted
from ...instrument import write_plan
from ...model import Target, VerdictLevel
from .access import Caller, permit
from .finding import message_of
from .submitting import MessageIn, Prepared, prepare, prepare_raw
from .words import (
    Address,
    Cursor,
    DeliveryOut,
    EventOut,
    Limit,
    MessageOut,
    Moment,
    Name,
    Number,
    NumberInPath,
    Out,
    Page,
    Term,
    cut,
    delivery_out,
    event_outs,
    message_out,
    number_of,
    read_number_cursor,
)

__all__ = ["router"]

router = APIRouter(tags=["messages"])

_Writer = Annotated[Caller, Depends(permit(Scope.MESSAGES_WRITE))]
_Reader = Annotated[Caller, Depends(permit(Scope.MESSAGES_READ))]
_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Your own name for this submission: with the same key it is taken once a day.",
    ),
]
_MOST_COPIES = 100  # of an instrumented message in one answer
_MOST_COPIED_BYTES = 100_000_000


class SubmittedDelivery(Out):
    """The copy for one recipient."""

    id: Number
    recipient: str
    suppressed: str | None = None  # why it is not sent


class SubmittedOut(Out):
    """What was taken: from now on it is on stable storage."""

    id: Number
    deliveries: list[SubmittedDelivery]
    is_repeated: bool  # it had been taken before, under the same Idempotency-Key


@router.post("/messages", status_code=202)
def submit(caller: _Writer, message: MessageIn, key: _Key = None) -> SubmittedOut:
    """Submit a message of fields, or a whole one as `raw`.

    When this answers, the message is on stable storage; it is delivered one copy a recipient, each
    with its own tokens. Its number can be asked about at once; lists have it, and its timeline what
    happens to it, within a second.
    """
    return _submitted(_take(caller, prepare(caller, message, key)))


@router.post(
    "/messages/raw",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def submit_raw(
    request: Request,
    caller: _Writer,
    recipient: Annotated[list[Address] | None, Query(description="Else To, Cc and Bcc.")] = None,
    return_path: Annotated[Address | None, Query(description="Else the address in From.")] = None,
    tag: Annotated[list[Name] | None, Query()] = None,
    campaign: Annotated[Name | None, Query()] = None,
    send_at: Annotated[Moment | None, Query()] = None,
    key: _Key = None,
) -> SubmittedOut:
    """Submit a whole message (RFC 5322) as the body of the request, as a file has it."""
    raw = await request.body()

    def take() -> Receipt:
        prepared = prepare_raw(
            caller,
            raw,
            recipients=recipient or [],
            return_path=return_path,
            tags=tag or [],
            campaign=campaign,
            send_at=send_at,
            key=key,
        )
        return _take(caller, prepared)

    return _submitted(await run_in_threadpool(take))


def _take(caller: Caller, prepared: Prepared) -> Receipt:
    refusal = caller.desk.refusal()
    if refusal is not None:
        raise RetryLater(refusal)
    return caller.desk.intake.accept(
        prepared.raw,
        return_path=prepared.return_path,
        recipients=prepared.recipients,
        submitter=_submitter(caller),
        wishes=prepared.wishes,
    )


def _submitter(caller: Caller) -> Submitter:
    # "with HTTP" of the trace field stands in IANA's registry of mail transmission types
    return Submitter(
        account_id=caller.account_id,
        name=f"key {caller.key.name}",
        protocol="HTTP",
        address=caller.address,
    )


def _submitted(receipt: Receipt) -> SubmittedOut:
    return SubmittedOut(
        id=str(receipt.message_id),
        deliveries=[
            SubmittedDelivery(
                id=str(d.id), recipient=d.recipient, suppressed=receipt.suppressed.get(d.id)
            )
            for d in receipt.deliveries
        ],
        is_repeated=receipt.is_repeated,
    )


class InstrumentIn(MessageIn):
    """A message that somebody else sends."""

    register_: bool = Field(
        default=True,
        alias="register",
        description="Record what the tokens tell; without it this only shows what would be done.",
    )


class InstrumentedCopy(Out):
    """The copy for one recipient."""

    delivery_id: Number
    recipient: str
    raw: str  # base64
    plan: dict[str, Any]  # Any: as docs/howto/instrument.md describes it


class InstrumentedOut(Out):
    """Copies for somebody else to send, with the plan of edits of each."""

    id: Number
    copies: list[InstrumentedCopy]


@router.post("/messages/instrument")
def instrument(caller: _Writer, message: InstrumentIn) -> InstrumentedOut:
    """Put tracking into a message, and hand it back with its plan of edits: nothing is sent."""
    if message.substitutions is not None or message.send_at is not None:
        raise InputError("substitutions and send_at go with messages that are sent from here")
    prepared = prepare(caller, message, None)
    count, size = len(prepared.recipients), len(prepared.raw)
    if count > _MOST_COPIES or count * size > _MOST_COPIED_BYTES:
        raise InputError(f"{count} copies of {size} bytes are too much for one answer")
    made = caller.desk.intake.instrument(
        prepared.raw,
        recipients=prepared.recipients,
        submitter=_submitter(caller),
        wishes=prepared.wishes,
        register=message.register_,
    )
    return InstrumentedOut(
        id=str(made.receipt.message_id),
        copies=[
            InstrumentedCopy(
                delivery_id=str(delivery.id),
                recipient=delivery.recipient,
                raw=base64.b64encode(copy).decode("ascii"),
                plan=orjson.loads(b"".join(write_plan(plan))),
            )
            for delivery, copy, plan in made.copies
        ],
    )


@router.get("/messages")
def messages(
    caller: _Reader,
    words: Annotated[
        Term | None,
        Query(description="In subject or author; or a recipient's address; or a Message-ID."),
    ] = None,
    level: Annotated[VerdictLevel | None, Query(description="Of any copy's verdict.")] = None,
    recipient_domain: Annotated[Term | None, Query(description="Of any recipient.")] = None,
    campaign: Annotated[Term | None, Query()] = None,
    tag: Annotated[Term | None, Query()] = None,
    since: Annotated[Moment | None, Query(description="Accepted then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Accepted before.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[MessageOut]:
    """The messages of the account, the newest first."""
    search = MessageSearch(
        words=words or "",
        level=level,
        domain=recipient_domain,
        campaign=campaign,
        tag=tag,
        since=since,
        until=until,
    )
    with caller.desk.history.reading() as t:
        found = t.find_messages(
            caller.account_id, search, before=read_number_cursor(cursor), limit=limit + 1
        )
    items, following = cut(found, limit, lambda m: m.id)
    return Page(items=[message_out(m) for m in items], next=following)


@router.get("/messages/{message_id}")
def message(caller: _Reader, message_id: NumberInPath) -> MessageOut:
    """One message with its targets."""
    found = message_of(caller, message_id)
    return message_out(found.message if isinstance(found, Accepted) else found, with_targets=True)


class WithdrawnOut(Out):
    """What is not sent any more."""

    withdrawn: int  # deliveries


@router.delete("/messages/{message_id}")
def withdraw(caller: _Writer, message_id: NumberInPath) -> WithdrawnOut:
    """Withdraw a message whose `send_at` has not come; what is due already cannot be withdrawn."""
    message_of(caller, message_id)  # or it is not theirs
    count = caller.desk.intake.withdraw(number_of(message_id))
    if not count:
        raise Conflict("nothing of the message waits for its time any more")
    return WithdrawnOut(withdrawn=count)


class DeliveryStory(Out):
    """A copy, and what happened to it in the order of time: the first 500 events."""

    delivery: DeliveryOut
    events: list[EventOut]
    further_hits: int  # counted and not among the events


class TimelineOut(Out):
    """A message and the story of its copies."""

    message: MessageOut
    deliveries: list[DeliveryStory]
    next: str | None


@router.get("/messages/{message_id}/timeline")
def timeline(
    caller: _Reader, message_id: NumberInPath, cursor: Cursor = None, limit: Limit = 50
) -> TimelineOut:
    """What happened to each copy of a message, with the evidence of every judgement."""
    found, after = message_of(caller, message_id), read_number_cursor(cursor) or 0
    if isinstance(found, Accepted):
        return _begun(found, after, limit)
    with caller.desk.history.reading() as t:
        deliveries = t.deliveries_of([found.id], after=after, limit=limit + 1)
        items, following = cut(deliveries, limit, lambda d: d.id)
        events = t.events_of((d.id for d in items), most=EVENTS_OF_COPY)
    return TimelineOut(
        message=message_out(found, with_targets=True),
        deliveries=[
            _story(d, [e for e in events if e.delivery_id == d.id], found.targets) for d in items
        ],
        next=following,
    )


def _begun(taken: Accepted, after: int, limit: int) -> TimelineOut:
    """The story of a message that the history does not know yet: its copies wait."""
    waiting = sorted((d for d in taken.deliveries if d.id > after), key=lambda d: d.id)
    items, following = cut(waiting[: limit + 1], limit, lambda d: d.id)
    return TimelineOut(
        message=message_out(taken.message, with_targets=True),
        deliveries=[_story(d, [], taken.message.targets) for d in items],
        next=following,
    )


def _story(
    copy: StoredDelivery, events: Sequence[StoredEvent], targets: tuple[Target, ...]
) -> DeliveryStory:
    return DeliveryStory(
        delivery=delivery_out(copy),
        events=event_outs(events, targets),
        further_hits=further_hits(copy, events),
    )
