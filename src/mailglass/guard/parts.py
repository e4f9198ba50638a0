"""Which parts of a message a person sees, which may be changed, and what lies in the others.

A message attached to the message is shown below it by most programs, so that its beacons fire too,
also when it is encoded, which RFC 2046 section 5.2.1 forbids and programs undo. HTML and SVG
attachments and attached calendars and cards are looked into and reported, never changed: they are
the recipient's files. What is signed or encrypted is left as it is. A part that programs read in
several ways comes once for each of them. Nothing is passed over in silence: what cannot be looked
into is named in `Found.unread`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from enum import Enum
from operator import itemgetter

from ..errors import NotAMessage
from ..mime import (
    Content,
    Message,
    Part,
    Standing,
    body_readings,
    coding_names,
    decoded_body,
    header_content,
    read_all,
    standings,
    walk,
)
from .displayed import is_attached, is_displayed, may_be_shown_by_name, names_of, names_used
from .seals import is_sealed
from .structure import Delimiters, Other, Places, other_parts, other_structures

__all__ = ["MAX_PARTS", "Carrier", "Found", "Kind", "Readable", "readable_parts"]

# Of one message. A digest has some hundreds; each part costs 40 microseconds and a kilobyte.
MAX_PARTS = 10_000
# Encoded messages in encoded messages: each layer is smaller than the one around it, but read anew.
_MAX_LAYERS = 8
# What the encoded messages in one have together, as times its length: room for the layers, and for
# some that programs read in several ways.
_MAX_DECODED = 10


class Kind(Enum):
    """How a part's text is to be read."""

    HTML = "html"
    TEXT = "text"
    CALENDAR = "calendar"
    CARD = "card"
    STYLE = "style sheet"
    EXTERNAL = "external"  # its header says where its body is (RFC 2046 section 5.2.3)


@dataclass(frozen=True, slots=True, eq=False)
class Carrier:
    """A part whose decoded body is parts again, beyond what `walk` reads.

    Also a second way of telling the parts of a message apart, when programs differ about that.
    """

    part: Part
    within: Message  # whose part it is
    outer: Carrier | None
    message: Message  # what is in it
    head: int  # bytes put before it, so that it is a message
    places: Places  # where its bytes stand in `within`
    layer: int  # how many carriers it lies in, with itself

    def back(self, offset: int) -> int | None:
        """Where a byte of it stands in `within`; None when it does not, as it is encoded."""
        start, there = self.places[bisect_right(self.places, offset, key=itemgetter(0)) - 1]
        return None if there is None else there + offset - start


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """A part with text in which something can call home."""

    part: Part
    path: str
    kind: Kind
    content: Content
    is_shown: bool  # displayed without being opened first
    kept: str | None  # why it must not be changed; None when it may be
    message: Message  # whose part it is
    carrier: Carrier | None = None
    reading: int = 0  # of several ways in which programs read the part
    readings: int = 1
    content_type: str = ""  # what it is displayed as; empty for what its header says
    is_guess: bool = False  # what the message's HTML shows it as: a document or a style sheet

    @property
    def is_xml(self) -> bool:
        """Whether programs may read it as XML."""
        name = self.part.file_name or ""
        kind = self.content_type or self.part.content_type
        return kind.endswith(_XML_ENDS) or name.lower().endswith((".svg", ".xhtml", ".xht"))


@dataclass(slots=True)
class Found:
    """What there is to look into, and what cannot be."""

    readables: list[Readable] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)  # path of a part, and why
    known: set[object] = field(default_factory=set)  # parts, by their places in the message
    parts_left: int = MAX_PARTS
    bytes_left: int = 0  # of encoded messages that may still be read
    waiting: list[_Waiting] = field(default_factory=list)  # parts that HTML may show by their names


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A part that is looked into only when the message's HTML shows it."""

    message: Message
    part: Part
    carrier: Carrier | None
    path: str
    kept: str | None


_HTML = frozenset(("text/html", "text/x-amp-html", "text/watch-html"))
_XML_ENDS = ("/xml", "+xml")  # RFC 7303 section 4.2
_KINDS = {
    **dict.fromkeys(_HTML, Kind.HTML),
    **dict.fromkeys(("text/calendar", "application/ics", "text/x-vcalendar"), Kind.CALENDAR),
    **dict.fromkeys(("text/vcard", "text/x-vcard", "text/directory"), Kind.CARD),
    "message/external-body": Kind.EXTERNAL,
}
_NAMES = (
    (re.compile(r"\.(?:x?html?|svg|xht|mht)\Z", re.IGNORECASE), Kind.HTML),
    (re.compile(r"\.(?:vcf|vcard)\Z", re.IGNORECASE), Kind.CARD),
)
# Of message/* what has another form than that of a message, and what lies elsewhere. Programs take
# the rest for messages, also names that they do not know.
_NO_MESSAGES = frozenset(
    ("message/external-body", "message/delivery-status", "message/disposition-notification",
     "message/feedback-report", "message/global-delivery-status", "message/http", "message/s-http",
     "message/global-disposition-notification", "message/sip", "message/sipfrag")
)  # fmt: skip
_ARMOUR = ("-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP MESSAGE-----")
_ATTACHED = "it is an attachment"
_TOO_MUCH = "its parts are too many or too deep; some are not looked into"
# Pictures, fonts, PDF and archives without a type of their own.
_MAGIC = (b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"RIFF", b"BM", b"wOF", b"%PDF", b"PK\x03\x04")
_CONTAINERS = ("multipart/", "message/")
_IDENTITY = frozenset(("7bit", "8bit", "binary"))
# After these programs differ about what a part is; `walk` says which of them it saw.
_UNSURE = ("repeated Content-Type", "unreadable Content-Type")
_TYPE = re.compile(r"([\w.+-]+)\s*/+\s*([\w+-]+(?:\.[\w+-]+)*)")
_DISGUISE = re.compile(r"[\x00\"'\\<>]")  # what some programs leave out of a type
_PLAIN_TYPE = re.compile(r"[\w.+-]+/[\w.+-]*[\w+-]")
_COMMENT = re.compile(r"\([^()]*+\)")


def readable_parts(message: Message) -> Found:
    """The parts to look into, in their order, and those that cannot be looked into."""
    found = Found(bytes_left=_MAX_DECODED * len(message.raw))
    _gather(message, found, None, "", None)
    for other in other_structures(message):
        _gather_other(message, message.root, other, found, None, "", None)
    _read_shown_by_name(found)
    return found


def _gather(
    message: Message, found: Found, carrier: Carrier | None, prefix: str, kept: str | None
) -> None:
    """Take in the parts of a message; `kept` is why its carrier must not be changed."""
    found.parts_left -= len(message.parts)
    delimiters = Delimiters(message)
    for part, standing in zip(message.parts, standings(message), strict=True):
        path = _path(message, part, prefix)
        if part.number == 0 and (limit := _limit(part)):
            found.unread["0"] = f"{limit}; what lies beyond is not looked into"
        if (place := _place(part, carrier)) is not None:
            if place in found.known:
                continue
            found.known.add(place)
        types = _types(message, part)
        if (part.content_type.startswith(_CONTAINERS) or len(types) > 1) and _is_carrier(
            message, part, types
        ):
            _open_carrier(message, part, found, carrier, path, kept)
        for other in other_parts(message, part, delimiters):
            _gather_other(message, part, other, found, carrier, path, kept)
        kind, name = (None, "") if part.is_multipart else _kind(message, part, types)
        if kind is not None:
            _read(message, part, kind, standing, found, carrier, path, kept, name, types)
        is_open = kind in (None, Kind.TEXT) and may_be_shown_by_name(part)
        if is_open and names_of(message, part):
            found.waiting.append(_Waiting(message, part, carrier, path, kept))


def _place(part: Part, carrier: Carrier | None) -> object | None:
    """Which bytes of the whole message the part is, and as what; None when it is encoded."""
    place: list[int] = []
    for offset in (part.start, part.body_start, part.end):
        at: int | None = offset
        around = carrier
        while around is not None and at is not None:
            at, around = around.back(at), around.outer
        if at is None:
            return None
        place.append(at)
    return (*place, part.content_type, part.transfer_encoding)


def _limit(part: Part) -> str | None:
    return next((fault for fault in part.faults if fault.endswith("parts in all")), None)


def _is_too_deep(part: Part) -> bool:
    return any(fault.endswith("parts deep") for fault in part.faults)


def _path(message: Message, part: Part, prefix: str) -> str:
    path = message.path(part)
    if not prefix:
        return path
    return prefix if path == "0" else f"{prefix}.{path}"


def _read(
    message: Message,
    part: Part,
    kind: Kind,
    standing: Standing,
    found: Found,
    carrier: Carrier | None,
    path: str,
    kept: str | None,
    content_type: str,
    types: list[str],
) -> None:
    if kind is Kind.EXTERNAL:
        contents = [header_content(message, part)]
    else:
        contents = read_all(message, part)
        if not any(content.markup for content in contents) and bytes(message.body(part)).strip():
            found.unread[path] = f"its encoding {part.transfer_encoding[:40]!r} cannot be undone"
    is_shown = is_displayed(message, part, types, standing, is_text=kind is Kind.TEXT)
    kept = kept or _sealed_around(message, part) or (None if is_shown else _ATTACHED)
    for number, content in enumerate(contents):
        why = kept
        # What HTML loads is not in the text that such a signature is about.
        if kind is Kind.TEXT and any(armour in content.markup for armour in _ARMOUR):
            why = "it holds a PGP signature or encryption"
        found.readables.append(
            Readable(
                part=part,
                path=path,
                kind=kind,
                content=content,
                is_shown=is_shown,
                kept=why,
                message=message,
                carrier=carrier,
                reading=number,
                readings=len(contents),
                content_type=content_type,
            )
        )


def _read_shown_by_name(found: Found) -> None:
    """Take in the parts that the message's own HTML shows, and what those show in turn."""
    by_name: dict[str, list[int | _Waiting]] = {}
    entries: list[tuple[int | _Waiting, Readable | _Waiting]] = [
        (number, one) for number, one in enumerate(found.readables) if not one.is_shown
    ]
    entries += ((one, one) for one in found.waiting)
    for entry, one in entries:
        for name in names_of(one.message, one.part):
            by_name.setdefault(name, []).append(entry)
    shown = [r for r in found.readables if r.is_shown and r.kind is Kind.HTML]
    done: set[int | _Waiting] = set()
    while shown and by_name:
        names = names_used(shown.pop().content.markup) & by_name.keys()
        named = {entry: None for name in names for entry in by_name.pop(name)}
        for entry in [one for one in named if one not in done]:
            done.add(entry)
            if isinstance(entry, int):
                found.readables[entry] = _shown_by_name(found.readables[entry])
                shown.append(found.readables[entry])
            else:
                found.readables += (guessed := _guessed(entry))
                shown += guessed


def _shown_by_name(one: Readable) -> Readable:
    kept = None if one.kept == _ATTACHED else one.kept
    return replace(one, is_shown=True, kept=kept, is_guess=one.kind is Kind.HTML)


def _guessed(one: _Waiting) -> list[Readable]:
    """The readings of a part as what HTML shows it as."""
    body = decoded_body(one.message, one.part) or b""
    if body.startswith(_MAGIC):
        return []
    is_style = one.part.content_type == "text/css"
    contents = read_all(one.message, one.part)
    return [
        Readable(
            part=one.part,
            path=one.path,
            kind=Kind.STYLE if is_style else Kind.HTML,
            content=content,
            is_shown=True,
            kept=one.kept or _sealed_around(one.message, one.part),
            message=one.message,
            carrier=one.carrier,
            reading=number,
            readings=len(contents),
            content_type="text/css" if is_style else "",
            is_guess=not is_style,
        )
        for number, content in enumerate(contents)
    ]


def _types(message: Message, part: Part) -> list[str]:
    """What programs may take the part for: one type, unless its header is faulty."""
    is_sure = not part.faults or not any(fault in _UNSURE for fault in part.faults)
    if is_sure and _PLAIN_TYPE.fullmatch(part.content_type):
        return [part.content_type]
    found = [part.content_type]
    for header in part.fields:
        if header.name != "content-type":
            continue
        value = _DISGUISE.sub("", header.value(message.raw)[:1000]).lower()
        for text in (_COMMENT.sub(" ", value), _COMMENT.sub("", value)):
            found += (f"{main}/{sub}" for main, sub in _TYPE.findall(text))
        if "html" in value.partition(";")[0]:
            found.append("text/html")
    return list(dict.fromkeys(found))


def _kind(message: Message, part: Part, types: list[str]) -> tuple[Kind | None, str]:
    """How to read the part, and which of its types says so."""
    for name in types:
        if name in _KINDS:
            return _KINDS[name], name
        if name.endswith(_XML_ENDS):
            return Kind.HTML, name
    if part.file_name:
        for pattern, kind in _NAMES:
            if pattern.search(part.file_name):
                return kind, ""
    if "text/plain" in types and not is_attached(message, part):
        return Kind.TEXT, ""
    return None, ""


def _sealed_around(message: Message, part: Part) -> str | None:
    at: Part | None = part
    while at is not None:
        if is_sealed(message, at):
            return "it is signed or encrypted"
        at = message.parent(at)
    return None


def _gather_other(
    message: Message,
    part: Part,
    other: Other,
    found: Found,
    outer: Carrier | None,
    path: str,
    kept: str | None,
) -> None:
    """Take in what another way of telling the parts apart finds, and the first does not."""
    layer = 1 if outer is None else outer.layer + 1
    found.bytes_left -= len(other.raw)
    if layer > _MAX_LAYERS or found.bytes_left < 0 or found.parts_left < 1:
        found.unread["0"] = _TOO_MUCH
        return
    try:
        inner = walk(other.raw, max_parts=found.parts_left)
    except NotAMessage:
        return
    kept = kept or _sealed_around(message, part)
    carrier = Carrier(part, message, outer, inner, other.head, other.places, layer)
    _gather(inner, found, carrier, path if path != "0" else "", kept)


def _is_carrier(message: Message, part: Part, types: list[str]) -> bool:
    """Whether the part may hold parts that `walk` does not read, mostly as its body is encoded."""
    if part.is_multipart:
        names = coding_names(message.raw, part)
        return _is_too_deep(part) or any(name not in _IDENTITY for name in names)
    if not any(name.startswith("message/") and name not in _NO_MESSAGES for name in types):
        return False
    return not _walked(message, part) or len(coding_names(message.raw, part)) > 1


def _walked(message: Message, part: Part) -> int:
    """How many parts `walk` has found in this one."""
    depth, number = part.depth, part.number + 1
    while number < len(message.parts) and message.parts[number].depth > depth:
        number += 1
    return number - part.number - 1


def _open_carrier(
    message: Message,
    part: Part,
    found: Found,
    outer: Carrier | None,
    path: str,
    kept: str | None,
) -> None:
    layer = 1 if outer is None else outer.layer + 1
    if layer > _MAX_LAYERS:
        found.unread["0"] = _TOO_MUCH
        return
    kept = kept or _sealed_around(message, part)
    head = b""
    if part.is_multipart:
        boundary = part.parameters.get("boundary", "")
        head = f'Content-Type: {part.content_type}; boundary="{boundary}"'.encode(
            "utf-8", "replace"
        )
        head += message.line_end * 2
    body = bytes(message.body(part))
    walked = _walked(message, part)
    is_read = False
    for data in body_readings(message, part):
        if data == body and walked:
            continue
        found.bytes_left -= len(data)
        if found.bytes_left < 0 or found.parts_left < 1:
            found.unread["0"] = _TOO_MUCH
            return
        try:
            inner = walk(head + data, max_parts=found.parts_left)
        except NotAMessage:
            continue
        if part.is_multipart and len(inner.parts) - 1 <= walked:
            continue  # its delimiters are not encoded, and nearly all programs read it as it is
        is_read = True
        there = part.body_start if data == body else None
        places = ((0, None), (len(head), there))
        carrier = Carrier(part, message, outer, inner, len(head), places, layer)
        _gather(inner, found, carrier, path if part.is_multipart else f"{path}.1", kept)
    if not is_read and body.strip() and not part.is_multipart:
        found.unread[path] = "the message in it cannot be read"
