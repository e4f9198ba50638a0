"""HTML by offsets: the tags, comments and raw text of a document, and where each attribute stands.

Follows the tokenizer of the WHATWG HTML standard (section 13.2.5) as far as it decides what is a
tag, an attribute or a comment; it builds no tree.  Elements whose content is no markup (script,
style, title, ...) are stepped over as the tree builder of a program without scripts does.
Content of a conditional comment for Outlook is a comment here; `conditional_content` says where it
stands, and it can be tokenized by itself.
Every expression is possessive: time grows with the length of the document whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator
from enum import Enum
from functools import lru_cache
from html import unescape as _unescape
from html.entities import html5
from typing import NamedTuple

__all__ = [
    "Attribute",
    "Shortcut",
    "Token",
    "TokenKind",
    "conditional_content",
    "tokenize",
    "tokenize_around",
    "unescape_attribute",
]

_SPACE = r"[\t\n\f\r ]"
_TAG_NAME = r"[a-zA-Z][^\t\n\f\r />]*+"
_VALUE = r"""(?:"[^"]*+"|'[^']*+'|(?=>)|[^\t\n\f\r "'>][^\t\n\f\r >]*+)"""
_ONE_ATTRIBUTE = (
    rf"(?:=[^\t\n\f\r />=]*+|[^\t\n\f\r />=]++)"
    rf"(?:{_SPACE}*+={_SPACE}*+{_VALUE}|(?!{_SPACE}*+=))"
)
_ATTRIBUTES = rf"(?:[\t\n\f\r /]++|{_ONE_ATTRIBUTE})*+"
_CAPTURED_VALUE = r"""(?:"([^"]*+)"|'([^']*+)'|(?=>)|([^\t\n\f\r "'>][^\t\n\f\r >]*+))"""
_COMMENT = r"<!--(?:-?>|(?:[^-]++|-(?!-!?>))*+(?:--!?>|\Z))"
_DECLARATION = r"<(?:!(?!--)|\?|/(?![a-zA-Z]))[^>]*+(?:>|\Z)"
_ATTRIBUTE = re.compile(
    rf"(=[^\t\n\f\r />=]*+|[^\t\n\f\r />=]++)(?:{_SPACE}*+={_SPACE}*+{_CAPTURED_VALUE})?+"
)
_BEFORE_VALUE = frozenset("=\t\n\f\r ")  # what may stand before a value's quote
_QUOTES = ("", "", '"', "'", "")  # by the group of _ATTRIBUTE that holds the value
_CONDITION = re.compile(r"<!--\[if\b[^\]>]*+\]>", re.IGNORECASE)
_CONDITION_END = re.compile(r"<!\s*\[endif\]\s*(?:--)?\Z", re.IGNORECASE)
_REFERENCE = re.compile(r"&(#[0-9]++;?+|#[xX][0-9a-fA-F]++;?+|[A-Za-z][A-Za-z0-9]*+;?+)")

_TABLES = "(?!/?[tT][dDrRaAbBhH])"
_RAW = frozenset(("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"))
_FOREIGN = frozenset(("svg", "math"))
_INTEGRATION = frozenset(("foreignobject", "desc", "title", "annotation-xml"))
# Elements that end a stretch of SVG or MathML when they begin (section 13.2.6.5).
_BREAKOUT = frozenset(
    (
        *("b", "big", "blockquote", "body", "br", "center", "code", "dd", "div", "dl", "dt", "em"),
        *("embed", "h1", "h2", "h3", "h4", "h5", "h6", "head", "hr", "i", "img", "li", "listing"),
        *("menu", "meta", "nobr", "ol", "p", "pre", "ruby", "s", "small", "span", "strike"),
        *("strong", "sub", "sup", "table", "tt", "u", "ul", "var"),
    )
)
_ALWAYS = _RAW | _FOREIGN | {"plaintext"}


class TokenKind(Enum):
    """What stands at a token's place."""

    START = "start"
    END = "end"
    COMMENT = "comment"
    DECLARATION = "declaration"  # doctype, `<![...]>`, `<?...>`, CDATA
    RAW = "raw"  # the content of script, style, title, ...
    CUT = "cut"  # a tag that the end cuts off: browsers drop it


class Attribute(NamedTuple):
    """One attribute by offsets; its value stands between the quotes, if it has any."""

    name: str  # lower case
    start: int
    name_end: int
    value_start: int  # -1 when it has no value
    value_end: int
    quote: str  # `"`, `'` or empty

    @property
    def end(self) -> int:
        """After the value and its quote."""
        return self.name_end if self.value_start < 0 else self.value_end + len(self.quote)


class Token(NamedTuple):
    """One token by offsets, `end` excluded.

    A tuple, not a dataclass: a document has a thousand of them, and a tuple is made three times
    as fast.
    """

    kind: TokenKind
    start: int
    end: int
    name: str = ""  # of a tag, or of the element around raw text; lower case
    value: tuple[int, int] | None = None  # where a shortcut's group stands, if one found the tag

    def attributes(self, markup: str) -> list[Attribute]:
        """A tag's attributes in their order; of a repeated name only the first counts."""
        return [_attribute(match) for match in self._matches(markup)]

    def attributes_named(self, markup: str, names: Container[str]) -> dict[str, Attribute]:
        """The attributes of these lower-case names that a browser uses, and no work for others."""
        position = self.start + 1 + len(self.name) + (self.kind is TokenKind.END)
        found: dict[str, Attribute] = {}
        for match in _ATTRIBUTE.finditer(markup, position, self.end):
            name = match[1].lower()
            if name in names and name not in found:
                group = match.lastindex or 1
                span = match.span(group) if group > 1 else (-1, -1)
                found[name] = Attribute(
                    name, match.start(), match.end(1), span[0], span[1], _QUOTES[group]
                )
        return found

    def attribute(self, markup: str, name: str) -> Attribute | None:
        """The attribute that a browser uses for this lower-case name."""
        start = self.start + 1 + len(self.name) + (self.kind is TokenKind.END)
        match = _named_attribute(name).match(markup, start, self.end)
        return None if match is None else _attribute(match)

    def _matches(self, markup: str) -> Iterator[re.Match[str]]:
        start = self.start + 1 + len(self.name) + (self.kind is TokenKind.END)
        return _ATTRIBUTE.finditer(markup, start, self.end)


@lru_cache(maxsize=32)
def _named_attribute(name: str) -> re.Pattern[str]:
    """Steps over other attributes to the first of this name; groups as in _ATTRIBUTE."""
    named = rf"{_any_case(name)}(?=[\t\n\f\r />=])"
    return re.compile(
        rf"(?:[\t\n\f\r /]++|(?!{named}){_ONE_ATTRIBUTE})*+({_any_case(name)})(?=[\t\n\f\r />=])"
        rf"(?:{_SPACE}*+={_SPACE}*+{_CAPTURED_VALUE})?+"
    )


def _any_case(name: str) -> str:
    """An expression for a name in any case; sets are matched faster than with a flag."""
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in name)


def _attribute(match: re.Match[str]) -> Attribute:
    group = match.lastindex or 1
    start, end = match.span(group) if group > 1 else (-1, -1)
    return Attribute(match[1].lower(), match.start(1), match.end(1), start, end, _QUOTES[group])


class Shortcut(NamedTuple):
    """How most tags of one name look: such a tag is found and read in one step."""

    name: str  # lower case
    rest: str  # an expression for all that follows the name, `>` included, with one group


_Regs = tuple[tuple[int, int], ...]  # of a match for a shortcut: the tag, and its group


class _Scan(NamedTuple):
    """The expressions of one way to scan."""

    token: re.Pattern[str]  # a comment, declaration or tag, whole
    exact: re.Pattern[str]  # the next token of interest, whatever stands before it
    # How it begins, if it is not inside a tag's attribute; of a shortcut's tag, the whole.
    candidate: re.Pattern[str] | None


_TOKEN = rf"(?:({_COMMENT})|({_DECLARATION})|<(/?+)({_TAG_NAME}){_ATTRIBUTES}(>|\Z)?+)"
_ANY = _Scan(re.compile(_TOKEN), re.compile(rf"[^<]*+(?:<(?![a-zA-Z!?/])[^<]*+)*+{_TOKEN}"), None)


@lru_cache(maxsize=32)
def _scan_for(names: frozenset[str], ends: frozenset[str], shortcut: Shortcut | None) -> _Scan:
    """Steps over other tags inside the expression."""
    starting, ending = _any_of(names | _ALWAYS), _any_of(ends | _FOREIGN)
    whole = "" if shortcut is None else f"{shortcut.name}{shortcut.rest}|"
    other = rf"<(?:/(?!{ending})|(?!{starting})){_TAG_NAME}{_ATTRIBUTES}>"
    return _Scan(
        _ANY.token,
        re.compile(rf"[^<]*+(?:(?:{other}|<(?![a-zA-Z!?/]))[^<]*+)*+{_TOKEN}"),
        re.compile(
            rf"<{_past_tables(names | ends)}(?:{whole}[!?]|{starting}|/(?:[^a-zA-Z]|{ending}))"
        ),
    )


def _past_tables(names: frozenset[str]) -> str:
    """An early way out for td, th, tr, table and tbody, which most tags of a mail are."""
    tables = ("td", "th", "tr", "ta", "tb")
    return "" if any(name.startswith(tables) for name in names) else _TABLES


def _any_of(names: frozenset[str]) -> str:
    """An expression for one of these tag names, whole, in any case.

    Written as a tree by first letters: the matcher then gives up at the first that differs.
    """
    branches = []
    for first in sorted({name[:1] for name in names}):
        rest = frozenset(name[1:] for name in names if name[:1] == first)
        if not first:
            branches.append(r"(?=[\t\n\f\r />])")
        else:
            letter = f"[{first}{first.upper()}]" if first.isalpha() else re.escape(first)
            branches.append(letter + _any_of(rest))
    return f"(?:{'|'.join(branches)})" if len(branches) > 1 else branches[0]


def _collect(
    scan: _Scan,
    markup: str,
    start: int,
    stop: int,
    has_single: bool,
    short: list[_Regs],
) -> re.Match[str] | None:
    """The next token of interest that is no shortcut's tag; `start` stands outside any tag.

    The shortcut's tags before it are added to `short`.  A tag's beginning is found by a plain
    search, five times as fast as stepping over every tag; only where it might lie inside a tag are
    the tags before it read one by one.  What is asked for each tag here is written out, not called,
    because there are many: right behind a `>` a place is outside a tag unless the last quote before
    it opens a value.
    """
    if scan.candidate is None:
        return scan.exact.match(markup, start, stop)
    rfind = markup.rfind
    position = start
    for found in scan.candidate.finditer(markup, start, stop):
        regs = found.regs
        place, end = regs[0]
        quote = rfind('"', position, place)
        single = rfind("'", position, place) if has_single else -1
        if (
            markup[place - 1] != ">"
            or place == position
            or (quote >= 0 and markup[quote - 1] in _BEFORE_VALUE)
            or (single >= 0 and markup[single - 1] in _BEFORE_VALUE)
        ) and not _is_outside_tags(markup, position, place):
            break
        if len(regs) == 1 or regs[1][0] < 0:
            return scan.token.match(markup, place, stop)
        short.append(regs)
        position = end
    else:
        if _is_outside_tags(markup, position, stop):
            return None
    return scan.exact.match(markup, position, stop)


def _is_outside_tags(markup: str, start: int, place: int) -> bool:
    """Whether `place` is surely outside any tag; `start` is, and no comment lies between.

    Inside a quoted value the last quote before `place` would open it, behind an `=`.  Inside a tag
    but outside its values the last `>` before `place` would stand in a value that ended since.
    """
    opening = markup.rfind("<", start, place)
    if opening < 0:
        return True
    closing = markup.rfind(">", opening, place)
    if closing < 0:
        return False
    for quote in "\"'":
        last = markup.rfind(quote, start, place)
        if last < 0:
            continue
        if markup[last - 1] in _BEFORE_VALUE and _may_open_value(markup, last):
            return False
        if last > closing:
            before = markup.rfind(quote, start, closing)
            if before >= 0 and _may_open_value(markup, before):
                return False
    return True


def _may_open_value(markup: str, quote: int) -> bool:
    before = markup[quote - 1]
    if before not in "\t\n\f\r ":
        return before == "="
    text = markup[max(0, quote - 20) : quote].rstrip()
    return not text or text[-1] == "="


def tokenize(
    markup: str,
    start: int = 0,
    end: int | None = None,
    names: Collection[str] | None = None,
    ends: Collection[str] | None = None,
    shortcut: Shortcut | None = None,
    *,
    plain: bool = False,
) -> Iterator[Token]:
    """The tokens from `start` to `end`; text between them is not reported.

    With `names` (lower case) only those tags are reported, which is faster, and of end tags only
    those in `ends` if it is given; raw text, comments and declarations are reported always.
    A `shortcut` for one of the names saves the look at each attribute.
    `plain` takes SVG and MathML for HTML, and for raw text only what an end tag closes: the reading
    that hides least, for who does not trust the document's author.
    """
    stop = len(markup) if end is None else end
    name = "" if shortcut is None else shortcut.name
    short: list[_Regs] = []
    for token in _tokens(markup, start, stop, _Wanted.of(names, ends, shortcut), short, plain):
        if short:
            yield from _short_tokens(short, name)
            short.clear()
        yield token
    yield from _short_tokens(short, name)


def _short_tokens(short: list[_Regs], name: str) -> Iterator[Token]:
    for (start, end), value in short:
        yield Token(TokenKind.START, start, end, name, value)


def tokenize_around(
    markup: str, names: Collection[str], ends: Collection[str], shortcut: Shortcut
) -> tuple[list[Token], list[tuple[int, int]]]:
    """The tokens as `tokenize` reports them, without the tags that `shortcut` finds.

    Of these comes only where their group's value stands, which takes a third of the time.
    """
    short: list[_Regs] = []
    wanted = _Wanted.of(names, ends, shortcut)
    tokens = list(_tokens(markup, 0, len(markup), wanted, short))
    return tokens, [value for _, value in short]


class _Wanted(NamedTuple):
    """What a caller wants to hear of."""

    starts: frozenset[str] | None  # None: every tag
    ends: frozenset[str] | None
    scan: _Scan

    @classmethod
    def of(
        cls,
        names: Collection[str] | None,
        ends: Collection[str] | None,
        shortcut: Shortcut | None,
    ) -> _Wanted:
        if names is None:
            return cls(None, None, _ANY)
        starting = frozenset(names)
        ending = starting if ends is None else frozenset(ends)
        return cls(starting, ending, _scan_for(starting, ending, shortcut))


def _tokens(
    markup: str, start: int, stop: int, wanted: _Wanted, short: list[_Regs], plain: bool = False
) -> Iterator[Token]:
    starts, ends, scan = wanted
    foreign: list[str] = []
    unclosed: set[str] = set()
    position = start
    has_single = scan.candidate is not None and markup.find("'", start, stop) >= 0
    while True:
        now = _ANY if foreign else scan
        match = _collect(now, markup, position, stop, has_single, short)
        if match is None:
            return
        position = match.end()
        if match[4] is None:
            token = _other_token(match, markup, stop, bool(foreign))
            position = token.end
            yield token
            continue
        name = match[4].lower()
        if match[5] != ">":
            yield Token(TokenKind.CUT, match.start(3) - 1, stop, name)
            return
        kind = TokenKind.END if match[3] else TokenKind.START
        chosen = ends if match[3] else starts
        if chosen is None or name in chosen:
            yield Token(kind, match.start(3) - 1, position, name)
        if foreign or name in _ALWAYS:
            if not plain:
                _track_foreign(foreign, name, kind, _is_self_closing(markup, position))
            if kind is TokenKind.START and not _is_foreign(foreign):
                if plain and (name in unclosed or _is_self_closing(markup, position)):
                    continue
                raw_end = _raw_end(markup, position, stop, name)
                if plain and raw_end == stop:
                    unclosed.add(name)  # asked for each, the search would take a square of time
                elif raw_end > position:
                    yield Token(TokenKind.RAW, position, raw_end, name)
                    position = raw_end


def _is_self_closing(markup: str, end: int) -> bool:
    """Whether the tag that ends there is written as one without content."""
    return markup.startswith("/>", end - 2)


def _other_token(match: re.Match[str], markup: str, stop: int, foreign: bool) -> Token:
    if match[1] is not None:
        return Token(TokenKind.COMMENT, match.start(1), match.end(1))
    start, end = match.span(2)
    if foreign and markup.startswith("<![CDATA[", start):
        found = markup.find("]]>", start + 9, stop)
        end = stop if found < 0 else found + 3
    return Token(TokenKind.DECLARATION, start, end)


def _is_foreign(stack: list[str]) -> bool:
    return bool(stack) and stack[-1] in _FOREIGN


def _track_foreign(stack: list[str], name: str, kind: TokenKind, self_closing: bool) -> None:
    """Keep the chain of SVG and MathML roots and of the HTML islands in them."""
    if kind is TokenKind.END:
        if name in stack:
            del stack[len(stack) - 1 - stack[::-1].index(name) :]
    elif self_closing:
        return
    elif name in _FOREIGN:
        if len(stack) < 64:  # deeper ones change nothing: they are foreign already
            stack.append(name)
    elif _is_foreign(stack):
        if name in _INTEGRATION:
            stack.append(name)
        elif name in _BREAKOUT:
            while stack and stack[-1] in _FOREIGN:
                stack.pop()


@lru_cache(maxsize=32)
def _raw_end_pattern(name: str) -> re.Pattern[str]:
    if name == "script":
        return re.compile(
            r"(<!--)|(-->)|(<script(?=[\t\n\f\r />]))|(</script(?=[\t\n\f\r />]))", re.I
        )
    return re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE)


def _raw_end(markup: str, position: int, stop: int, name: str) -> int:
    """Where the raw text that begins at `position` ends; `position` when the element has none."""
    if name == "plaintext":
        return stop
    if name not in _RAW:
        return position
    pattern = _raw_end_pattern(name)
    if name == "script":
        return _script_end(pattern, markup, position, stop)
    found = pattern.search(markup, position, stop)
    return stop if found is None else found.start()


def _script_end(pattern: re.Pattern[str], markup: str, position: int, stop: int) -> int:
    """A script's end with its escaped states: `<!-- <script> ... </script>` is one script."""
    escaped = doubly = False
    for match in pattern.finditer(markup, position, stop):
        kind = match.lastindex
        if kind == 1:
            escaped = True
        elif kind == 2:
            escaped = doubly = False
        elif kind == 3:
            doubly = escaped
        elif doubly:
            doubly = False
        else:
            return match.start()
    return stop


def conditional_content(markup: str, token: Token) -> tuple[int, int] | None:
    """Where the markup inside a conditional comment stands; None for any other comment.

    Outlook reads `<!--[if mso]> ... <![endif]-->`; `<!--[if !mso]><!-->` has no content.
    """
    opening = _CONDITION.match(markup, token.start, token.end)
    if opening is None:
        return None
    tail = markup.rfind("<!", opening.end(), token.end)
    if tail < 0 or _CONDITION_END.match(markup, tail, token.end - 1) is None:
        return None
    return opening.end(), tail


def unescape_attribute(value: str) -> str:
    """An attribute's value with its character references read.

    Unlike in text, `&copy=` and `&copyx` stay as they are (section 13.2.5.73), so that the query
    `?a=1&copy=2` survives.
    """
    return _REFERENCE.sub(_reference, value) if "&" in value else value


def _reference(match: re.Match[str]) -> str:
    name = match[1]
    if name[0] == "#":
        return _unescape(match[0])
    if name.endswith(";"):
        return html5.get(name, match[0])
    if match.string[match.end() : match.end() + 1] == "=":
        return match[0]
    return html5.get(name, match[0])
