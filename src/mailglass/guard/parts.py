"""Which parts of a message a person sees, which may be changed, and what lies in the others.

A message attached to the message is shown below it by most programs, so that its beacons fire too.
HTML and SVG attachments and calendar entries are looked into and reported, never changed: they are
the recipient's files. What is signed or encrypted is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ..mime import Content, Message, NotEditable, Part, Standing, read_content, standings

__all__ = ["Kind", "Readable", "is_sealed", "readable_parts"]


class Kind(Enum):
    """How a part's text is to be read."""

    HTML = "html"
    TEXT = "text"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Readable:
    """A part with text in which something can call home."""

    part: Part
    path: str
    kind: Kind
    content: Content
    is_shown: bool  # displayed without being opened first
    kept: str | None  # why it must not be changed; None when it may be


_HTML = frozenset(("text/html", "application/xhtml+xml", "text/x-amp-html", "image/svg+xml"))
_HTML_NAME = re.compile(r"\.(?:x?html?|svg|xht|mht)\Z", re.IGNORECASE)
_SEALED_TYPES = frozenset(
    ("multipart/signed", "multipart/encrypted", "application/pkcs7-mime",
     "application/x-pkcs7-mime", "application/pgp-encrypted")
)  # fmt: skip
_ARMOUR = ("-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP MESSAGE-----")


def is_sealed(part: Part) -> bool:
    """Whether the part is signed or encrypted, so that a change would break or forge it."""
    return part.content_type in _SEALED_TYPES


def readable_parts(message: Message) -> Iterator[Readable]:
    """The parts to look into, in their order; what cannot be decoded is left out."""
    for part, standing in zip(message.parts, standings(message), strict=True):
        kind = _kind(part)
        if kind is None or part.is_multipart:
            continue
        try:
            content = read_content(message, part)
        except NotEditable:
            continue
        is_shown = _is_shown(part, standing)
        yield Readable(
            part, message.path(part), kind, content, is_shown, _kept(message, part, content)
            or (None if is_shown else "it is an attachment")
        )  # fmt: skip


def _kind(part: Part) -> Kind | None:
    if part.content_type in _HTML:
        return Kind.HTML
    if part.content_type == "text/calendar":
        return Kind.CALENDAR
    if part.file_name and _HTML_NAME.search(part.file_name):
        return Kind.HTML
    if part.content_type == "text/plain" and part.disposition != "attachment":
        return Kind.TEXT
    return None


def _is_shown(part: Part, standing: Standing) -> bool:
    if standing is Standing.SHOWN:
        return True
    if standing in (Standing.EMBEDDED, Standing.SIGNED):
        return part.disposition != "attachment" and part.content_type.startswith("text/")
    return standing is Standing.OTHER and part.content_type == "application/xhtml+xml"


def _kept(message: Message, part: Part, content: Content) -> str | None:
    at: Part | None = part
    while at is not None:
        if is_sealed(at):
            return "it is signed or encrypted"
        at = message.parent(at)
    if any(armour in content.markup for armour in _ARMOUR):
        return "it holds a PGP signature or encryption"
    return None
