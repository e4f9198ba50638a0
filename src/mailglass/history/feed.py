"""Events as they are told to others, by stream, list or webhook: each with what it is about.

An event keeps its number as long as it keeps its meaning. One that is judged otherwise when more is
known goes, and comes again under a new number with the same `hit_id`; whoever follows the numbers
hears of both, each once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model import EventType, Target
from .records import StoredDelivery, StoredEvent, StoredMessage
from .store import Transaction
from .timeline import sentence

__all__ = ["ToldEvent", "told_events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event with its delivery and message."""

    event: StoredEvent
    delivery: StoredDelivery
    message: StoredMessage

    @property
    def target(self) -> Target | None:
        """What a hit was on."""
        number = self.event.event.raw.get("target")
        return next((t for t in self.message.targets if t.number == number), None)

    def as_json(self) -> Mapping[str, Any]:
        """For a machine: the same in the API, in the stream and in webhooks."""
        target = self.target
        return {
            **self.event.as_json(),
            "text": sentence(self.event, self.message.targets),
            "message_id": str(self.message.id),
            "message_id_field": self.message.message_id_field,
            "recipient": self.delivery.recipient,
            "subject": self.message.subject,
            "campaign": self.message.campaign,
            "tags": list(self.message.tags),
            "target": target
            and {
                "number": target.number,
                "kind": target.kind.value,
                "url": target.url,
                "name": target.name,
            },
        }


def told_events(
    t: Transaction,
    account_id: int,
    after: int,
    *,
    limit: int,
    types: Sequence[EventType] = (),
) -> tuple[list[ToldEvent], int]:
    """The next events of an account above the number `after`, of some types when they are given,
    and the number up to which there are no others."""
    newest = t.last_event_id()
    events = t.events_after(account_id, after, limit=limit, types=types)
    deliveries = {d.id: d for d in t.deliveries(e.delivery_id for e in events)}
    messages = {m.id: m for m in t.messages_numbered({d.message_id for d in deliveries.values()})}
    told = [
        ToldEvent(
            event=event,
            delivery=deliveries[event.delivery_id],
            message=messages[deliveries[event.delivery_id].message_id],
        )
        for event in events
        if event.delivery_id in deliveries  # else it was erased meanwhile
    ]
    reached = events[-1].id if len(events) >= limit else max(newest, after)
    return told, reached
