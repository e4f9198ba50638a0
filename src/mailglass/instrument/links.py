"""Which links are tracked, by their destination.

Left alone: everything that is not http or https, what is not a whole URL, what a later program will
fill in, and what the sender's List-Unsubscribe names (RFC 2369), because a scanner that follows a
tracked unsubscribe link would look like a reader.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import BadToken
from ..mime import Shortcut, unescape_attribute
from ..tokens import Kind, Locator, Ring, names_host, percent_encode, read_url
from . import reasons

__all__ = [
    "ORDINARY_LINK",
    "SHORT_URL",
    "Own",
    "TextUrl",
    "clean_url",
    "find_text_urls",
    "is_named",
    "list_unsubscribe_urls",
    "read_ordinary",
    "read_own",
    "why_untracked",
]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# What templates leave for a later program: Jinja, Liquid, Handlebars and Mustache; ERB and JSP;
# Mailchimp; Salesforce and Pardot; Mailgun; JavaScript and FreeMarker; Ruby; Campaign Monitor;
# TYPO3; a bare name in braces.
_PLACEHOLDER = re.compile(
    r"\{\{|\}\}|\{%|%\}|%7B%7B|<%|%>|\*\||\|\*|%%[A-Za-z_]|%(?:recipient|unsubscribe)[._]"
    r"|\$\{|#\{|@\{|\[\[?[A-Za-z_]+\]\]|\[(?:unsubscribe|webversion|preferences)\]|###[A-Z_]+###"
    r"|\{[A-Za-z_][\w.]*\}",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z0-9_]")
_TEXT_URL = re.compile(r"https?://[!#-;=?-~]++", re.IGNORECASE)
# What nine links of ten look like: nothing in it needs a second look.
_URL_RUN = r"[A-Za-z0-9._~:/?@!$'()+,;=-]*+"
_ORDINARY_URL = rf"https?://[a-z0-9]{_URL_RUN}(?:(?:&amp;|&(?=[a-z_]++=)){_URL_RUN})*+"
_ORDINARY = re.compile(_ORDINARY_URL)
# And the whole tag of such a link: lower case, all values in double quotes, no `data-no-track`.
# `href="` stands right before the group and `"` behind it.
_OTHERS = r'(?:[\t\n\f\r ]++(?!%s)[a-z-]++="[^"<>]*+")*+'
ORDINARY_LINK = Shortcut(
    "a",
    _OTHERS % "data-no|href="
    + rf'[\t\n\f\r ]++href="({_ORDINARY_URL})"'
    + _OTHERS % "data-no"
    + r"[\t\n\f\r ]*+>",
)
_EDGE = "".join(map(chr, range(33)))  # C0 controls and space
_DROPPED = {9: None, 10: None, 13: None}
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_LISTED = re.compile(r"<([^<>]*+)>")
_HOST = re.compile(r"https?:[/\\]{2,}[^/\\?#]*+", re.IGNORECASE)
# Octets of a destination, percent-encoded: servers should take request lines of 8000 octets (RFC
# 9110 section 4.1), and our own path and host need a few of them.
_MAX_URL = 7800
SHORT_URL = _MAX_URL // 9  # characters that cannot become more: three bytes each, as %XX


class TextUrl(NamedTuple):
    """Where a URL of a plain text stands."""

    start: int
    end: int
    goes_on: bool  # it may go on with characters beyond ASCII


@dataclass(frozen=True, slots=True)
class Own:
    """A URL of ours that an earlier message carried."""

    locator: Locator

    @property
    def kind(self) -> Kind:
        """What its token was for."""
        return self.locator.kind


def clean_url(value: str) -> str:
    """An attribute's value as the browser's URL parser takes it (WHATWG URL, section 4.4)."""
    return unescape_attribute(value).strip(_EDGE).translate(_DROPPED)


def read_ordinary(value: str) -> str | None:
    """The URL of a value that needs no second look: plain http or https, no placeholder."""
    if len(value) > SHORT_URL or not _ORDINARY.fullmatch(value):
        return None
    return value.replace("&amp;", "&")


def why_untracked(url: str, unsubscribes: Collection[str]) -> str | None:
    """The reason to leave a cleaned URL alone; None when it is tracked."""
    if not names_host(url):
        return _why_not_web(url)
    if _PLACEHOLDER.search(url):
        return reasons.PLACEHOLDER
    if unsubscribes and is_named(url, unsubscribes):
        return reasons.UNSUBSCRIBES
    try:
        if len(url) > SHORT_URL and len(percent_encode(url)) > _MAX_URL:
            return reasons.URL_TOO_LONG
        url.encode()
    except UnicodeEncodeError:
        return reasons.NOT_UNICODE
    return None


def _why_not_web(url: str) -> str:
    if not url:
        return reasons.EMPTY
    if url.startswith("#"):
        return reasons.FRAGMENT
    if _PLACEHOLDER.search(url):
        return reasons.PLACEHOLDER
    scheme = _SCHEME.match(url)
    if scheme is None:
        return reasons.NO_SCHEME
    name = scheme[1].lower()
    return reasons.NO_HOST if name in ("http", "https") else f"scheme {name[:20]}"


def list_unsubscribe_urls(values: Iterable[str]) -> frozenset[str]:
    """The URLs of List-Unsubscribe fields, as `is_named` compares them.

    White space inside the brackets is no part of a URL (RFC 2369 section 2).
    """
    return frozenset(
        _plain_host("".join(url.split())) for value in values for url in _LISTED.findall(value)
    )


def is_named(url: str, unsubscribes: Collection[str]) -> bool:
    """Whether List-Unsubscribe has this URL, whatever the case of scheme and host."""
    return _plain_host(url) in unsubscribes


def _plain_host(url: str) -> str:
    """Scheme and host in lower case (RFC 3986 section 6.2.2.1)."""
    found = _HOST.match(url)
    return url if found is None else found[0].lower() + url[found.end() :]


def read_own(url: str, ring: Ring) -> Own | None:
    """What a URL of an earlier message of ours says; None when none of our keys made it."""
    try:
        locator = read_url(url)
        ring.read(locator.token, locator.kind, bound=locator.bound)
    except BadToken:
        return None
    return Own(locator)


def find_text_urls(text: str, read: Callable[[int, int], str] | None = None) -> list[TextUrl]:
    """The http(s) URLs of a plain text, without the punctuation around them.

    `read` gives the characters of a span, where `text` holds the bytes of another charset.
    """
    read = read or (lambda start, end: text[start:end])
    found = []
    for match in _TEXT_URL.finditer(text):
        start, stop = match.span()
        if start and _WORD.match(text, start - 1) and not _follows_wide(text, start, read):
            continue
        end = _end_of_url(text, start, stop)
        found.append(TextUrl(start, end, _goes_on(text, start, end, stop, read)))
    return found


def _goes_on(text: str, start: int, end: int, stop: int, read: Callable[[int, int], str]) -> bool:
    """Whether what follows a URL beyond ASCII may be a part of it.

    A letter may be, but not punctuation, and not the next word of a language that is written
    without spaces: mail programs end a link there too.  Only a host that ends in a dot may go on
    in such letters (`https://example.中国`).
    """
    if stop == len(text) or text[stop].isascii():
        return False
    following = read(stop, stop + 4)[0]  # no charset takes more bytes for one
    if unicodedata.category(following)[0] in "PZC" and following != "\N{REPLACEMENT CHARACTER}":
        return False
    is_host = "/" not in text[start:stop].partition("://")[2]
    if unicodedata.east_asian_width(following) in "WFH":
        return is_host and text[stop - 1] in ".-"
    return True


def _follows_wide(text: str, start: int, read: Callable[[int, int], str]) -> bool:
    """Whether the ASCII letter before a place is half of a character, as in Big5 and Shift JIS.

    Read from the last byte that is never such a half.
    """
    window = text[max(0, start - 200) : start]
    whole = max((window.rfind(mark) for mark in " \n\r\t,.:;()/-"), default=-1)
    if window.isascii() or (whole < 0 and start > 200):
        return False
    return not read(start - len(window) + whole + 1, start)[-1:].isascii()


def _end_of_url(text: str, start: int, end: int) -> int:
    """Without trailing punctuation, and without brackets that the URL does not open."""
    surplus = {b: text.count(b, start, end) - text.count(a, start, end) for a, b in _BRACKETS}
    while text[end - 1] in ".,;:!?'*_" or surplus.get(text[end - 1], 0) > 0:
        end -= 1
        if text[end] in surplus:
            surplus[text[end]] -= 1
    return end
