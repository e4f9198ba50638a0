"""Messages and deliveries by number, also those that were accepted a moment ago."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...history import StoredDelivery, StoredMessage, Transaction
from ...ingest import Accepted, accepted
from .access import Caller
from .problems import NotThere
from .words import number_of

__all__ = ["delivery_of", "message_of"]

_Found = TypeVar("_Found", StoredMessage, StoredDelivery)


def message_of(caller: Caller, message_id: str) -> StoredMessage | Accepted:
    """A message of the account, or what was accepted of it when the history does not know it yet.

    Raises NotThere.
    """
    found = _find(caller, number_of(message_id), _message)
    if found is None:
        raise NotThere(f"there is no message {message_id}")
    return found


def delivery_of(caller: Caller, delivery_id: str) -> StoredDelivery:
    """A delivery of the account, pending when the history does not know it yet.

    Raises NotThere.
    """
    number = number_of(delivery_id)
    found = _find(caller, number, _delivery)
    if isinstance(found, Accepted):
        found = next((d for d in found.deliveries if d.id == number), None)
    if found is None:
        raise NotThere(f"there is no delivery {delivery_id}")
    return found


def _find(
    caller: Caller, number: int, look_up: Callable[[Transaction, int], _Found | None]
) -> _Found | Accepted | None:
    for _ in range(2):  # ingest may take it from the spool between the two looks
        with caller.desk.history.reading() as t:
            known = look_up(t, number)
        if known is not None:
            return known if known.account_id == caller.account_id else None
        fresh = accepted(caller.desk.intake.told_about(number))
        if fresh is not None:
            return fresh if fresh.message.account_id == caller.account_id else None
    return None


def _message(t: Transaction, number: int) -> StoredMessage | None:
    return next(iter(t.messages_numbered([number])), None)


def _delivery(t: Transaction, number: int) -> StoredDelivery | None:
    return next(iter(t.deliveries([number])), None)
