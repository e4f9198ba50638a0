"""Something that happened, for tests of whoever tells it: messages and events in a history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mailglass.history import History, StoredEvent, StoredMessage
from mailglass.model import Delivery, Event, EventType, Target, TargetKind

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def add_account(history: History, name: str = "shop") -> int:
    with history.transaction() as t:
        return t.add_account(name, NOON).id


def add_message(
    history: History,
    account_id: int,
    number: int,
    *recipients: str,
    campaign: str | None = None,
    tags: tuple[str, ...] = (),
    subject: str = "您好 안녕",
) -> list[int]:
    """A message and its copies, whose numbers are returned: 1000 times its own, and on."""
    message = StoredMessage(
        id=number,
        account_id=account_id,
        accepted_at=NOON,
        return_path="me@home.test",
        author="王 <me@home.test>",
        subject=subject,
        message_id_field=f"<{number}@home.test>",
        campaign=campaign,
        tags=tags,
        submitter="admin",
        targets=(Target(number=1, kind=TargetKind.LINK, url="https://example.org/价格"),),
    )
    first = number * 1000 if number < 1_000_000 else number + 1_000_000  # one that the intake gave
    deliveries = [
        Delivery(id=first + n, message_id=number, recipient=recipient)
        for n, recipient in enumerate(recipients or ("a@x.test",))
    ]
    with history.transaction() as t:
        t.add_message(message, deliveries)
    return [d.id for d in deliveries]


def tell(
    history: History,
    delivery_id: int,
    *types: EventType,
    raw: Mapping[str, Any] | None = None,
    at: datetime = NOON,
) -> None:
    """Events of a delivery, told in this order."""
    with history.transaction() as t:
        t.add_events(
            [
                StoredEvent(delivery_id=delivery_id, event=Event(type=type_, at=at, raw=raw or {}))
                for type_ in types
            ]
        )
