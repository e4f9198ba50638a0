"""What servers without RFC 3464 write, loaded from `data/notices.tsv` and asked by use.

Every use is a list of words that a line is compared with; ` * ` in the table is a gap.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["says", "table", "words_of"]


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
def _pattern(use: str, at_end: bool) -> re.Pattern[str]:
    """One pattern for a use; `at_end` asks for the words at the end of the text.

    A gap spans at most 40 characters, so that no text makes the search quadratic.
    """
    choices = "|".join(re.escape(w).replace(r"\ \*\ ", ".{0,40}") for w in words_of(use))
    return re.compile(rf"(?:^|\b|(?<=\W))(?:{choices})\Z" if at_end else f"(?:{choices})")


def says(use: str, text: str, *, at_end: bool = False) -> bool:
    """Whether the lower-case text holds, or ends with, any words of this use."""
    return _pattern(use, at_end).search(text) is not None
