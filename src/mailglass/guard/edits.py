"""From what shall change in a part to edits of the message, and back.

Changes are made in place where that can be. A part whose encoding does not allow it is written
anew as a whole; what lies in an encoded message becomes a change of the part that holds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..errors import PlanMismatch
from ..mime import ROOM, Change, Content, Edit, NotEditable, Patch, splice, written_anew
from .parts import Carrier, Kind, Readable

__all__ = [
    "GuardEdit", "Wish", "in_order", "merged_wishes", "part_edits", "restore", "spliced",
    "unwrapped",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardEdit:
    """One edit: `old` at `offset` of the original gave way to `new`."""

    offset: int
    old: bytes
    new: bytes
    reasons: tuple[str, ...]  # what it silenced: the loaders, link, receipt-request or header


@dataclass(frozen=True, slots=True)
class Wish:
    """A span of a part's markup and what it should become."""

    start: int
    end: int
    new: str
    reason: str
    proxied: str | None = None  # the URL of the picture that the proxy is to have


def in_order(edit: GuardEdit) -> tuple[int, bool]:
    """What is inserted at a place stands before what is taken out there."""
    return edit.offset, bool(edit.old)


def spliced(raw: bytes, edits: Iterable[GuardEdit]) -> bytes:
    return splice(raw, (Edit(offset=e.offset, length=len(e.old), new=e.new) for e in edits))


def restore(cleaned: bytes, edits: Iterable[GuardEdit]) -> bytes:
    """The original of a clean copy, byte for byte; raises PlanMismatch when they do not belong."""
    shift = 0
    back: list[Edit] = []
    for edit in edits:
        offset = edit.offset + shift
        if cleaned[offset : offset + len(edit.new)] != edit.new:
            raise PlanMismatch(f"at byte {offset} stands not what the clean copy had there")
        back.append(Edit(offset=offset, length=len(edit.new), new=edit.old))
        shift += len(edit.new) - len(edit.old)
    return splice(cleaned, back)


def unwrapped(
    edits: dict[Carrier | None, list[GuardEdit]], left_alone: list[str]
) -> list[GuardEdit]:
    """The edits of the message itself: those inside its encoded parts become edits of these."""
    while inner := [carrier for carrier in edits if carrier is not None]:
        carrier = max(inner, key=lambda one: one.layer)
        made = _apart(edits.pop(carrier), left_alone)
        edits.setdefault(carrier.outer, []).extend(_outside(carrier, made))
    return _apart(edits.get(None, []), left_alone)


def _apart(edits: list[GuardEdit], left_alone: list[str]) -> list[GuardEdit]:
    """In order, without those that overlap: a message can be so faulty that parts do."""
    found: list[GuardEdit] = []
    last: tuple[int, bytes, bytes] | None = None
    end = 0
    for edit in sorted(edits, key=in_order):
        if (edit.offset, edit.old, edit.new) == last:
            continue  # of a part that several ways of telling the parts apart have in common
        if edit.offset < end:
            left_alone.append(f"byte {edit.offset}: it is in two parts at once")
            continue
        found.append(edit)
        last = edit.offset, edit.old, edit.new
        end = edit.offset + len(edit.old)
    return found


def _outside(carrier: Carrier, edits: list[GuardEdit]) -> list[GuardEdit]:
    """Edits of what a part holds as edits of the message around that part."""
    raw = carrier.within.raw
    moved: list[GuardEdit] = []
    for edit in edits:
        offset = carrier.back(edit.offset)
        if offset is None:
            break
        moved.append(replace(edit, offset=offset, old=raw[offset : offset + len(edit.old)]))
    else:
        return moved
    data = spliced(carrier.message.raw, edits)[carrier.head :]
    reasons = tuple(reason for edit in edits for reason in edit.reasons)
    made = written_anew(carrier.within, carrier.part, data)
    return [_guard_edit(carrier.within.raw, edit, reasons) for edit in made]


def merged_wishes(wishes: list[Wish]) -> list[Wish]:
    """In order, without those that fall into another's span: a value that goes takes all in it."""
    found: list[Wish] = []
    for wish in sorted(wishes, key=lambda w: (w.start, -w.end)):
        if not found or wish.start >= found[-1].end:
            found.append(wish)
    return found


def part_edits(readable: Readable, wishes: list[Wish], *, is_anew: bool) -> list[GuardEdit]:
    """The edits of one part: in place where that can be, else the part is written anew."""
    raw = readable.message.raw
    if readable.kind is Kind.EXTERNAL:
        return _field_edits(readable, wishes)
    if not is_anew and readable.reading == 0:
        # White space behind a value changes nothing in HTML; in running text it would.
        room = (ROOM,) if readable.kind is Kind.HTML else ()
        changes = [Change(w.start, w.end, (w.new, *room)) for w in wishes]
        try:
            return [
                _guard_edit(raw, patch.edit(), [wishes[number].reason for number in patch.changes])
                for patch in _patches(readable.content, changes)
            ]
        except NotEditable:
            pass  # a line too long, an escape cut in two: the part is written anew
    data, charset = readable.content.rewritten([(w.start, w.end, w.new) for w in wishes])
    made = written_anew(
        readable.message,
        readable.part,
        data,
        content_type=readable.content_type or None,
        charset=charset,
    )
    reasons = [wish.reason for wish in wishes]
    return [_guard_edit(raw, edit, reasons) for edit in made]


def _field_edits(readable: Readable, wishes: list[Wish]) -> list[GuardEdit]:
    """Header fields with the changes, each taken out as a whole and put back on one line: mail
    servers are told of whole fields (the milter protocol).
    """
    message, part = readable.message, readable.part
    edits: list[GuardEdit] = []
    for header in part.fields:
        here = [w for w in wishes if header.start <= w.start + part.start < header.end]
        if not here:
            continue
        text = readable.content.markup[: header.end - part.start]
        for wish in reversed(here):
            text = text[: wish.start] + wish.new + text[wish.end :]
        line = " ".join(text[header.start - part.start :].split()).encode("latin-1")
        reasons = [wish.reason for wish in here]
        new = Edit(offset=part.fields[0].start, length=0, new=line + message.line_end)
        old = Edit(offset=header.start, length=header.end - header.start, new=b"")
        edits += (_guard_edit(message.raw, edit, reasons) for edit in (new, old))
    return edits


def _guard_edit(raw: bytes, edit: Edit, reasons: Iterable[str]) -> GuardEdit:
    return GuardEdit(
        offset=edit.offset,
        old=raw[edit.offset : edit.offset + edit.length],
        new=edit.new,
        reasons=tuple(reasons),
    )


def _patches(content: Content, changes: list[Change]) -> list[Patch]:
    """The changes as patches; a part with over-long lines says so at the first attempt."""
    try:
        return content.patches(changes)
    except NotEditable:
        if not content.wants_room:
            raise
        return content.patches(changes)
