"""What the history gives back: records in the field's words, with their stored numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..model import Event, Hit, Target, Verdict

__all__ = [
    "Account",
    "Returned",
    "StoredDelivery",
    "StoredEvent",
    "StoredHit",
    "StoredMessage",
    "Suppression",
    "User",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose mail it is; nothing of one account is seen by another."""

    id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who may submit mail for an account and look at what became of it."""

    id: int
    account_id: int
    name: str
    password_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message as it was handed to us."""

    id: int
    account_id: int
    accepted_at: datetime
    return_path: str
    author: str
    subject: str
    message_id_field: str
    tag: str | None
    campaign: str | None
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """One copy of a message and what its events mean so far."""

    id: int
    message_id: int
    recipient: str
    recipient_domain: str
    delivered_at: datetime | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHit:
    """A hit under its place in the journal; `delivery_id` is None when it means none of ours."""

    id: str
    delivery_id: int | None
    hit: Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event; `hit_id` when it was judged from a hit."""

    delivery_id: int
    event: Event
    hit_id: str | None = None

    def as_json(self) -> Mapping[str, Any]:
        """The event for a machine: times as RFC 3339, evidence as mappings."""
        return {
            "type": self.event.type.value,
            "at": self.event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "delivery_id": str(self.delivery_id),
            "hit_id": self.hit_id,
            "evidence": [
                {"signal": e.signal, "weight": round(e.weight, 3), "text": e.text}
                for e in self.event.evidence
            ],
            "raw": dict(self.event.raw),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A mail that came back, before or after it was read."""

    id: int
    at: datetime
    envelope_recipient: str  # the address that it came to; empty when it was imported
    raw: bytes
    state: str  # new, taken, or apart: forged, or about nothing of ours
    kind: str | None = None
    trust: str | None = None
    delivery_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A recipient to whom an account sends nothing more, and why."""

    account_id: int
    recipient: str  # lower case
    reason: str  # unknown-user, complaint, unsubscribed, ...
    evidence: str  # the words that were the cause
    since: datetime
    expires_at: datetime | None = None  # None: until somebody lifts it
