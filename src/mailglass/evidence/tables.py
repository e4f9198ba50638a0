"""Tables of tab-separated text, whose every row remembers the line it came from.

For the rules' data and a site's own: a wrong row is refused with its file, line and reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from ..errors import ConfigurationError

__all__ = ["BadRules", "Row", "read_table"]


class BadRules(ConfigurationError):
    """A file of rules cannot be used; the message names the file, the line and the reason."""

    id = "bad-rules"


class Row(dict[str, str]):
    """One row by the names of its columns."""

    def __init__(self, cells: dict[str, str], file: str, line: int) -> None:
        """`line` counts from 1."""
        super().__init__(cells)
        self.file = file
        self.line = line

    def refuse(self, reason: str) -> BadRules:
        """The error that names this row's place."""
        return BadRules(f"{self.file} line {self.line}: {reason}")

    def __missing__(self, column: str) -> NoReturn:
        raise self.refuse(f"the column {column!r} is missing")


def read_table(text: str, file: str) -> Iterator[Row]:
    """The rows of a table; the first line that is no comment names the columns.

    Raises BadRules when a row has another number of cells than the head.
    """
    columns: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        if columns is None:
            columns = cells
            continue
        if len(cells) > len(columns):
            raise BadRules(f"{file} line {number}: {len(cells)} cells under {len(columns)} columns")
        cells += [""] * (len(columns) - len(cells))
        yield Row(dict(zip(columns, cells, strict=True)), file, number)
