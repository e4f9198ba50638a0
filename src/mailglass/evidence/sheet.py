"""A TOML file of rules that can say on which line each of its tables, keys and rows stands.

tomllib tells the line of a syntax error only; a file that parses and is wrong must be refused with
its line too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .tables import BadRules, Row

__all__ = ["SITE", "Sheet"]

SITE = "the site's own rule"  # the source of a row or signal that names none


class Sheet:
    """One TOML file of rules, which knows the line of each of its tables and keys."""

    def __init__(
        self, text: str, file: str, sections: Iterable[str], *, is_packaged: bool = False
    ) -> None:
        """`sections` are the names that may stand at the top.

        Raises BadRules on text that is no TOML and on other sections.
        """
        self.file = file
        self.is_packaged = is_packaged
        self._lines = _lines_of(text)
        try:
            self.data: dict[str, Any] = tomllib.loads(text)  # Any: a stranger's file
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line (\d+)", str(error))
            where = line.group(1) if line else str(len(text.splitlines()))
            raise BadRules(f"{file} line {where}: this is no TOML: {error}") from error
        known = sorted(sections)
        for name in self.data:
            if name not in known:
                raise self.refuse((name,), f"{name!r} is none of {', '.join(known)}")

    def refuse(self, path: Sequence[str], reason: str, *, occurrence: int = 0) -> BadRules:
        """The error that names the line of a table or key, or of the table around it."""
        return BadRules(f"{self.file} line {self.line_of(path, occurrence)}: {reason}")

    def line_of(self, path: Sequence[str], occurrence: int = 0) -> int:
        """The line where a path, or what of it is found, is written for the n-th time."""
        for length in range(len(path), 0, -1):
            lines = self._lines.get(tuple(path[:length]))
            if lines is not None:
                return lines[min(occurrence, len(lines) - 1)]
        return 1

    def table(self, *path: str) -> dict[str, Any]:
        """A table of the file; an empty one when the file does not speak of it."""
        found: Any = self.data
        for part in path:
            found = found.get(part, {})
            if not isinstance(found, dict):
                raise self.refuse(path, f"{'.'.join(path)} must be a table")
        return dict(found)

    def rows(self, name: str, columns: Sequence[str]) -> Iterator[Row]:
        """The rows written as [[name]], with no other columns than these."""
        entries = self.data.get(name, [])
        if not isinstance(entries, list):
            raise self.refuse((name,), f"{name} must be written as [[{name}]]")
        for number, entry in enumerate(entries):
            row = Row({"source": SITE, "as_of": ""}, self.file, self.line_of((name,), number))
            if not isinstance(entry, dict):
                raise row.refuse(f"{name} must be written as [[{name}]]")
            for key, value in entry.items():
                if key not in columns:
                    raise row.refuse(f"{key!r} is none of {', '.join(columns)}")
                row[key] = str(value)
                if not row[key].strip():
                    raise row.refuse(f"{key} is empty")
            yield row


_HEAD = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*["']?([\w .-]+?)["']?\s*=""")


def _lines_of(text: str) -> dict[tuple[str, ...], list[int]]:
    """Where each table and key stands, as far as they are written in the usual way."""
    lines: dict[tuple[str, ...], list[int]] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if head := _HEAD.match(line):
            table = tuple(part.strip(" \"'") for part in head[1].split("."))
            lines.setdefault(table, []).append(number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, key[1]), []).append(number)
    return lines
