"""What a charset label means to the programs that will show the text.

Labels are read as the WHATWG Encoding Standard reads them (`iso-8859-1` is Windows-1252, `gb2312`
is GB 18030), because those programs do; the table is `charsets.tsv`.  A label that is in neither
the table nor Python's codecs is unknown, which is not an error: most such text is ASCII.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

__all__ = ["Charset", "find_charset"]

# Codecs in which a byte below 0x40 is always that ASCII character and a letter stands for itself
# wherever HTML's syntax needs one: their text can be searched for markup byte by byte.
_NOT_TRANSPARENT = (
    *("utf-16", "utf-32", "utf-7", "iso2022", "hz"),
    *("cp037", "cp273", "cp424", "cp500", "cp875", "cp1026", "cp1140"),  # EBCDIC
)
_NOT_TEXT = {"base64", "bz2", "hex", "quopri", "rot13", "uu", "zlib", "idna", "punycode"}


@dataclass(frozen=True, slots=True)
class Charset:
    """One label, read."""

    label: str  # as given, lower case
    codec: str | None  # Python's name for it; None when unknown
    transparent: bool  # whether HTML's own characters are single ASCII bytes in it


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
        codec = codecs.lookup(name).name
    except (LookupError, ValueError, UnicodeError):
        return Charset(label, None, True)
    if codec in _NOT_TEXT or codec in ("undefined", "unicode-escape", "raw-unicode-escape"):
        return Charset(label, None, True)
    if codec == "ascii":
        return Charset(label, None, True)
    return Charset(label, codec, not codec.startswith(_NOT_TRANSPARENT))
