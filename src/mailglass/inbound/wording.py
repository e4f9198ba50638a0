"""What servers without RFC 3464 write, loaded from `data/notices.tsv` and asked by use.

Every use is a list of words that a line is compared with; ` * ` in the table is a gap.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["ends_in", "says", "table", "words_of"]


def table(name: str) -> list[dict[str, str]]:
    """The rows of a table under `data/`."""
    lines = (files(__package__) / "data" / name).read_text("utf-8").splitlines()
    cells = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


@cache
def words_of(use: str) -> tuple[str, ...]:
    """The words of one use, in the order of the table."""
    return tuple(row["words"] for row in table("notices.tsv") if row["use"] == use)


@cache
def _plain_words(use: str) -> tuple[str, ...]:
    return tuple(words for words in words_of(use) if " * " not in words)


@cache
def _with_gaps(use: str) -> tuple[re.Pattern[str], ...]:
    """The words that have a gap, which spans at most 40 characters: no text makes it quadratic."""
    return tuple(
        re.compile(re.escape(words).replace(r"\ \*\ ", ".{0,40}"))
        for words in words_of(use)
        if " * " in words
    )


def says(use: str, text: str) -> bool:
    """Whether the lower-case text holds any words of this use.

    One `in` a phrase: an alternation of a hundred literals costs thirty times as much in `re`.
    """
    for words in _plain_words(use):
        if words in text:
            return True
    return any(pattern.search(text) for pattern in _with_gaps(use))


def ends_in(use: str, text: str) -> bool:
    """Whether the lower-case text ends in any words of this use, from the start of a word on."""
    if not text.endswith(_plain_words(use)):
        return False
    for words in _plain_words(use):
        if text.endswith(words):
            start = len(text) - len(words)
            if start == 0 or not text[start - 1].isalnum():
                return True
    return False
