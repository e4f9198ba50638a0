"""Deliveries: what became of each copy of a message, and why we think so."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ...history import EVENTS_OF_COPY, DeliveryFilters, Scope, further_hits
from ...model import VerdictLevel
from .access import Caller, permit
from .finding import delivery_of
from .words import (
    Address,
    Cursor,
    DeliveryOut,
    EventOut,
    HitOut,
    Limit,
    Moment,
    Number,
    NumberInPath,
    Out,
    Page,
    Term,
    VerdictOut,
    cut,
    delivery_out,
    event_outs,
    hit_out,
    number_of,
    read_number_cursor,
    verdict_out,
)

__all__ = ["router"]

router = APIRouter(tags=["deliveries"])

_Reader = Annotated[Caller, Depends(permit(Scope.MESSAGES_READ))]
_HitReader = Annotated[Caller, Depends(permit(Scope.HITS_READ))]


@router.get("/deliveries")
def deliveries(
    caller: _Reader,
    message_id: Annotated[Number | None, Query()] = None,
    recipient: Annotated[Address | None, Query()] = None,
    recipient_domain: Annotated[Term | None, Query()] = None,
    level: Annotated[VerdictLevel | None, Query(description="Of the verdict.")] = None,
    since: Annotated[Moment | None, Query(description="Accepted then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Accepted before.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DeliveryOut]:
    """The deliveries of the account, the newest first."""
    filters = DeliveryFilters(
        message_id=None if message_id is None else number_of(message_id),
        recipient=recipient,
        recipient_domain=recipient_domain,
        level=level,
        since=since,
        until=until,
    )
    with caller.desk.history.reading() as t:
        found = t.list_deliveries(
            caller.account_id, filters, before=read_number_cursor(cursor), limit=limit + 1
        )
    items, following = cut(found, limit, lambda d: d.id)
    return Page(items=[delivery_out(d) for d in items], next=following)


@router.get("/deliveries/{delivery_id}")
def delivery(caller: _Reader, delivery_id: NumberInPath) -> DeliveryOut:
    """One delivery with its verdict and the evidence for it."""
    return delivery_out(delivery_of(caller, delivery_id))


@router.get("/deliveries/{delivery_id}/verdict")
def verdict(caller: _Reader, delivery_id: NumberInPath) -> VerdictOut:
    """What all events of a delivery mean together, with the evidence."""
    return verdict_out(delivery_of(caller, delivery_id).verdict)


class EventsOut(Out):
    """The events of one delivery, by time; the first 500 of them."""

    items: list[EventOut]
    further_hits: int  # counted and not among the events


@router.get("/deliveries/{delivery_id}/timeline")
def timeline(caller: _Reader, delivery_id: NumberInPath) -> EventsOut:
    """What happened to a delivery, by time, with the evidence of every judgement."""
    found = delivery_of(caller, delivery_id)
    with caller.desk.history.reading() as t:
        targets = t.targets_of([found.message_id]).get(found.message_id, ())
        events = t.events_of([found.id], most=EVENTS_OF_COPY)
    return EventsOut(items=event_outs(events, targets), further_hits=further_hits(found, events))


class HitsOut(Out):
    """The hits of one delivery, by time; those of its first 500 events."""

    items: list[HitOut]
    further_hits: int  # counted and not among these


@router.get("/deliveries/{delivery_id}/hits")
def hits(caller: _HitReader, delivery_id: NumberInPath) -> HitsOut:
    """The requests behind a delivery's events as they came in, network addresses included.

    They are about people, so they need a scope of their own (`hits:read`), which no key has unless
    it was made with it.
    """
    found = delivery_of(caller, delivery_id)
    with caller.desk.history.reading() as t:
        events = t.events_of([found.id], most=EVENTS_OF_COPY)
        seen = t.hits_numbered(e.hit_id for e in events if e.hit_id is not None)
    return HitsOut(
        items=[hit_out(stored) for stored in seen], further_hits=further_hits(found, events)
    )
