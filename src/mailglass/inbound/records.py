"""What comes back by mail, as records: one `Report` a message, one `Record` a recipient."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..replies import ReplyClass

__all__ = ["Action", "Kind", "Record", "Report"]


class Kind(StrEnum):
    """What a message that came back is."""

    BOUNCE = "bounce"  # given up for at least one recipient
    DELAY = "delay"  # still trying
    DELIVERED = "delivered"  # accepted, handed on, or an alias expanded (RFC 3464 section 2.3.3)
    COMPLAINT = "complaint"  # the recipient's side calls it abuse (RFC 5965)
    AUTO_REPLY = "auto-reply"  # a program answered (RFC 3834)
    MDN = "mdn"  # a disposition notification (RFC 8098)
    REPLY = "reply"  # a person answered
    OTHER = "other"


class Action(StrEnum):
    """What the reporting server did (RFC 3464 section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a report says of one recipient."""

    recipient: str | None  # the one it speaks of, as the reporting server names it
    original_recipient: str | None = None  # the one we wrote to, where the report says so
    action: Action | None = None
    enhanced_status: str | None = None
    reply_code: int | None = None
    class_: ReplyClass | None = None  # of a bounce or delay
    permanent: bool = False
    suppress: bool = False  # nothing more should be sent to this recipient
    diagnostic: str | None = None  # the server's words
    remote_mta: str | None = None  # the server that spoke them
    feedback_type: str | None = None  # of a complaint
    disposition: str | None = None  # of an MDN: `manual-action/MDN-sent-manually; displayed`


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one message that came back says, and what it is about."""

    kind: Kind
    records: tuple[Record, ...] = ()
    in_reply_to: str | None = None  # the Message-ID that it is most probably about
    message_ids: tuple[str, ...] = ()  # every Message-ID of ours that it may name, likeliest first
    envelope_id: str | None = None  # ENVID (RFC 3461 section 4.4)
    original: bytes = b""  # the returned message or header, as far as it came back
    author: str | None = None  # the address in From
    addressed_to: tuple[str, ...] = ()  # what To and its like hold, and whom the original was from
    answer: str | None = None  # a reply's own words
    quoted: str | None = None  # what a reply quotes
    error: str | None = None  # why nothing could be read
