"""Lets go the messages that were accepted while nobody could be asked about their recipients.

The gateway goes on while the history is down: it takes the message and holds it. Who may not be
written to, and how closely each of the others may be tracked, is looked up here, before a copy
leaves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from ..history import Transaction
from ..model import EventType
from ..spool import Spool, SpoolEvent

__all__ = ["release_held"]

_log = logging.getLogger("mailglass.ingest")


def release_held(t: Transaction, spool: Spool, told: Iterable[SpoolEvent], now: datetime) -> None:
    """Decide about each held message that was told of.

    Done before the history commits and harmless when repeated: a message is released once.
    """
    for event in told:
        if event.type is EventType.QUEUED and event.body.get("is_held"):
            _release(t, spool, event, now)


def _release(t: Transaction, spool: Spool, event: SpoolEvent, now: datetime) -> None:
    by_id = {number: recipient.lower() for number, recipient in event.body["deliveries"]}
    entries = t.suppressions(
        now, account_id=event.body["account_id"], recipients=tuple(by_id.values())
    )
    reasons = {entry.recipient: entry.reason for entry in entries}
    spool.release(
        event.message_id,
        now,
        policies={},
        suppressed={i: reasons[name] for i, name in by_id.items() if name in reasons},
    )
    _log.info("message %d is let go", event.message_id, extra={"action": "released"})
