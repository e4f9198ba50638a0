"""From delivery reports and notices to records: joins fields, words and their meaning.

Fields (RFC 3464) first; the words of the text part help where the fields say too little (Exim puts
the reply into the text only). A notice without fields is believed when its Subject, or its author
together with the shape of its text, says that a mail system wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..addresses import canonical_address
from ..replies import Explanation, ReplyClass, explain_reply
from .addresses import clean_address, mentions
from .answers import is_automatic
from .delivery_status import Group, read_status
from .free_text import Notice, read_notice
from .mail import Mail, read_mail
from .records import Action, Kind, Record, Report
from .wording import says

__all__ = ["is_notice", "read_delivery_report", "read_words_of_notice"]

_NO_WORDS = Notice(reasons={}, general="", is_delay=False, has_named_recipient=False)
_EMBEDDED_REPORT = re.compile(r"(?:^|\n)final-recipient ?:", re.I)
_SUCCESS = re.compile(r"\b(2[25]\d)[ -]")
_HOST = re.compile(r"\bhost ([\w.-]{4,253}\.[\w-]{2,63})", re.I)
_ROUTED_FOR = re.compile(r"\bfor <([^<>\s]{3,320})>")
_MAX_WORDS = 2000  # characters of a diagnostic that are kept


def read_delivery_report(mail: Mail) -> Report | None:
    """The records of a report in fields, wherever they stand; None when there are none."""
    part = mail.first("message/delivery-status", "message/global-delivery-status")
    text = part.text if part else ""
    if not part and _may_be_notice(mail) and _EMBEDDED_REPORT.search(mail.text):
        text = mail.text
    status = read_status(text) if text else None
    if status is None or not status.groups:
        return None
    needs_words = any(not group.diagnostic or not group.recipient for group in status.groups)
    notice = _words(mail) if needs_words else _NO_WORDS
    records = tuple(_record_of_group(group, notice, mail) for group in status.groups)
    return Report(
        kind=_kind([record.action for record in records]),
        records=records,
        envelope_id=status.envelope_id,
    )


def _kind(actions: Sequence[Action | None]) -> Kind:
    if Action.FAILED in actions:
        return Kind.BOUNCE
    return Kind.DELAY if Action.DELAYED in actions else Kind.DELIVERED


def _record_of_group(group: Group, notice: Notice, mail: Mail) -> Record:
    recipient = group.recipient or _other_name(group, notice, mail)
    action = group.action or (Action.DELAYED if (group.status or "5")[0] == "4" else Action.FAILED)
    if action not in (Action.FAILED, Action.DELAYED):
        return _success(recipient, action, group)
    own_words = "\n".join(filter(None, (group.diagnostic, group.comment)))
    words = own_words if group.diagnostic else f"{own_words}\n{_words_for(recipient, notice)}"
    explained = _explain(words, recipient, group)
    if explained.class_ is ReplyClass.UNDETERMINED and group.diagnostic:
        more = _words_for(recipient, notice if notice.reasons else _words(mail))
        explained = _determined(_explain(f"{words}\n{more}", recipient, group), explained)
    return _record(
        recipient,
        action,
        explained,
        group.diagnostic or words,
        enhanced_status=_more_precise(group.status, explained.enhanced_status),
        remote_mta=group.remote_mta,
        original_recipient=group.original_recipient,
    )


def _explain(words: str, recipient: str | None, group: Group) -> Explanation:
    return explain_reply(words, mx=group.remote_mta, recipient=recipient, status=group.status)


def _determined(first: Explanation, second: Explanation) -> Explanation:
    return second if first.class_ is ReplyClass.UNDETERMINED else first


def _success(recipient: str | None, action: Action, group: Group) -> Record:
    code = _SUCCESS.search(group.diagnostic[:512])
    return Record(
        recipient=recipient,
        original_recipient=group.original_recipient,
        action=action,
        enhanced_status=group.status,
        reply_code=int(code[1]) if code else None,
        diagnostic=group.diagnostic or None,
        remote_mta=group.remote_mta,
    )


def _other_name(group: Group, notice: Notice, mail: Mail) -> str | None:
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
    wanted = canonical_address(recipient or "")
    for address, words in notice.reasons.items():
        if canonical_address(address) == wanted:
            return f"{words}\n{notice.general}".strip()
    return notice.general


def _more_precise(field: str | None, words: str | None) -> str | None:
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
        diagnostic=" ".join(words[: 2 * _MAX_WORDS].split())[:_MAX_WORDS] or None,
        remote_mta=remote_mta,
    )


def _may_be_notice(mail: Mail) -> bool:
    """Whether the header alone says that a mail system wrote it."""
    return (
        "x-failed-recipients" in mail.fields
        or mail.has_null_sender
        or mail.is_marked
        or says("author", mail.author_words)
        or says("subject", mail.subject.lower())
    )


def _words(mail: Mail) -> Notice:
    known = [
        m.address for v in mail.fields.get("x-failed-recipients", []) for m in mentions(v[:4000])
    ]
    ours = frozenset(
        m.address.lower()
        for name in ("from", "to", "sender", "reply-to", "return-path")
        for m in mentions(mail.value(name)[:1000])
    )
    domain = (mail.author or "").rpartition("@")[2].lower()
    return read_notice(mail.text, subject=mail.subject, known=known, ours=ours, domain=domain)


def read_words_of_notice(mail: Mail) -> Report | None:
    """The records of a bounce or delay in words; None when it is none."""
    if not _may_be_notice(mail):
        return None
    is_by_system = says("author", mail.author_words) or mail.has_null_sender
    is_titled = says("subject", mail.subject.lower()) or mail.is_marked
    if is_automatic(mail.fields, "") and not is_by_system and not is_titled:
        return None
    notice = _words(mail)
    if not notice.reasons and b"delivery-status" in mail.original[:65_536]:
        return read_delivery_report(read_mail(mail.original))  # a gateway wrapped the report
    if not (is_titled or (is_by_system and notice.has_named_recipient)):
        return None
    action = Action.DELAYED if notice.is_delay else Action.FAILED
    reasons = notice.reasons or _addressee(mail, notice)
    records = tuple(
        _record_of_words(a, words, action, notice, mail) for a, words in reasons.items()
    )
    if not records and is_notice(mail):
        records = _nameless(action, notice, mail)
    if not any(is_titled or r.class_ is not ReplyClass.UNDETERMINED for r in records):
        return None  # a postmaster may write an address on a line of its own in an ordinary mail
    return Report(kind=_kind([action]), records=records)


def is_notice(mail: Mail) -> bool:
    """Whether a mail system wrote it and calls it a notice, readable or cut off.

    What it does not say stays unknown; it is no answer of the recipient's program.
    """
    is_titled = says("subject", mail.subject.lower()) or mail.is_marked
    return is_titled and says("author", mail.author_words)


def _nameless(action: Action, notice: Notice, mail: Mail) -> tuple[Record, ...]:
    """A notice that tells a failure and nobody's address; it suppresses nobody.

    A Subject may tell that it failed; why it failed stands only in the words.
    """
    explained = explain_reply(notice.general)
    titled = explain_reply(mail.subject)
    if _determined(explained, titled).class_ is ReplyClass.UNDETERMINED:
        return ()
    record = _record(
        None, action, explained, notice.general, enhanced_status=explained.enhanced_status
    )
    return (replace(record, suppress=False),)


def _addressee(mail: Mail, notice: Notice) -> dict[str, str]:
    """Whom the returned message was for, when the notice names nobody and only one is possible."""
    original = mail.original_fields
    named = mentions("".join(original.get("to", [])[:1])[:1000])
    routed = [
        found[1].lower()
        for value in original.get("received", [])
        for found in _ROUTED_FOR.finditer(value[:1000])
    ]
    only = {m.address.lower() for m in named} | set(routed)
    return {named[0].address: notice.general} if named and len(only) == 1 else {}


def _record_of_words(
    address: str, words: str, action: Action, notice: Notice, mail: Mail
) -> Record:
    explained = explain_reply(words or notice.general, recipient=address)
    if explained.class_ is ReplyClass.UNDETERMINED:
        all_words = f"{words}\n{notice.general}\n{mail.subject}"
        explained = _determined(explain_reply(all_words, recipient=address), explained)
    host = _HOST.search(words[:1000])
    return _record(
        address,
        action,
        explained,
        words or notice.general,
        enhanced_status=explained.enhanced_status,
        remote_mta=host[1].lower() if host else None,
    )
