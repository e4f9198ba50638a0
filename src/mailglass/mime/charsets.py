"""What a charset label means to the programs that will show the text.

Labels are read as the WHATWG Encoding Standard reads them (`iso-8859-1` is Windows-1252, `gb2312`
is GB 18030), because those programs do; the table is `charsets.tsv`.  A label that is in neither
the table nor Python's codecs is unknown, which is not an error: most such text is ASCII.  One that
names a codec of Python's which is no charset of mail, or one whose ASCII is not ASCII's (EBCDIC),
carries the reason why its text must not be changed.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

__all__ = ["Charset", "find_charset"]

# Codecs in which a byte below 0x40 is always that ASCII character and a letter stands for itself
# wherever HTML's syntax needs one: their text can be searched for markup byte by byte.
_NOT_TRANSPARENT = (*("utf-16", "utf-32", "utf-7", "iso2022", "hz"),)
# Codecs of Python's that turn text into text of another notation, or nothing.
_NO_CHARSETS = {
    *("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"),
}
_ASCII = bytes((*b"\t\n\r", *range(0x20, 0x7F)))  # what markup is written in


@dataclass(frozen=True, slots=True)
class Charset:
    """One label, read."""

    label: str  # as given, lower case
    codec: str | None  # Python's name for it; None when unknown
    transparent: bool  # whether HTML's own characters are single ASCII bytes in it
    refusal: str | None = None  # why a text in it must be left as it is


@cache
def _table() -> dict[str, str]:
    text = files(__package__).joinpath("charsets.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return {label: codec for label, codec, *_ in rows}


def find_charset(label: str) -> Charset:
    """What `label` means; an empty label is ASCII by RFC 2045 section 5.2, unknown beyond it."""
    return _find(label.strip().strip("'\"").lower()[:64])


@lru_cache(maxsize=512)  # labels come from outside
def _find(label: str) -> Charset:
    name = _table().get(label, label)
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return Charset(label, None, True)
    # The only mark by which Python tells charsets from its other codecs, such as rot13 and zlib.
    if not found._is_text_encoding or found.name in _NO_CHARSETS:
        return Charset(label, None, True, f"{label} is no charset")
    if found.name == "ascii":
        return Charset(label, None, True)
    codec = "utf-8" if found.name == "utf-8-sig" else found.name  # it writes a mark at every start
    if codec.startswith(_NOT_TRANSPARENT):
        return Charset(label, codec, False)
    if not _keeps_ascii(codec):
        return Charset(label, codec, False, f"the charset {label} writes ASCII in bytes of its own")
    return Charset(label, codec, True)


def _keeps_ascii(codec: str) -> bool:
    """Whether ASCII stands for itself both ways; not so in EBCDIC, cp864 or Mac OS Arabic."""
    text = _ASCII.decode("ascii")
    try:
        return _ASCII.decode(codec) == text and text.encode(codec) == _ASCII
    except UnicodeError:
        return False
