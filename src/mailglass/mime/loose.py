"""Transfer encodings as mail programs read them when they are not written as RFC 2045 asks.

Section 6.8 tells a reader to ignore what is no base64, section 6.7 to delete blanks before a line
break, and names of encodings that nobody knows are taken for none.  Where programs differ, each
way of reading is given, because a hostile sender chooses the program that shows the beacon.
"""

from __future__ import annotations

import re
from array import array
from binascii import Error as Irregular
from binascii import a2b_base64, a2b_qp, a2b_uu
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import accumulate

from .coding import Coding
from .fields import Field
from .fillings import Patch, Span
from .plain import Identity
from .transfer import Base64, coding_of
from .walk import Part

__all__ = ["coding_names", "loose_codings"]

FIELD = "content-transfer-encoding"
_WRITTEN_WELL = frozenset(("7bit", "8bit", "binary", "quoted-printable", "base64"))
# What a misspelt name means, by what it holds: `x-base-64`, `quoted/printable`, `x-uue`.
_MEANT = (
    (re.compile(r"base.?64|\bb64\b"), "base64"),
    (re.compile(r"quoted|printable|\bqp\b"), "quoted-printable"),
    (re.compile(r"uu"), "uuencode"),
)
_COMMENT = re.compile(r"\([^()]*+\)")
_RUN = re.compile(rb"[A-Za-z0-9+/]++")
_FOREIGN = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       b"0123456789+/="))  # fmt: skip
_URL_SAFE = bytes.maketrans(b"-_", b"+/")  # RFC 4648 section 5, which some libraries read as well
_PADDED_INSIDE = re.compile(rb"=[^A-Za-z0-9+/]*+[A-Za-z0-9+/]")
# Stretches of base64 that are kept track of: at 16 bytes each, 16 MB.
_MAX_RUNS = 1_000_000
_ENCODED_LINE = re.compile(rb"^[ \t]*+([A-Za-z0-9+/]++={0,2}+)[ \t\r]*+$", re.MULTILINE)
_BEGIN = re.compile(rb"^begin[^\r\n]*+", re.MULTILINE)
_LINE = re.compile(rb"[^\r\n]++")
_SOFT_BREAK = re.compile(rb"=[ \t]*+(?:\r*+\n|\r|\Z)")
_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})|=[ \t]*+(?:\r*+\n|\r|\Z)")


def coding_names(raw: bytes, part: Part) -> tuple[str, ...]:
    """The encodings that a part may be taken to have, the likeliest first."""
    fields = [field for field in part.fields if field.name == FIELD]
    if not fields:
        return ("7bit",)
    if len(fields) == 1 and (value := fields[0].value(raw).lower()) in _WRITTEN_WELL:
        return (value,)
    return tuple(dict.fromkeys(name for field in fields for name in _meant(field, raw)))


def _meant(field: Field, raw: bytes) -> Iterator[str]:
    value = field.value(raw)[:1000].lower()
    bare = value
    while bare != (bare := _COMMENT.sub(" ", bare)):
        pass
    if value.strip() in _WRITTEN_WELL:
        yield value.strip()
        return
    for text in (bare, value):
        yield from (name for pattern, name in _MEANT if pattern.search(text))
    yield "8bit"  # to a program that does not know such a name, or does not read comments


def loose_codings(names: Sequence[str], body: memoryview, line_end: bytes) -> list[Coding]:
    """Each way of reading a body, the likeliest first; one when there is no doubt."""
    found: list[Coding] = []
    for name in names:
        found += _of_name(name, body, line_end)
    if len(found) == 1:  # as nearly always
        return found
    distinct: dict[bytes, Coding] = {}
    for coding in found:
        distinct.setdefault(coding.data, coding)
    return list(distinct.values())


def _of_name(name: str, body: memoryview, line_end: bytes) -> list[Coding]:
    if name == "uuencode":
        return [Decoded(_uudecoded(bytes(body)), line_end), Identity(bytes(body), line_end)]
    strict: list[Coding] = []
    with suppress(ValueError):
        strict.append(coding_of(name, body, line_end))
    if strict and strict[0].is_regular:
        return strict
    data = bytes(body)
    if name == "base64":
        return strict + _loose_base64(data, line_end)
    if name == "quoted-printable":
        return strict + [Decoded(text, line_end) for text in _loose_quoted(data)]
    return strict or [Identity(data, line_end)]


class Decoded(Coding):
    """A body of which only the decoded bytes are known; a change writes it anew."""

    def patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        """Refuses: there is no way back to single bytes."""
        raise ValueError("the transfer encoding is irregular")


class LooseBase64(Base64):
    """Section 6.8 with what it calls other characters, which are ignored, and without padding."""

    is_regular = False

    def decode(self) -> bytes:
        """The bytes of all characters of the alphabet; where their stretches stand is kept."""
        body = self.body
        self.width = 0
        self.heads = {}
        starts, lengths = array("Q"), array("Q")
        for match in _RUN.finditer(body):
            starts.append(match.start())
            lengths.append(match.end() - match.start())
            if len(starts) > _MAX_RUNS:
                raise ValueError("the base64 encoding is in too many pieces")
        counts = array("Q", [0])
        counts.extend(accumulate(lengths))
        last = starts[-1] + lengths[-1] if starts else 0
        padding = body.rfind(b"=", last)
        self.stop = last if padding < 0 else padding + 1
        self.table = counts, starts
        return _base64_bytes(body.translate(None, _FOREIGN).rstrip(b"="))


def _loose_base64(body: bytes, line_end: bytes) -> list[Coding]:
    found: list[Coding] = []
    texts = [body, b"\n".join(_ENCODED_LINE.findall(body))]  # a program may pass over other lines
    if b"-" in body or b"_" in body:
        texts.append(body.translate(_URL_SAFE))
    for text in texts:
        kept = text.translate(None, _FOREIGN)
        if _PADDED_INSIDE.search(text):
            # Several encoded texts one behind another, or padding that is a foreign character too.
            pieces = (_base64_bytes(piece) for piece in kept.split(b"=") if piece)
            found.append(Decoded(b"".join(pieces), line_end))
            found.append(Decoded(_base64_bytes(kept.replace(b"=", b"")), line_end))
        elif text is body:
            try:
                found.append(LooseBase64(body, line_end))
            except ValueError:
                found.append(Decoded(_base64_bytes(kept.rstrip(b"=")), line_end))
        else:
            found.append(Decoded(_base64_bytes(kept.rstrip(b"=")), line_end))
    return found


def _base64_bytes(characters: bytes) -> bytes:
    """What characters of the alphabet encode; bits that make no byte are dropped."""
    if len(characters) % 4 == 1:
        characters = characters[:-1]
    return a2b_base64(characters + b"=" * (-len(characters) % 4))


def _loose_quoted(body: bytes) -> Iterator[bytes]:
    """Read from left to right, soft breaks taken out first, and as Python's library reads."""
    yield _ESCAPE.sub(_unescaped, body)
    yield _ESCAPE.sub(_unescaped, _SOFT_BREAK.sub(b"", body))
    yield a2b_qp(body)


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode("ascii")) if match[1] else b""


def _uudecoded(body: bytes) -> bytes:
    """The first file of a uuencoded body (POSIX uuencode); lines that are none are passed over."""
    begin = _BEGIN.search(body)
    found = bytearray()
    for match in _LINE.finditer(body, 0 if begin is None else begin.end()):
        line = match[0]
        if line.strip() == b"end":
            break
        try:
            found += a2b_uu(line)
        except Irregular:
            # Encoders that pad a line with anything: its first character says how much counts.
            length = (((line[0] - 32) & 63) * 4 + 5) // 3
            with suppress(Irregular):
                found += a2b_uu(line[:length])
    return bytes(found)
