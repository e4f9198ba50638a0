"""What a refusal while we handed a mail over says of its recipient.

Most installations hand everything to a smarthost, and its word is what we get: it may have asked
the recipient's server in the same breath, or know its own users. A server that says at RCPT or
after the data that the mailbox does not exist (RFC 3463 section 3.2) says the same as in a report
that it would have sent, so the same tables decide, and the recipient gets nothing more. What is
said before, at sign-in or MAIL, is about us.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from ..addresses import canonical_address, spellings
from ..history import Transaction
from ..model import EventType
from ..replies import Explanation, explain_reply
from ..spool import SpoolEvent
from .effects import suppress

__all__ = ["suppress_refused"]

# The signed return path of a delivery (`tokens.return_address`).
_RETURN_PATH = re.compile(r"\bbounce\+[a-z2-7]{29,31}@")
_ABOUT_RECIPIENT = {"rcpt": "RCPT", "data": "the data"}


def suppress_refused(t: Transaction, told: Sequence[SpoolEvent], now: datetime) -> None:
    """Send nothing more to those of whom the next server said for good that they are not there."""
    dead = {e.delivery_id: (e, why) for e in told if (why := _explained(e)) is not None}
    deliveries = t.deliveries(number for number in dead if number is not None) if dead else ()
    senders = {m.id: m.return_path for m in t.messages_by_id(d.message_id for d in deliveries)}
    for delivery in deliveries:
        event, explained = dead[delivery.id]
        words = _words(event)
        if _is_about_sender(senders.get(delivery.message_id, ""), words, delivery.recipient):
            continue
        step = _ABOUT_RECIPIENT[event.body["step"]]
        suppress(
            t,
            delivery.account_id,
            delivery.recipient,
            reason=str(explained.class_),
            evidence=f"the next server said at {step}: {words}",
            now=now,
        )


def _explained(event: SpoolEvent) -> Explanation | None:
    """What a final refusal means, when it is that the address is dead."""
    if event.type is not EventType.BOUNCED or event.body.get("step") not in _ABOUT_RECIPIENT:
        return None
    if not event.body.get("reply_code"):
        return None
    explained = explain_reply(_words(event))
    return explained if explained.suppress else None


def _words(event: SpoolEvent) -> str:
    return f"{event.body['reply_code']} {event.body.get('reply_text', '')}".strip()


def _is_about_sender(sender: str, words: str, recipient: str) -> bool:
    """Whether the words name the sender and not the recipient: some servers refuse one at RCPT."""
    said = words.lower()
    names_sender = _RETURN_PATH.search(said) or (sender and canonical_address(sender) in said)
    return bool(names_sender) and not any(form in said for form in spellings(recipient))
