"""The list of messages with its filters, and the story of one: a timeline for each copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from ...history import (
    Copies,
    MessageSearch,
    StoredDelivery,
    StoredEvent,
    StoredMessage,
    further_hits,
)
from ...model import VerdictLevel
from ..site import Site
from ..visitor import Number, Visitor
from ..wording import _

__all__ = ["routes"]

_PAGE = 50  # messages on a page of the list
_COPIES = 100  # copies on a message's page
_SHOWN_EVENTS = 500  # of one copy; a scanner can make thousands
_ORDER = list(VerdictLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What stands in the URL."""

    q: str = ""
    level: VerdictLevel | None = None
    domain: str = ""
    campaign: str = ""
    tag: str = ""
    since: date | None = None
    until: date | None = None

    def search(self, visitor: Visitor) -> MessageSearch:
        """The same for the history; days are the reader's."""
        return MessageSearch(
            words=self.q,
            level=self.level,
            domain=self.domain or None,
            campaign=self.campaign or None,
            tag=self.tag or None,
            since=_midnight(self.since, visitor),
            until=_midnight(self.until and self.until + timedelta(days=1), visitor),
        )

    @property
    def query(self) -> str:
        """As a query string, without what is left open."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return urlencode({k: v for k, v in values.items() if v})


def _midnight(day: date | None, visitor: Visitor) -> datetime | None:
    return datetime.combine(day, time(), visitor.zone) if day else None


def _filters(
    q: Annotated[str, Query(max_length=500)] = "",
    level: Annotated[str, Query(max_length=20)] = "",
    domain: Annotated[str, Query(max_length=255)] = "",
    campaign: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[str, Query(max_length=200)] = "",
    since: Annotated[str, Query(max_length=10)] = "",
    until: Annotated[str, Query(max_length=10)] = "",
) -> Filters:
    """Whatever cannot be read is left open: a link from elsewhere still shows the list."""
    return Filters(
        q=q,
        level=VerdictLevel(level) if level in _ORDER else None,
        domain=domain,
        campaign=campaign,
        tag=tag,
        since=_day(since),
        until=_day(until),
    )


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # at the ends of the calendar there is no next day, and no time in every zone
    return day if date.min.year < day.year < date.max.year else None


def routes(site: Site) -> APIRouter:
    """`/messages` and what is below it."""
    router = APIRouter(prefix="/messages")
    signed, filtered = Depends(site.signed), Depends(_filters)

    @router.get("")
    def messages(
        request: Request,
        before: Number | None = None,
        filters: Filters = filtered,
        visitor: Visitor = signed,
    ) -> Response:
        assert visitor.user is not None
        with site.history.reading() as t:
            found = t.find_messages(
                visitor.user.account_id, filters.search(visitor), before=before, limit=_PAGE
            )
            copies = t.copies_of(m.id for m in found)
        part = request.headers.get("hx-request") == "true"
        return site.page(
            visitor,
            "messages/rows.html" if part else "messages/list.html",
            here="/messages",
            filters=filters,
            levels=_ORDER,
            rows=[_row(m, *copies.get(m.id, (None, None))) for m in found],
            older=found[-1].id if len(found) == _PAGE else None,
        )

    @router.get("/{number}")
    def message(
        number: str, after: Number | None = None, sent: bool = False, visitor: Visitor = signed
    ) -> Response:
        assert visitor.user is not None
        with site.history.reading() as t:
            found = t.message(visitor.user.account_id, number)
            if found is None and sent:  # taken, and not yet told to the history
                return site.page(visitor, "messages/on_its_way.html", here="/messages")
            if found is None:
                raise HTTPException(404, _("There is no such message"))
            copies = t.deliveries_of([found.id], after=after, limit=_COPIES)
            ids = [copy.id for copy in copies]
            events = t.events_of(ids, most=_SHOWN_EVENTS)
            hits = t.hits_numbered(e.hit_id for e in events if e.hit_id is not None)
            targets = t.target_counts(found.id)
        return site.page(
            visitor,
            "messages/message.html",
            here="/messages",
            message=found,
            copies=[_story(copy, events) for copy in copies],
            hits={hit.id: hit for hit in hits},
            targets=targets,
            target_of={target.number: target for target in found.targets},
            further=copies[-1].id if len(copies) == _COPIES else None,
        )

    return router


def _row(
    message: StoredMessage, first: StoredDelivery | None, copies: Copies | None
) -> Mapping[str, object]:
    """A message with its first copy, and how many copies each level has."""
    levels = copies.levels if copies else {}
    return {
        "message": message,
        "first": first,
        "others": copies.total - 1 if copies else 0,
        "levels": sorted(levels.items(), key=lambda item: -_ORDER.index(item[0])),
        "last_event_at": copies.last_event_at if copies else None,
    }


def _story(copy: StoredDelivery, events: Sequence[StoredEvent]) -> Mapping[str, object]:
    own = [event for event in events if event.delivery_id == copy.id]
    return {"delivery": copy, "events": own, "more": further_hits(copy, own)}
