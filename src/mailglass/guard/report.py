"""Looks at one message and says who watches it: the room's records and its reading half."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..mime import Message, walk
from ..model import Evidence
from .address import AddressBook
from .html import find_in_style, find_references
from .judge import Band, Context, Opinion, judge
from .learn import Mailbox
from .lines import find_in_calendar, find_in_card
from .links import Link, examine_link
from .parts import MAX_PARTS, Found, Kind, Readable, readable_parts
from .reach import absolute
from .references import Anchor, Document, Reference, Shows
from .rules import MailList
from .seals import is_sealed

__all__ = ["Examined", "Judged", "Report", "Resource", "examine", "inspect", "read", "resources"]

# Requests for a receipt: RFC 8098 section 2.1, and older spellings that programs still obey.
RECEIPT_FIELDS = (
    "disposition-notification-to",
    "return-receipt-to",
    "x-confirm-reading-to",
    "read-receipt-to",
    "x-pmrqc",  # Pegasus Mail's
)
_RECIPIENT_FIELDS = (
    "to", "cc", "bcc", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to",
    "x-delivered-to", "resent-to", "x-rcpt-to",
)  # fmt: skip
_AUTHOR_FIELDS = ("from", "reply-to", "sender", "return-path", "list-unsubscribe", "list-id")
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
# A message to a list of ten thousand would make every look at a URL long; its first are enough.
_MAX_ADDRESSES = 50
_LINK_IN_TEXT = re.compile(r"https?://[^\s<>\"'\\]+[^\s<>\"'\\.,;:!?)\]}*_]", re.IGNORECASE)
_EXTERNAL_URL = re.compile(r";\s*+url\s*+=\s*+(?:\"(?:[^\"\\]|\\.)*+\"|[^\s;]++)", re.IGNORECASE)
_EXTERNAL_PARAMETERS = re.compile(
    r"^content-type[ \t]*+:[^;\n]*+(;[^\n]*+(?:\n[ \t][^\n]*+)*+)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing that a message would ask a network for, judged."""

    url: str
    loader: str
    band: Band
    score: float  # the probability that it reports on its reader
    vendor: str | None
    evidence: tuple[Evidence, ...]
    part: str  # counted as IMAP counts: 1.2
    shown: bool  # whether displaying the message asks for it, without opening an attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Who watches one message."""

    resources: tuple[Resource, ...]
    links: tuple[Link, ...]
    receipt_requests: tuple[str, ...]  # the header fields, as `Name: address`
    sealed: tuple[str, ...]  # parts that are signed or encrypted, as `path content-type`
    unread: tuple[tuple[str, str], ...] = ()  # parts that could not be looked into, and why
    ambiguous: tuple[str, ...] = ()  # parts that programs read in different ways
    scripts: int = 0  # what would run in a program that runs scripts

    @property
    def trackers(self) -> tuple[Resource, ...]:
        """The resources in the bands tracker and maybe."""
        return tuple(r for r in self.resources if r.band is not Band.PLAIN)

    def count(self, band: Band) -> int:
        """How many resources are in a band."""
        return sum(resource.band is band for resource in self.resources)


@dataclass(frozen=True, slots=True)
class Examined:
    """A message with what was found in it and where, before any of it is judged."""

    message: Message
    documents: tuple[tuple[Readable, Document], ...]
    addresses: AddressBook
    links: tuple[tuple[Link, Readable, int, int], ...]  # each with its part and its span there
    parts: Found  # all that was read, each way


class Judged(NamedTuple):
    """One reference with its part and what is thought of it."""

    readable: Readable
    reference: Reference
    opinion: Opinion


def examine(raw: bytes, recipients: Iterable[str] = ()) -> Examined:
    """Read a message once; raises NotAMessage when it is none."""
    message = walk(raw, max_parts=MAX_PARTS)
    parts = readable_parts(message)
    found = tuple(_documents(parts.readables))
    addresses = _addresses(message, recipients)
    links = tuple(_links(message, found, addresses))
    return Examined(message, found, addresses, links, parts)


def _documents(readables: Iterable[Readable]) -> Iterator[tuple[Readable, Document]]:
    """What is in each part; of its further readings only what is in none before."""
    first: Document = Document()
    known: set[object] = set()
    for readable in readables:
        document = read(readable)
        if readable.reading == 0:
            first, known = document, set()
            yield readable, document
            continue
        if readable.reading == 1:
            known = _told(first)
        told = _told(document)
        if new := told - known:
            known |= told
            yield (
                readable,
                Document(
                    [ref for ref in document.references if (ref.url, ref.loader) in new],
                    [anchor for anchor in document.anchors if anchor.url in new],
                    document.scripts,
                    document.repairs,
                ),
            )


def _told(document: Document) -> set[object]:
    """What a report says of a document."""
    references = {(ref.url, ref.loader) for ref in document.references}
    return references | {anchor.url for anchor in document.anchors}


def resources(examined: Examined) -> list[str]:
    """The URLs that the message would ask for, for a mailbox to learn from."""
    return [ref.url for _, document in examined.documents for ref in document.references]


def inspect(
    message: bytes | Examined,
    *,
    recipients: Iterable[str] = (),
    mailbox: Mailbox | None = None,
    mail_list: MailList | None = None,
) -> Report:
    """Who watches this message.

    `recipients` are addresses of the reader beside those in the header (hashes of an address are
    recognised only when it is known); `mailbox` has learnt from the reader's other messages;
    `mail_list` asks an installed list for names.  Raises NotAMessage.
    """
    examined = message if isinstance(message, Examined) else examine(message, recipients)
    return report_on(examined, judge_all(examined, mailbox, mail_list))


def judge_all(
    examined: Examined, mailbox: Mailbox | None = None, mail_list: MailList | None = None
) -> list[Judged]:
    """Every reference of the message with its judgement; equal ones are judged once."""
    references = [ref for _, document in examined.documents for ref in document.references]
    context = Context(references, examined.addresses, mailbox, mail_list)
    known: dict[object, Opinion] = {}
    found: list[Judged] = []
    for readable, document in examined.documents:
        for ref in document.references:
            key = (ref.url, ref.loader, ref.box, ref.is_hidden)
            if key not in known:
                known[key] = judge(ref, context)
            found.append(Judged(readable, ref, known[key]))
    return found


def report_on(examined: Examined, judged: Iterable[Judged]) -> Report:
    """The report for a message whose references are judged."""
    return Report(
        resources=tuple(_resource(one) for one in judged),
        links=tuple(link for link, _, _, _ in examined.links),
        receipt_requests=tuple(_receipt_requests(examined.message)),
        sealed=tuple(
            f"{examined.message.path(part)} {part.content_type}"
            for part in examined.message.parts
            if is_sealed(examined.message, part)
        ),
        unread=tuple(examined.parts.unread.items()),
        ambiguous=tuple(
            dict.fromkeys(r.path for r, document in examined.documents if document.repairs)
        ),
        scripts=sum(len(d.scripts) for r, d in examined.documents if r.reading == 0),
    )


def _links(
    message: Message,
    documents: Iterable[tuple[Readable, Document]],
    addresses: AddressBook,
) -> Iterator[tuple[Link, Readable, int, int]]:
    kept = _unsubscribe_links(message)
    for readable, document in documents:
        known: dict[str, Link] = {}
        for anchor in document.anchors:
            url = anchor.url
            if url not in known:
                known[url] = examine_link(url, readable.path, addresses, keep=url in kept)
            yield known[url], readable, anchor.start, anchor.end


def _resource(one: Judged) -> Resource:
    return Resource(
        url=_legible(one.reference.url),
        loader=one.reference.loader,
        band=one.opinion.band,
        score=one.opinion.score,
        vendor=one.opinion.vendor,
        evidence=one.opinion.evidence,
        part=one.readable.path,
        shown=one.readable.is_shown,
    )


def _legible(url: str) -> str:
    """The characters of a URL whose bytes were read one by one."""
    if url.isascii():
        return url
    try:
        return url.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return url


def read(readable: Readable) -> Document:
    """What one reading of a part would ask for, and where its links go."""
    markup = readable.content.markup
    if readable.kind is Kind.HTML:
        document = find_references(markup, is_xml=readable.is_xml)
        if readable.is_guess:
            known = {one.url for one in document.references}
            styles = find_in_style(markup).references
            document.references += (one for one in styles if one.url not in known)
        return document
    if readable.kind is Kind.STYLE:
        return find_in_style(markup)
    if readable.kind is Kind.CALENDAR:
        return find_in_calendar(markup)
    if readable.kind is Kind.CARD:
        return find_in_card(markup)
    if readable.kind is Kind.EXTERNAL:
        return _external(readable)
    anchors = [Anchor(match.group(), *match.span()) for match in _LINK_IN_TEXT.finditer(markup)]
    return Document(anchors=anchors)


def _external(readable: Readable) -> Document:
    """Where a body lies that is not in the message (RFC 2046 section 5.2.3, RFC 2017)."""
    given = readable.part.parameters
    kind = given.get("access-type", "").lower()
    url = absolute("".join(given.get("url", "").split()))
    if url is None and kind.endswith("ftp") and "site" in given:
        path = "/".join(filter(None, (given.get("directory", "").strip("/"), given.get("name"))))
        url = absolute(f"ftp://{given['site']}/{path}")
    if url is None:
        return Document()
    header = readable.content.markup
    found = _EXTERNAL_URL.search(header) or _EXTERNAL_PARAMETERS.search(header)
    start, end = (0, 0) if found is None else found.span(found.lastindex or 0)
    reference = Reference(
        url=url, loader="external-body", shows=Shows.MEDIA, when="display",
        start=start, end=end, is_text=True,
    )  # fmt: skip
    return Document(references=[reference])


def _addresses(message: Message, recipients: Iterable[str]) -> AddressBook:
    found = list(recipients)
    authors: list[str] = []
    for field in message.root.fields:
        if field.name in _RECIPIENT_FIELDS and len(found) < _MAX_ADDRESSES:
            found += _ADDRESS.findall(field.value(message.raw)[:10_000])
        elif field.name in _AUTHOR_FIELDS:
            authors += _ADDRESS.findall(field.value(message.raw)[:2_000])
    return AddressBook(dict.fromkeys(found[:_MAX_ADDRESSES]), authors)


def _receipt_requests(message: Message) -> Iterator[str]:
    for field in message.root.fields:
        if field.name in RECEIPT_FIELDS:
            name = message.raw[field.start : field.start + len(field.name)].decode("ascii")
            yield f"{name}: {field.value(message.raw)}"


def _unsubscribe_links(message: Message) -> frozenset[str]:
    value = message.value("list-unsubscribe") or ""
    return frozenset(re.findall(r"<\s*(https?://[^>]+?)\s*>", value))
