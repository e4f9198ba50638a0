"""The clean copy: what reports on the reader gives way to nothing of the same size.

The copy is spliced from the original: every byte outside the edits stays, and the edits undo
exactly. Signed and encrypted parts are left alone, and so are attachments. What is cleaned once is
clean: a second time changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ..mime import Field, Message, NotEditable
from .blank import stand_in
from .edits import GuardEdit, Wish, in_order, merged_wishes, part_edits, restore, spliced, unwrapped
from .judge import Band
from .learn import Mailbox
from .lines import escaped, folded, is_escaped
from .links import Link
from .parts import Carrier, Kind, Readable
from .references import Document, Reference, Shows
from .report import (
    RECEIPT_FIELDS,
    Examined,
    Judged,
    Report,
    examine,
    judge_all,
    read,
    report_on,
)
from .results import authserv_id
from .rules import MailList
from .seals import is_sealed
from .values import escape

__all__ = ["HEADER", "Clean", "GuardEdit", "Remove", "clean", "restore"]

HEADER = "X-Mailglass-Guard"
_RESULTS = "authentication-results"


class Remove(StrEnum):
    """How much goes."""

    TRACKERS = "trackers"  # trackers, and of the maybes what cannot be seen anyway
    MAYBE = "maybe"  # every maybe as well
    ALL = "all"  # everything that a network would be asked for, and every script


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
    plan = _Plan(remove, text_links, proxy)
    judged = judge_all(examined, mailbox, mail_list)
    report = report_on(examined, judged)
    forged = _forged(examined.message, authentication if is_border else None)
    fields = [] if authentication is None else [f"Authentication-Results: {authentication}"]

    def copy(anew: frozenset[str]) -> Clean:
        body = _body(examined, judged, plan, anew)
        edits = _header_edits(
            examined, report, [*fields, *original_fields], forged, is_changed=bool(body.edits)
        )
        edits = sorted([*edits, *body.edits], key=in_order)
        left_alone = [*body.left_alone, *(f"{path}: {why}" for path, why in report.unread)]
        return Clean(
            data=spliced(examined.message.raw, edits),
            report=report,
            edits=tuple(edits),
            left_alone=tuple(dict.fromkeys(left_alone)),
            proxied=tuple(body.proxied),
        )

    original_fields = tuple(original_fields)
    if is_sealed(examined.message, examined.message.root):
        edits = [*_inserted(examined.message, fields), *forged] if forged else []
        return Clean(
            data=spliced(examined.message.raw, edits),
            report=report,
            edits=tuple(edits),
            left_alone=("0: the whole message is signed or encrypted",),
        )
    first = copy(frozenset())
    if all(readable.readings == 1 for readable, _ in examined.documents):
        return first
    # What was changed for one way of reading must be silent in all others.
    again = examine(first.data, recipients)
    judged_again = judge_all(again, mailbox, mail_list)
    loud = frozenset(
        readable.path
        for readable, _ in _wishes(again.documents, again, judged_again, plan)
        if readable.readings > 1 and readable.kept is None
    )
    return copy(loud) if loud else first


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the caller wants gone."""

    remove: Remove
    text_links: bool
    proxy: Callable[[str], str | None] | None


@dataclass(slots=True)
class _Body:
    """The edits of all parts, and what they leave."""

    edits: list[GuardEdit] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    proxied: dict[str, None] = field(default_factory=dict)


def _body(examined: Examined, judged: Sequence[Judged], plan: _Plan, anew: frozenset[str]) -> _Body:
    """The edits of all parts; those in `anew`, by their paths, are written anew as a whole."""
    body = _Body()
    wanted: dict[tuple[int, int], list[tuple[Readable, list[Wish]]]] = {}
    for readable, wishes in _by_reading(examined, judged, plan):
        if readable.kept is not None:
            body.left_alone.append(f"{readable.path}: {readable.kept}")
        else:
            key = id(readable.message), readable.part.number
            wanted.setdefault(key, []).append((readable, wishes))
    edits: dict[Carrier | None, list[GuardEdit]] = {}
    for several in wanted.values():
        # Of several readings the one with the most to silence: it is the one that was meant.
        readable, wishes = max(several, key=lambda one: len(one[1]))
        merged = merged_wishes(wishes)
        try:
            made = part_edits(readable, merged, is_anew=readable.path in anew)
        except NotEditable as error:
            body.left_alone.append(f"{readable.path}: {error}")
            continue
        edits.setdefault(readable.carrier, []).extend(made)
        body.proxied |= dict.fromkeys(wish.proxied for wish in merged if wish.proxied)
    body.edits = unwrapped(edits, body.left_alone)
    return body


def _by_reading(
    examined: Examined, judged: Sequence[Judged], plan: _Plan
) -> Iterator[tuple[Readable, list[Wish]]]:
    """What shall change in each reading of each part, where anything shall."""
    documents: Iterable[tuple[Readable, Document]] = examined.documents
    several = [one for one in examined.parts.readables if one.readings > 1]
    if several:
        # The documents leave out of a reading what others have as well.
        documents = [one for one in documents if one[0].readings == 1]
        documents += [(readable, read(readable)) for readable in several]
    found: dict[Readable, list[Wish]] = {}
    for readable, wish in _wishes(documents, examined, judged, plan):
        found.setdefault(readable, []).append(wish)
    yield from found.items()


def _wishes(
    documents: Iterable[tuple[Readable, Document]],
    examined: Examined,
    judged: Sequence[Judged],
    plan: _Plan,
) -> Iterator[tuple[Readable, Wish]]:
    """What shall change in these documents of the message."""
    gone = _removed_urls(judged, plan.remove)
    links = {link.url: link for link, _, _, _ in examined.links if link.cleaned is not None}
    for readable, document in documents:
        for ref in document.references:
            if plan.proxy is not None and plan.proxy(ref.url) == ref.url:
                continue  # it is asked of our own proxy, and of nobody else
            if ref.url in gone:
                yield readable, Wish(ref.start, ref.end, _stand_in(ref, readable), ref.loader)
            elif (
                plan.proxy is not None
                and readable.kept is None
                and (wish := _through(ref, plan.proxy, readable)) is not None
            ):
                yield readable, wish
        for repair in document.repairs:
            yield readable, Wish(repair.start, repair.end, repair.new, "ambiguous")
        for start, end in document.scripts if plan.remove is Remove.ALL else ():
            if readable.content.markup[start:end].strip():
                yield readable, Wish(start, end, "", "script")
        if not links or not (
            readable.kind is Kind.HTML or (plan.text_links and readable.kind is Kind.TEXT)
        ):
            continue
        for anchor in document.anchors:
            if (link := links.get(anchor.url)) is not None:
                text = _link_text(link, readable.kind)
                yield readable, Wish(anchor.start, anchor.end, text, "link")


def _stand_in(ref: Reference, readable: Readable) -> str:
    """What a reference becomes, as its part writes it."""
    # A card without a photo gets the program's own; a `=` at a line's end is a break in old ones.
    text = "data:," if readable.kind is Kind.CARD else stand_in(ref)
    return _line_text(ref, text, readable)


def _line_text(ref: Reference, text: str, readable: Readable) -> str:
    if readable.kind is not Kind.CALENDAR and readable.kind is not Kind.CARD:
        return text
    text = escaped(text) if is_escaped(ref) else text
    return folded(readable.content.markup, ref.start, ref.end, text)


def _through(ref: Reference, proxy: Callable[[str], str | None], readable: Readable) -> Wish | None:
    """What becomes of a reference that stays when a proxy stands in between."""
    if ref.when != "display" or ref.shows is Shows.INERT:
        return None
    there = proxy(ref.url) if ref.shows is Shows.PICTURE and not ref.is_text else None
    if there is None:
        return Wish(ref.start, ref.end, _stand_in(ref, readable), ref.loader)
    is_html = readable.kind is Kind.HTML or is_escaped(ref)
    text = escape(there) if is_html and not ref.is_css else there
    return Wish(ref.start, ref.end, _line_text(ref, text, readable), ref.loader, ref.url)


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
    if reference.shows in (Shows.SILENT, Shows.FRAME, Shows.STYLE, Shows.FONT):
        return True  # most programs ignore style sheets and fonts from afar anyway
    if reference.loader.endswith("-nested"):
        return True  # nobody puts what a reader should see into a document within a URL
    return reference.shows is Shows.PICTURE and (reference.is_hidden or reference.box.is_invisible)


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
    unread = f"; unread={len(report.unread)}" if report.unread else ""
    links = sum(link.cleaned is not None for link in report.links)
    opaque = sum(link.opaque for link in report.links)
    return (
        f"v=1; trackers={report.count(Band.TRACKER)}; maybe={report.count(Band.MAYBE)};"
        f" plain={report.count(Band.PLAIN)}; links={links}; opaque={opaque};"
        f" receipts={len(report.receipt_requests)}{unread}"
    )
