"""One text part: its links when they are asked for, and what earlier messages of ours left in it.

Also the HTML part for a message that has only text, when that is asked for: the same words with
their line breaks, nothing else.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from hashlib import blake2b

from ..mime import (
    Content,
    Filling,
    Hole,
    Message,
    NotEditable,
    Part,
    Patch,
    Pieces,
    encode_quoted,
)
from ..tokens import Kind
from . import reasons
from .document import Additions, DocumentRules, added_pieces
from .drafts import Draft, Wish
from .links import TextUrl, find_text_urls, read_own, why_untracked

__all__ = ["draft_alternative", "draft_recoded", "instrument_text", "newline_of"]

_OWN = re.compile(r"/[ca]/[a-z2-7]{29}", re.IGNORECASE)


def instrument_text(content: Content, rules: DocumentRules, lines: Pieces) -> list[Wish]:
    """The changes of one text part, in their order; `lines` stand at its end."""
    markup = content.markup
    wishes: list[Wish] = []
    if rules.links or _OWN.search(markup):
        for url in find_text_urls(markup, content.text):
            wishes += _url(markup, url, rules)
    if lines:
        end = len(markup.rstrip())
        reason = reasons.DOWNLOAD_LINES
        wishes.append(Wish(end, end, lines, "text-line", None, reason))
    return wishes


def _url(markup: str, found: TextUrl, rules: DocumentRules) -> list[Wish]:
    start, end, goes_on = found
    url = markup[start:end]
    own = read_own(url, rules.ring) if _OWN.search(url) else None
    if own is not None and own.kind is Kind.ATTACHMENT:
        locator = own.locator
        stamp = rules.stamps.attachment(locator.digest or "", locator.name or "", None)
        reason = reasons.QUOTED_ATTACHMENT
        return [Wish(start, end, stamp, "quoted-attachment", locator.digest, reason)]
    to = url if own is None else own.locator.to or ""
    why = why_untracked(to, rules.unsubscribes)
    if own is None and goes_on:
        why = reasons.GOES_ON
    if not rules.links or why is not None or rules.stamps.is_full:
        if own is not None:
            reason = reasons.QUOTED_LINK_RESTORED
            return [Wish(start, end, (_as_text(to),), "quoted-link", to, reason)]
        if rules.links:
            rules.report(f"link {url[:200]}", start, why or reasons.MANY_LINKS)
        return []
    new = rules.stamps.link(to)
    if own is not None:
        text = reasons.QUOTED_LINK_RENEWED
        return [Wish(start, end, new, "quoted-link", to, text)]
    return [Wish(start, end, new, "text-link", to, reasons.TRACKED_IN_TEXT)]


def _as_text(url: str) -> str:
    """A URL in ASCII, as a text part of any charset can hold it."""
    return url if url.isascii() else "".join(c if c.isascii() else _percent(c) for c in url)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))


def newline_of(content: Content, message: Message) -> str:
    """The line break that a text uses."""
    markup = content.markup
    return next((n for n in ("\r\n", "\n") if n in markup), message.line_end.decode("ascii"))


def draft_alternative(
    message: Message, part: Part, content: Content, rules: DocumentRules, additions: Additions
) -> tuple[list[Draft], list[Draft]]:
    """Changes that wrap a text part in multipart/alternative with an HTML part of the same words.

    Returned as those before and those behind the changes of the text itself.
    Raises NotEditable when no empty line parts header and body: there is no place between them.
    """
    line = message.line_end
    if not _has_empty_line(message, part):
        raise NotEditable(reasons.NO_EMPTY_LINE)
    boundary = _boundary(message)
    kept = [
        message.raw[f.start : f.end]
        for f in part.fields
        if f.name in ("content-type", "content-transfer-encoding")
    ]
    opening = [_insertion(part.body_start, b"--" + boundary + line + b"".join(kept) + line)]
    before = [*_container_header(message, part, boundary), *opening]
    head = b"Content-Type: text/html; charset=utf-8" + line
    head += b"Content-Transfer-Encoding: quoted-printable" + line + line
    body = encode_quoted(
        [
            p.encode() if isinstance(p, str) else Filling(p.number, p.length)
            for p in _html(content, rules, additions)
            if isinstance(p, str | Hole)
        ],
        line,
    )
    start = line + b"--" + boundary + line + head
    stop = line + b"--" + boundary + b"--" + line
    behind = [_insertion(part.end, start, *body, stop)]
    return before, behind


def draft_recoded(
    message: Message, part: Part, content: Content, wishes: Sequence[Wish]
) -> list[Draft]:
    """A text part of ASCII with its changes, in quoted-printable: its charset can hold more than
    7bit can, and what is read stays the same but for the changes."""
    units: list[bytes | Filling] = []
    position = 0
    for wish in wishes:
        units.append(content.markup[position : wish.start].encode("ascii"))
        units += [
            piece.encode(content.charset.codec or "ascii")
            if isinstance(piece, str)
            else Filling(piece.number, piece.length)
            for piece in wish.new
            if isinstance(piece, str | Hole)
        ]
        position = wish.end
    units.append(content.markup[position:].encode("ascii"))
    line = message.line_end
    body = Patch(part.body_start, len(message.body(part)), encode_quoted(units, line), ())
    new = b"Content-Transfer-Encoding: quoted-printable" + line
    old = part.field("content-transfer-encoding")
    if old is not None:
        header = Patch(old.start, old.end - old.start, (new,), ())
    else:
        header = Patch(part.fields[-1].end if part.fields else part.start, 0, (new,), ())
    kind, reason = "text-line", reasons.RECODED_LINES
    return [Draft(header, kind, None, reason), Draft(body, kind, None, reason)]


def _has_empty_line(message: Message, part: Part) -> bool:
    """Whether the bytes before the body end in an empty line of the part's own.

    The break of a delimiter line belongs to the delimiter, so a short part may have none.
    """
    head = message.raw[part.start : part.body_start]
    lone = message.line_end == b"\r"
    head = head.replace(b"\r", b"\n" if lone else b"")
    return head == b"\n" or head.endswith(b"\n\n")


def _insertion(offset: int, *new: bytes | Filling) -> Draft:
    return Draft(Patch(offset, 0, tuple(new), ()), "alternative", None, reasons.HTML_PART)


def _boundary(message: Message) -> bytes:
    """A boundary that the message does not contain; the same message always gives the same."""
    seed = blake2b(message.raw, digest_size=12)
    while (boundary := b"=_mailglass_" + seed.hexdigest().encode()) in message.raw:
        seed.update(b".")
    return boundary


def _container_header(message: Message, part: Part, boundary: bytes) -> list[Draft]:
    """Content-Type and -Transfer-Encoding of the part become those of a multipart."""
    line = message.line_end
    kind = b"Content-Type: multipart/alternative;" + line + b' boundary="' + boundary + b'"' + line
    drafts = []
    for field in part.fields:
        keeps = part.transfer_encoding in ("7bit", "8bit", "binary")
        if field.name == "content-type" or (
            field.name == "content-transfer-encoding" and not keeps
        ):
            new = kind if field.name == "content-type" else b""
            kind = b"" if field.name == "content-type" else kind
            patch = Patch(field.start, field.end - field.start, (new,) if new else (), ())
            drafts.append(Draft(patch, "alternative", None, reasons.HTML_PART))
    missing = kind
    if part.parent is None and part.field("mime-version") is None:
        missing = b"MIME-Version: 1.0" + line + missing
    if missing:
        drafts.append(_insertion(part.fields[-1].end if part.fields else part.start, missing))
    return drafts


def _html(content: Content, rules: DocumentRules, additions: Additions) -> Pieces:
    text = content.text()
    pieces: list[str | Hole] = ['<!DOCTYPE html>\n<html><body><div style="white-space:pre-wrap">']
    position = 0
    for start, end, goes_on in find_text_urls(text):
        if goes_on:
            rules.report(f"link {text[start:end][:200]}", start, reasons.GOES_ON)
            continue
        url = text[start:end]
        pieces.append(html.escape(text[position:start]))
        if rules.links and why_untracked(url, rules.unsubscribes) is None:
            href: Sequence[str | Hole] = rules.stamps.link(url)
        else:
            href = (html.escape(url),)
        pieces += ['<a href="', *href, f'">{html.escape(url)}</a>']
        position = end
    pieces.append(html.escape(text[position:]).rstrip() + "</div>")
    pieces += [p for p in added_pieces(additions) if isinstance(p, str | Hole)]
    pieces.append("</body></html>")
    return tuple(pieces)
