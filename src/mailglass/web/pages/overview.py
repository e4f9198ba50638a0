"""What happened lately in counts, people and machines side by side, and what comes in now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response, StreamingResponse

from ...history import Counts, Dimension, Period, Transaction
from ..live import Live
from ..site import Site
from ..visitor import Visitor

__all__ = ["routes"]

_DAYS = (1, 7, 30, 90)
_DOMAINS = 12  # rows of the table
_LATEST = 15  # events of the list


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One stretch of time in the chart."""

    start: datetime
    human: int
    machine: int
    undetermined: int

    @property
    def total(self) -> int:
        """How high it stands."""
        return self.human + self.machine + self.undetermined


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
        step = timedelta(hours=1) if days == 1 else timedelta(days=1)
        period = Period.HOUR if days == 1 else Period.DAY
        first = _floor(now, step) - timedelta(days=days) + step
        with site.history.reading() as t:
            counts = t.counts(account_id, Dimension.ACCOUNT, period, since=first)
            return {
                "days": days,
                "sums": _sums(counts),
                "bars": list(_bars(counts, first, step, now)),
                "domains": t.largest_domains(account_id, _DOMAINS),
                "latest": _latest(t, account_id),
            }

    return router


def _floor(at: datetime, step: timedelta) -> datetime:
    seconds = int(at.timestamp() // step.total_seconds() * step.total_seconds())
    return datetime.fromtimestamp(seconds, at.tzinfo)


def _sums(counts: Iterable[Counts]) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for row in counts:
        for name, number in row.counts.items():
            sums[name] = sums.get(name, 0) + number
    return sums


def _bars(
    counts: Iterable[Counts], first: datetime, step: timedelta, now: datetime
) -> Iterable[Bar]:
    """One for each stretch of time, also where nothing happened."""
    by_start = {row.start: row for row in counts if row.start}
    end = max(now, *by_start) if by_start else now  # a simulated world lies ahead of the clock
    start = first
    while start <= end:
        row = by_start.get(start)
        yield Bar(
            start=start,
            human=_hits(row, "human"),
            machine=_hits(row, "machine"),
            undetermined=_hits(row, "undetermined"),
        )
        start += step


def _hits(row: Counts | None, who: str) -> int:
    return sum(row[f"{what}_{who}"] for what in ("beacon", "link", "attachment")) if row else 0


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
