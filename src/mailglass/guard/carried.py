"""What a `data:` or `javascript:` URL carries in itself: a document inside the document.

Reads `data:` as RFC 2397 and the WHATWG Fetch standard do: percent-encoding first, then base64, in
which white space counts for nothing and padding may be missing.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from ..mime import find_charset

__all__ = ["Carried", "carried"]

_DATA = re.compile(r"\s*+data:([^,;]*+)((?:;[^,;]*+)*+),", re.IGNORECASE)
_SCRIPT = re.compile(r"\s*+(?:javascript|vbscript|livescript):", re.IGNORECASE)
_VANISHES = str.maketrans("", "", "\t\n\r")
_CHARSET = re.compile(r";\s*+charset\s*+=\s*+[\"']?([\w.:-]++)", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_MARKUP_TYPES = frozenset(("text/html", "image/svg+xml", "application/xhtml+xml"))


class Carried(NamedTuple):
    """The content of a URL that needs no network."""

    media_type: str  # lower case; `text/javascript` for a script
    texts: tuple[str, ...]  # as its bytes may be read, which what refers to them may decide

    @property
    def is_markup(self) -> bool:
        """Whether it is a document with tags."""
        return self.media_type in _MARKUP_TYPES or self.media_type.endswith(("/xml", "+xml"))

    @property
    def is_script(self) -> bool:
        """Whether it runs."""
        return "script" in self.media_type


def carried(url: str) -> Carried | None:
    """What the URL carries; None when it is of another kind."""
    if ":" not in url[:64]:
        return None
    url = url.translate(_VANISHES)
    if match := _SCRIPT.match(url):
        return Carried("text/javascript", (_with_base64(unquote(url[match.end() :])),))
    if not (match := _DATA.match(url)):
        return None
    body = unquote_to_bytes(url[match.end() :])
    if ";base64" in match[2].lower().replace(" ", ""):
        body = _from_base64(body)
    return Carried(match[1].strip().lower(), tuple(dict.fromkeys(_texts(body, match[2]))))


def _texts(body: bytes, parameters: str) -> Iterator[str]:
    yield body.decode("utf-8", "replace")
    if named := _CHARSET.search(parameters):
        codec = find_charset(named[1]).codec
        if codec is not None:
            yield body.decode(codec, "replace")
    if b"\0" in body or body.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield body.decode("utf-16-le", "replace")
        yield body.decode("utf-16-be", "replace")


def _from_base64(letters: bytes) -> bytes:
    letters = _NO_BASE64.sub(b"", letters)
    return a2b_base64(letters[: len(letters) - (len(letters) % 4 == 1)] + b"===")


def _with_base64(script: str) -> str:
    """A script, and what its literals may hold for `atob`."""
    hidden = (_from_base64(m[0].encode()).decode("latin-1") for m in _BASE64.finditer(script))
    return "\n".join((script, *hidden))
