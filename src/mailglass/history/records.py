"""What the history gives back: records in the field's words, with their stored numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..evidence.surroundings import ALONE, Crowd
from ..model import Event, EventType, Hit, Judgement, Target, TrackingPolicy, Verdict, VerdictLevel
from .schema.base import Who

__all__ = [
    "Account",
    "Copies",
    "JudgedDelivery",
    "JudgedHit",
    "KnownFacts",
    "Returned",
    "Role",
    "SeenHit",
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


class Role(StrEnum):
    """What a user may do in their account."""

    OWNER = "owner"  # everything, also users, keys and policies
    MEMBER = "member"  # sends mail and sees what became of it
    READ_ONLY = "read-only"

    @property
    def may_send(self) -> bool:
        """Whether mail is taken from them, whichever way they hand it in."""
        return self is not Role.READ_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who may submit mail for an account and look at what became of it."""

    id: int
    account_id: int
    name: str
    password_hash: str
    role: Role = Role.OWNER
    totp_secret: str | None = None  # base32; None without a second factor


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
    tags: tuple[str, ...] = ()
    campaign: str | None = None
    submitter: str | None = None  # the user or key that handed it in
    copies: int = 0  # deliveries, as counted when it was taken
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What became of a message's copies, in sum."""

    levels: Mapping[VerdictLevel, int]  # how many copies have each
    last_event_at: datetime | None

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.levels.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """One copy of a message and what its events mean so far."""

    id: int
    message_id: int
    account_id: int
    recipient: str
    recipient_domain: str
    delivered_at: datetime | None
    verdict: Verdict
    last_event_at: datetime | None = None
    policy: TrackingPolicy = TrackingPolicy.IDENTIFIED  # how closely it is tracked now
    hits: Mapping[str, int] = field(default_factory=dict)  # by counter, such as beacon_human

    @property
    def is_crowd(self) -> bool:
        """Whether it stands for all recipients of the message who are not told apart."""
        return self.id == self.message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHit:
    """A hit under the number it was given; `delivery_id` is None when it means none of ours."""

    id: int
    delivery_id: int | None
    hit: Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event; `hit_id` when it was judged from a hit that is still kept.

    Numbers grow in the order in which events become visible. An event whose type changes when it
    is judged again gets a new number; one that is only judged more finely keeps its own.
    """

    delivery_id: int
    event: Event
    hit_id: int | None = None
    id: int = 0  # given when it is stored
    account_id: int = 0

    def as_json(self) -> Mapping[str, Any]:
        """The event for a machine: times as RFC 3339, evidence as mappings."""
        return {
            "id": str(self.id),
            "type": self.event.type.value,
            "at": self.event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "delivery_id": str(self.delivery_id),
            "hit_id": None if self.hit_id is None else str(self.hit_id),
            "evidence": [
                {"signal": e.signal, "weight": round(e.weight, 3), "text": e.text}
                for e in self.event.evidence
            ],
            "raw": dict(self.event.raw),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenHit:
    """A hit of the history beside the event that was last made of it."""

    stored: StoredHit
    event_id: int
    type: EventType
    who: Who
    judgement_id: int | None
    crowd: Crowd = ALONE  # as it was known when the hit was judged


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFacts:
    """All that is known of one delivery: what was told, and what was seen."""

    told: Sequence[StoredEvent] = ()  # also events whose hit is no longer kept
    # what servers and the sender's side said, in no order: no more than that bears on judging
    passed: Sequence[tuple[datetime, EventType]] = ()
    seen: Sequence[SeenHit] = ()
    # of a delivery with very many hits, instead of `seen`: some of them, whose judgement stays
    standing: Sequence[StoredEvent] = ()
    near: Sequence[SeenHit] = ()  # the hits of those, as far as they are kept
    further: int = 0  # hits that are counted and not among those


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedHit:
    """What is made of a hit now; `before` is None when it was never judged."""

    stored: StoredHit
    type: EventType
    who: Who
    # None when judging failed; the delay is left open in its sentence, as `{delay}`
    judgement: Judgement | None
    before: SeenHit | None = None
    crowd: Crowd = ALONE


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDelivery:
    """A delivery with all that is made of it now."""

    delivery: StoredDelivery
    hits: Sequence[JudgedHit]
    verdict: Verdict
    last_event_at: datetime
    kept: Sequence[StoredEvent] = ()  # of hits that are gone, or cannot be judged again


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
    recipient: str  # in the form for comparing
    reason: str  # unknown-user, complaint, unsubscribed, ...
    evidence: str  # the words that were the cause
    since: datetime
    expires_at: datetime | None = None  # None: until somebody lifts it
