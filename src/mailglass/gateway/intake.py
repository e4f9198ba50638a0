"""Takes responsibility for a message, whichever way it came in.

RFC 6409 (message submission) and RFC 5321 section 4.4 (the trace field). One submission becomes one
delivery per recipient, so that every hit has one owner; To and Cc stay as they are.
"""

from __future__ import annotations

import email.header
import email.utils
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.message import Message as EmailMessage
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Any, Literal, TypeVar

from ..addresses import canonical_address, canonical_domain, domain_of
from ..errors import InputError, NotAMessage, RetryLater
from ..evidence import network_key
from ..ids import Ids
from ..instrument import (
    Options,
    Plan,
    Template,
    attachment_digest,
    compile_message,
    under_policy,
)
from ..model import Delivery, Target, TrackingPolicy
from ..spool import Earlier, Once, Spool, SpoolEvent, Submission
from ..tokens import Ring
from .compose import without_bcc

__all__ = [
    "Instrumented",
    "Intake",
    "KeyReused",
    "Permissions",
    "Receipt",
    "Submitter",
    "TrackingDefaults",
    "Wishes",
]

_log = logging.getLogger("mailglass.gateway")
_T = TypeVar("_T")

# A header is a name of printable ASCII and a colon (RFC 5322 2.2); something must be one.
_HEADER_FIELD = re.compile(rb"^[!-9;-~]+[ \t]*:", re.MULTILINE)
_HEADER_BYTES = 64 * 1024  # of a header we look at for what the history shows

# What is shown of a subject or author; longer ones are cut in the history, never in the mail.
_SHOWN_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Who hands a message in."""

    account_id: int
    name: str  # the user name that was authenticated
    greeting: str = "localhost"  # EHLO
    protocol: str = "ESMTPA"  # RFC 3848, or HTTP
    address: str = ""  # of the network; only its neighbourhood is kept, as the sender's own


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingDefaults:
    """What is done to a message that says nothing of its own."""

    base_url: str
    opens: bool
    links: bool
    attachments: Literal["keep", "link"]
    text_links: bool
    list_unsubscribe: bool = False
    unsubscribe_domain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a submitter asks for of one message, beside its bytes."""

    tracking: Mapping[str, Any] = field(default_factory=dict)  # fields of Options, over the default
    tags: tuple[str, ...] = ()  # beside the one that the message's own control fields name
    campaign: str | None = None  # None: what the control fields say
    send_at: datetime | None = None  # not before then
    once: Once | None = None
    fillings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The numbers that an accepted message was given."""

    message_id: int
    deliveries: tuple[Delivery, ...]
    suppressed: Mapping[int, str] = field(default_factory=dict)  # deliveries not made: reason
    is_repeated: bool = False  # it was taken before, under the same key


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrumented:
    """A message with its tracking in it, for somebody else to send."""

    receipt: Receipt
    copies: tuple[tuple[Delivery, bytes, Plan], ...]


class KeyReused(InputError):
    """An idempotency key came a second time, with another submission."""

    id = "key-reused"


_NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What may be sent to the recipients of a message, by address in the form for comparing."""

    suppressed: Mapping[str, str] = field(default_factory=dict)  # nothing: the reason
    policies: Mapping[str, TrackingPolicy] = field(default_factory=dict)  # else identified


def _everything(*_: object) -> Permissions:
    return Permissions()


class Intake:
    """Checks, numbers and spools messages."""

    def __init__(
        self,
        *,
        spool: Spool,
        ids: Ids,
        ring: Ring,
        store: Callable[[bytes, str], str],
        tracking: TrackingDefaults,
        hostname: str,
        permissions: Callable[[int, str, str | None, tuple[str, ...]], Permissions] = _everything,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`store` keeps an attachment's content and name and returns its digest.

        `permissions` is asked with the account, the author's domain, the campaign and the
        recipients. When it raises RetryLater the message is taken and held, until whoever reads
        the spool's events can ask in our place and calls `Spool.release`.
        """
        self._spool = spool
        self._ids = ids
        self._ring = ring
        self._store = store
        self._tracking = tracking
        self._hostname = hostname
        self._permissions = permissions
        self._clock = clock

    def accept(
        self,
        raw: bytes,
        *,
        return_path: str,
        recipients: Iterable[str],
        submitter: Submitter,
        wishes: Wishes = _NO_WISHES,
    ) -> Receipt:
        """Take a message: when this returns it is on stable storage and will be delivered.

        What came before under the same key (`wishes.once`) is not taken again; its receipt is
        returned. Raises NotAMessage for bytes without a header, InputError without recipients,
        KeyReused when another message came under the key, and StorageUnavailable when it cannot
        be kept; then nothing of it was kept.
        """
        raw = without_bcc(raw)
        header = _header_of(raw)
        message_id, now = self._ids.next(), self._clock()
        deliveries = self._number(message_id, recipients)
        added = _missing_fields(header, self._hostname, message_id, now)
        raw = _trace_field(self._hostname, submitter, message_id, now) + added + raw
        options = self._options(return_path, wishes)
        template = compile_message(raw, options, ring=self._ring, store=self._store)
        facts = _facts(added + header, template, submitter, wishes)
        is_held = False
        permissions = Permissions()
        try:
            permissions = self._permitted(facts, deliveries)
        except RetryLater as error:
            _log.warning("message %d is held: %s", message_id, error, extra={"action": "held"})
            is_held = True
        submission = Submission(
            message_id=message_id,
            accepted_at=now,
            return_path=return_path,
            raw=raw,
            deliveries=deliveries,
            tracking=asdict(options),
            facts=facts,
            suppressed=_by_id(deliveries, permissions.suppressed),
            policies=_by_id(deliveries, permissions.policies)
            | _own_copies(header, return_path, deliveries),
            is_held=is_held,
            send_at=wishes.send_at,
            fillings={
                d.id: wishes.fillings[d.recipient]
                for d in deliveries
                if d.recipient in wishes.fillings
            },
            once=wishes.once,
        )
        earlier = self._spool.accept(submission)
        return _receipt_again(earlier, wishes) if earlier else _receipt(submission)

    def instrument(
        self,
        raw: bytes,
        *,
        recipients: Iterable[str],
        submitter: Submitter,
        wishes: Wishes = _NO_WISHES,
        register: bool,
    ) -> Instrumented:
        """The copies of a message for somebody else to send, with the plan of each.

        With `register` the message and its deliveries are known to the history from now on, so
        that what its tokens tell is recorded; without, it is only looked at. Raises as `accept`,
        and RetryLater when nobody can be asked how closely a recipient may be tracked.
        """
        raw = without_bcc(raw)
        header = _header_of(raw)
        message_id = self._ids.next()
        deliveries = self._number(message_id, recipients)
        options = self._options("-", wishes)
        store = self._store if register else lambda content, _: attachment_digest(content)
        template = compile_message(raw, options, ring=self._ring, store=store)
        facts = {**_facts(header, template, submitter, wishes), "sent_by": "submitter"}
        policies = _by_id(deliveries, self._permitted(facts, deliveries).policies)
        policies |= _own_copies(header, "", deliveries)
        submission = Submission(
            message_id=message_id,
            accepted_at=self._clock(),
            return_path="",
            raw=raw,
            deliveries=deliveries,
            tracking={},
            facts=facts,
            policies=policies,
            handed_over=True,
        )
        if register:
            self._spool.accept(submission)
        templates = {TrackingPolicy.IDENTIFIED: template}
        for policy in set(policies.values()) - {TrackingPolicy.IDENTIFIED}:
            templates[policy] = compile_message(
                raw, under_policy(options, policy), ring=self._ring, store=store
            )
        return Instrumented(
            receipt=_receipt(submission),
            copies=tuple(
                self._copy(templates[policies.get(d.id, TrackingPolicy.IDENTIFIED)], d)
                for d in deliveries
            ),
        )

    def _copy(self, template: Template, delivery: Delivery) -> tuple[Delivery, bytes, Plan]:
        owner = delivery.message_id if template.options.anonymous else delivery.id
        leaver = delivery.id
        return (
            delivery,
            template.render(owner, self._ring, unsubscribe_id=leaver),
            template.plan(owner, self._ring, unsubscribe_id=leaver),
        )

    def withdraw(self, message_id: int) -> int:
        """Do not send what still waits for its time; returns how many deliveries that were."""
        return self._spool.withdraw(message_id, self._clock(), "withdrawn by its sender")

    def told_about(self, number: int) -> list[SpoolEvent]:
        """What the history does not know yet of a message, by its number or a delivery's."""
        return self._spool.events_about(number)

    def stop_tracking(self, account_id: int, recipient: str) -> int:
        """Mail of an account that still waits goes to a recipient untracked: they said no."""
        return self._spool.tighten(recipient, account_id, TrackingPolicy.OFF)

    def _number(self, message_id: int, recipients: Iterable[str]) -> tuple[Delivery, ...]:
        distinct = _distinct(recipients)
        if not distinct:
            raise InputError("the message has no recipient")
        return tuple(
            Delivery(id=self._ids.next(), message_id=message_id, recipient=recipient)
            for recipient in distinct
        )

    def _permitted(self, facts: Mapping[str, Any], deliveries: tuple[Delivery, ...]) -> Permissions:
        recipients = tuple(d.recipient for d in deliveries)
        return self._permissions(
            facts["account_id"], facts["author_domain"], facts["campaign"], recipients
        )

    def _options(self, return_path: str, wishes: Wishes) -> Options:
        """A message with the null return path is a report or receipt, and is not tracked."""
        wanted = {**asdict(self._tracking), **wishes.tracking}
        if not return_path:
            wanted |= {"opens": False, "links": False, "attachments": "keep", "text_links": False}
            wanted["list_unsubscribe"] = False
        return Options(**wanted)


def _header_of(raw: bytes) -> bytes:
    """The first bytes of a message, which hold its header; raises NotAMessage."""
    header = raw[:_HEADER_BYTES]
    if not _HEADER_FIELD.match(header):
        raise NotAMessage("this is not a mail message: it does not begin with a header field")
    return header


def _receipt(submission: Submission) -> Receipt:
    return Receipt(
        message_id=submission.message_id,
        deliveries=submission.deliveries,
        suppressed=submission.suppressed,
    )


def _receipt_again(earlier: Earlier, wishes: Wishes) -> Receipt:
    assert wishes.once is not None
    if earlier.fingerprint != wishes.once.fingerprint:
        raise KeyReused(
            f"the idempotency key {wishes.once.key!r} was used for another submission; "
            "use a new key for a new message"
        )
    return Receipt(message_id=earlier.message_id, deliveries=earlier.deliveries, is_repeated=True)


def _by_id(deliveries: Iterable[Delivery], by_recipient: Mapping[str, _T]) -> dict[int, _T]:
    return {
        d.id: by_recipient[name]
        for d in deliveries
        if (name := canonical_address(d.recipient)) in by_recipient
    }


def _distinct(recipients: Iterable[str]) -> tuple[str, ...]:
    """Each address once: however its domain is spelt, the local part as it is (RFC 5321 2.4)."""
    seen: dict[tuple[str, str], str] = {}
    for recipient in recipients:
        local, _, domain = recipient.rpartition("@")
        seen.setdefault((local, canonical_domain(domain)), recipient)
    return tuple(seen.values())


def _trace_field(hostname: str, submitter: Submitter, message_id: int, at: datetime) -> bytes:
    """Received (RFC 5321 4.4), without the submitter's network address: that is theirs."""
    greeting = re.sub(r"[^A-Za-z0-9.:\[\]-]", "", submitter.greeting)[:255] or "localhost"
    return (
        f"Received: from {greeting}\r\n\tby {hostname} (Mailglass) with {submitter.protocol}"
        f" id {message_id};\r\n\t{email.utils.format_datetime(at)}\r\n"
    ).encode("ascii", "replace")


def _missing_fields(header: bytes, hostname: str, message_id: int, at: datetime) -> bytes:
    """Date and Message-ID where the message has none (RFC 6409 8.2 and 8.3).

    Receivers refuse mail without a date, and suppress a repeated copy by its Message-ID.
    """
    fields = BytesHeaderParser(policy=compat32).parsebytes(header)
    added = ""
    if "Date" not in fields:
        added += f"Date: {email.utils.format_datetime(at)}\r\n"
    if "Message-ID" not in fields:
        added += f"Message-ID: <{message_id}@{hostname}>\r\n"
    return added.encode("ascii")


def _facts(
    header: bytes, template: Template, submitter: Submitter, wishes: Wishes
) -> Mapping[str, Any]:
    fields = BytesHeaderParser(policy=compat32).parsebytes(header)
    tags = list(dict.fromkeys((*wishes.tags, *((template.tag,) if template.tag else ()))))
    return {
        "account_id": submitter.account_id,
        "submitter": submitter.name,
        "submitter_network": network_key(submitter.address) if submitter.address else None,
        "author": _shown(fields, "From"),
        "author_domain": _author_domain(fields),
        "subject": _shown(fields, "Subject"),
        "message_id_field": str(fields.get("Message-ID", "")).strip()[:998],
        "tag": tags[0] if tags else None,
        "tags": tags,
        "campaign": wishes.campaign or template.campaign,
        "targets": [_target(t) for t in template.targets],
    }


def _own_copies(
    header: bytes, return_path: str, deliveries: Iterable[Delivery]
) -> dict[int, TrackingPolicy]:
    """The copies that go to their own author, who would be taken for a recipient: no beacon."""
    fields = BytesHeaderParser(policy=compat32).parsebytes(header)
    named = email.utils.getaddresses([str(fields.get(n, "")) for n in ("From", "Sender")])
    own = {canonical_address(address) for address in (*(a for _, a in named), return_path)}
    return {d.id: TrackingPolicy.OFF for d in deliveries if canonical_address(d.recipient) in own}


def _author_domain(fields: EmailMessage) -> str:
    """The domain of From, in the form for comparing; empty when there is none."""
    return domain_of(email.utils.parseaddr(str(fields.get("From", "")))[1])


def _target(target: Target) -> dict[str, Any]:
    return {k: v for k, v in asdict(target).items() if v is not None}


def _shown(fields: EmailMessage, name: str) -> str:
    """A field's text for people; whatever cannot be decoded is shown as it stands."""
    text = str(fields.get(name, ""))
    with suppress(ValueError, LookupError):  # a broken encoded-word, a charset nobody knows
        text = str(email.header.make_header(email.header.decode_header(text)))
    text = text.encode("utf-8", "replace").decode("utf-8")  # raw 8-bit headers hold surrogates
    return " ".join(text.split())[:_SHOWN_CHARACTERS]
