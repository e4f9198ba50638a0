"""A message's story: its copies, and for each what happened in which order, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model import EventType, Target, TargetKind, Verdict
from .records import StoredDelivery, StoredEvent, StoredMessage
from .schema.base import Who
from .store import Transaction

__all__ = [
    "EVENTS_OF_COPY",
    "SENTENCES",
    "DeliveryTimeline",
    "Timeline",
    "further_hits",
    "reply_words",
    "sentence",
    "timeline",
]

EVENTS_OF_COPY = 500  # that are told of one; a scanner can make thousands


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTimeline:
    """One copy and its events, by time."""

    delivery: StoredDelivery
    events: tuple[StoredEvent, ...]
    further_hits: int = 0  # that are counted and not told, of a copy with very many


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A message and the story of each of its copies."""

    message: StoredMessage
    deliveries: tuple[DeliveryTimeline, ...]

    def as_json(self) -> Mapping[str, Any]:
        """The whole story for a machine."""
        m = self.message
        return {
            "id": str(m.id),  # above 2**53, which JavaScript would round
            "message_id_field": m.message_id_field,
            "accepted_at": _stamp(m.accepted_at.isoformat(timespec="milliseconds")),
            "author": m.author,
            "subject": m.subject,
            "tags": list(m.tags),
            "campaign": m.campaign,
            "copies": m.copies,
            "targets": [
                {"number": t.number, "kind": t.kind.value, "url": t.url, "name": t.name}
                for t in m.targets
            ],
            "deliveries": [
                {
                    "id": str(d.delivery.id),
                    "recipient": d.delivery.recipient,
                    "verdict": _verdict(d.delivery.verdict),
                    "events": [{**e.as_json(), "text": sentence(e, m.targets)} for e in d.events],
                    "further_hits": d.further_hits,
                }
                for d in self.deliveries
            ],
        }

    def text_of(self, event: StoredEvent) -> str:
        """An event as a sentence."""
        return sentence(event, self.message.targets)


def timeline(
    t: Transaction, account_id: int | None, name: str, *, most: int = 100
) -> Timeline | None:
    """The story of the message that `name` names (as `Transaction.message` reads it).

    Of a message the first `most` copies are told; a delivery's number tells that copy alone. Of
    a copy the first 500 events are told.
    """
    message = t.message(account_id, name)
    if message is None:
        return None
    if name.isdecimal() and int(name) != message.id:
        deliveries = t.deliveries([int(name)])
    else:
        deliveries = t.deliveries_of([message.id], limit=most)
    events: dict[int, list[StoredEvent]] = {}
    for event in t.events_of((d.id for d in deliveries), most=EVENTS_OF_COPY):
        events.setdefault(event.delivery_id, []).append(event)
    return Timeline(
        message=message,
        deliveries=tuple(
            DeliveryTimeline(
                delivery=d,
                events=tuple(events.get(d.id, ())),
                further_hits=further_hits(d, events.get(d.id, ())),
            )
            for d in deliveries
        ),
    )


def further_hits(delivery: StoredDelivery, told: Sequence[StoredEvent]) -> int:
    """How many hits are counted of a delivery and not among the events; not the sender's own."""
    seen = sum(e.event.raw.get("who", _SENDER) != _SENDER for e in told)
    return max(0, sum(delivery.hits.values()) - seen)


_SENDER = Who.SENDER.value


SENTENCES = {
    EventType.QUEUED: "Accepted from the sender and stored",
    EventType.DEFERRED: "Not taken yet; it will be tried again",
    EventType.DELIVERED: "Accepted by the receiving server",
    EventType.BOUNCED: "Refused by the receiving side",
    EventType.REJECTED: "Refused or called back by us",
    EventType.SUPPRESSED: "Not sent: the recipient is on the suppression list",
    EventType.COMPLAINED: "The recipient reported it as spam",
    EventType.AUTORESPONDED: "A program answered",
    EventType.REPLIED: "A person answered",
    EventType.UNSUBSCRIBED: "The recipient unsubscribed",
    EventType.OBJECTED: "Tracking was refused",
    EventType.DISPLAYED: "A receipt says that it was displayed",
    EventType.OPENED: "Opened: its images were displayed to a person",
    EventType.CLICKED: "A person followed a link",
    EventType.DOWNLOADED: "A person downloaded an attachment",
    EventType.PREFETCHED: "Fetched ahead by a machine; nobody looked",
    EventType.PROXIED: "Fetched by a privacy proxy, which says nothing about a person",
    EventType.SCANNED: "Fetched by a security scanner",
    EventType.PREVIEWED: "Fetched for a link preview",
    EventType.SELF_VIEWED: "Seen by the sender",
    EventType.FETCHED: "Fetched; who caused it cannot be told",
}


def sentence(event: StoredEvent, targets: tuple[Target, ...]) -> str:
    """What happened, for a person: the kind, what it was about, and the words of the outside."""
    raw = event.event.raw
    parts = [SENTENCES[event.event.type]]
    target = next((t for t in targets if t.number == raw.get("target")), None)
    if target and target.kind is TargetKind.LINK:
        parts.append(f"link {target.url}")
    elif target and target.kind is TargetKind.ATTACHMENT:
        parts.append(f"attachment {target.name}")
    if "reply_text" in raw:
        parts.append(f"the server said: {reply_words(raw)}")
    elif "problem" in raw:
        parts.append(str(raw["problem"]))
    elif "reason" in raw:
        parts.append(str(raw["reason"]))
    return "; ".join(parts)


def reply_words(raw: Mapping[str, Any]) -> str:
    """A reply as an event's `raw` has it: code, enhanced status, words, each of them once.

    The words of a server begin with the status, those of a report often with the code as well.
    """
    said = str(raw.get("reply_text") or "")
    for name in ("enhanced_status", "reply_code"):
        number = str(raw.get(name) or "")
        if number not in said:
            said = f"{number} {said}".rstrip()
    return said


def _stamp(text: str) -> str:
    return text.replace("+00:00", "Z")


def _verdict(verdict: Verdict) -> Mapping[str, Any]:
    return {
        "level": verdict.level.value,
        "probability": round(verdict.probability, 4),
        "is_final": verdict.is_final,
        "rules_version": verdict.rules_version,
        "evidence": [
            {"signal": e.signal, "weight": round(e.weight, 3), "text": e.text}
            for e in verdict.evidence
        ],
    }
