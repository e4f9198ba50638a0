"""Takes responsibility for a message, whichever way it came in.

RFC 6409 (message submission) and RFC 5321 section 4.4 (the trace field). One submission becomes one
delivery per recipient, so that every hit has one owner; To and Cc stay as they are.
"""

from __future__ import annotations

import email.header
import email.utils
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import Message as EmailMessage
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Any, Literal

from ..errors import InputError, NotAMessage
from ..ids import Ids
from ..instrument import Options, Template, compile_message
from ..model import Delivery, Target
from ..spool import Spool, Submission
from ..tokens import Ring

__all__ = ["Intake", "Receipt", "Submitter", "TrackingDefaults"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingDefaults:
    """What is done to a message that says nothing of its own."""

    base_url: str
    opens: bool
    links: bool
    attachments: Literal["keep", "link"]
    text_links: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The numbers that an accepted message was given."""

    message_id: int
    deliveries: tuple[Delivery, ...]


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
        suppressed: Callable[[int, tuple[str, ...]], Mapping[str, str]] = lambda *_: {},
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`store` keeps an attachment's content and name and returns its digest. `suppressed`
        gives, of an account's recipients, those to whom it sends nothing more, lower case, with
        the reason.
        """
        self._spool = spool
        self._ids = ids
        self._ring = ring
        self._store = store
        self._tracking = tracking
        self._hostname = hostname
        self._suppressed = suppressed
        self._clock = clock

    def accept(
        self, raw: bytes, *, return_path: str, recipients: Iterable[str], submitter: Submitter
    ) -> Receipt:
        """Take a message: when this returns it is on stable storage and will be delivered.

        Raises NotAMessage for bytes without a header, InputError without recipients, and
        StorageUnavailable when it cannot be kept; then nothing of it was kept.
        """
        recipients = _distinct(recipients)
        if not recipients:
            raise InputError("the message has no recipient")
        header = raw[:_HEADER_BYTES]
        if not _HEADER_FIELD.match(header):
            raise NotAMessage("this is not a mail message: it does not begin with a header field")
        message_id, now = self._ids.next(), self._clock()
        deliveries = tuple(
            Delivery(id=self._ids.next(), message_id=message_id, recipient=recipient)
            for recipient in recipients
        )
        reasons = self._suppressed(submitter.account_id, recipients)
        added = _missing_fields(header, self._hostname, message_id, now)
        raw = _trace_field(self._hostname, submitter, message_id, now) + added + raw
        header = added + header
        options = self._options(return_path)
        template = compile_message(raw, options, ring=self._ring, store=self._store)
        self._spool.accept(
            Submission(
                message_id=message_id,
                accepted_at=now,
                return_path=return_path,
                raw=raw,
                deliveries=deliveries,
                tracking=asdict(options),
                facts=_facts(header, template, submitter),
                suppressed={
                    d.id: reasons[d.recipient.lower()]
                    for d in deliveries
                    if d.recipient.lower() in reasons
                },
            )
        )
        return Receipt(message_id=message_id, deliveries=deliveries)

    def _options(self, return_path: str) -> Options:
        """A message with the null return path is a report or receipt, and is not tracked."""
        wanted = asdict(self._tracking)
        if not return_path:
            wanted |= {"opens": False, "links": False, "attachments": "keep", "text_links": False}
        return Options(**wanted)


def _distinct(recipients: Iterable[str]) -> tuple[str, ...]:
    """Each address once: the domain compared without case (RFC 5321 2.4), the local part with."""
    seen: dict[tuple[str, str], str] = {}
    for recipient in recipients:
        local, _, domain = recipient.rpartition("@")
        seen.setdefault((local, domain.lower()), recipient)
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


def _facts(header: bytes, template: Template, submitter: Submitter) -> Mapping[str, Any]:
    fields = BytesHeaderParser(policy=compat32).parsebytes(header)
    return {
        "account_id": submitter.account_id,
        "submitter": submitter.name,
        "author": _shown(fields, "From"),
        "subject": _shown(fields, "Subject"),
        "message_id_field": str(fields.get("Message-ID", "")).strip()[:998],
        "tag": template.tag,
        "campaign": template.campaign,
        "targets": [_target(t) for t in template.targets],
    }


def _target(target: Target) -> dict[str, Any]:
    return {k: v for k, v in asdict(target).items() if v is not None}


def _shown(fields: EmailMessage, name: str) -> str:
    """A field's text for people; whatever cannot be decoded is shown as it stands."""
    text = str(fields.get(name, ""))
    with suppress(ValueError, LookupError):  # a broken encoded-word, a charset nobody knows
        text = str(email.header.make_header(email.header.decode_header(text)))
    text = text.encode("utf-8", "replace").decode("utf-8")  # raw 8-bit headers hold surrogates
    return " ".join(text.split())[:_SHOWN_CHARACTERS]
