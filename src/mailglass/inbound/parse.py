"""One message that came back, from bytes to a `Report`.

Asks in this order: is it a complaint, a disposition notification, a delivery report in fields, a
notice in words, an automatic answer, a person's answer. The readers of each lie in modules of their
own; this one knows the order and puts their findings together. Never raises on any bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..replies import Explanation, ReplyClass, explain_reply
from .addresses import clean_address, mentions
from .answers import is_automatic, is_reply, own_words
from .complaints import is_microsoft_complaint, read_complaint, read_microsoft_complaint
from .delivery_status import Group, Status, read_status
from .dispositions import read_disposition
from .free_text import Notice, read_notice
from .parts import Fields, Part, decoded_words, normalised, read_parts, split
from .records import Action, Kind, Record, Report
from .ses import read_notification
from .wording import says

__all__ = ["parse"]

_ORIGINAL_TYPES = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global",
    "message/global-headers",
    "text/rfc822",
)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,998}>")
_ORIGINAL_STARTS = re.compile(
    rb"\n(?:>|\s{0,8})?((?:Received|Return-Path|Return-path|From|Message-ID|Message-Id|X-[\w-]+"
    rb"|DKIM-Signature|MIME-Version|Date|To|Subject): ?[^\n]*\n(?:[\w-]+: ?|[ \t]))"
)
_EMBEDDED_REPORT = re.compile(r"(?:^|\n)final-recipient ?:", re.I)


@dataclass(frozen=True, slots=True)
class _Mail:
    """The message at hand, read once."""

    fields: Fields
    body: bytes
    parts: Sequence[Part]
    subject: str  # decoded
    author: str | None
    original: bytes

    @property
    def original_fields(self) -> Fields:
        """The returned header; read when somebody asks, since most reports name it all."""
        return split(self.original)[0] if self.original else {}

    def first(self, *types: str) -> Part | None:
        return next((part for part in self.parts if part.content_type in types), None)

    @property
    def is_marked(self) -> bool:
        """Whether the header calls it a delivery report (RFC 3462), whatever the parts hold."""
        return "delivery-status" in self.fields.get("content-type", ("",))[0].lower()

    @property
    def text(self) -> str:
        """The notice: the first text part that says anything."""
        for kind in ("text/plain", "text/html"):
            for part in self.parts:
                if part.content_type == kind and part.body.strip():
                    return part.text
        return self.parts[0].text if self.parts else ""


def parse(raw: bytes) -> Report:
    """What a message that came back says.

    Accepts any bytes with LF, CRLF or bare CR line ends. Time and memory grow with the size of the
    message; of a text at most 64 KiB and 1,500 lines are read.
    """
    mail = _read(raw)
    if not mail.fields:
        return Report(kind=Kind.OTHER, error="no header field at the start (RFC 5322)")
    report = (
        _complaint(mail)
        or _disposition(mail)
        or _delivery_report(mail)
        or _notification(mail)
        or _notice(mail)
        or _answer(mail)
    )
    return _about(report, mail)


def _read(raw: bytes) -> _Mail:
    fields, body = split(normalised(raw))
    parts = read_parts(fields, body)
    author = clean_address(fields.get("from", ("",))[0])
    subject = decoded_words(fields.get("subject", ("",))[0])
    original = _original(parts, body)
    return _Mail(fields, body, parts, subject, author, original)


def _original(parts: Sequence[Part], body: bytes) -> bytes:
    """The returned message: its own part, a part that is one without saying so, or in the text."""
    for part in parts:
        if part.content_type in _ORIGINAL_TYPES:
            return part.body.lstrip(b"\n")
    for part in parts[1:]:
        if "received" in part.fields or "message-id" in part.fields:
            header = "\n".join(f"{n}: {v}" for n, values in part.fields.items() for v in values)
            return header.encode("utf-8", "replace") + b"\n\n" + part.body
    if len(parts) == 1:
        start = _ORIGINAL_STARTS.search(body)
        return body[start.start(1) :] if start else b""
    return b""


def _complaint(mail: _Mail) -> Report | None:
    part = mail.first("message/feedback-report")
    if part:
        records = read_complaint(part.text, mail.original_fields, mail.fields)
        return Report(kind=Kind.COMPLAINT, records=tuple(records))
    if is_microsoft_complaint(mail.subject, mail.parts):
        records = read_microsoft_complaint(mail.original_fields)
        return Report(kind=Kind.COMPLAINT, records=tuple(records))
    return None


def _disposition(mail: _Mail) -> Report | None:
    part = mail.first("message/disposition-notification", "message/global-disposition-notification")
    if not part:
        return None
    told = read_disposition(part.text, mail.fields)
    message_ids = (told.message_id,) if told.message_id else ()
    if not told.is_refusal:
        record = Record(recipient=told.recipient, disposition=told.disposition)
        return Report(kind=Kind.MDN, records=(record,), message_ids=message_ids)
    words = explain_reply(mail.text)
    record = Record(
        recipient=told.recipient,
        action=Action.FAILED,
        class_=ReplyClass.POLICY,
        permanent=True,
        diagnostic=" ".join(mail.text.split())[:2000] or None,
        reply_code=words.reply_code,
        enhanced_status=words.enhanced_status,
        disposition=told.disposition,
    )
    return Report(kind=Kind.BOUNCE, records=(record,), message_ids=message_ids)


def _delivery_report(mail: _Mail) -> Report | None:
    part = mail.first("message/delivery-status", "message/global-delivery-status")
    text = part.text if part else ""
    if not part and _is_notice(mail) and _EMBEDDED_REPORT.search(mail.text):
        text = mail.text
    if not text:
        return None
    status = read_status(text)
    if not status.groups:
        return None
    notice = _read_words(mail) if any(_needs_words(g) for g in status.groups) else _NO_WORDS
    records = [_record_of_group(g, status, notice, mail) for g in status.groups]
    return Report(
        kind=_kind([r.action for r in records]),
        records=tuple(records),
        envelope_id=status.envelope_id,
    )


_NO_WORDS = Notice(reasons={}, general="", is_delay=False, has_named_recipient=False)


def _needs_words(group: Group) -> bool:
    """Whether the fields alone do not tell: no words, or no address."""
    return not group.diagnostic or not group.recipient


def _kind(actions: Sequence[Action | None]) -> Kind:
    if Action.FAILED in actions:
        return Kind.BOUNCE
    return Kind.DELAY if Action.DELAYED in actions else Kind.DELIVERED


def _record_of_group(group: Group, status: Status, notice: Notice, mail: _Mail) -> Record:
    recipient = group.recipient or _other_name(group, notice, mail)
    action = group.action or (Action.DELAYED if (group.status or "5")[0] == "4" else Action.FAILED)
    if action not in (Action.FAILED, Action.DELAYED):
        return Record(
            recipient=recipient,
            original_recipient=group.original_recipient,
            action=action,
            enhanced_status=group.status,
            reply_code=_success_code(group.diagnostic),
            diagnostic=group.diagnostic or None,
            remote_mta=group.remote_mta,
        )
    words = _words_for(recipient, notice)
    explained = explain_reply(
        group.diagnostic or words, mx=group.remote_mta, recipient=recipient, status=group.status
    )
    if explained.class_ is ReplyClass.UNDETERMINED and group.diagnostic:
        more = _words_for(recipient, notice if notice.reasons else _read_words(mail))
        told = explain_reply(
            f"{group.diagnostic} {more}",
            mx=group.remote_mta,
            recipient=recipient,
            status=group.status,
        )
        explained = told if told.class_ is not ReplyClass.UNDETERMINED else explained
    return _record(
        recipient,
        action,
        explained,
        group.diagnostic or words,
        enhanced_status=_status(group.status, explained.enhanced_status),
        remote_mta=group.remote_mta,
        original_recipient=group.original_recipient,
    )


_SUCCESS = re.compile(r"\b(2[25]\d)[ -]")


def _success_code(text: str) -> int | None:
    found = _SUCCESS.search(text[:512])
    return int(found[1]) if found else None


def _other_name(group: Group, notice: Notice, mail: _Mail) -> str | None:
    """The recipient when the field names a pipe, a bare user or nothing."""
    if group.original_recipient:
        return group.original_recipient
    for value in mail.fields.get("x-failed-recipients", []):
        found = clean_address(value)
        if found:
            return found
    named = next(iter(notice.reasons), None)
    return named or clean_address(mail.original_fields.get("to", ("",))[0])


def _words_for(recipient: str | None, notice: Notice) -> str:
    lowered = (recipient or "").lower()
    for address, words in notice.reasons.items():
        if address.lower() == lowered:
            return words or notice.general
    return notice.general


def _status(field: str | None, words: str | None) -> str | None:
    """The reply's own before the report's field.

    Exim writes 5.0.0 beside every reply, sendmail 4.4.7 when the time ran out.
    """
    return field if field and (words is None or words.endswith(".0.0")) else words


def _record(
    recipient: str | None,
    action: Action,
    explained: Explanation,
    words: str,
    *,
    enhanced_status: str | None,
    remote_mta: str | None = None,
    original_recipient: str | None = None,
) -> Record:
    return Record(
        recipient=recipient,
        original_recipient=original_recipient,
        action=action,
        enhanced_status=enhanced_status,
        reply_code=explained.reply_code,
        class_=explained.class_,
        permanent=explained.permanent,
        suppress=explained.suppress and action is Action.FAILED,
        diagnostic=" ".join(words[:4000].split())[:2000] or None,
        remote_mta=remote_mta,
    )


def _notification(mail: _Mail) -> Report | None:
    """Amazon's notifications, which carry JSON."""
    if b"notificationType" not in mail.body[:65_536] and b"eventType" not in mail.body[:65_536]:
        return None
    return read_notification(mail.text)


def _is_notice(mail: _Mail) -> bool:
    """Whether the header alone says that a mail system wrote it."""
    author = decoded_words("".join(mail.fields.get("from", [])[:1])).lower()
    return (
        "x-failed-recipients" in mail.fields
        or says("author", author)
        or says("subject", mail.subject.lower())
        or _has_null_sender(mail.fields)
        or mail.is_marked
    )


def _has_null_sender(fields: Fields) -> bool:
    """Whether it came with the empty return path of reports (RFC 5321 section 4.5.5)."""
    return fields.get("return-path", ("",))[0] == "<>"


def _read_words(mail: _Mail) -> Notice:
    known = [
        m.address for v in mail.fields.get("x-failed-recipients", []) for m in mentions(v[:4000])
    ]
    ours = frozenset(
        m.address.lower()
        for name in ("from", "to", "sender", "reply-to", "return-path")
        for value in mail.fields.get(name, [])[:1]
        for m in mentions(value[:1000])
    )
    domain = (mail.author or "").rpartition("@")[2].lower()
    return read_notice(mail.text, subject=mail.subject, known=known, ours=ours, domain=domain)


def _notice(mail: _Mail) -> Report | None:
    """A bounce or delay in words."""
    if not _is_notice(mail):
        return None
    author = decoded_words("".join(mail.fields.get("from", [])[:1])).lower()
    is_by_system = says("author", author) or _has_null_sender(mail.fields)
    is_titled = says("subject", mail.subject.lower()) or mail.is_marked
    if is_automatic(mail.fields, "") and not is_by_system and not is_titled:
        return None
    notice = _read_words(mail)
    if not notice.reasons and b"delivery-status" in mail.original[:65_536]:
        return _delivery_report(_read(mail.original))  # a gateway wrapped the report in its own
    if not (is_titled or (is_by_system and notice.has_named_recipient)):
        return None
    reasons = notice.reasons or _addressee(mail, notice)
    action = Action.DELAYED if notice.is_delay else Action.FAILED
    records = tuple(
        _record_of_words(address, words, action, notice, mail) for address, words in reasons.items()
    )
    if not any(is_titled or r.class_ is not ReplyClass.UNDETERMINED for r in records):
        return None  # a postmaster may write an address on a line of its own in an ordinary mail
    return Report(kind=_kind([action]), records=records)


def _addressee(mail: _Mail, notice: Notice) -> dict[str, str]:
    """Whom the returned message was for, when the notice names nobody and only one is possible."""
    named = mentions("".join(mail.original_fields.get("to", [])[:1])[:1000])
    routed = [
        found[1].lower()
        for value in mail.original_fields.get("received", [])
        for found in _FOR.finditer(value[:1000])
    ]
    only = {m.address.lower() for m in named} | set(routed)
    return {named[0].address: notice.general} if named and len(only) == 1 else {}


_FOR = re.compile(r"\bfor <([^<>\s]{3,320})>")


def _record_of_words(
    address: str, words: str, action: Action, notice: Notice, mail: _Mail
) -> Record:
    explained = explain_reply(words or notice.general, recipient=address)
    if explained.class_ is ReplyClass.UNDETERMINED:
        told = explain_reply(f"{words}\n{notice.general}\n{mail.subject}", recipient=address)
        if told.class_ is not ReplyClass.UNDETERMINED:
            explained = told
    return _record(
        address,
        action,
        explained,
        words or notice.general,
        enhanced_status=explained.enhanced_status,
        remote_mta=_host(words),
    )


_HOST = re.compile(r"\bhost ([\w.-]{4,253}\.[\w-]{2,63})", re.I)


def _host(words: str) -> str | None:
    found = _HOST.search(words[:1000])
    return found[1].lower() if found else None


def _answer(mail: _Mail) -> Report:
    """An answer of a program or a person, or none of all this."""
    if is_automatic(mail.fields, mail.subject):
        return Report(kind=Kind.AUTO_REPLY, records=(Record(recipient=mail.author),))
    if is_reply(mail.fields, mail.subject):
        answer, quoted = own_words(mail.parts)
        return Report(
            kind=Kind.REPLY,
            records=(Record(recipient=mail.author),),
            answer=answer,
            quoted=quoted,
        )
    return Report(kind=Kind.OTHER)


def _about(report: Report, mail: _Mail) -> Report:
    """The report with what it names of the message that it is about."""
    own = _ids(mail.fields, "in-reply-to") + _ids(mail.fields, "references")[::-1]
    returned = _MESSAGE_ID_FIELD.findall(mail.original[: _header_end(mail.original)])
    if report.kind in (Kind.REPLY, Kind.AUTO_REPLY, Kind.OTHER):
        found = [*report.message_ids, *own]
    else:
        found = [*report.message_ids, *(i.decode("latin-1") for i in returned), *own]
    message_ids = tuple(dict.fromkeys(found))[:50]  # 50: references of a long thread
    return replace(
        report,
        author=mail.author,
        original=mail.original if report.kind is not Kind.OTHER else b"",
        message_ids=message_ids,
        in_reply_to=message_ids[0] if message_ids else None,
    )


_MESSAGE_ID_FIELD = re.compile(rb"(?im)^[ \t]{0,8}message-id[ \t]*:\s*(<[^<>\s]{1,998}>)")


def _header_end(original: bytes) -> int:
    end = original.find(b"\n\n", 0, 65_536)
    return end if end >= 0 else 65_536


def _ids(fields: Fields, name: str) -> list[str]:
    return [i for value in fields.get(name, []) for i in _MESSAGE_ID.findall(value[:20_000])]
