"""From a report to the delivery that it is about, and how far that can be believed.

The order is that of trust: a return path of ours carries a signature, so do the envelope id and a
token inside the returned message; a Message-ID, a reference or an address and a time can be copied
by anybody. An envelope id without a signature names nothing: numbers can be guessed.
A store is asked through the candidates; this module knows none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import islice

from ..errors import BadToken
from ..tokens import Kind as TokenKind
from ..tokens import Ring
from .parts import read_parts, split
from .records import Report

__all__ = ["Candidate", "Trust", "candidates", "delivery_of_address"]

# What stands for a token: 29 or 31 characters of lower-case base32 (mailglass.tokens).
_TOKEN = re.compile(r"(?<![a-z2-7])([a-z2-7]{31}|[a-z2-7]{29})(?![a-z2-7])", re.I)
_TOKEN_BEFORE_AT = re.compile(
    r"(?<![a-z2-7])([a-z2-7]{31}|[a-z2-7]{29})(?![a-z2-7])[^\s<>,;:@]{0,64}@", re.I
)
_MAX_PARTS = 20
_MAX_GUESSED = 5  # recipients looked up by name: a report without any other name has one or few
_MAX_ENVELOPE_ID = 100  # RFC 3461 section 4.4
_MAX_READ = 262_144  # bytes of the returned message searched for tokens: 256 KiB
_MAX_TRIED = 200  # words of a token's shape that are checked against the keys


class Trust(IntEnum):
    """How far a match can be believed."""

    FORGED = 0  # carries a token that none of our keys made
    GUESSED = 1  # recipient and time: only when nothing else is there
    NAMED = 2  # a Message-ID, which whoever got the message knows
    SIGNED = 3  # a token of ours inside it, which whoever got this copy knows
    ADDRESSED = 4  # sent to a signed address of this delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to find the delivery; exactly one of the names is set."""

    trust: Trust
    delivery_id: int | None = None
    purpose: TokenKind | None = None  # of the token that named the delivery
    message_id: str | None = None  # Message-ID with its angle brackets
    recipient: str | None = None


def delivery_of_address(address: str, ring: Ring) -> int | None:
    """The delivery whose signed return path this is."""
    ways = _by_address(address, ring)
    return next((w.delivery_id for w in ways if w.purpose is TokenKind.RETURN_PATH), None)


def candidates(report: Report, *, envelope_recipient: str, ring: Ring) -> tuple[Candidate, ...]:
    """The ways to find the delivery, the most trustworthy first.

    `envelope_recipient` is the address that the mail came to, empty when it lay in a mailbox or a
    file: then the fields that name its addressees stand for it. When it has the shape of a token
    but no key of ours made it, the first candidate is FORGED and the report must change no
    delivery.
    """
    found = list(_by_address(envelope_recipient, ring))
    if found and found[0].trust is Trust.FORGED:
        return tuple(found)
    trust = Trust.SIGNED if envelope_recipient else Trust.ADDRESSED
    for field in report.addressed_to:
        found += [
            replace(one, trust=trust)
            for one in _by_address(field, ring)
            if one.trust is Trust.ADDRESSED
            and (one.purpose is not TokenKind.UNSUBSCRIBE or not envelope_recipient)
        ]
    found += _by_token(report, ring)
    found += [
        Candidate(trust=Trust.NAMED, message_id=name)
        for name in report.message_ids
        if name.isprintable()  # a database may take no NUL
    ]
    named = sorted({r.original_recipient or r.recipient or "" for r in report.records})
    found += [
        Candidate(trust=Trust.GUESSED, recipient=name)
        for name in named[:_MAX_GUESSED]
        if name and name.isprintable()
    ]
    return tuple(dict.fromkeys(found))


def _by_address(text: str, ring: Ring) -> Iterator[Candidate]:
    """From `bounce+TOKEN@...`, `TOKEN@...` and the like."""
    shaped = [m[1] for m in _TOKEN_BEFORE_AT.finditer(text)][:_MAX_TRIED]
    for word in shaped:
        for kind in (TokenKind.RETURN_PATH, TokenKind.REPLY, TokenKind.UNSUBSCRIBE):
            delivery_id = _read(ring, word, kind)
            if delivery_id is not None:
                yield Candidate(trust=Trust.ADDRESSED, delivery_id=delivery_id, purpose=kind)
                return
    if shaped:
        yield Candidate(trust=Trust.FORGED)


def _by_token(report: Report, ring: Ring) -> list[Candidate]:
    """From the envelope id, and from our URLs and addresses inside the returned message.

    Only tokens whose tag covers nothing but themselves can be checked here: the beacon's, the
    unsubscribe's, the notice's and the return path's.
    """
    kinds = (TokenKind.RETURN_PATH, TokenKind.OPEN, TokenKind.UNSUBSCRIBE, TokenKind.NOTICE)
    found: list[Candidate] = []
    words = [(report.envelope_id or "").strip()[:_MAX_ENVELOPE_ID]]
    words += [word for text in _texts(report.original) for word in _words(text)]
    for word in words:
        for kind in kinds:
            delivery_id = _read(ring, word, kind)
            if delivery_id is not None:
                found.append(Candidate(trust=Trust.SIGNED, delivery_id=delivery_id, purpose=kind))
    return found


def _words(text: str) -> list[str]:
    return [match[1] for match in islice(_TOKEN.finditer(text), _MAX_TRIED)]


def _texts(original: bytes) -> Iterator[str]:
    """The returned message as it came, and its text parts out of their transfer encodings."""
    head = original[:_MAX_READ]
    yield head.decode("latin-1")
    fields, body = split(head)
    for part in read_parts(fields, body)[:_MAX_PARTS]:
        if part.content_type.startswith("text/"):
            yield part.decoded


def _read(ring: Ring, text: str, kind: TokenKind) -> int | None:
    try:
        token = ring.read(text.lower(), kind)
    except BadToken:
        return None
    return None if token.anonymous else token.delivery_id
