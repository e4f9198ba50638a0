"""Mail merge: `{{name}}` in a subject, text and HTML, filled in for each recipient.

A message is composed and compiled once. The places stand in it on lines of their own between soft
breaks (RFC 2045 section 6.7), so that a value of any length is put in without looking at the rest
of the message; a value is escaped for where it stands, and can add no markup, no header field and
no parameter of a URL.
"""

from __future__ import annotations

import email.header
import html
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..mime import encode_quoted

__all__ = ["fill", "mark", "placeholders", "substitute"]

_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_PLACEHOLDER = re.compile(r"\{\{[ \t]*(" + _NAME + r")[ \t]*\}\}")
# What a placeholder becomes in a body: `t` stands in plain text, `h` in HTML; in a URL of either
# `p` before its query, `q` in the query or fragment, `o` in one without a host (mailto:, tel:).
_MARK = re.compile(rb"\{\{([thpqo])\.(" + _NAME.encode() + rb")\}\}")
# Signs that stay as they are in a URL beside the unreserved ones (RFC 3986 section 2).
_SAFE = {b"p": "/", b"q": "", b"o": "@+"}
# The beginning of a URL before a placeholder. A placeholder that begins one is the URL itself.
_URL_IN_TEXT = re.compile(r"(?:https?://|mailto:|tel:)[^\s<>\"]*\Z", re.IGNORECASE)
_URL_IN_HTML = re.compile(
    r"<[a-z][^<>]*\s(?:href|src|action|formaction|background|poster|cite|data)\s*=\s*"
    r"(?:\"([^\"<>]+)|'([^'<>]+)|([^\s\"'<>]+))\Z",
    re.IGNORECASE,
)
_MOST_BEFORE = 8192  # characters that are looked at for the beginning of a URL: none is longer
_LINE = 74  # characters: the library counts a continuation's space apart
_FIELD = re.compile(rb"^(subject|to):[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)


def placeholders(text: str) -> set[str]:
    """The names that a text asks for."""
    return set(_PLACEHOLDER.findall(text))


def substitute(text: str, values: Mapping[str, str]) -> str:
    """A text with its values, unescaped; a name without a value stays as it is."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def mark(text: str, *, is_html: bool) -> bytes:
    """A body in UTF-8 and quoted-printable in which every placeholder can be filled later."""
    pieces: list[bytes] = []
    before = ""  # the end of what stands there already, a word for each value
    for number, piece in enumerate(_PLACEHOLDER.split(text)):
        if number % 2:
            pieces.append(b"{{" + _place(before, is_html) + b"." + piece.encode() + b"}}")
            before += "value"
        else:
            pieces.append(_quoted(piece))
            before = (before + piece)[-_MOST_BEFORE:]
    return b"=\r\n".join(pieces)


def _place(before: str, is_html: bool) -> bytes:
    """Where a placeholder stands, by what stands before it; see `_MARK`."""
    if is_html:
        found = _URL_IN_HTML.match(before, max(0, before.rfind("<")))
        url = next(filter(None, found.groups()), "") if found else ""
    else:
        word = re.split(r"[\s<>\"]", before)[-1]
        found = _URL_IN_TEXT.search(word)
        url = found[0] if found else ""
    if not url:
        return b"h" if is_html else b"t"
    if re.match(r"[a-z][a-z0-9+.-]*:(?!//)", url, re.IGNORECASE):
        return b"o"
    return b"q" if "?" in url or "#" in url else b"p"


def fill(message: bytes, filling: Mapping[str, Any]) -> bytes:
    """The message for one recipient.

    `filling` holds `values`, the recipient's text by name, and `to`, what stands in their To field.
    """
    values: Mapping[str, str] = filling["values"]
    end = message.find(b"\r\n\r\n")
    header, body = message[: end + 2], message[end + 2 :]

    def field(found: re.Match[bytes]) -> bytes:
        if found[1].lower() == b"to":
            return f"To: {filling['to']}\r\n".encode()
        return _subject(found[0], values)

    def value(found: re.Match[bytes]) -> bytes:
        text = values.get(found[2].decode())
        if text is None:
            return found[0]
        return _quoted(_written(text, found[1]))

    return _FIELD.sub(field, header) + _MARK.sub(value, body)


def _written(text: str, place: bytes) -> str:
    """A value as it is written where it stands, so that it is a part there and never a boundary."""
    if place in _SAFE:
        return quote(text, safe=_SAFE[place])
    return html.escape(text) if place == b"h" else text


def _subject(field: bytes, values: Mapping[str, str]) -> bytes:
    said = field.decode("ascii", "replace").partition(":")[2].strip()
    text = str(email.header.make_header(email.header.decode_header(said)))
    text = " ".join(substitute(text, values).split())  # a value can begin no new field
    coding = "us-ascii" if text.isascii() else "utf-8"
    words = email.header.Header(text, coding, header_name="Subject", maxlinelen=_LINE)
    shown = words.encode(linesep="\r\n")
    return b"Subject: " + shown.encode("ascii") + b"\r\n"


def _quoted(text: str) -> bytes:
    """Quoted-printable that may stand before a soft break, with lines of at most 76 characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    pieces = encode_quoted([lines], b"\r\n")
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))
