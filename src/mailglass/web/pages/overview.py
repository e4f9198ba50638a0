"""What happened lately in counts, people and machines side by side, and what comes in now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response, StreamingResponse

from ...history import Counts, Dimension, Transaction
from ..chart import bars_of, beginning, period_of
from ..live import Live
from ..site import Site
from ..visitor import Visitor

__all__ = ["routes"]

_DAYS = (1, 7, 30, 90)
_DOMAINS = 12  # rows of the table
_LATEST = 15  # events of the list


def routes(site: Site) -> APIRouter:
    """`/`, the part of it that moves, and the stream that says when."""
    router = APIRouter()
    signed = Depends(site.signed)
    live = Live(site.history)

    @router.get("/")
    def overview(days: int = 7, visitor: Visitor = signed) -> Response:
        return site.page(visitor, "overview/overview.html", here="/", **_values(days, visitor))

    @router.get("/overview/numbers")
    def numbers(days: int = 7, visitor: Visitor = signed) -> Response:
        return site.page(visitor, "overview/numbers.html", **_values(days, visitor))

    @router.get("/live")
    async def stream(visitor: Visitor = signed) -> Response:
        assert visitor.user is not None
        return StreamingResponse(
            live.stream(visitor.user.account_id),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},  # nginx would hold it back
        )

    def _values(days: int, visitor: Visitor) -> dict[str, Any]:  # what a template shows
        assert visitor.user is not None
        days = days if days in _DAYS else 7
        account_id, now = visitor.user.account_id, site.clock()
        period, first = period_of(days, now, visitor.zone), beginning(days, now, visitor.zone)
        with site.history.reading() as t:
            counts = t.counts(account_id, Dimension.ACCOUNT, period, since=first)
            return {
                "days": days,
                "sums": _sums(counts),
                "bars": list(bars_of(counts, days, now, visitor.zone)),
                "domains": t.largest_domains(account_id, _DOMAINS),
                "latest": _latest(t, account_id),
            }

    return router


def _sums(counts: Iterable[Counts]) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for row in counts:
        for name, number in row.counts.items():
            sums[name] = sums.get(name, 0) + number
    return sums


def _latest(t: Transaction, account_id: int) -> list[tuple[object, object, object]]:
    """The newest events, each with its delivery and message."""
    events = t.latest_events(account_id, _LATEST)
    deliveries = {d.id: d for d in t.deliveries(e.delivery_id for e in events)}
    messages = {m.id: m for m in t.messages_by_id(d.message_id for d in deliveries.values())}
    return [
        (event, deliveries[event.delivery_id], messages[deliveries[event.delivery_id].message_id])
        for event in events
        if event.delivery_id in deliveries
    ]
