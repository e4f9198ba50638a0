"""Tells a person's mail around a report from the report itself.

A postmaster who answers a bounce, or attaches one below words of their own, is a person who speaks
of it: what the report inside says was said to somebody else. A report that is handed on as it is,
also under `Fwd:`, stays one: people who collect bounces send them so.
"""

from __future__ import annotations

from .answers import has_reply_prefix, is_automatic, own_words
from .mail import Mail, read_mail
from .wording import says

__all__ = ["is_around_report"]

_MAX_HEAD = 65_536  # bytes of the attached message that are read


def is_around_report(mail: Mail) -> bool:
    """Whether a person wrote this mail and what looks like a report in it is only quoted."""
    if _is_by_system(mail) or is_automatic(mail.fields, mail.subject):
        return False
    return has_reply_prefix(mail.subject) or (_attaches_report(mail) and _has_own_words(mail))


def _is_by_system(mail: Mail) -> bool:
    return (
        mail.author is None
        or mail.has_null_sender
        or mail.is_marked
        or "x-failed-recipients" in mail.fields
        or says("author", mail.author_words)
        or mail.value("auto-submitted").strip().lower() not in ("", "no")
    )


def _attaches_report(mail: Mail) -> bool:
    """Whether a part is a report, or a whole message that is one."""
    if mail.first("message/delivery-status", "message/global-delivery-status"):
        return True
    part = mail.first("message/rfc822", "message/global")
    return part is not None and _is_by_system(read_mail(part.body[:_MAX_HEAD]))


def _has_own_words(mail: Mail) -> bool:
    return bool(own_words(mail.parts)[0].strip())
