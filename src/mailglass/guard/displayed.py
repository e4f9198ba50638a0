"""Which parts a program displays without being asked to, and which ones the message's HTML shows.

A part is an attachment only when all that it says about itself says so: programs take the first of
several Content-Disposition fields, or the last, and show text that has none, also with a file
name. A part that the message's own HTML names (RFC 2392, RFC 2557) is displayed whatever it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from urllib.parse import unquote

from ..mime import Message, Part, Standing, parse_parameters
from .css import without_disguise

__all__ = ["is_attached", "is_displayed", "may_be_shown_by_name", "names_of", "names_used"]

_SHOWN_AS_WELL = frozenset(
    ("application/xhtml+xml", "application/vnd.wap.xhtml+xml", "application/xml", "image/svg+xml",
     "message/external-body")
)  # fmt: skip
# What is no document and no style sheet, whoever shows it.
_MEDIA = re.compile(r"(?:image/(?!svg)|audio/|video/|font/|multipart/|message/)")
_BY_ID = re.compile(r"(?:cid:|mid:[^\s\"'<>()/]*+/)([^\s\"'<>()#?]++)", re.IGNORECASE)
_TOKEN = re.compile(r"[^\s\"'<>()=]++")
_VANISHES = str.maketrans("", "", "\t\n\r")


def is_attached(message: Message, part: Part) -> bool:
    """Whether every Content-Disposition of the part, of at least one, says attachment."""
    words = [
        parse_parameters(field.value(message.raw))[0]
        for field in part.fields
        if field.name == "content-disposition"
    ]
    return bool(words) and all(word == "attachment" for word in words)


def is_displayed(
    message: Message, part: Part, types: Iterable[str], standing: Standing, *, is_text: bool
) -> bool:
    """Whether some program displays the part without being asked to open a file.

    `types` are what programs may take it for; `is_text` says that it is read as plain text.
    """
    if standing is Standing.SHOWN:
        return True
    parent = message.parent(part)
    is_body = parent is None or parent.content_type == "multipart/alternative"
    if is_attached(message, part):
        return is_body and not part.file_name
    if is_text and part.file_name and not is_body:
        return part.disposition == "inline"  # its name is all that it could tell
    if standing is Standing.UNREADABLE:  # programs differ, so some may show it
        return True
    is_file = part.file_name is not None and not is_body
    return any(
        name.startswith("text/") or (name in _SHOWN_AS_WELL and not is_file) for name in types
    )


def may_be_shown_by_name(part: Part) -> bool:
    """Whether the part could be a frame or a style sheet of the message's HTML."""
    return _MEDIA.match(part.content_type) is None


def names_of(message: Message, part: Part) -> set[str]:
    """The names under which HTML can show the part, in lower case: `cid:` and an id, or a place."""
    found: set[str] = set()
    for field in part.fields:
        if field.name in ("content-id", "content-location"):
            value = field.value(message.raw)[:1000].strip("<> \t\"'").lower()
            scheme = "cid:" if field.name == "content-id" else ""
            found |= {scheme + spelling for spelling in (value, unquote(value)) if spelling}
    return found


def names_used(markup: str) -> set[str]:
    """The names of parts that markup or a style sheet may show, in lower case."""
    text = unescape(markup) if "&" in markup else markup
    texts = {text, text.translate(_VANISHES)}
    if "\\" in text or "/*" in text:
        texts.add(without_disguise(text))
    found: set[str] = set()
    for text in texts:
        found.update(f"cid:{name}" for name in _BY_ID.findall(text))
        found.update(token.partition("#")[0] for token in _TOKEN.findall(text))
    return {spelling.lower() for name in found for spelling in (name, unquote(name))}
