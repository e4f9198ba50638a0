"""What a client hands in as a message, and how it becomes one: fields or raw, with wishes."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.parser import BytesHeaderParser
from email.policy import compat32
from hashlib import blake2b
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from ...addresses import canonical_domain
from ...errors import InputError
from ...gateway import (
    AttachedFile,
    Composed,
    Fields,
    NamedAddress,
    Wishes,
    check_size,
    compose,
    read_address,
    recipients_of,
)
from ...spool import Once
from .access import Caller
from .words import Address, In, Moment, Name

__all__ = ["MessageIn", "Prepared", "TrackingIn", "prepare", "prepare_raw"]

_LONGEST_WAIT = timedelta(days=366)  # for a message that is to be sent later


def _is_base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64 (RFC 4648 section 4)") from None
    return text


Base64 = Annotated[str, AfterValidator(_is_base64), Field(json_schema_extra={"format": "byte"})]
Mailbox = Annotated[str, StringConstraints(min_length=3, max_length=1_000)]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class AttachmentIn(In):
    """A file that goes along."""

    name: Name
    content: Base64
    content_type: Annotated[str, StringConstraints(max_length=130)] = "application/octet-stream"
    content_id: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="Makes it an image that the HTML shows as `cid:`."
    )


def _in_a_header(address: str) -> str:
    """An address for a header field of ASCII: the domain in A-labels."""
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        raise ValueError(f"no receipt can go to {address!r}: the part before the @ is not ASCII")
    return f"{local}@{domain if domain.isascii() else canonical_domain(domain)}"


class TrackingIn(In):
    """What to track; what is left out is as the installation's settings say."""

    opens: bool | None = None
    links: bool | None = None
    attachments: Literal["keep", "link"] | None = None
    text_links: bool | None = None
    html_alternative: bool | None = None
    list_unsubscribe: bool | None = None
    receipt_to: Annotated[Address, AfterValidator(_in_a_header)] | None = None
    honeypot: bool | None = None
    subject_label: Name | None = None


class MessageIn(In):
    """A message: either fields, or `raw` with `recipients`."""

    from_: Mailbox | None = Field(default=None, alias="from", description="Name <a@example.com>")
    to: list[Mailbox] = Field(default=[], max_length=1_000)
    cc: list[Mailbox] = Field(default=[], max_length=1_000)
    bcc: list[Mailbox] = Field(default=[], max_length=1_000)
    reply_to: list[Mailbox] = Field(default=[], max_length=10)
    subject: Annotated[str, StringConstraints(max_length=2_000)] = ""
    text: str | None = None
    html: str | None = None
    headers: dict[str, str] = Field(default={}, max_length=100)
    attachments: list[AttachmentIn] = Field(default=[], max_length=100)
    substitutions: dict[Mailbox, dict[Key, str]] | None = Field(
        default=None,
        description="A mail merge: values for `{{name}}` in subject, text and html, by recipient. "
        "Each recipient in `to` gets a copy of their own that names nobody else.",
    )
    raw: Base64 | None = Field(default=None, description="A whole message (RFC 5322).")
    recipients: list[Address] = Field(
        default=[], max_length=1_000, description="Of `raw`; empty: its To, Cc and Bcc."
    )
    return_path: Address | None = Field(default=None, description="Else the address in From.")
    tracking: TrackingIn = TrackingIn()
    tags: list[Name] = Field(default=[], max_length=10)
    campaign: Name | None = None
    send_at: Moment | None = Field(default=None, description="Not before then, within a year.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A message that the intake can take."""

    raw: bytes
    return_path: str
    recipients: tuple[str, ...]
    wishes: Wishes


def prepare(caller: Caller, message: MessageIn, key: str | None) -> Prepared:
    """The bytes and wishes of what was handed in; raises InputError.

    `key` is the client's idempotency key: the same one with the same message means the same
    submission.
    """
    composed, return_path = _raw(message) if message.raw is not None else _composed(message)
    once = None
    if key is not None:
        document = message.model_dump_json(by_alias=True).encode()
        once = _once(caller, key, document)
    return _checked(
        caller,
        Prepared(
            raw=composed.raw,
            return_path=message.return_path or return_path,
            recipients=composed.recipients,
            wishes=Wishes(
                tracking=message.tracking.model_dump(exclude_none=True),
                tags=tuple(dict.fromkeys(message.tags)),
                campaign=message.campaign,
                send_at=_send_at(caller, message.send_at),
                once=once,
                fillings=composed.fillings,
            ),
        ),
    )


def prepare_raw(
    caller: Caller,
    raw: bytes,
    *,
    recipients: list[str],
    return_path: str | None,
    tags: list[str],
    campaign: str | None,
    send_at: datetime | None,
    key: str | None,
) -> Prepared:
    """The same for a message whose bytes are the whole request; raises InputError."""
    composed, author = _read_raw(raw, recipients)
    wanted = repr((recipients, return_path, tags, campaign, send_at)).encode()
    return _checked(
        caller,
        Prepared(
            raw=composed.raw,
            return_path=return_path or author,
            recipients=composed.recipients,
            wishes=Wishes(
                tags=tuple(dict.fromkeys(tags)),
                campaign=campaign,
                send_at=_send_at(caller, send_at),
                once=None if key is None else _once(caller, key, wanted + b"\0" + raw),
            ),
        ),
    )


def _once(caller: Caller, key: str, document: bytes) -> Once:
    mark = blake2b(document, digest_size=16).hexdigest()
    return Once(account_id=caller.account_id, key=key, fingerprint=mark)


def _checked(caller: Caller, prepared: Prepared) -> Prepared:
    check_size(
        prepared.raw,
        prepared.recipients,
        most_bytes=caller.desk.max_message_bytes,
        most_recipients=caller.desk.max_recipients,
    )
    return prepared


def _send_at(caller: Caller, at: datetime | None) -> datetime | None:
    now = caller.desk.clock()
    if at is None or at <= now:
        return None
    if at - now > _LONGEST_WAIT:
        raise InputError(f"send_at: {at.isoformat()} is more than a year away")
    return at


def _raw(message: MessageIn) -> tuple[Composed, str]:
    given = message.model_fields_set & _FIELD_NAMES
    if given:
        names = ", ".join(sorted("from" if name == "from_" else name for name in given))
        raise InputError(f"raw stands for the whole message, so {names} must be left out")
    assert message.raw is not None
    return _read_raw(base64.b64decode(message.raw), message.recipients)


_FIELD_NAMES = {
    *("from_", "to", "cc", "bcc", "reply_to", "subject", "text", "html", "headers"),
    *("attachments", "substitutions"),
}


def _read_raw(raw: bytes, recipients: list[str]) -> tuple[Composed, str]:
    to = tuple(recipients) or recipients_of(raw)
    if not to:
        raise InputError("recipients: none is given, and To, Cc and Bcc name none")
    return Composed(raw=raw, recipients=to, fillings={}), _author_of(raw)


def _author_of(raw: bytes) -> str:
    """The address in From; raises InputError, since without it there is no return path."""
    fields = BytesHeaderParser(policy=compat32).parsebytes(raw)
    try:
        return read_address(str(fields.get("From", ""))).address
    except InputError:
        raise InputError("return_path: From names no single address, so it must be given") from None


def _composed(message: MessageIn) -> tuple[Composed, str]:
    if message.from_ is None:
        raise InputError("from: it is missing; give it, or a whole message as raw")
    if message.recipients:
        raise InputError("recipients: they go with raw; name them in to, cc and bcc")
    author = _mailbox("from", message.from_)
    fields = Fields(
        author=author,
        to=_mailboxes("to", message.to),
        cc=_mailboxes("cc", message.cc),
        bcc=_mailboxes("bcc", message.bcc),
        reply_to=_mailboxes("reply_to", message.reply_to),
        subject=message.subject,
        text=message.text,
        html=message.html,
        headers=message.headers,
        attachments=tuple(_file(file) for file in message.attachments),
        substitutions=message.substitutions,
    )
    return compose(fields), author.address


def _mailboxes(name: str, texts: list[str]) -> tuple[NamedAddress, ...]:
    return tuple(_mailbox(f"{name}/{number}", text) for number, text in enumerate(texts))


def _mailbox(where: str, text: str) -> NamedAddress:
    try:
        return read_address(text)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _file(file: AttachmentIn) -> AttachedFile:
    return AttachedFile(
        name=file.name,
        content=base64.b64decode(file.content),
        content_type=file.content_type,
        content_id=file.content_id,
    )
