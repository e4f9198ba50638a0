"""The records and words that every room shares.

A record here is a frozen statement of fact or judgement; nothing in this module does I/O.
The words are those of the field's documents where there are any: SMTP (RFC 5321), enhanced status
codes (RFC 3463), delivery reports (RFC 3464), dispositions (RFC 8098).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = [
    "Actor",
    "Delivery",
    "Event",
    "EventType",
    "Evidence",
    "Finding",
    "FindingStatus",
    "Hit",
    "Judgement",
    "Reply",
    "Target",
    "TargetKind",
    "TrackingPolicy",
    "Verdict",
    "VerdictLevel",
]


class Actor(StrEnum):
    """Who caused a hit."""

    HUMAN = "human"  # a person's own program
    IMAGE_PROXY = "image_proxy"  # fetches because a person displayed the message
    PRIVACY_PROXY = "privacy_proxy"  # fetches whether or not a person looks (Apple MPP)
    PREFETCH = "prefetch"  # a mailbox provider or browser, before anybody looks
    SECURITY_SCANNER = "security_scanner"  # a gateway that inspects mail or follows its links
    LINK_PREVIEW = "link_preview"  # a chat or social service that shows a card for a link
    SENDER = "sender"  # whoever sent the message, looking at their own copy
    THIRD_PARTY = "third_party"  # a person to whom the message was forwarded
    CRAWLER = "crawler"  # a search engine or survey of the network
    TOOL = "tool"  # a program library or command-line client
    UNKNOWN = "unknown"  # what was seen does not tell


class TargetKind(StrEnum):
    """What a token points at."""

    BEACON = "beacon"
    LINK = "link"
    ATTACHMENT = "attachment"
    UNSUBSCRIBE = "unsubscribe"
    NOTICE = "notice"
    HONEYPOT = "honeypot"  # a link that no person can see


class EventType(StrEnum):
    """What happened to a delivery; a hit's event claims no more than was seen."""

    QUEUED = "queued"  # accepted from the sender and on stable storage
    DEFERRED = "deferred"  # a passing refusal (4xx or no connection); it will be tried again
    DELIVERED = "delivered"  # accepted by the receiving server
    BOUNCED = "bounced"  # refused for good by the receiving side; `out_of_band` when by mail
    REJECTED = "rejected"  # refused or called back by us, not by the receiving side
    SUPPRESSED = "suppressed"  # not sent because the recipient is on the suppression list
    COMPLAINED = "complained"  # the recipient reported it as spam
    AUTORESPONDED = "autoresponded"  # a program answered
    REPLIED = "replied"  # a person answered
    UNSUBSCRIBED = "unsubscribed"
    OBJECTED = "objected"  # tracking was refused, on the notice page
    DISPLAYED = "displayed"  # a disposition notification says so
    OPENED = "opened"  # the beacon was fetched and a person is behind it
    CLICKED = "clicked"
    DOWNLOADED = "downloaded"
    PREFETCHED = "prefetched"
    PROXIED = "proxied"  # a privacy proxy fetched: proves delivery, not a look
    SCANNED = "scanned"
    PREVIEWED = "previewed"
    SELF_VIEWED = "self_viewed"
    FETCHED = "fetched"  # a hit whose actor is undetermined


class TrackingPolicy(StrEnum):
    """How closely a recipient may be tracked, from least to most."""

    OFF = "off"  # nothing is added to the mail, and nothing is recorded
    ANONYMOUS = "anonymous"  # tokens name the message, and hits say nothing of who
    IDENTIFIED = "identified"  # each hit belongs to a recipient

    @property
    def strictness(self) -> int:
        """Greater for the policy that protects the recipient more."""
        return -list(TrackingPolicy).index(self)

    @classmethod
    def strictest(cls, policies: Iterable[TrackingPolicy]) -> TrackingPolicy:
        """Of several that apply, the one that holds; `identified` when none does."""
        return max(policies, key=lambda policy: policy.strictness, default=cls.IDENTIFIED)


class VerdictLevel(StrEnum):
    """What all events of a delivery mean together, from least to most."""

    PENDING = "pending"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"
    MACHINE_ONLY = "machine_only"
    MAYBE_OPENED = "maybe_opened"
    OPENED = "opened"
    ENGAGED = "engaged"  # clicked or downloaded
    ANSWERED = "answered"


class FindingStatus(StrEnum):
    """How a check came out; `unknown` when it could not be made."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing in a message that a token can point at."""

    number: int  # position in the message, 0 to 65535; beacons first, as the plan numbers them
    kind: TargetKind
    url: str | None = None  # a link's destination
    name: str | None = None  # an attachment's file name
    digest: str | None = None  # an attachment's content hash, as the store names it
    size_bytes: int | None = None  # of an attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one recipient, as tracked."""

    id: int  # 63 bits, time-ordered
    message_id: int  # the message it is a copy of
    recipient: str  # RCPT TO


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What the collector saw of one request, before anybody judges it."""

    at: datetime  # when the request was read, UTC, to the millisecond
    path_kind: str  # o, c, a, u, n: the first letter of the path
    method: str
    token: str  # as it stood in the URL, lower-cased; empty when there was none
    delivery_id: int | None  # None when the token does not verify
    target: int | None  # the target's number; None when the token does not verify
    anonymous: bool = False  # the token names a message or campaign, not a recipient
    address: str  # the client's address, after trusted proxies
    http_version: str  # "1.0" or "1.1"
    headers: Mapping[str, str] = field(default_factory=dict)  # the kept ones, lower-case names
    to: str | None = None  # a link's destination as the URL carried it
    name: str | None = None  # an attachment's file name as the URL carried it
    bytes_sent: int | None = None  # of an attachment's body
    completed: bool | None = None  # whether an attachment went out to its last byte
    action: str | None = None  # what a POST asked for: unsubscribe, object


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reason for a judgement."""

    signal: str  # stable name, as `mailglass rules` lists it
    weight: float  # natural log of the likelihood ratio human : machine; 0 for a plain statement
    text: str  # one sentence for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Who caused a hit, how sure we are, and why."""

    actor: Actor
    probability_human: float  # that a person's act caused the hit
    evidence: tuple[Evidence, ...]
    rules_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An SMTP server's answer (RFC 5321 section 4.2, RFC 2034)."""

    reply_code: int
    reply_text: str
    enhanced_status: str | None = None  # such as 5.1.1

    @property
    def is_permanent(self) -> bool:
        """Whether the class says that a retry cannot succeed."""
        return 500 <= self.reply_code < 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact in the history of a delivery."""

    type: EventType
    at: datetime
    evidence: tuple[Evidence, ...] = ()
    raw: Mapping[str, object] = field(default_factory=dict)  # what the outside world said


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the events of a delivery mean together."""

    level: VerdictLevel
    probability: float  # that a person saw the message, 0 to 1
    evidence: tuple[Evidence, ...]
    is_final: bool  # False while the settling time runs
    rules_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check."""

    id: str  # stable, with an entry in docs/reference/findings.md
    status: FindingStatus
    observed: str
    expected: str
    why: str = ""
    fix: str = ""
    providers: tuple[str, ...] = ()
    source: str = ""
