"""What a report about a recipient does: the facts of its event, and the suppression."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from ..history import Suppression, Transaction
from ..inbound import Action, Record
from ..model import EventType

__all__ = ["EVENT_OF_ACTION", "facts_of", "suppress"]

_log = logging.getLogger("mailglass.ingest")

EVENT_OF_ACTION = {
    Action.FAILED: EventType.BOUNCED,
    Action.DELAYED: EventType.DEFERRED,
    Action.DELIVERED: EventType.DELIVERED,
    Action.RELAYED: EventType.DELIVERED,
    Action.EXPANDED: EventType.DELIVERED,
}
_OWN_WORDS = frozenset({"unsubscribed", "complaint"})
# A switched-off mailbox may be opened again, a mailbox that never was seldom comes to be (ours).
_EXPIRES = {"mailbox-disabled": timedelta(days=90), "dns": timedelta(days=30)}


def facts_of(record: Record) -> Mapping[str, object]:
    """What a record says, for the `raw` of its event; what it does not say is left out."""
    facts = {
        "recipient": record.recipient,
        "reply_code": record.reply_code,
        "enhanced_status": record.enhanced_status,
        "reply_text": record.diagnostic,
        "class": str(record.class_) if record.class_ else None,
        "permanent": record.permanent if record.class_ else None,
        "remote_mta": record.remote_mta,
        "feedback_type": record.feedback_type,
        "disposition": record.disposition,
    }
    return {name: value for name, value in facts.items() if value is not None}


def suppress(
    t: Transaction, account_id: int, recipient: str, *, reason: str, evidence: str, now: datetime
) -> None:
    """Send nothing more to a recipient of an account: for a time where the reason passes.

    A person's own word outlasts what servers say: a bounce replaces no unsubscription or
    complaint, for it may expire.
    """
    if not recipient:  # erased since: there is nobody whom it could be about
        return
    known = t.suppressions(now, account_id=account_id, recipients=[recipient])
    if reason not in _OWN_WORDS and any(entry.reason in _OWN_WORDS for entry in known):
        return
    lasting = _EXPIRES.get(reason)
    t.suppress(
        Suppression(
            account_id=account_id,
            recipient=recipient,
            reason=reason,
            evidence=evidence.replace("\0", "")[:1000],  # PostgreSQL takes no NUL
            since=now,
            expires_at=now + lasting if lasting else None,
        )
    )
    _log.info("a recipient is suppressed: %s", reason, extra={"action": "suppressed"})
