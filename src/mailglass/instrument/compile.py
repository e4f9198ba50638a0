"""From a message and options to a template: the order of the work, and what is left alone.

The knowledge of each kind of change stands in a module of its own; here they meet: which parts are
displayed, what every part gets, and that an attachment leaves only when something takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ConfigurationError
from ..mime import (
    Content,
    Message,
    NotEditable,
    Part,
    Pieces,
    Standing,
    read_content,
    standings,
    walk,
)
from ..tokens import Ring
from . import reasons
from .attachments import Linked, Store, card, link_attachments, text_lines
from .document import Additions, DocumentRules, instrument_document
from .drafts import Draft, Drafts
from .headers import broken_signatures, draft_headers
from .links import list_unsubscribe_urls
from .options import Options, read_control_headers
from .plan import LeftAlone, where
from .stamps import Stamp, Stamps
from .template import Template
from .text import draft_alternative, draft_recoded, instrument_text, newline_of

__all__ = ["compile_message"]

# Of 2,178 real messages and parsers' test cases none has more than 37 parts (2026-11-22), while a
# hostile part takes five bytes: two million of them in 10 MB took more than four minutes.
_MAX_PARTS = 10_000
_PGP = "-----BEGIN PGP "
_SEALS = (Standing.SIGNED, Standing.ENCRYPTED, Standing.EMBEDDED, Standing.UNREADABLE)


def compile_message(
    raw: bytes, options: Options, *, ring: Ring, store: Store | None = None
) -> Template:
    """The template of a message.

    `ring` recognises our own tokens in quoted text.  `store` is called once for each attachment
    that becomes a download, with its content and file name, and returns the content's digest.
    Control fields of the message override `options`.

    Raises NotAMessage when the bytes are none, ConfigurationError when attachments shall be linked
    and there is no store.
    """
    message = walk(raw, max_parts=_MAX_PARTS)
    control = read_control_headers(message, options)
    if control.options.attachments == "link" and store is None:
        raise ConfigurationError("attachments can be linked only with a store that keeps them")
    job = _Job(message, control.options, ring, store)
    job.run()
    if control.is_none:
        reason = "X-Mailglass-Track: none"
        job.left.append(LeftAlone(what="message", where="header", reason=reason))
    job.left += [
        LeftAlone(what=f"control {word[:100]}", where="header", reason=reasons.NO_EFFECT)
        for word in control.unknown
    ]
    return Template(
        raw,
        job.drafts,
        stamps=job.stamps,
        left_alone=job.left,
        options=control.options,
        tag=control.tag,
        campaign=control.campaign,
    )


@dataclass(slots=True)
class _Job:
    """One message on its way to a template."""

    message: Message
    options: Options
    ring: Ring
    store: Store | None
    stamps: Stamps = field(init=False)
    standings: list[Standing] = field(init=False)
    drafts: Drafts = field(default_factory=Drafts)
    left: list[LeftAlone] = field(default_factory=list)
    unsubscribes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.stamps = Stamps(self.options.base_url)
        self.standings = standings(self.message)
        message = self.message
        fields = [f for f in message.root.fields if f.name == "list-unsubscribe"]
        self.unsubscribes = list_unsubscribe_urls(f.value(message.raw) for f in fields)

    def run(self) -> None:
        """Gather all drafts, in the order of their offsets."""
        documents, texts = self._contents()
        beacons = [self._beacon() for _ in documents]
        linked = self._attachments() if documents or texts else []
        placed = False
        for number, (part, content) in enumerate(documents):
            placed |= self._document(part, content, beacons[number], number == 0, linked)
        for number, (part, content) in enumerate(texts):
            alone = number == 0 and not documents
            placed |= self._text(part, content, number == 0, linked, alone)
        if linked and placed:
            self.drafts.add(item.removal for item in linked)
            gone = {item.where for item in linked}
            self.left = [item for item in self.left if item.where not in gone]
        elif linked:
            self.left += [_unlinked(item) for item in linked]
        headers, left = draft_headers(self.message, self.options, self.stamps)
        self.drafts.add(headers)
        self.left += left
        self.drafts.sort()
        self.left += broken_signatures(self.message, self.drafts.patches)

    def _beacon(self) -> Stamp | None:
        """A beacon if it is wanted and a number is left for it."""
        return self.stamps.beacon() if self.options.opens and not self.stamps.is_full else None

    def _contents(self) -> tuple[list[tuple[Part, Content]], list[tuple[Part, Content]]]:
        """The displayed HTML parts and text parts that can be read; the others are reported."""
        documents: list[tuple[Part, Content]] = []
        texts: list[tuple[Part, Content]] = []
        for part in self.message.parts:
            standing = self.standings[part.number]
            if standing is not Standing.SHOWN:
                self._report_standing(part, standing)
            elif part.content_type in ("text/html", "text/plain"):
                content = self._read(part)
                if content is not None:
                    group = documents if part.content_type == "text/html" else texts
                    group.append((part, content))
            elif not part.is_multipart:
                self._leave(part, reasons.NO_TEXT)
        return documents, texts

    def _report_standing(self, part: Part, standing: Standing) -> None:
        """Say once, of the outermost part, what is not displayed as the message's own text."""
        parent = self.message.parent(part)
        inside = parent is not None and self.standings[parent.number] is not Standing.SHOWN
        if inside:
            return
        if standing is Standing.UNREADABLE:
            coding = f"transfer encoding {part.transfer_encoding[:100]} of a multipart"
            self._leave(part, f"{standing}: {', '.join(part.faults) or coding}")
        elif standing in _SEALS or part.content_type == "text/html":
            self._leave(part, str(standing))
        elif part.content_type == "application/xhtml+xml":
            self._leave(part, reasons.XHTML)

    def _read(self, part: Part) -> Content | None:
        try:
            content = read_content(self.message, part)
        except NotEditable as error:
            self._leave(part, str(error))
            return None
        if _PGP in content.markup:
            self._leave(part, reasons.PGP_INSIDE)
            return None
        return content

    def _leave(self, part: Part, reason: str) -> None:
        place = where(self.message.path(part))
        what = f"part {part.content_type[:100]}"
        self.left.append(LeftAlone(what=what, where=place, reason=reason))

    def _attachments(self) -> list[Linked]:
        if self.options.attachments == "keep" or self.store is None:
            return []
        return link_attachments(self.message, self.standings, self.stamps, self.store, self.left)

    def _rules(self, part: Part, links: bool) -> DocumentRules:
        path = self.message.path(part)

        def report(what: str, character: int, reason: str) -> None:
            self.left.append(LeftAlone(what=what, where=where(path, character), reason=reason))

        return DocumentRules(
            stamps=self.stamps,
            ring=self.ring,
            links=links,
            unsubscribes=self.unsubscribes,
            report=report,
        )

    def _document(
        self, part: Part, content: Content, beacon: Stamp | None, first: bool, linked: list[Linked]
    ) -> bool:
        """Draft one HTML part; whether the download card stands in it."""
        additions = self._additions(beacon, first, linked)
        rules = self._rules(part, self.options.links)
        reported = len(self.left)
        try:
            wishes, links = instrument_document(content, rules, additions)
            try:
                self.drafts.add_part(content, wishes, links)
            except NotEditable:
                if not content.wants_room:
                    raise
                del self.left[reported:]
                wishes, links = instrument_document(content, rules, additions)
                self.drafts.add_part(content, wishes, links)
        except NotEditable as error:
            self._leave(part, str(error))
            return False
        return any(wish.kind == "card" for wish in wishes)

    def _additions(self, beacon: Stamp | None, first: bool, linked: list[Linked]) -> Additions:
        honeypot = None
        if self.options.honeypot and first:
            root = self.options.base_url.rstrip("/") + "/"
            honeypot = self.stamps.honeypot(root)
        return Additions(
            beacon=beacon, honeypot=honeypot, card=card(linked) if linked and first else ()
        )

    def _text(
        self, part: Part, content: Content, first: bool, linked: list[Linked], alone: bool
    ) -> bool:
        """Draft one text part; whether the download lines stand in it."""
        lines: Pieces = ()
        has_html = alone and self.options.html_alternative
        recodes = False
        if linked and first:
            recodes = not has_html and any(content.could_hold(item.name) for item in linked)
            can_hold = content.charset_holds if recodes else content.can_hold
            lines = text_lines(linked, can_hold, newline_of(content, self.message))
        before: list[Draft] = []
        behind: list[Draft] = []
        try:
            if has_html:
                additions = self._additions(self._beacon(), True, linked)
                rules = self._rules(part, self.options.links)
                before, behind = draft_alternative(self.message, part, content, rules, additions)
            wishes = instrument_text(content, self._rules(part, self.options.text_links), lines)
            if recodes:
                self.drafts.add(draft_recoded(self.message, part, content, wishes))
                return True
            self.drafts.add(before)
            self.drafts.add_part(content, wishes, None)
            self.drafts.add(behind)
        except NotEditable as error:
            self._leave(part, str(error))
            return False
        return bool(lines)


def _unlinked(item: Linked) -> LeftAlone:
    reason = reasons.LINK_LOST
    return LeftAlone(what=f"attachment {item.name}"[:200], where=item.where, reason=reason)
