"""Every URL in a piece of CSS, with the place where it stands.

Reads what CSS Syntax Level 3 calls tokens, as far as a URL can hide in them: comments, strings,
`url()` with escapes in its name or in its value, `@import`, `@font-face`, the functions that take
a URL as a string, and the two filters of old Outlook and Internet Explorer.
tinycss2 reads the same grammar, but names a token only by line and column and spends ten times as
long; the tests hold this module to what it finds.
Each character is looked at a bounded number of times, whatever the style sheet holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["CssUrl", "attribute_names", "find_urls", "without_disguise"]

# An escape is a code, which takes the white space behind it along, or one character.
_CODE = r"[0-9a-fA-F]{1,6}+(?:\r\n|[ \t\r\n\f])?+"
# An identifier, with escapes: `\75 \72 \6C` spells url.
_NAME = rf"(?:[-\w\u0080-\U0010ffff]|\\(?:{_CODE}|[^\n\r\f0-9a-fA-F]))++"
_IN_QUOTES = {q: rf"[^{q}\\\n\r\f]*+(?:\\(?:{_CODE}|\r\n|(?s:.))[^{q}\\\n\r\f]*+)*+" for q in "\"'"}
_TOKEN = re.compile(
    rf"""
      (?P<comment>/\*(?s:.*?)(?:\*/|\Z))
    | (?P<string>"{_IN_QUOTES['"']}(?:"|(?=[\n\r\f])|\Z|\\\Z)
               |'{_IN_QUOTES["'"]}(?:'|(?=[\n\r\f])|\Z|\\\Z))
    | <!-- | -->
    | \#{_NAME}
    | @(?P<at>{_NAME})
    | (?P<function>{_NAME})\(
    | (?P<property>{_NAME})[ \t\r\n\f]*+:
    | {_NAME}
    | (?P<mark>[][(){{}};])
    """,
    re.VERBOSE,
)
# The value of url(): up to the parenthesis that closes it, or to the end (CSS Syntax 4.3.6).
_VALUE = re.compile(
    rf"""[ \t\r\n\f]*+
    (?: "(?P<double>{_IN_QUOTES['"']})(?:"|\\?\Z|(?P<broken>))
      | '(?P<single>{_IN_QUOTES["'"]})(?:'|\\?\Z|(?P<cut>))
      | (?P<bare>[^)\\]*+(?:\\(?s:.)[^)\\]*+)*+(?:\\\Z)?)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})(?:\r\n|[ \t\r\n\f])?|(\r\n|[\n\r\f])|(?s:(.))|\Z)")
_COMMENT = re.compile(r"/\*(?s:.*?)(?:\*/|\Z)")
_SOURCE_MAP = re.compile(r"sourceMappingURL=([^\s*]++)")
_FILTER_SOURCE = re.compile(r"""(?:src|colorspace)\s*+=\s*+['"]?+([^'",)]++)""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"attr\(\s*+([-\w]++)\s++(?:url|type\(\s*+<url)", re.IGNORECASE)

# What can announce a URL; text without any of them is left unread.
_HINTS = ("url", "import", "image", "src", "\\", "filter", "//")
# A string that is a URL may be handed on by a variable to a function that loads it.
_REMOTE_STRING = re.compile(r"[\x00-\x20]*+(?:https?:|[/\\]{2})", re.IGNORECASE)
_STRING_FUNCTIONS = {"image", "image-set", "-webkit-image-set", "src"}
_FILTERS = {"alphaimageloader", "icmfilter"}


@dataclass(frozen=True, slots=True)
class CssUrl:
    """One URL of a style sheet."""

    url: str  # with its escapes undone
    start: int  # the span of the value in the text, without quotes
    end: int
    use: str  # image, font, import or source-map
    property: str  # the property it is the value of, lower-case; empty outside a declaration


def find_urls(css: str) -> list[CssUrl]:
    """The URLs of a style sheet, or of a style attribute's value, in order."""
    lowered = css.lower()
    if not any(hint in lowered for hint in _HINTS):
        return []
    return list(_Scanner(css))


def attribute_names(css: str) -> set[str]:
    """The attributes whose value the style sheet takes as a URL (`content: attr(x url)`)."""
    return {m.group(1).lower() for m in _ATTRIBUTE.finditer(css)}


def without_disguise(css: str) -> str:
    """Declarations without comments and escapes, which change nothing but how they are spelled."""
    if "/*" in css:
        css = _COMMENT.sub(" ", css)
    return _unescape(css)


class _Scanner:
    """Walks the tokens; knows the declaration, the at-rule and the function it is in."""

    def __init__(self, css: str) -> None:
        self._css = css
        self._property = ""
        self._at_rule = ""
        self._functions: list[str] = []

    def __iter__(self) -> Iterator[CssUrl]:
        position = 0
        while match := _TOKEN.search(self._css, position):
            position = match.end()
            kind = match.lastgroup
            if kind == "function":
                name = _unescape(match["function"]).lower()
                if name == "url":
                    value, position = self._value(position)
                    if value is not None:
                        yield value
                elif name in _FILTERS:
                    closing = self._css.find(")", position)
                    end = len(self._css) if closing < 0 else closing
                    yield from self._filter(position, end)
                    position = end + 1
                else:
                    self._functions.append(name)
            elif kind == "string":
                found = self._found(match.start() + 1, _string_end(match))
                if self._takes_string() or (
                    self._may_hand_on() and _REMOTE_STRING.match(found.url)
                ):
                    yield found
            elif kind == "comment":
                yield from self._source_map(match.start(), match.end())
            elif kind is not None:
                self._turn(kind, match[kind])

    def _turn(self, kind: str, text: str) -> None:
        """Follow the grammar over a token that is no URL."""
        if kind == "at":
            self._at_rule = _unescape(text).lower()
        elif kind == "property":
            self._property = _unescape(text).lower()
        elif text in "([":
            self._functions.append(text)
        elif text in ")]":
            if self._functions:
                self._functions.pop()
        else:
            self._property = ""
            self._functions.clear()
            if text == "}" or self._at_rule in ("import", "namespace"):
                self._at_rule = ""

    def _takes_string(self) -> bool:
        if self._functions:
            return self._functions[-1] in _STRING_FUNCTIONS
        return self._at_rule == "import"

    def _may_hand_on(self) -> bool:
        """Whether a string here is a variable's, or goes through a function that may be one."""
        if self._functions:
            return "[" not in self._functions
        return self._property.startswith("--") or self._property in ("initial-value", "result")

    def _value(self, position: int) -> tuple[CssUrl | None, int]:
        match = _VALUE.match(self._css, position)
        if match is None:  # cannot be: a bare value may be empty
            return None, position
        if match.lastgroup in ("broken", "cut"):  # a line ends within quotes: no URL, and no string
            return None, match.end()
        start, end = match.span(match.lastgroup or 0)
        if match.lastgroup != "bare":
            # More may follow within the parentheses, and what is no value there is read on.
            self._functions.append("url")
            after = match.end()
        else:
            closing = self._css.find(")", match.end())
            after = len(self._css) if closing < 0 else closing + 1
            end = start + len(_without_end_space(self._css[start:end]))
        return (None if self._at_rule == "namespace" else self._found(start, end)), after

    def _found(self, start: int, end: int) -> CssUrl:
        use = {"import": "import", "font-face": "font"}.get(self._at_rule, "image")
        return CssUrl(_unescape(self._css[start:end]).strip(), start, end, use, self._property)

    def _filter(self, position: int, end: int) -> Iterator[CssUrl]:
        if match := _FILTER_SOURCE.search(self._css, position, end):
            yield CssUrl(match.group(1).strip(), *match.span(1), "image", self._property)

    def _source_map(self, start: int, end: int) -> Iterator[CssUrl]:
        for match in _SOURCE_MAP.finditer(self._css, start, end):
            yield CssUrl(match.group(1), *match.span(1), "source-map", "")


def _without_end_space(text: str) -> str:
    """An unquoted value; the space that ends an escape belongs to it."""
    bare = text.rstrip()
    return text[: len(bare) + 1] if bare.endswith("\\") else bare


def _string_end(match: re.Match[str]) -> int:
    text = match["string"]
    return match.end() - (len(text) > 1 and text[-1] == text[0])


def _unescape(text: str) -> str:
    """CSS Syntax 4.3.7: a hexadecimal code, an escaped line break (nothing), or the character."""
    return _ESCAPE.sub(_escaped, text) if "\\" in text else text


def _escaped(match: re.Match[str]) -> str:
    code, line_break, plain = match.groups()
    if code:
        number = int(code, 16)
        return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
    return "" if line_break else plain or "\ufffd"
