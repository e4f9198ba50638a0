"""Events: all of an account in order, as a list or as a stream that can be resumed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from ...history import Scope, told_events
from ...model import EventType
from .access import Caller, permit
from .words import Limit, Number, Out, ToldEventOut, number_of, told_out

__all__ = ["router"]

router = APIRouter(tags=["events"])

_Reader = Annotated[Caller, Depends(permit(Scope.MESSAGES_READ))]
_Types = Annotated[list[EventType] | None, Query(alias="type", description="Else all types.")]


class EventPage(Out):
    """Events in the order of their numbers."""

    items: list[ToldEventOut]
    last: Number  # for `after`: up to it there are no others


@router.get("/events")
def events(
    caller: _Reader,
    after: Annotated[Number, Query(description="The number of the last event known.")] = "0",
    types: _Types = None,
    limit: Limit = 50,
) -> EventPage:
    """The events of the account above a number, the oldest first.

    Ask again with `after` as the answer's `last`: nothing is missed and nothing comes twice. An
    event that is judged otherwise later goes and comes again under a new number with the same
    `hit_id`.
    """
    with caller.desk.history.reading() as t:
        told, reached = told_events(
            t, caller.account_id, number_of(after), limit=limit, types=types or ()
        )
    return EventPage(items=[told_out(one) for one in told], last=str(reached))


@router.get(
    "/events/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `id` is the event's number, `event` its type, "
            "`data` the same record as in the list.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream(
    caller: _Reader,
    types: _Types = None,
    after: Annotated[
        Number | None, Query(description="Begin behind this number; else from now on.")
    ] = None,
    last_event_id: Annotated[
        Number | None, Header(description="What a client sends that comes back.")
    ] = None,
) -> StreamingResponse:
    """Events as they happen. A client that comes back with `Last-Event-ID` misses none."""
    following = caller.desk.following
    following.check_room(caller.key.id)
    place = last_event_id or after
    messages = following.messages(
        caller.key.id,
        caller.account_id,
        None if place is None else number_of(place),
        types or (),
    )
    return StreamingResponse(
        messages,
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would hold them back
    )
