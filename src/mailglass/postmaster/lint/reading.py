"""What the rules want to know of a message, read once.

Everything here takes a stranger's bytes and raises only NotAMessage; what cannot be read is left
out and named among the faults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import getaddresses

from ...mime import (
    Content,
    Message,
    NotEditable,
    Part,
    Standing,
    Token,
    TokenKind,
    read_content,
    standings,
    tokenize,
    unescape_attribute,
    walk,
)

__all__ = ["Image", "Link", "Reading", "read_message"]

_BULK = ("list-unsubscribe", "list-id", "feedback-id", "x-campaign-id", "x-mailgun-tag")
_ACTIVE = {"script", "form", "iframe", "frame", "object", "embed", "applet"}
_HIDDEN = {"style", "script", "title"}
_MAX_LINKS = 5000  # a message with more is judged by its first ones
_MAX_FIELD = 20_000  # characters of a field; the standard library's readers are not linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One hyperlink."""

    url: str
    text: str  # what the reader sees, white space collapsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image."""

    url: str
    alt: str | None
    is_beacon: bool  # one pixel large, or hidden


@dataclass(slots=True, kw_only=True)
class Reading:
    """A message as the rules see it."""

    message: Message
    authors: list[str]
    recipients: list[str]
    return_path: str | None  # None when the message does not say
    subject: str
    is_bulk: bool
    html_bytes: int = 0
    has_html: bool = False
    html_text: str = ""
    plain_text: str | None = None
    links: list[Link] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    active: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    @property
    def raw(self) -> bytes:
        """The message."""
        return self.message.raw

    @property
    def author_domain(self) -> str:
        """The domain of the first From address, lower case; empty without one."""
        return self.authors[0].rpartition("@")[2].lower() if self.authors else ""

    def values(self, name: str) -> list[str]:
        """The values of all fields of this lower-case name."""
        return [f.value(self.raw) for f in self.message.root.fields if f.name == name]


def read_message(raw: bytes) -> Reading:
    """Read a message; raises NotAMessage for bytes that are none."""
    message = walk(raw)
    reading = Reading(
        message=message,
        authors=_addresses(message, "from"),
        recipients=[a for name in ("to", "cc", "delivered-to") for a in _addresses(message, name)],
        return_path=_return_path(message),
        subject=_words(message.value("subject") or ""),
        is_bulk=_is_bulk(message),
    )
    for part, standing in zip(message.parts, standings(message), strict=True):
        reading.faults += [f"part {message.path(part)}: {fault}" for fault in part.faults]
        if standing in (Standing.SHOWN, Standing.SIGNED) and not part.is_multipart:
            _read_text(reading, part)
    return reading


def _addresses(message: Message, name: str) -> list[str]:
    values = [f.value(message.raw) for f in message.root.fields if f.name == name]
    try:
        pairs = getaddresses([value[:_MAX_FIELD] for value in values[:100]])
    except (ValueError, IndexError, RecursionError):  # comments in comments in comments
        return []
    return [address for _, address in pairs if "@" in address]


def _return_path(message: Message) -> str | None:
    value = message.value("return-path")
    return None if value is None else value.strip().strip("<>").strip()


def _words(value: str) -> str:
    """A field's text with its encoded words read (RFC 2047)."""
    value = value[:_MAX_FIELD]
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return value


def _is_bulk(message: Message) -> bool:
    names = {f.name for f in message.root.fields}
    if "list-post" in names:  # a discussion among people, not a mailing of one sender
        return False
    precedence = (message.value("precedence") or "").strip().lower()
    return any(name in names for name in _BULK) or precedence in ("bulk", "list", "junk")


def _read_text(reading: Reading, part: Part) -> None:
    if part.content_type not in ("text/html", "text/plain"):
        return
    try:
        content = read_content(reading.message, part)
    except NotEditable as error:
        reading.faults.append(f"part {reading.message.path(part)}: {error}")
        return
    if part.content_type == "text/plain":
        reading.plain_text = (reading.plain_text or "") + _collapse(content.text())
        return
    reading.has_html = True
    reading.html_bytes += len(content.text().encode("utf-8", "replace"))
    _read_html(reading, content)


def _read_html(reading: Reading, content: Content) -> None:
    texts: list[str] = []
    link: tuple[str, int] | None = None  # its address, and how many texts stood before it
    position = 0
    for token in tokenize(content.markup):
        texts.append(content.text(position, token.start))
        position = token.end
        if token.kind is TokenKind.RAW and token.name not in _HIDDEN:
            texts.append(content.text(token.start, token.end))
        if token.name == "a" and token.kind in (TokenKind.START, TokenKind.END):
            if link and len(reading.links) < _MAX_LINKS:
                shown = _collapse(unescape_attribute("".join(texts[link[1] :])))
                reading.links.append(Link(url=link[0], text=shown))
            link = None
            url = _attribute(content, token, "href")
            if token.kind is TokenKind.START and url is not None:
                link = (url.strip(), len(texts))
        elif token.kind is TokenKind.START:
            _read_tag(reading, content, token)
            texts.append(" ")
    texts.append(content.text(position))
    reading.html_text += _collapse(unescape_attribute("".join(texts)))


def _read_tag(reading: Reading, content: Content, token: Token) -> None:
    if token.name in _ACTIVE:
        reading.active.add(token.name)
    elif token.name == "meta":
        if (_attribute(content, token, "http-equiv") or "").lower() == "refresh":
            reading.active.add("meta refresh")
    elif token.name == "img" and len(reading.images) < _MAX_LINKS:
        reading.images.append(_image(content, token))


def _image(content: Content, token: Token) -> Image:
    sizes = [_attribute(content, token, name) or "" for name in ("width", "height")]
    style = re.sub(r"\s", "", (_attribute(content, token, "style") or "").lower())
    tiny = all(re.fullmatch(r"[01](px)?", size.strip()) for size in sizes)
    hidden = "display:none" in style or bool(
        re.search(r"(?<![-a-z])(?:width|height):[01]px", style)
    )
    return Image(
        url=(_attribute(content, token, "src") or "").strip(),
        alt=_attribute(content, token, "alt"),
        is_beacon=tiny or hidden,
    )


def _attribute(content: Content, token: Token, name: str) -> str | None:
    found = token.attribute(content.markup, name)
    if found is None:
        return None
    if found.value_start < 0:
        return ""
    return unescape_attribute(content.text(found.value_start, found.value_end))


def _collapse(text: str) -> str:
    return " ".join(text.split())
