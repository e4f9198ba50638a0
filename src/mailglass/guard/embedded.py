"""The target of a link that stands in it encoded: what base64 or hexadecimal digits decode to.

The text is read as what it is: one URL, a JSON object, or a query. A target is only what stands
there whole and alone; where it could as well be a piece of something else, there is none, because
a link that goes nowhere is worse than one that is counted.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

__all__ = ["TARGET_NAMES", "Embedded", "embedded", "whole_url"]

TARGET_NAMES = frozenset(
    ("url", "u", "to", "q", "target", "dest", "destination", "redirect", "redirect_url",
     "redirecturl", "redirect_uri", "redir", "link", "goto", "r", "l", "href", "out", "deeplink",
     "murl", "d")
)  # fmt: skip

# What is looked at: longer pieces hold no link that a browser would follow.
_MAX_ENCODED = 16_384
_MAX_PIECES = 8  # into which the slashes of the base64 alphabet may have cut the text

_RUN = re.compile(r"[A-Za-z0-9+/_-]++={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){8,}")
# A service's mark in front, as `a1` or `v2_`.
_MARK = re.compile(r"[A-Za-z0-9+_-]{1,8}?(?=aHR0c(?:Dov|HM6))")
# A token with a signature (RFC 7519): it signs somebody in.
_TOKEN = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*")
# The characters of RFC 3986 without the apostrophe, which is a quote as well.
_URL = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]*)?\Z"
)
# Another one in it, unless it is the value of its own last parameter.
_ANOTHER = re.compile(r"(?<!=)https?://", re.IGNORECASE)
_BEGINS = re.compile(r"https?(?::|%(?:25)*3a)", re.IGNORECASE)
_QUERY = re.compile(r"[\w.\[\]-]+=")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Embedded(NamedTuple):
    """A target and how it stood in the text."""

    target: str
    names: frozenset[str]  # of what stands there with it, in lower case; empty for a bare URL
    in_path: bool


def embedded(path: str, query: str) -> Embedded | None:
    """The one target that pieces of the path or the query decode to; None when in doubt."""
    if _TOKEN.search(path) or _TOKEN.search(query):
        return None
    texts = [(text, True) for text in _texts_of_path(path)]
    texts += [(text, False) for text in _texts_of_query(query)]
    found = [one for text, in_path in texts if (one := _read(text, in_path))]
    return found[0] if len({one.target for one in found}) == 1 else None


def _texts_of_path(path: str) -> Iterator[str]:
    segments = [unquote(segment) for segment in path.split("/")]
    for number, segment in enumerate(segments):
        for run in _RUN.finditer(segment):
            texts = list(_decoded(run[0]))
            if run.end() == len(segment) and not run[0].endswith("="):
                # A slash of the base64 alphabet may as well end the segment.
                texts += _joined(run[0], segments[number + 1 : number + _MAX_PIECES])
            if len(set(texts)) == 1:
                yield texts[0]


def _joined(piece: str, following: list[str]) -> Iterator[str]:
    for segment in following:
        run = _RUN.match(segment)
        if run is None:
            return
        piece += f"/{run[0]}"
        yield from _decoded(piece)
        if run.end() < len(segment):
            return


def _texts_of_query(query: str) -> Iterator[str]:
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        for run in _RUN.finditer(unquote(value if equals else name)):
            yield from _decoded(run[0])


def _decoded(piece: str) -> Iterator[str]:
    """The text that a piece encodes as a whole, or behind a short mark."""
    if not 8 <= len(piece) <= _MAX_ENCODED:
        return
    if (text := _text(piece)) is not None:
        yield text
    elif (mark := _MARK.match(piece)) and len(mark[0]) % 4:
        # Behind whole groups of four digits it would be the end of something longer.
        text = _text(piece[mark.end() :])
        yield from () if text is None else (text,)


def _text(piece: str) -> str | None:
    try:
        if _HEX.fullmatch(piece):
            return bytes.fromhex(piece).decode()
        digits = piece.rstrip("=")
        if len(digits) % 4 == 1:
            return None
        return b64decode(digits.replace("-", "+").replace("_", "/") + "==").decode()
    except (binascii.Error, ValueError):
        return None


def _read(text: str, in_path: bool) -> Embedded | None:
    if "http" not in text[:4] and text.lstrip()[:1] == "{":
        pairs = _pairs_of_json(text)
    elif _CONTROL.search(text):
        return None
    elif _QUERY.match(text):
        pairs = list(_pairs_of_query(text))
    else:
        target = whole_url(text)
        return Embedded(target, frozenset(), in_path) if target else None
    targets = {
        value for name, value in pairs if name in TARGET_NAMES and value and _BEGINS.match(value)
    }
    if len(targets) != 1:
        return None
    target = whole_url(targets.pop())
    names = frozenset(name for name, _ in pairs)
    return Embedded(target, names, in_path) if target else None


def _pairs_of_json(text: str) -> list[tuple[str, str]]:
    """All names in it with their strings, however deep; what is no string is empty."""
    found: list[tuple[str, str]] = []

    def keep(pairs: list[tuple[str, object]]) -> None:
        found.extend((name.lower(), v if isinstance(v, str) else "") for name, v in pairs)

    try:
        json.loads(text, object_pairs_hook=keep)
    except (ValueError, RecursionError):
        return []
    return found


def _pairs_of_query(text: str) -> Iterator[tuple[str, str]]:
    pairs = text.split("&")
    for number, pair in enumerate(pairs, 1):
        name, _, value = pair.partition("=")
        # Unencoded, it may be cut by what follows, or have taken it in; a plus may be a blank.
        is_sure = number == len(pairs) if "://" in value else "+" not in value
        is_sure = is_sure and ";" not in value
        yield name.lower(), value if is_sure else "http:"


def whole_url(text: str) -> str | None:
    """The text when it is one URL and nothing else."""
    for _ in range(2):  # some services encode twice
        if re.match(r"https?%(?:25)*3a", text, re.IGNORECASE):
            text = unquote(text)
    return text if _URL.match(text) and not _ANOTHER.search(text, len("https://")) else None
