"""Attachments that become downloads: which, how they leave the message, what stands in their place.

An attachment leaves together with its delimiter line, so that the multipart around it stays whole.
Inline parts, calendars, attached messages and signatures always stay.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from ..mime import Hole, Message, Part, Patch, Pieces, Room, Standing, decoded_body
from ..tokens import percent_encode
from . import reasons
from .drafts import Draft
from .plan import LeftAlone, where
from .stamps import Stamp, Stamps

__all__ = ["Linked", "Store", "attachment_digest", "card", "link_attachments", "text_lines"]

Store = Callable[[bytes, str], str]  # content and file name -> digest

_STAYS = {
    "text/calendar": reasons.CALENDAR,
    "application/ics": reasons.CALENDAR,
    "application/pgp-signature": reasons.SIGNATURE,
    "application/pgp-keys": reasons.KEY,
    "application/pkcs7-signature": reasons.SIGNATURE,
    "application/x-pkcs7-signature": reasons.SIGNATURE,
    "application/ms-tnef": reasons.FOR_OUTLOOK,
    "application/vnd.ms-tnef": reasons.FOR_OUTLOOK,
    "text/x-amp-html": reasons.ALTERNATIVE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """An attachment that was stored."""

    name: str
    where: str
    size_bytes: int
    stamp: Stamp
    removal: Draft


def attachment_digest(content: bytes) -> str:
    """How the store names a content: BLAKE2b-128 in lower-case base32 without padding."""
    value = blake2b(content, digest_size=16).digest()
    return base64.b32encode(value).decode("ascii").rstrip("=").lower()


def link_attachments(
    message: Message,
    standings: list[Standing],
    stamps: Stamps,
    store: Store,
    left: list[LeftAlone],
) -> list[Linked]:
    """The attachments, stored; `store` is called once for each."""
    found = []
    for part in message.parts:
        if not _is_attachment(message, part, standings):
            continue
        reason = _why_it_stays(message, part)
        if stamps.is_full:
            reason = reasons.MANY_PARTS
        content = b"" if reason else decoded_body(message, part)
        if reason is None and content is None:
            reason = reasons.UNREADABLE_CODING
        if reason is not None or content is None:
            what = f"attachment {part.file_name or part.content_type}"[:200]
            place = where(message.path(part))
            left.append(LeftAlone(what=what, where=place, reason=str(reason)))
            continue
        found.append(_linked(message, part, content, stamps, store))
    return found


def _is_attachment(message: Message, part: Part, standings: list[Standing]) -> bool:
    parent = message.parent(part)
    if parent is None or standings[parent.number] is not Standing.SHOWN:
        return False
    if part.is_multipart or part.content_type.startswith("message/"):
        return False
    return standings[part.number] in (Standing.ATTACHMENT, Standing.OTHER)


def _why_it_stays(message: Message, part: Part) -> str | None:
    if part.content_type in _STAYS:
        return _STAYS[part.content_type]
    parent = message.parent(part)
    if parent is None or parent.content_type != "multipart/mixed":
        return reasons.NOT_MIXED
    if part.disposition != "attachment" and part.content_id:
        return reasons.MAYBE_SHOWN
    if part.disposition == "inline" or (not part.disposition and not part.file_name):
        return reasons.INLINE
    if any(fault.endswith("closing boundary") for fault in parent.faults):
        return reasons.NO_END
    return None


def _linked(message: Message, part: Part, content: bytes, stamps: Stamps, store: Store) -> Linked:
    name = _file_name(part)
    digest = store(content, name)
    start = _delimiter_start(message, part)
    end = part.end
    end += message.raw.startswith(b"\r", end)
    end += message.raw.startswith(b"\n", end) and message.line_end != b"\r"
    removal = Draft(
        Patch(start, end - start, (), ()),
        "attachment",
        digest,
        f"{name}: stored once, replaced by a link",
    )
    stamp = stamps.attachment(digest, name, len(content))
    place = where(message.path(part))
    return Linked(name=name, where=place, size_bytes=len(content), stamp=stamp, removal=removal)


def _file_name(part: Part) -> str:
    """The name as a single path segment, never empty."""
    name = (part.file_name or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c for c in name if c.isprintable()).encode("utf-8", "replace").decode()
    name = name.strip(". ")[:120]
    return name or f"attachment.{part.content_type.partition('/')[2].partition('+')[0][:20]}"


def _delimiter_start(message: Message, part: Part) -> int:
    """Where the delimiter line before a part begins."""
    line_end = message.line_end[-1:]
    return message.raw.rfind(line_end, 0, part.start - 1) + 1


def card(linked: list[Linked]) -> Pieces:
    """The downloads as HTML, in ASCII whatever the names are."""
    pieces: list[str | Hole | Room] = ['<div style="margin:12px 0;font-size:14px">']
    for item in linked:
        name = html.escape(item.name).encode("ascii", "xmlcharrefreplace").decode()
        pieces += ['<p style="margin:4px 0"><a href="', *item.stamp]
        pieces.append(f'">{name}</a> ({_size(item.size_bytes)})</p>')
    pieces.append("</div>")
    return tuple(pieces)


def text_lines(linked: list[Linked], can_hold: Callable[[str], bool], newline: str) -> Pieces:
    """The downloads as lines of text; a name that the part cannot hold stands percent-encoded."""
    pieces: list[str | Hole | Room] = []
    for item in linked:
        name = item.name if can_hold(item.name) else percent_encode(item.name)
        pieces += [f"{newline}{newline}{name} ({_size(item.size_bytes)}):{newline}"]
        pieces += item.stamp
    return tuple(pieces)


def _size(size_bytes: int) -> str:
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1000:.0f} kB"
    return f"{size_bytes / 1_000_000:.1f} MB"
