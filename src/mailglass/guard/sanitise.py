"""The clean copy: what reports on the reader gives way to nothing of the same size.

The copy is spliced from the original: every byte outside the edits stays, and the edits undo
exactly. Signed and encrypted parts are left alone, and so are attachments. What is cleaned once is
clean: a second time changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..errors import PlanMismatch
from ..mime import ROOM, Change, Content, Edit, Field, Message, NotEditable, Patch, splice
from .blank import stand_in
from .judge import Band
from .learn import Mailbox
from .links import Link
from .parts import Kind, Readable, is_sealed
from .references import Reference, Shows
from .report import (
    RECEIPT_FIELDS,
    Examined,
    Judged,
    Report,
    examine,
    judge_all,
    report_on,
)
from .results import authserv_id
from .rules import MailList
from .values import escape

__all__ = ["HEADER", "Clean", "GuardEdit", "Remove", "clean", "restore"]

HEADER = "X-Mailglass-Guard"
_RESULTS = "authentication-results"


class Remove(StrEnum):
    """How much goes."""

    TRACKERS = "trackers"  # trackers, and of the maybes what cannot be seen anyway
    MAYBE = "maybe"  # every maybe as well
    ALL = "all"  # everything that a network would be asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardEdit:
    """One edit: `old` at `offset` of the original gave way to `new`."""

    offset: int
    old: bytes
    new: bytes
    reasons: tuple[str, ...]  # what it silenced: the loaders, link, receipt-request or header


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """A clean copy and what it took."""

    data: bytes
    report: Report  # of the original
    edits: tuple[GuardEdit, ...]
    left_alone: tuple[str, ...]  # what was found and not changed, with the reason
    proxied: tuple[str, ...] = ()  # the pictures that the copy has from the proxy

    @property
    def is_changed(self) -> bool:
        """Whether anything had to be changed."""
        return bool(self.edits)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A span of a part's markup and what it should become."""

    start: int
    end: int
    new: str
    reason: str
    proxied: str | None = None  # the URL of the picture that the proxy is to have


def clean(
    message: bytes | Examined,
    *,
    recipients: Iterable[str] = (),
    mailbox: Mailbox | None = None,
    mail_list: MailList | None = None,
    remove: Remove = Remove.TRACKERS,
    text_links: bool = False,
    authentication: str | None = None,
    original_fields: Iterable[str] = (),
    proxy: Callable[[str], str | None] | None = None,
    is_border: bool = True,
) -> Clean:
    """The clean copy of a message, with the report on the original.

    `text_links` rewrites the links of plain text as well. `authentication` is the value of an
    Authentication-Results field, made before anything was changed; it is added only when something
    is. At the border (`is_border`) fields that came in under its name are forged, and it takes
    their place in any case (RFC 8601 section 5); in a mailbox they are the border's own.
    `original_fields` are whole header fields (`Name: value`) that tell where the original is; they
    too are added only when something is changed. `proxy` gives the address at which a picture
    that stays can be had without telling its host who looks, without quotes, brackets or `&`; None
    for one that it does not serve, which goes, as does all that is no picture; its own unchanged.
    Raises NotAMessage.
    """
    examined = message if isinstance(message, Examined) else examine(message, recipients)
    judged = judge_all(examined, mailbox, mail_list)
    report = report_on(examined, judged)
    left_alone: list[str] = []
    proxied: dict[str, None] = {}
    forged = _forged(examined.message, authentication if is_border else None)
    if is_sealed(examined.message.root):
        left_alone.append("0: the whole message is signed or encrypted")
        fields = [f"Authentication-Results: {authentication}"]
        edits = [*_inserted(examined.message, fields), *forged] if forged else []
    else:
        wishes = list(_wishes(examined, judged, remove, text_links, proxy))
        proxied = dict.fromkeys(wish.proxied for _, wish in wishes if wish.proxied)
        body = list(_body_edits(examined, wishes, left_alone))
        fields = [] if authentication is None else [f"Authentication-Results: {authentication}"]
        fields += original_fields
        edits = _header_edits(examined, report, fields, forged, is_changed=bool(body)) + body
        edits.sort(key=lambda edit: edit.offset)
    return Clean(
        data=splice(
            examined.message.raw,
            (Edit(offset=e.offset, length=len(e.old), new=e.new) for e in edits),
        ),
        report=report,
        edits=tuple(edits),
        left_alone=tuple(dict.fromkeys(left_alone)),
        proxied=tuple(proxied),
    )


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


def _body_edits(
    examined: Examined, wished: Iterable[tuple[Readable, _Wish]], left_alone: list[str]
) -> Iterator[GuardEdit]:
    wishes: dict[int, tuple[Readable, list[_Wish]]] = {}
    for readable, wish in wished:
        if readable.kept is not None:
            left_alone.append(f"{readable.path}: {readable.kept}")
        elif readable.kind is not Kind.CALENDAR:
            wishes.setdefault(readable.part.number, (readable, []))[1].append(wish)
        else:
            left_alone.append(f"{readable.path}: it is a calendar entry")
    for readable, several in wishes.values():
        try:
            yield from _part_edits(examined.message.raw, readable, several)
        except NotEditable as error:
            left_alone.append(f"{readable.path}: {error}")


def _wishes(
    examined: Examined,
    judged: Sequence[Judged],
    remove: Remove,
    text_links: bool,
    proxy: Callable[[str], str | None] | None,
) -> Iterator[tuple[Readable, _Wish]]:
    gone = _removed_urls(judged, remove)
    for one in judged:
        ref = one.reference
        if proxy is not None and proxy(ref.url) == ref.url:
            continue  # it is asked of our own proxy, and of nobody else
        if ref.url in gone:
            yield one.readable, _Wish(ref.start, ref.end, stand_in(ref), ref.loader)
        elif (
            proxy is not None
            and one.readable.kept is None
            and (wish := _through(ref, proxy)) is not None
        ):
            yield one.readable, wish
    for link, readable, start, end in examined.links:
        changes = readable.kind is Kind.HTML or (text_links and readable.kind is Kind.TEXT)
        if link.cleaned is not None and changes:
            yield readable, _Wish(start, end, _link_text(link, readable.kind), "link")


def _through(ref: Reference, proxy: Callable[[str], str | None]) -> _Wish | None:
    """What becomes of a reference that stays when a proxy stands in between."""
    if ref.when != "display" or ref.shows is Shows.INERT:
        return None
    there = proxy(ref.url) if ref.shows is Shows.PICTURE and not ref.is_text else None
    if there is None:
        return _Wish(ref.start, ref.end, stand_in(ref), ref.loader)
    return _Wish(ref.start, ref.end, there if ref.is_css else escape(there), ref.loader, ref.url)


def _removed_urls(judged: Iterable[Judged], remove: Remove) -> frozenset[str]:
    """What is not asked for any more: a URL that goes in one place goes in all, because asked for
    anywhere it tells the same.
    """
    return frozenset(one.reference.url for one in judged if _goes(one, remove))


def _link_text(link: Link, kind: Kind) -> str:
    text = link.cleaned or link.url
    return escape(text) if kind is Kind.HTML else text


def _goes(one: Judged, remove: Remove) -> bool:
    if remove is Remove.ALL:
        return one.reference.loader != "base-href"
    band = one.opinion.band
    if band is Band.MAYBE and remove is Remove.TRACKERS:
        return _shows_nothing(one)
    return band is not Band.PLAIN


def _shows_nothing(one: Judged) -> bool:
    """Whether it is missed by nobody."""
    reference = one.reference
    if reference.shows in (Shows.SILENT, Shows.FRAME):
        return True
    return reference.shows is Shows.PICTURE and (reference.is_hidden or reference.box.is_invisible)


def _part_edits(raw: bytes, readable: Readable, wishes: list[_Wish]) -> Iterator[GuardEdit]:
    merged = _merge(wishes)
    # White space behind a value changes nothing in HTML; in running text it would.
    room = (ROOM,) if readable.kind is Kind.HTML else ()
    changes = [Change(w.start, w.end, (w.new, *room)) for w in merged]
    for patch in _patches(readable.content, changes):
        edit = patch.edit()
        yield GuardEdit(
            offset=edit.offset,
            old=raw[edit.offset : edit.offset + edit.length],
            new=edit.new,
            reasons=tuple(merged[number].reason for number in patch.changes),
        )


def _patches(content: Content, changes: list[Change]) -> list[Patch]:
    """The changes as patches; a part with over-long lines says so at the first attempt."""
    try:
        return content.patches(changes)
    except NotEditable:
        if not content.wants_room:
            raise
        return content.patches(changes)


def _merge(wishes: list[_Wish]) -> list[_Wish]:
    """In order, without those that fall into another's span: a value that goes takes all in it."""
    found: list[_Wish] = []
    for wish in sorted(wishes, key=lambda w: (w.start, -w.end)):
        if not found or wish.start >= found[-1].end:
            found.append(wish)
    return found


def _forged(message: Message, authentication: str | None) -> list[GuardEdit]:
    """Without the results that claim to be ours: the message came from outside."""
    if authentication is None:
        return []
    ours = authserv_id(authentication)
    return [
        _without(message.raw, field, "forged")
        for field in message.root.fields
        if field.name == _RESULTS and authserv_id(field.value(message.raw)) == ours
    ]


def _header_edits(
    examined: Examined,
    report: Report,
    fields: Sequence[str],
    forged: list[GuardEdit],
    *,
    is_changed: bool,
) -> list[GuardEdit]:
    raw, root = examined.message.raw, examined.message.root
    edits = [_without(raw, f, "receipt-request") for f in root.fields if f.name in RECEIPT_FIELDS]
    if not edits and not is_changed:
        return [*_inserted(examined.message, fields[:1]), *forged] if forged else []
    # What such a field of ours said was about a message that is changed again, or it is forged.
    ours = {HEADER.lower(), *(field.partition(":")[0].lower() for field in fields)} - {_RESULTS}
    edits += [_without(raw, field, "header") for field in root.fields if field.name in ours]
    edits += forged
    fields = [*fields, f"{HEADER}: {_counts(report)}"]
    return [*_inserted(examined.message, fields), *edits]


def _inserted(message: Message, fields: Iterable[str]) -> list[GuardEdit]:
    new = b"".join(field.encode("ascii", "replace") + message.line_end for field in fields)
    place = message.root.fields[0].start
    return [GuardEdit(offset=place, old=b"", new=new, reasons=("header",))]


def _without(raw: bytes, field: Field, reason: str) -> GuardEdit:
    return GuardEdit(
        offset=field.start, old=raw[field.start : field.end], new=b"", reasons=(reason,)
    )


def _counts(report: Report) -> str:
    links = sum(link.cleaned is not None for link in report.links)
    opaque = sum(link.opaque for link in report.links)
    return (
        f"v=1; trackers={report.count(Band.TRACKER)}; maybe={report.count(Band.MAYBE)};"
        f" plain={report.count(Band.PLAIN)}; links={links}; opaque={opaque};"
        f" receipts={len(report.receipt_requests)}"
    )
