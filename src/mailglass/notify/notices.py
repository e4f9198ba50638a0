"""From events to notices: who is to hear of what, in which words.

An endpoint follows the numbers of its account's events. Its place and the notices it is owed are
written in one transaction, so that a crash neither loses one nor owes one twice.
"""

from __future__ import annotations

from datetime import datetime

import orjson

from ..history import Endpoint, EndpointState, ToldEvent, Transaction, told_events

__all__ = ["notice_body", "owe_notices"]

_BATCH = 500  # events looked at for one endpoint in one transaction


def owe_notices(t: Transaction, now: datetime) -> int:
    """Owe every enabled endpoint what it has not heard of yet; returns how many events were seen.

    A paused endpoint stays where it is; a disabled one goes along without being owed anything.
    """
    newest = t.last_event_id()
    seen = 0
    for endpoint in t.endpoints(None):
        if endpoint.last_event_id < newest and endpoint.state is not EndpointState.PAUSED:
            seen += _owe(t, endpoint, newest, now)
    return seen


def _owe(t: Transaction, endpoint: Endpoint, newest: int, now: datetime) -> int:
    if endpoint.state is EndpointState.DISABLED:
        t.change_endpoint(endpoint.id, last_event_id=newest)
        return 0
    events, reached = told_events(t, endpoint.account_id, endpoint.last_event_id, limit=_BATCH)
    wanted = [
        e
        for e in events
        if endpoint.filters.wants(e.event.event.type, e.message.campaign, e.message.tags)
    ]
    t.add_notices(endpoint.id, [(e.event.id, notice_body(e)) for e in wanted], now)
    t.change_endpoint(endpoint.id, last_event_id=reached)
    return len(events)


def notice_body(told: ToldEvent) -> str:
    """The body of every attempt: type, time and data, as Standard Webhooks asks."""
    data = told.as_json()
    return orjson.dumps({"type": data["type"], "timestamp": data["at"], "data": data}).decode()
