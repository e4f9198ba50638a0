"""One HTML part: its links, its beacon, and what earlier messages of ours left in it.

Works on the part's markup by offsets; nothing is parsed into a tree and written again.  The rules
for links stand in `links.py`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from ..mime import (
    ROOM,
    Attribute,
    Content,
    Pieces,
    Run,
    Token,
    TokenKind,
    conditional_content,
    tokenize,
    tokenize_around,
)
from ..tokens import Kind, Ring
from . import reasons
from .drafts import Links, Wish, line_break
from .links import (
    ORDINARY_LINK,
    SHORT_URL,
    clean_url,
    is_named,
    read_ordinary,
    read_own,
    why_untracked,
)
from .stamps import Stamp, Stamps

__all__ = ["Additions", "DocumentRules", "added_pieces", "instrument_document"]

# Gmail shows the first 102 kB of a message's HTML and hides the rest behind a link, images too
# (observed for years, not documented by Google); 2 kB are left for what it adds itself.
_CLIP = 100_000
_FRAME = 100  # bytes of a line around a link's destination: our base URL and token, `href=""`
_LINKS = frozenset(("a", "area"))
# Outlook's vector shapes carry the link of a button on the shape itself.
_SHAPES = frozenset(
    f"v:{name}" for name in ("roundrect", "rect", "oval", "shape", "image", "group", "line")
)
_RAW = ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext")
_HEAD = frozenset(
    ("html", "head", "title", "base", "link", "meta", "style", "script", "noscript", "basefont")
)
_PLACES = frozenset(("body", "html", "frameset", "template", *_RAW))
_NAMES = _LINKS | _PLACES
_COMMENT_ENDS = ("-->", "--!>", "<!-->", "<!--->")
_OWN_IMAGE = re.compile(r"/o/[a-z2-7]{29,31}\.gif", re.IGNORECASE)
_OWN_LINK = re.compile(r"/[caun]/[a-z2-7]{29}", re.IGNORECASE)
_HIDDEN = 'style="display:none" aria-hidden="true" tabindex="-1" rel="nofollow"'
_BEACON_STYLE = (
    "display:block;position:absolute;width:1px;height:1px;margin:-1px 0 0 0;padding:0;border:0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRules:
    """What to do with every HTML part of a message."""

    stamps: Stamps
    ring: Ring
    links: bool
    unsubscribes: Collection[str]
    report: Callable[[str, int, str], None]  # what was left alone, at which character, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What to add to one HTML part."""

    beacon: Stamp | None = None
    honeypot: Stamp | None = None
    card: Pieces = ()


@dataclass(slots=True)
class _Seen:
    """What one pass over the markup found."""

    values: list[tuple[int, int]] = field(default_factory=list)  # the URLs of ordinary links
    links: list[Token] = field(default_factory=list)  # all others
    images: list[Token] = field(default_factory=list)
    body_start: int | None = None
    body_end: int | None = None
    html_end: int | None = None
    open_from: int | None = None  # where a tag, comment, raw text or template begins and never ends
    has_frames: bool = False
    templates: list[int] = field(default_factory=list)  # where the open ones begin
    hidden: list[tuple[int, int]] = field(default_factory=list)  # the outermost, whole


def instrument_document(
    content: Content, rules: DocumentRules, additions: Additions
) -> tuple[list[Wish], Links | None]:
    """The changes of one HTML part, in their order, and those of its ordinary links."""
    markup = content.markup
    seen = _look(markup)
    wishes, links = _ordinary_links(content, seen.values, rules)
    for token in seen.links:
        href = token.attribute(markup, "href")
        if href is not None:
            wishes += _link(content, token.start, href, rules, _is_excepted(markup, token))
    wishes += [wish for token in seen.images for wish in _old_beacon(content, token, rules)]
    added = _added(additions)
    if added:
        place = None if seen.has_frames else _place(markup, seen, _growth(wishes, links))
        if place is None:
            rules.report("document", 0, reasons.SHOWS_NOTHING)
            added, place = [], 0
        wishes += [Wish(place, place, new, kind, None, reason) for new, kind, reason in added]
    wishes.sort(key=_start)
    return wishes, links


def _look(markup: str) -> _Seen:
    seen = _Seen()
    names = _NAMES | {"img"} if _OWN_IMAGE.search(markup) else _NAMES
    last_start = 0
    tokens, seen.values = tokenize_around(markup, names, _PLACES, ORDINARY_LINK)
    for token in tokens:
        kind = token.kind
        if kind is TokenKind.START:
            last_start = token.start
            _note_start(seen, token)
        elif kind is TokenKind.END:
            _note_end(seen, token)
        elif kind is TokenKind.COMMENT and not seen.templates:
            _look_inside(markup, token, seen)
        if token.end == len(markup):
            if kind is TokenKind.RAW:
                seen.open_from = last_start
            elif kind is TokenKind.CUT or not markup.endswith(_whole_end(markup, token)):
                seen.open_from = token.start
    if seen.templates:
        seen.open_from = seen.templates[0]
        seen.hidden.append((seen.open_from, len(markup)))
    if seen.hidden:
        seen.values = _outside(seen.values, seen.hidden)
    return seen


def _whole_end(markup: str, token: Token) -> str | tuple[str, ...]:
    """What ends the document's last token when it is whole (WHATWG HTML, section 13.2.5.43 on)."""
    is_comment = token.kind is TokenKind.COMMENT and markup.startswith("<!--", token.start)
    return _COMMENT_ENDS if is_comment else ">"


def _outside(values: list[tuple[int, int]], spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The values that stand in none of the spans; both are in order."""
    starts = [start for start, _ in spans]
    found = []
    for value in values:
        number = bisect_right(starts, value[0]) - 1
        if number < 0 or spans[number][1] <= value[0]:
            found.append(value)
    return found


def _note_start(seen: _Seen, token: Token) -> None:
    if token.name == "template":
        seen.templates.append(token.start)
    elif seen.templates:
        return  # nothing in a template is displayed
    elif token.name in _LINKS:
        seen.links.append(token)
    elif token.name == "img":
        seen.images.append(token)
    elif token.name == "body" and seen.body_start is None:
        seen.body_start = token.end
    elif token.name == "frameset":
        seen.has_frames = seen.body_start is None


def _note_end(seen: _Seen, token: Token) -> None:
    if token.name == "template" and seen.templates:
        start = seen.templates.pop()
        if not seen.templates:
            seen.hidden.append((start, token.end))
    elif token.name == "body" and not seen.templates:
        seen.body_end = token.start
    elif token.name == "html" and not seen.templates:
        seen.html_end = token.start


def _look_inside(markup: str, comment: Token, seen: _Seen) -> None:
    """Collect the links that only Outlook sees."""
    span = conditional_content(markup, comment)
    if span is None:
        return
    for token in tokenize(markup, *span, names=_LINKS | _SHAPES):
        if token.kind is TokenKind.START and (token.name in _LINKS or token.name in _SHAPES):
            seen.links.append(token)


def _ordinary_links(
    content: Content, values: Sequence[tuple[int, int]], rules: DocumentRules
) -> tuple[list[Wish], Links | None]:
    """The changes of the links that ORDINARY_LINK found: of a few by themselves, of most in one.

    Nearly all links of a newsletter are of this kind, and how long a message takes is decided by
    what is done for each of them: so what speaks against one is looked for in all at once.
    """
    markup = content.markup
    text = "\n".join([markup[start:end] for start, end in values])
    if "&" in text:
        text = text.replace("&amp;", "&")
    urls = text.split("\n") if values else []
    wishes: list[Wish] = []
    if _needs_look(text, urls, content, rules):
        is_crowded = _is_crowded(urls, rules)
        careful = [is_crowded or _is_careful(url, content, rules) for url in urls]
        for (start, end), is_careful in zip(values, careful, strict=True):
            if is_careful:
                tag = markup.rfind("<", 0, start)
                wishes += _link(content, tag, _ordinary_href(start, end), rules, False)
        kept = [number for number, is_careful in enumerate(careful) if not is_careful]
        values, urls = [values[number] for number in kept], [urls[number] for number in kept]
    if not urls:
        return wishes, None
    stamps = rules.stamps.links(urls)
    if content.wants_room and not content.pads:
        for (start, end), stamp, url in zip(values, stamps, urls, strict=True):
            wishes += _new_value(
                content, _ordinary_href(start, end), stamp, "link", url, reasons.TRACKED
            )
        return wishes, None
    holes, ends = [stamp[1] for stamp in stamps], [stamp[2] for stamp in stamps]
    if content.pads:  # behind the quote
        values = [(start, end + 1) for start, end in values]
        ends = [f'{end}"' for end in ends]
    return wishes, Links(Run(values, stamps[0][0], holes, ends), urls)


def _ordinary_href(start: int, end: int) -> Attribute:
    """The attribute around a value as ORDINARY_LINK has it: `href="` right before it."""
    return Attribute("href", start - 6, start - 2, start, end, '"')


def _needs_look(text: str, urls: list[str], content: Content, rules: DocumentRules) -> bool:
    """Whether one of the URLs, or of the text that they make, may be no plain link to track."""
    if not rules.links or _is_crowded(urls, rules):
        return True
    if max(map(len, urls), default=0) > _short(content) or _OWN_LINK.search(text):
        return True
    if not rules.unsubscribes:
        return False
    lowered = text.lower()
    return len(rules.unsubscribes) > 4 or any(u.lower() in lowered for u in rules.unsubscribes)


def _is_crowded(urls: list[str], rules: DocumentRules) -> bool:
    """Whether there may be more destinations than can be numbered."""
    room = rules.stamps.room
    return len(urls) > room and len(set(urls)) > room


def _is_careful(url: str, content: Content, rules: DocumentRules) -> bool:
    return (
        not rules.links
        or len(url) > _short(content)
        or _OWN_LINK.search(url) is not None
        or is_named(url, rules.unsubscribes)
    )


def _short(content: Content) -> int:
    """Characters of a URL that surely has place: percent-encoding makes three of each at most."""
    longest = content.longest_run
    return SHORT_URL if longest is None else min(SHORT_URL, (longest - _FRAME) // 3)


def _link(
    content: Content, tag: int, href: Attribute, rules: DocumentRules, is_excepted: bool
) -> list[Wish]:
    """One link, whose tag begins at character `tag`."""
    url = read_ordinary(content.markup[href.value_start : href.value_end])
    if url is None or _OWN_LINK.search(url):
        found = _unusual_link(content, tag, href, rules)
        if not isinstance(found, str):
            return found
        url = found
    elif not rules.links or is_named(url, rules.unsubscribes):
        if rules.links:
            rules.report(f"link {url}", tag, reasons.UNSUBSCRIBES)
        return []
    if rules.stamps.is_full or is_excepted:
        reason = reasons.MANY_LINKS if rules.stamps.is_full else "data-no-track"
        rules.report(f"link {url[:200]}", tag, reason)
        return []
    stamp = rules.stamps.link(url)
    if content.longest_run is not None and len(stamp[2]) > content.longest_run - _FRAME:
        rules.report(f"link {url[:200]}", tag, reasons.LINE_TOO_LONG)
        return []
    return _new_value(content, href, stamp, "link", url, reasons.TRACKED)


def _unusual_link(
    content: Content, tag: int, href: Attribute, rules: DocumentRules
) -> str | list[Wish]:
    """The destination of a link that deserves a second look, or what to do with it instead."""
    if href.value_start < 0:
        rules.report("link", tag, reasons.EMPTY)
        return []
    try:
        url = clean_url(content.text(href.value_start, href.value_end, "strict"))
    except UnicodeDecodeError:
        rules.report("link", tag, reasons.ODD_BYTES)
        return []
    if _OWN_LINK.search(url):
        own = _own_link(content, href, url, rules)
        if own is not None:
            return own
    if not rules.links:
        return []
    reason = why_untracked(url, rules.unsubscribes)
    if reason is None:
        return url
    rules.report(f"link {url[:200]}" if url else "link", tag, reason)
    return []


def _is_excepted(markup: str, token: Token) -> bool:
    tag = markup[token.start : token.end]
    return "data-no-track" in tag.lower() and token.attribute(markup, "data-no-track") is not None


def _new_value(
    content: Content,
    attribute: Attribute,
    new: Pieces,
    kind: str,
    target: str,
    reason: str,
) -> list[Wish]:
    """The attribute with another value, and the places where its line may be broken."""
    start, end = attribute.value_start, attribute.value_end
    if content.pads:
        end += len(attribute.quote)
        quote = attribute.quote or '"'
        new = (*new, quote, ROOM) if attribute.quote else (quote, *new, quote, ROOM)
        return [Wish(start, end, new, kind, target, reason)]
    wish = Wish(start, end, new if attribute.quote else ('"', *new, '"'), kind, target, reason)
    if not content.wants_room:
        return [wish]
    return [line_break(attribute.start), wish, line_break(attribute.end)]


_start = itemgetter(0)


def _own_link(
    content: Content, href: Attribute, url: str, rules: DocumentRules
) -> list[Wish] | None:
    """A link that an earlier message of ours carried: its target back, under this message's token.

    Links to pages that speak of the earlier recipient lead nowhere afterwards.
    """
    own = read_own(url, rules.ring)
    if own is None:
        return None
    locator = own.locator
    if own.kind is Kind.CLICK and locator.to is not None:
        reason = why_untracked(locator.to, rules.unsubscribes)
        if reason is None and rules.links and not rules.stamps.is_full:
            pieces = rules.stamps.link(locator.to)
            text = reasons.QUOTED_LINK_RENEWED
            return _new_value(content, href, pieces, "quoted-link", locator.to, text)
        text = reasons.QUOTED_LINK_RESTORED
        plain = (_escape(locator.to),)
        return _new_value(content, href, plain, "quoted-link", locator.to, text)
    if own.kind is Kind.ATTACHMENT and locator.digest and locator.name:
        stamp = rules.stamps.attachment(locator.digest, locator.name, None)
        text = reasons.QUOTED_ATTACHMENT
        return _new_value(content, href, stamp, "quoted-attachment", locator.digest, text)
    text = reasons.QUOTED_PAGE
    return _new_value(content, href, ("#",), "quoted-link", url, text)


def _escape(url: str) -> str:
    """A URL for an attribute in any charset and quotes."""
    text = url.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#39;")
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _old_beacon(content: Content, token: Token, rules: DocumentRules) -> list[Wish]:
    source = token.attribute(content.markup, "src")
    if source is None or source.value_start < 0:
        return []
    url = clean_url(content.text(source.value_start, source.value_end))
    own = read_own(url, rules.ring)
    if own is None or own.kind is not Kind.OPEN:
        return []
    reason = reasons.QUOTED_BEACON
    return [Wish(token.start, token.end, (), "quoted-beacon", None, reason)]


def _added(additions: Additions) -> list[tuple[Pieces, str, str]]:
    """What stands at the place of the beacon, with kind and reason."""
    found: list[tuple[Pieces, str, str]] = []
    if additions.card:
        found.append((additions.card, "card", reasons.CARD))
    if additions.honeypot is not None:
        url = additions.honeypot
        link: Pieces = ("<a ", ROOM, 'href="', *url, '" ', ROOM, _HIDDEN, ROOM, "></a>")
        found.append((link, "honeypot", reasons.HONEYPOT))
    if additions.beacon is not None:
        found.append((_beacon(additions.beacon), "beacon", reasons.BEACON))
    return found


def added_pieces(additions: Additions) -> Pieces:
    """All additions, one behind the other."""
    return tuple(piece for new, _, _ in _added(additions) for piece in new)


def _beacon(stamp: Stamp) -> Pieces:
    size = '" alt="" width="1" height="1" border="0" '
    return (
        *("<img ", ROOM, 'src="', *stamp, size),
        *(ROOM, f'style="{_BEACON_STYLE}"', ROOM, ">"),
    )


def _growth(wishes: Sequence[Wish], links: Links | None) -> int:
    """Characters that the changes add to the document."""
    growth = 0
    for start, end, new, _, _, _ in wishes:
        growth += start - end
        for piece in new:
            if isinstance(piece, str):
                growth += len(piece)
            elif piece is not ROOM:
                growth += piece.length
    if links is not None:
        spans, before, holes, ends = links.run
        growth += sum(map(len, ends)) + len(spans) * len(before)
        growth += sum([hole.length for hole in holes])
        growth += sum([start - end for start, end in spans])
    return growth


def _place(markup: str, seen: _Seen, growth: int) -> int | None:
    """Where the beacon stands: at the end, unless Gmail would clip it off there.

    None when nothing is displayed: there is nothing but a head, or a title that never ends.
    """
    end = seen.body_end if seen.body_end is not None else seen.html_end
    if end is None:
        end = len(markup[: seen.open_from].rstrip())
        if _first_displayed(markup, end) == end:
            return None
    if end + growth <= _CLIP:
        return end
    return seen.body_start if seen.body_start is not None else _first_displayed(markup, end)


def _first_displayed(markup: str, end: int) -> int:
    """Before the first text or element of a fragment that belongs to no head."""
    at = 0
    for token in tokenize(markup, 0, end):
        text = markup[at : token.start]
        if text.strip():
            return token.start - len(text.lstrip())
        if token.kind is TokenKind.START and token.name not in _HEAD:
            return token.start
        at = token.end
    return end - len(markup[at:end].lstrip())
