"""A thin reading of a message that came back: header fields and the few parts a report has.

Reports are parsed by the thousand, and most of a bounce is the returned message, of which only the
header matters. This reads header fields and cuts at boundaries without building a tree: a third of
the cost of `mailglass.mime.walk`, whose exact offsets and faults nobody needs here.
Line ends are LF inside; CRLF and bare CR are turned first (some mailboxes on disk hold bare CR).
Limits: 200 parts, 8 levels, 64 KiB of header or of decoded text; what lies beyond is not read.
"""

from __future__ import annotations

import binascii
import html
import quopri
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header

__all__ = [
    "Fields",
    "Part",
    "decoded_words",
    "normalised",
    "plain_text",
    "read_fields",
    "read_parts",
    "split",
]

_MAX_PARTS = 200
_MAX_DEPTH = 8
_MAX_TEXT_BYTES = 65_536  # the longest notice of the corpora has 21 KB before the original
_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9_.-]*)[ \t]*:[ \t]*([^\n]*(?:\n[ \t]+[^\n]*)*)", re.M)
_PARAMETER = re.compile(r';\s*([A-Za-z-]+)\*?\s*=\s*(?:"([^"\n]*)"?|([^\s;]+))')
_GUESSED_BOUNDARY = re.compile(rb"(?:^|\n)--([^\n]{1,200})\n(?:Content-|content-|CONTENT-)")

Fields = dict[str, list[str]]  # lower-case name -> unfolded values in order


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of the message."""

    content_type: str  # lower case
    parameters: dict[str, str]
    fields: Fields
    body: bytes  # as it came, still encoded

    @property
    def decoded(self) -> str:
        """The decoded body, at most 64 KiB of it."""
        return _decoded(self)

    @property
    def text(self) -> str:
        """The decoded body as a person reads it: of HTML without its tags."""
        if self.content_type == "text/html":
            return plain_text(self.decoded)
        return self.decoded


def normalised(raw: bytes) -> bytes:
    """The message with LF alone between lines, without a mailbox's "From " line."""
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    raw = raw.lstrip(b"\n")
    if raw.startswith((b"From ", b">From ")):
        raw = raw.partition(b"\n")[2]
    return raw


def split(data: bytes) -> tuple[Fields, bytes]:
    """The header fields and the body of an entity with LF line ends."""
    if data.startswith(b"\n"):
        return {}, data[1:]
    end = data.find(b"\n\n")
    if end < 0:
        return read_fields(_as_text(data[:_MAX_TEXT_BYTES])), b""
    return read_fields(_as_text(data[: min(end, _MAX_TEXT_BYTES)])), data[end + 2 :]


def read_fields(header: str) -> Fields:
    """The fields of a header block, lines that are none passed over."""
    found: Fields = {}
    for name, value in _FIELD.findall(header):
        if "\n" in value:
            value = " ".join(value.split())
        name = name.lower()
        if name in found:
            found[name].append(value.strip())
        else:
            found[name] = [value.strip()]
    return found


def _as_text(data: bytes, charset: str = "utf-8") -> str:
    for label in (charset, "utf-8"):
        try:
            return data.decode(label)
        except (UnicodeDecodeError, LookupError, ValueError):
            continue
    return data.decode("latin-1")


def read_parts(fields: Fields, body: bytes) -> list[Part]:
    """The leaves in their order; embedded messages stay whole."""
    leaves: list[Part] = []
    waiting = [(fields, body, 0)]
    while waiting and len(leaves) < _MAX_PARTS:
        fields, body, depth = waiting.pop()
        content_type, parameters = _content_type(fields)
        may_hold = content_type.startswith("multipart/") or _is_unmarked_report(fields, body)
        if may_hold and depth < _MAX_DEPTH:
            pieces = _pieces(body, parameters.get("boundary", ""))
            if pieces:
                waiting += [(*split(piece), depth + 1) for piece in reversed(pieces)]
                continue
        leaves.append(Part(content_type, parameters, fields, body))
    return leaves


def _is_unmarked_report(fields: Fields, body: bytes) -> bool:
    """Whether a relay lost the Content-Type of a report; its parts still say what they are."""
    return "content-type" not in fields and b"message/delivery-status" in body[:_MAX_TEXT_BYTES]


def _content_type(fields: Fields) -> tuple[str, dict[str, str]]:
    value = fields.get("content-type", ("text/plain",))[0]
    word = (value.partition(";")[0].split() or [""])[0].lower()
    if len(word) == len(value):
        return word, {}
    found = {m[1].lower(): m[3] if m[2] is None else m[2] for m in _PARAMETER.finditer(value)}
    return word, found


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """The parts between the delimiters; the preamble counts when no part follows it."""
    delimiter = b"--" + boundary.encode("utf-8", "replace").rstrip()
    if not boundary or delimiter not in body:
        guess = _GUESSED_BOUNDARY.search(body, 0, _MAX_TEXT_BYTES)
        if not guess:
            return []
        delimiter = b"--" + guess[1].rstrip()
    pieces = (b"\n" + body).split(b"\n" + delimiter, _MAX_PARTS)[1:]
    return [_after_line(piece) for piece in pieces if not piece.startswith(b"--")]


def _after_line(piece: bytes) -> bytes:
    return piece.partition(b"\n")[2]


def _decoded(part: Part) -> str:
    encoding = part.fields.get("content-transfer-encoding", ("7bit",))[0].strip().lower()
    data = part.body[:_MAX_TEXT_BYTES]
    if encoding == "quoted-printable":
        data = quopri.decodestring(data)
    elif encoding == "base64":
        data = _from_base64(data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    charset = part.parameters.get("charset", "utf-8").strip("'\" ").lower()
    if charset in ("us-ascii", "ascii", "iso-8859-1") and not data.isascii():
        charset = "utf-8"  # many servers label raw UTF-8 so
    if b"\x1b$" in data:
        charset = "iso-2022-jp"
    return _as_text(data, charset)


def _from_base64(data: bytes) -> bytes:
    clean = b"".join(data.split())
    try:
        return binascii.a2b_base64(clean[: len(clean) // 4 * 4])
    except binascii.Error:
        return data


def decoded_words(value: str) -> str:
    """A field's value with its encoded words (RFC 2047) read, as far as they can be."""
    if "=?" not in value or len(value) > 2048:  # 2,048: a Subject that long is no notice's
        return value
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError, binascii.Error):
        return value
    return "".join(
        piece if isinstance(piece, str) else _as_text(piece, charset or "utf-8")
        for piece, charset in pieces
    )


# Bounded, so that a text of nothing but "<" costs a constant for each of them.
_TAG = re.compile(r"<[^<>]{0,2000}>")
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li)\b[^<>]{0,200}>", re.I)
_UNSEEN = re.compile(r"<(style|script|head)\b[^<>]{0,200}>", re.I)


def plain_text(markup: str) -> str:
    """What HTML shows, without its tags; not for display, only to find words in it."""
    text = _BREAK.sub("\n", _without_unseen(markup))
    lines = html.unescape(_TAG.sub(" ", text)).split("\n")
    return "\n".join(" ".join(line.split()) for line in lines).strip()


def _without_unseen(markup: str) -> str:
    """The markup without style sheets, scripts and the head."""
    lowered = markup.lower()
    kept: list[str] = []
    at = 0
    while found := _UNSEEN.search(markup, at):
        kept.append(markup[at : found.start()])
        end = lowered.find(f"</{found[1].lower()}", found.end())
        if end < 0:
            return " ".join(kept)
        at = end
    return " ".join([*kept, markup[at:]])
