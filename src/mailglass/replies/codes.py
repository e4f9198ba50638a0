"""Finds the reply code and the enhanced status inside the words of a server or of a report.

A reply (RFC 5321 section 4.2) starts with three digits; the enhanced status (RFC 2034) follows.
Other numbers abound in bounces: addresses of hosts, ports, sizes, times. A number counts as a
reply code only where a reply starts, or beside an enhanced status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Codes", "find_codes", "is_status"]

_STATUS = r"[45]\.\d{1,3}\.\d{1,3}"
_IS_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\Z")
# Not inside a longer dotted number: 5.1.1.2 is an address, not a status.
_STATUS_ANYWHERE = re.compile(rf"(?<![\d.\w-]){_STATUS}(?![\w-]|\.\d)")
_CODE = r"[45][0-5]\d"
_CODE_WITH_STATUS = re.compile(rf"(?<![\d.\w])({_CODE})[ -](?:{_CODE} )?\W?\W?({_STATUS})(?!\.?\d)")
# Runs are bounded: a text of nothing but colons would take the square of its length.
_REPLY_STARTS = re.compile(
    rf"(?:^|[:;>\[(\"'\n.,]|said|says|replied|responded|returned|error|code|reply|status|response"
    rf"|<<<)[\s:;\"'(\[#]{{0,8}}(?:smtp[;:]?\s{{0,8}})?({_CODE})(?=[\s\-)\];:,\"'#]|$)",
    re.IGNORECASE,
)
# sendmail quotes the peer behind its own code: 554 <who@example.net>... 550 Host unknown
_QUOTED = re.compile(rf"(?:^|\s){_CODE} \S{{1,300}}\.\.\. ({_CODE}) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The numbers of a reply; None where the words carry none."""

    reply_code: int | None
    enhanced_status: str | None


def is_status(text: str) -> bool:
    """Whether the text is an enhanced status (RFC 3463 section 2) and nothing else."""
    return _IS_STATUS.match(text) is not None


def find_codes(text: str) -> Codes:
    """The reply code and enhanced status of the reply that `text` holds.

    When several replies are named, one that carries an enhanced status wins, and among those the
    first: a report quotes the receiving server before it adds its own words.
    """
    both = _CODE_WITH_STATUS.search(text)
    if both:
        return Codes(reply_code=int(both[1]), enhanced_status=both[2])
    code = _QUOTED.search(text) or _REPLY_STARTS.search(text)
    status = _STATUS_ANYWHERE.search(text)
    return Codes(
        reply_code=int(code[1]) if code else None,
        enhanced_status=status[0] if status else None,
    )
