"""Statistics: what was counted with each batch, so that no question scans hits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ...errors import InputError
from ...history import PERIODS, Counts, Dimension, Period, Scope, Transaction
from .access import Caller, permit
from .words import Limit, Moment, Out, Term

__all__ = ["router"]

router = APIRouter(tags=["statistics"])

_Reader = Annotated[Caller, Depends(permit(Scope.STATISTICS_READ))]

# The longest stretch of one answer: 400 rows a name for days, 800 for hours.
_LONGEST = {Period.DAY: timedelta(days=400), Period.HOUR: timedelta(days=33)}
_MOST_NAMES = 20


class CountsOut(Out):
    """What was counted of one thing in one stretch of time; counters that are nought are left out.

    A counter is an event type (`delivered`, `opened`, …), a kind of target with who was behind the
    hit (`beacon_human`, `link_machine`, `attachment_undetermined`, …), or `level_…`: deliveries by
    their verdict, under the time at which their message was accepted.
    """

    name: str  # of the campaign, tag or domain, or the message's number; empty for the account
    start: Moment | None  # null for a total
    counts: dict[str, int]


class StatisticsOut(Out):
    """Counts by name and time."""

    items: list[CountsOut]


@router.get("/statistics/{dimension}")
def statistics(
    caller: _Reader,
    dimension: Dimension,
    period: Period = Period.TOTAL,
    name: Annotated[
        list[Term] | None,
        Query(description="Campaigns, tags, domains or messages; else those with most deliveries."),
    ] = None,
    since: Annotated[Moment | None, Query()] = None,
    until: Annotated[Moment | None, Query(description="The first time that is left out.")] = None,
    limit: Limit = 50,
) -> StatisticsOut:
    """Counts of the account, of messages, campaigns, tags or recipient domains: in all, or by hour
    or day (UTC). The hours of a message to one recipient are those of its timeline."""
    if period not in PERIODS[dimension]:
        kept = ", ".join(p.value for p in PERIODS[dimension])
        raise InputError(f"period: of {dimension.value} these are kept: {kept}")
    if len(name or ()) > _MOST_NAMES:
        raise InputError(f"name: at most {_MOST_NAMES} at a time")
    with caller.desk.history.reading() as t:
        keys = None if name is None else _keys(t, caller.account_id, dimension, name)
        if period is Period.TOTAL:
            found = _totals(t, caller.account_id, dimension, keys, limit)
        else:
            if keys is None and dimension is not Dimension.ACCOUNT:
                keys = [c.key for c in t.largest(caller.account_id, dimension, _MOST_NAMES)]
            begin, end = _stretch(caller, period, since, until)
            found = t.counts(
                caller.account_id, dimension, period, keys=keys, since=begin, until=end
            )
        names = _names(t, caller.account_id, dimension, {c.key for c in found})
    return StatisticsOut(
        items=[
            CountsOut(name=names.get(c.key, ""), start=c.start, counts=dict(c.counts))
            for c in found
        ]
    )


def _totals(
    t: Transaction, account_id: int, dimension: Dimension, keys: list[int] | None, limit: int
) -> list[Counts]:
    if keys is None and dimension is not Dimension.ACCOUNT:
        return t.largest(account_id, dimension, limit)
    return t.counts(account_id, dimension, keys=keys)


def _stretch(
    caller: Caller, period: Period, since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime]:
    longest = _LONGEST[period]
    end = until or caller.desk.clock() + timedelta(days=1)
    try:
        begin = since or end - longest
        is_long = end - begin > longest
    except OverflowError:
        is_long = True
        begin = end
    if is_long:
        raise InputError(f"since: by {period.value} at most {longest.days} days are told at once")
    return begin, end


def _keys(t: Transaction, account_id: int, dimension: Dimension, names: list[str]) -> list[int]:
    if dimension is Dimension.ACCOUNT:
        raise InputError("name: the account has no names to choose from")
    if dimension is Dimension.MESSAGE:
        return [int(n) for n in names if n.isascii() and n.isdecimal() and int(n) < 2**63]
    return list(t.dimension_keys(account_id, dimension, names))


def _names(t: Transaction, account_id: int, dimension: Dimension, keys: set[int]) -> dict[int, str]:
    if dimension is Dimension.ACCOUNT:
        return {}
    if dimension is Dimension.MESSAGE:
        return {key: str(key) for key in keys}
    return t.dimension_names(account_id, dimension, keys)
