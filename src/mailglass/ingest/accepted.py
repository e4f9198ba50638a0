"""What the spool tells of a message that it took: as ingest writes it, and for whoever asks before.

A message is ours from the answer to its sender on; the history knows it a moment later, or when it
can be used again. What is asked about it in between is answered from the spool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..history import StoredDelivery, StoredMessage
from ..model import Delivery, EventType, Target, TargetKind, TrackingPolicy, Verdict, VerdictLevel
from ..spool import SpoolEvent

__all__ = ["Accepted", "accepted", "copies_of", "message_of"]

_NOTHING_KNOWN = Verdict(
    level=VerdictLevel.PENDING, probability=0.0, evidence=(), is_final=False, rules_version=""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message with its copies, of which nothing is known yet."""

    message: StoredMessage
    deliveries: tuple[StoredDelivery, ...]


def accepted(told: Sequence[SpoolEvent]) -> Accepted | None:
    """The message that events of the spool are about; None when its acceptance is not among them,
    or nobody's account it is of."""
    for event in told:
        if event.type is EventType.QUEUED and "account_id" in event.body:
            message = message_of(event)
            copies = tuple(_pending(event, copy) for copy in copies_of(event))
            return Accepted(message=message, deliveries=copies)
    return None


def _pending(told: SpoolEvent, copy: Delivery) -> StoredDelivery:
    policies = told.body.get("policies", {})
    return StoredDelivery(
        id=copy.id,
        message_id=copy.message_id,
        account_id=told.body["account_id"],
        recipient=copy.recipient,
        recipient_domain=copy.recipient.rpartition("@")[2].lower(),
        delivered_at=None,
        verdict=_NOTHING_KNOWN,
        last_event_at=told.at,
        policy=TrackingPolicy(policies.get(str(copy.id), TrackingPolicy.IDENTIFIED)),
    )


def copies_of(told: SpoolEvent) -> list[Delivery]:
    """The copies of a message that was queued."""
    return [
        Delivery(id=i, message_id=told.message_id, recipient=r) for i, r in told.body["deliveries"]
    ]


def message_of(told: SpoolEvent) -> StoredMessage:
    """The message that was queued."""
    body = told.body
    return StoredMessage(
        id=told.message_id,
        account_id=body["account_id"],
        accepted_at=told.at,
        return_path=body["return_path"],
        author=body["author"],
        subject=body["subject"],
        message_id_field=body["message_id_field"],
        tags=tuple(body["tags"]) if "tags" in body else (body["tag"],) if body["tag"] else (),
        campaign=body["campaign"],
        submitter=body.get("submitter"),
        targets=tuple(
            Target(**{**target, "kind": TargetKind(target["kind"])}) for target in body["targets"]
        ),
    )
