"""Reads complaints: ARF (RFC 5965, RFC 6591), and those of Microsoft without a report part.

Providers hide the recipient, so the record may have none: the original's Message-ID and our own
token in it then tell which delivery is meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .addresses import clean_address, mentions
from .parts import Fields, Part, read_fields
from .records import Record

__all__ = ["is_microsoft_complaint", "is_stop", "read_complaint", "read_microsoft_complaint"]

# What a person does who wants no more of it; `auth-failure` and `not-spam` ask for nothing such.
_STOPS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "complaint", "spam"})
_MICROSOFT_SUBJECT = "complaint about message from"
_TYPE = re.compile(r"[a-z][a-z0-9-]{0,40}")


def read_complaint(report: str, original: Fields) -> list[Record]:
    """The recipients of a feedback report; one record without a recipient when it names none."""
    told = read_fields(report.replace("\n\n", "\n"))
    found = _TYPE.match(told.get("feedback-type", ("",))[0].lower())
    kind = found[0] if found else "abuse"
    named = told.get("original-rcpt-to", []) + told.get("removal-recipient", [])
    recipients = [a for value in named for a in (clean_address(value),) if a]
    recipients = recipients or _addressees(original, told)
    return _records(recipients, kind)


def is_stop(feedback_type: str | None) -> bool:
    """Whether a person wants no more, as `abuse` says and `auth-failure` does not."""
    return feedback_type in _STOPS


def _addressees(original: Fields, told: Fields) -> list[str]:
    """Whom the original was for, as far as its header and the report show."""
    for name in ("x-hmxmroriginalrecipient", "to", "x-original-to", "delivered-to"):
        found = [m.address for value in original.get(name, []) for m in mentions(value[:2000])]
        if found:
            return found
    redacted = "".join(told.get("redacted-address", [])[:1]).rstrip("@")
    domain = "".join(told.get("reported-domain", [])[:1])
    return [f"{redacted}@{domain}"] if redacted and domain else []


def is_microsoft_complaint(subject: str, parts: Sequence[Part]) -> bool:
    """Whether it is one of the Junk Mail Reporting Program's mails."""
    return subject.lower().lstrip().startswith(_MICROSOFT_SUBJECT) and any(
        part.content_type == "message/rfc822" for part in parts
    )


def read_microsoft_complaint(original: Fields) -> list[Record]:
    """The recipient stands in a field of the attached mail."""
    return _records(_addressees(original, {}), "abuse")


def _records(recipients: Sequence[str], kind: str) -> list[Record]:
    stops = is_stop(kind)
    chosen: Sequence[str | None] = list(dict.fromkeys(recipients)) or [None]
    return [
        Record(recipient=recipient, feedback_type=kind, suppress=stops and recipient is not None)
        for recipient in chosen
    ]
