"""Whether the page behind a link acts: unsubscribes, confirms, signs in, answers an invitation.

Such a link must arrive as it was sent. `acts.tsv` holds the words of a path that say so, in twelve
languages; accents count for nothing, and percent-encoding is undone.
"""

from __future__ import annotations

import re
from functools import cache
from unicodedata import combining, normalize
from urllib.parse import unquote

from .tables import read_table

__all__ = ["acts"]

# Letters that are no base letter with a mark to Unicode.
_PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "ı": "i"})
# A piece of a path that is a token holds such a word by chance.
_TOKENS = re.compile(r"[^/%]{40,}")


def acts(path: str) -> bool:
    """Whether a word of the path says that the page acts."""
    return _words().search(_folded(unquote(_TOKENS.sub("", path)))) is not None


@cache
def _words() -> re.Pattern[str]:
    rows = [(row["where"], re.escape(_folded(row["word"]))) for row in read_table("acts.tsv")]
    anywhere = "|".join(word for where, word in rows if where == "in")
    whole = "|".join(word for where, word in rows if where == "whole")
    return re.compile(rf"{anywhere}|(?<![^\W_])(?:{whole})(?![^\W_])")


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    letters = normalize("NFKD", text.lower())
    return "".join(c for c in letters if not combining(c)).translate(_PLAIN)
