"""The records of the API: the words of the model, as JSON Schema sees them.

Numbers of messages, deliveries, hits and events are texts: they have up to 63 bits, and JavaScript
rounds above 53. Times are RFC 3339 in UTC. What is handed in refuses fields that it does not know,
so that a misspelt one is not silently without effect.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from ...addresses import ADDRESS_PATTERN, BadAddress, check_address
from ...errors import InputError
from ...history import StoredDelivery, StoredEvent, StoredHit, StoredMessage, ToldEvent
from ...history.timeline import sentence
from ...model import EventType, Evidence, Target, TargetKind, Verdict, VerdictLevel

__all__ = [
    "Address",
    "Cursor",
    "DeliveryOut",
    "EventOut",
    "EvidenceOut",
    "HitOut",
    "In",
    "Limit",
    "MessageOut",
    "Moment",
    "Name",
    "Number",
    "NumberInPath",
    "Out",
    "Page",
    "TargetOut",
    "Term",
    "ToldEventOut",
    "VerdictOut",
    "cut",
    "delivery_out",
    "event_out",
    "event_outs",
    "hit_out",
    "message_out",
    "number_of",
    "read_cursor",
    "read_number_cursor",
    "target_out",
    "told_out",
    "verdict_out",
    "write_cursor",
]

_T = TypeVar("_T")
_LARGEST = 2**63 - 1


class In(BaseModel):
    """What is handed in."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_no_half_characters(cls, value: Any) -> Any:  # Any: JSON
        """JSON can write half of a surrogate pair, which is no text and cannot be stored."""
        _check_text(value)
        return value


def _check_text(value: object) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair is no character") from None
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _check_text(name)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


class Out(BaseModel):
    """What is handed out."""

    model_config = ConfigDict(extra="forbid")


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a time needs its offset, such as 2026-11-28T12:00:00Z")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside what can be reckoned with") from None


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime, AfterValidator(_aware), PlainSerializer(_stamp, return_type=str, when_used="json")
]
Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]
# A name that a person gave: no control characters, which neither PostgreSQL nor a header takes.
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
# What is looked for: anything that can be there.
Term = Annotated[
    str, StringConstraints(min_length=1, max_length=998, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def _address(text: str) -> str:
    try:
        return check_address(text)
    except BadAddress as error:
        raise ValueError(str(error)) from None


Address = Annotated[
    str,
    StringConstraints(min_length=3, max_length=320),
    AfterValidator(_address),
    Field(json_schema_extra={"pattern": ADDRESS_PATTERN}),
]
NumberInPath = Annotated[str, Path(pattern=r"^[0-9]{1,19}$")]
Limit = Annotated[int, Query(ge=1, le=200, description="The most items of the answer.")]
Cursor = Annotated[
    str | None,
    Query(max_length=100, pattern=r"^[A-Za-z0-9_-]+$", description="`next` of the page before."),
]


def number_of(text: str) -> int:
    """The number that a path or a field names; one that cannot exist is one that nobody has."""
    return min(int(text), _LARGEST)


class Page(Out, Generic[_T]):
    """A piece of a list, and where the next one begins."""

    items: list[_T]
    next: str | None  # for `cursor`; null at the end


def write_cursor(place: object) -> str:
    """A place in a list, for `next`: not meant to be read."""
    return base64.urlsafe_b64encode(str(place).encode()).decode("ascii").rstrip("=")


def read_cursor(cursor: str | None) -> str | None:
    """The place that `write_cursor` wrote; raises InputError."""
    if cursor is None:
        return None
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        raise InputError(f"cursor: {cursor!r} is not the `next` of a page") from None


def read_number_cursor(cursor: str | None) -> int | None:
    """The number that a page begins behind."""
    place = read_cursor(cursor)
    if place is None:
        return None
    if not place.isascii() or not place.isdecimal() or len(place) > 19:
        raise InputError(f"cursor: {cursor!r} is not the `next` of a page")
    return number_of(place)


def cut(items: list[Any], limit: int, place: Any) -> tuple[list[Any], str | None]:  # Any: records
    """The items of a page of which one more was asked for, and the cursor of the next page."""
    if len(items) <= limit:
        return items, None
    return items[:limit], write_cursor(place(items[limit - 1]))


class EvidenceOut(Out):
    """One reason for a judgement."""

    signal: str
    weight: float  # natural log of the likelihood ratio human : machine
    text: str


class VerdictOut(Out):
    """What the events of a delivery mean together."""

    level: VerdictLevel
    probability: float  # that a person saw the message
    is_final: bool
    rules_version: str
    evidence: list[EvidenceOut]


class TargetOut(Out):
    """What a token in a message points at."""

    number: int
    kind: TargetKind
    url: str | None
    name: str | None


class MessageOut(Out):
    """A message as it was handed in."""

    id: Number
    accepted_at: Moment
    author: str
    subject: str
    return_path: str
    message_id_field: str  # Message-ID as the header has it
    campaign: str | None
    tags: list[str]
    submitter: str | None
    targets: list[TargetOut] | None = None  # only of a single message


class DeliveryOut(Out):
    """One copy of a message, and what became of it."""

    id: Number
    message_id: Number
    recipient: str
    recipient_domain: str
    delivered_at: Moment | None
    last_event_at: Moment | None
    verdict: VerdictOut
    hits: dict[str, int]  # by what they were on and who was behind them, such as beacon_human


class EventOut(Out):
    """A fact in the history of a delivery."""

    id: Number
    type: EventType
    at: Moment
    delivery_id: Number
    hit_id: Number | None
    text: str  # a sentence for people
    evidence: list[EvidenceOut]
    raw: dict[str, Any]  # Any: what the outside world said


class ToldEventOut(EventOut):
    """An event with what it is about."""

    message_id: Number
    message_id_field: str
    recipient: str
    subject: str
    campaign: str | None
    tags: list[str]
    target: TargetOut | None


class HitOut(Out):
    """A request that the collector saw."""

    id: Number
    at: Moment
    path_kind: str
    method: str
    address: str
    http_version: str
    headers: dict[str, str]
    target: int | None
    to: str | None
    name: str | None
    action: str | None


def evidence_out(evidence: Iterable[Evidence]) -> list[EvidenceOut]:
    """Reasons, with weights as they are shown."""
    return [EvidenceOut(signal=e.signal, weight=round(e.weight, 3), text=e.text) for e in evidence]


def verdict_out(verdict: Verdict) -> VerdictOut:
    """A verdict with its evidence."""
    return VerdictOut(
        level=verdict.level,
        probability=round(verdict.probability, 4),
        is_final=verdict.is_final,
        rules_version=verdict.rules_version,
        evidence=evidence_out(verdict.evidence),
    )


def target_out(target: Target) -> TargetOut:
    """A target."""
    return TargetOut(number=target.number, kind=target.kind, url=target.url, name=target.name)


def message_out(message: StoredMessage, *, with_targets: bool = False) -> MessageOut:
    """A message."""
    return MessageOut(
        id=str(message.id),
        accepted_at=message.accepted_at,
        author=message.author,
        subject=message.subject,
        return_path=message.return_path,
        message_id_field=message.message_id_field,
        campaign=message.campaign,
        tags=list(message.tags),
        submitter=message.submitter,
        targets=[target_out(t) for t in message.targets] if with_targets else None,
    )


def delivery_out(delivery: StoredDelivery) -> DeliveryOut:
    """A delivery."""
    return DeliveryOut(
        id=str(delivery.id),
        message_id=str(delivery.message_id),
        recipient=delivery.recipient,
        recipient_domain=delivery.recipient_domain,
        delivered_at=delivery.delivered_at,
        last_event_at=delivery.last_event_at,
        verdict=verdict_out(delivery.verdict),
        hits=dict(delivery.hits),
    )


def event_out(stored: StoredEvent, targets: tuple[Target, ...]) -> EventOut:
    """An event of a message with these targets."""
    return EventOut(
        id=str(stored.id),
        type=stored.event.type,
        at=stored.event.at,
        delivery_id=str(stored.delivery_id),
        hit_id=None if stored.hit_id is None else str(stored.hit_id),
        text=sentence(stored, targets),
        evidence=evidence_out(stored.event.evidence),
        raw=dict(stored.event.raw),
    )


def event_outs(events: Iterable[StoredEvent], targets: tuple[Target, ...]) -> list[EventOut]:
    """Events of one message."""
    return [event_out(event, targets) for event in events]


def told_out(told: ToldEvent) -> ToldEventOut:
    """An event with what it is about: the same words as in the stream and in webhooks."""
    return ToldEventOut(**told.as_json())


def hit_out(stored: StoredHit) -> HitOut:
    """A hit."""
    hit = stored.hit
    return HitOut(
        id=str(stored.id),
        at=hit.at,
        path_kind=hit.path_kind,
        method=hit.method,
        address=hit.address,
        http_version=hit.http_version,
        headers=dict(hit.headers),
        target=hit.target,
        to=hit.to,
        name=hit.name,
        action=hit.action,
    )
