"""One message that came back, from bytes to a `Report`.

Asks in this order: is it a complaint, a disposition notification, a delivery report in fields, a
notification in JSON, a notice in words, an automatic answer, a person's answer. What a person only
quotes is no report. The readers lie in modules of their own; this one knows the order, and what the
report is about. Never raises on any bytes.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..replies import ReplyClass, explain_reply
from .answers import is_automatic, is_reply, own_words
from .bounces import is_notice, read_delivery_report, read_words_of_notice
from .complaints import is_microsoft_complaint, read_complaint, read_microsoft_complaint
from .dispositions import Disposition, read_disposition
from .mail import Mail, read_mail
from .parts import Fields
from .people import is_around_report
from .records import Action, Kind, Record, Report
from .ses import read_notification

__all__ = ["parse"]

_MESSAGE_ID = re.compile(r"<[^<>\s]{1,998}>")
_MESSAGE_ID_FIELD = re.compile(rb"(?im)^[ \t]{0,8}message-id[ \t]*:\s*(<[^<>\s]{1,998}>)")
# Fields that the last server writes come first: the others are the sender's.
_ADDRESS_FIELDS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "cc")
_REPORT_TYPES = ("message/feedback-report", "message/delivery-status")
_SENDER_FIELD = re.compile(r"(?im)^(?:original-mail-from|x-[\w-]{1,40}-sender)\s*:([^\n]*)")
_MAX_ADDRESS = 2_000
_MAX_HEADER_BYTES = 65_536
_MAX_NAMES = 50  # References of a long thread


def parse(raw: bytes) -> Report:
    """What a message that came back says.

    Accepts any bytes with LF, CRLF or bare CR line ends. Time and memory grow with the size of the
    message; of a text at most 64 KiB and 1,500 lines are read.
    """
    mail = read_mail(raw)
    if not mail.fields:
        return Report(kind=Kind.OTHER, error="no header field at the start (RFC 5322)")
    is_quoted = is_around_report(mail)
    report = (
        _complaint(mail)
        or _disposition(mail)
        or (None if is_quoted else read_delivery_report(mail))
        or _notification(mail)
        or (None if is_quoted else read_words_of_notice(mail))
        or _answer(mail)
    )
    return _about(report, mail)


def _complaint(mail: Mail) -> Report | None:
    part = mail.first("message/feedback-report")
    if part:
        records = read_complaint(part.text, mail.original_fields)
    elif is_microsoft_complaint(mail.subject, mail.parts):
        records = read_microsoft_complaint(mail.original_fields)
    else:
        return None
    return Report(kind=Kind.COMPLAINT, records=tuple(records))


def _disposition(mail: Mail) -> Report | None:
    part = mail.first("message/disposition-notification", "message/global-disposition-notification")
    if not part:
        return None
    told = read_disposition(part.text, mail.fields)
    return Report(
        kind=Kind.BOUNCE if told.is_refusal else Kind.MDN,
        records=(_refusal(told, mail.text) if told.is_refusal else _receipt(told),),
        message_ids=(told.message_id,) if told.message_id else (),
    )


def _receipt(told: Disposition) -> Record:
    return Record(recipient=told.recipient, disposition=told.disposition)


def _refusal(told: Disposition, text: str) -> Record:
    """What the recipient's own filter refused after the server had accepted it."""
    explained = explain_reply(text)
    return Record(
        recipient=told.recipient,
        action=Action.FAILED,
        enhanced_status=explained.enhanced_status,
        reply_code=explained.reply_code,
        class_=ReplyClass.POLICY,
        permanent=True,
        diagnostic=" ".join(text[:4000].split()) or None,
        disposition=told.disposition,
    )


def _notification(mail: Mail) -> Report | None:
    """Amazon's notifications, which carry JSON."""
    start = mail.body[:_MAX_HEADER_BYTES]
    if b"notificationType" not in start and b"eventType" not in start:
        return None
    return read_notification(mail.text)


def _answer(mail: Mail) -> Report:
    """An answer of a program or a person, or none of all this."""
    if is_notice(mail):
        return Report(kind=Kind.OTHER)  # cut off: that the mail arrived is the last it says
    records = (Record(recipient=mail.author),)
    if is_automatic(mail.fields, mail.subject):
        return Report(kind=Kind.AUTO_REPLY, records=records)
    if is_reply(mail.fields, mail.subject):
        answer, quoted = own_words(mail.parts)
        return Report(kind=Kind.REPLY, records=records, answer=answer, quoted=quoted)
    return Report(kind=Kind.OTHER)


def _about(report: Report, mail: Mail) -> Report:
    """The report with what it names of the message that it is about."""
    is_answer = report.kind in (Kind.REPLY, Kind.AUTO_REPLY, Kind.OTHER)
    named = [
        *report.message_ids,
        *([] if is_answer else _returned_ids(mail.original)),
        *_ids(mail.fields, "in-reply-to"),
        *reversed(_ids(mail.fields, "references")),
    ]
    message_ids = tuple(dict.fromkeys(named))[:_MAX_NAMES]
    return replace(
        report,
        author=mail.author,
        addressed_to=_addressed_to(mail),
        original=b"" if report.kind is Kind.OTHER else mail.original,
        message_ids=message_ids,
        in_reply_to=message_ids[0] if message_ids else None,
    )


def _addressed_to(mail: Mail) -> tuple[str, ...]:
    """Where our own signed addresses may stand: whom it was sent to, and the original's sender."""
    values = [value for name in _ADDRESS_FIELDS for value in mail.fields.get(name, ())]
    for part in mail.parts:
        if part.content_type in _REPORT_TYPES:
            values += _SENDER_FIELD.findall(part.text[:_MAX_HEADER_BYTES])
    return tuple(value[:_MAX_ADDRESS] for value in values[:_MAX_NAMES])


def _returned_ids(original: bytes) -> list[str]:
    """The Message-IDs of the returned message; a relay may have added one of its own."""
    end = original.find(b"\n\n", 0, _MAX_HEADER_BYTES)
    header = original[: end if end >= 0 else _MAX_HEADER_BYTES]
    return [found.decode("latin-1") for found in _MESSAGE_ID_FIELD.findall(header)]


def _ids(fields: Fields, name: str) -> list[str]:
    return [i for value in fields.get(name, []) for i in _MESSAGE_ID.findall(value[:20_000])]
