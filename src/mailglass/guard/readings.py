"""Where programs read one document in different ways, and what makes them agree.

Whether the content of `<style>` is raw text hangs on where it stands: inside SVG and MathML it is
markup, a browser leaves these at the first element that does not belong there, an old one drops the
tag within `<select>`, XML knows no raw text at all, and `<noscript>` is raw only where scripts run.
A sender who plays with that can show a picture to one program and hide it from another.  Following
one program's tree exactly would say nothing about the next, so the document is read plainly (see
`tokenize`), and each stretch that somebody may read otherwise is a `Doubt`: with the tags that are
seen there otherwise, and with the edit after which all read the same.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from html import unescape
from typing import NamedTuple

from ..mime import Token, TokenKind, tokenize
from .derived import Derived

__all__ = [
    "Doubt",
    "Subset",
    "doubts",
    "is_doubtful",
    "shadow_style",
    "subset_of",
    "without_prefixes",
]

# What makes raw text doubtful.
_CAUSES = frozenset(("svg", "math", "select", "frameset", "noscript"))
_FOREIGN = frozenset(("svg", "math", "frameset"))  # from there on, for no end of them is certain
_RAW = frozenset(
    ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext")
)
_MARKUP = re.compile(r"<[a-zA-Z/!?]")
_NOSCRIPT_END = re.compile(r"</noscript(?=[\t\n\f\r />])", re.IGNORECASE)
_SECTION = re.compile(r"<!\[CDATA\[((?s:.*?))(?:\]\]>|\Z)")
_QUOTED = r"""(?:"[^"]*+"|'[^']*+')"""
_SUBSET = re.compile(
    rf"""<!doctype(?:{_QUOTED}|[^\[>"'])*+\[
        ((?:<!--(?s:.*?)-->|<\?(?s:.*?)\?>|{_QUOTED}|[^]"'<]|<(?!!--|\?)|](?!\s*+>))*+)""",
    re.IGNORECASE | re.VERBOSE,
)
_ENTITY = re.compile(r"""<!ENTITY\s++(?:(%)\s++)?([^\s%;&"']++)\s++(?:"([^"]*+)"|'([^']*+)')""")
_NAMED = re.compile(r"&([^\s%;&#]++);")
_PARAMETER = re.compile(r"%([^\s%;&]++);")
_NUMBER = re.compile(r"&#(?:[0-9]++|[xX][0-9a-fA-F]++);")
_PREFIX = re.compile(
    r"(?:(?<=<)|(?<=</)|(?<=\s)(?=[\w.-]++:(?:href|src)\s*+=))[\w.-]++:(?=[A-Za-z])"
)
_DEEPEST = 16  # entities in entities
_MAX_EXPANDED = 4  # times the document's length; entities of entities grow without end
_LONGER = {"<![CDATA[": "]]>", "<?": "?>"}  # what ends at the first `>` or, in XML, only here
# Real mail has a handful; each may cost a walk over the rest of the document.
_MAX_DOUBTS = 200
_MAX_WORK = 4  # times the document's length


class Doubt(NamedTuple):
    """A stretch that programs read in different ways."""

    start: int  # what gives way to `new`, so that all read the same
    end: int
    new: str
    tokens: list[Token]  # what others see there, and behind it until they agree again
    differs: bool  # whether they disagree on what follows, too
    is_read: bool  # False when there was too much to follow, so that `tokens` is not all


def is_doubtful(names: AbstractSet[str]) -> bool:
    """Whether programs may read a document in different ways that has tags of these names."""
    return not _CAUSES.isdisjoint(names)


def doubts(markup: str, tokens: list[Token], *, is_xml: bool = False) -> Iterator[Doubt]:
    """The doubts of a document whose plain reading has these tokens, in no order."""
    walker = _Walker(markup, tokens)
    is_foreign, is_in_select = is_xml, False
    for number, token in enumerate(tokens):
        is_foreign = is_foreign or token.name in _FOREIGN
        if token.name == "select":
            is_in_select = token.kind is TokenKind.START
        if token.kind is TokenKind.RAW:
            if (is_foreign or is_in_select) and _MARKUP.search(markup, token.start, token.end):
                yield walker.walk(token.start, token.end, (token.start, token.end, ""))
        elif token.kind is TokenKind.START:
            if token.name in _RAW and not _has_content(tokens, number):
                # Nothing is hidden by what is no element of raw text to anybody.
                place = token.start + 1
                yield Doubt(place, place, "x-", [], True, True)
        elif token.kind is TokenKind.DECLARATION:
            yield from _longer(markup, token, walker)
    if "<noscript" in markup.lower():
        for match in _NOSCRIPT_END.finditer(markup):
            if walker.is_inside(match.start()):
                place = match.start()
                yield walker.walk(place, place, (place, place + 1, ""))


def _has_content(tokens: list[Token], number: int) -> bool:
    """Whether the start tag there begins raw text, or an empty element."""
    if number + 1 == len(tokens):
        return False
    following, tag = tokens[number + 1], tokens[number]
    return following.start == tag.end and (
        following.kind is TokenKind.RAW
        or (following.kind is TokenKind.END and following.name == tag.name)
    )


def _longer(markup: str, token: Token, walker: _Walker) -> Iterator[Doubt]:
    for opening, closing in _LONGER.items():
        if markup.startswith(opening, token.start):
            end = markup.find(closing, token.start)
            if end >= token.end and walker.is_inside(end + len(closing)):
                place = end + len(closing)
                yield walker.walk(place, place, (token.start, token.end, ""))


class _Walker:
    """Reads on from places inside the plain reading's tokens, until both agree."""

    def __init__(self, markup: str, tokens: list[Token]) -> None:
        self._markup = markup
        self._tokens = tokens
        self._starts = [token.start for token in tokens]
        self._seen: set[int] = set()
        self._doubts = 0
        self._work = _MAX_WORK * len(markup)

    def is_inside(self, place: int) -> bool:
        """Whether the plain reading has no markup that begins there, for it is in a token."""
        number = bisect_right(self._starts, place) - 1
        if number < 0:
            return False
        token = self._tokens[number]
        return place < token.end and (place > token.start or token.kind is TokenKind.RAW)

    def walk(self, start: int, end: int, edit: tuple[int, int, str]) -> Doubt:
        """What a program sees that reads markup from `start` on; all agree again from `end` on."""
        self._doubts += 1
        found: list[Token] = []
        differs = False
        if self._doubts <= _MAX_DOUBTS:
            places = [start]
            while places and self._work > 0:
                place = places.pop()
                for token in self._tokens_from(place, end):
                    found.append(token)
                    if token.kind is TokenKind.RAW:
                        places.append(token.start)
                    differs = differs or token.end > end
            if self._work > 0:
                return Doubt(*edit, found, differs or start == end, True)
        return Doubt(*edit, found, True, False)

    def _tokens_from(self, place: int, end: int) -> Iterator[Token]:
        """The tokens from there on, up to where the plain reading has the same."""
        position = place
        for token in tokenize(self._markup, place, plain=True):
            self._work -= token.end - position
            if token.start >= end and not self.is_inside(token.start):
                return
            if token.start in self._seen or self._work <= 0:
                return
            if token.kind is not TokenKind.RAW:  # the first tag in it begins at the same place
                self._seen.add(token.start)
            yield token
            position = token.end


def shadow_style(text: str) -> str | None:
    """A style element's content as XML and SVG read it: without tags, references read; or None."""
    if "&" not in text and "<" not in text:
        return None
    pieces: list[str] = []
    position = 0
    for section in _SECTION.finditer(text):
        pieces += (_characters(text[position : section.start()]), section[1])
        position = section.end()
    return "".join((*pieces, _characters(text[position:])))


def _characters(markup: str) -> str:
    """Markup without its tags, its references read."""
    pieces: list[str] = []
    position = 0
    for token in tokenize(markup, plain=True):
        if token.kind is not TokenKind.RAW:
            pieces.append(markup[position : token.start])
            position = token.end
    return unescape("".join((*pieces, markup[position:])))


class Subset(NamedTuple):
    """What an XML document declares at its beginning: texts for names, and attributes."""

    start: int
    end: int
    text: str
    expanded: str  # the document behind it, with the texts in place of their names


def subset_of(markup: str) -> Subset | None:
    """The internal subset of an XML document (XML 1.0, section 2.8); None when it has none."""
    if not (match := _SUBSET.search(markup)):
        return None
    room = _MAX_EXPANDED * len(markup)
    declared = _expanded(match[1], _PARAMETER, _declared(match[1], "%"), room)
    text = _expanded(markup[match.end() :], _NAMED, _declared(declared, ""), room)
    return Subset(*match.span(1), declared, text)


def _declared(subset: str, mark: str) -> dict[str, str]:
    """The entities of one sort; of one that is declared twice the first counts."""
    found: dict[str, str] = {}
    for sign, name, one, other in _ENTITY.findall(subset):
        if sign == mark:
            found.setdefault(name, _NUMBER.sub(_character, one or other))
    return found


def _character(match: re.Match[str]) -> str:
    return unescape(match[0])


def _expanded(text: str, named: re.Pattern[str], entities: dict[str, str], room: int) -> str:
    def value(match: re.Match[str]) -> str:
        nonlocal room
        found = entities.get(match[1], match[0]) if room > 0 else match[0]
        room -= len(found)
        return found

    for _ in range(_DEEPEST if entities else 0):
        before, text = text, named.sub(value, text)
        if text == before:
            break
    return text


def without_prefixes(markup: str) -> Derived | None:
    """An XML document with the namespace prefixes of its tags and references taken off, if any."""
    if not _PREFIX.search(markup):
        return None
    return Derived(markup, _PREFIX, _nothing)


def _nothing(match: re.Match[str]) -> str:
    return ""
