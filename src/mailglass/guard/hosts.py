"""Finds the rows of a table that are about a URL: by its host or a parent of it, then by its path.

A look-up costs one dictionary access for each label of the host, and one regular expression for the
rows that hold for any host, however many rows there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["HostTable"]

Row = dict[str, str]
_Entry = tuple[re.Pattern[str], Row]


class HostTable:
    """Rows with a `host` and a `path`.

    `host` is a name or the parent of one; empty for any. `path` is an expression matched at the
    start of the path; one that begins with `*/` is matched at the last slash of the path.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_host: dict[str, list[_Entry]] = {}
        # By the letter after the slash; under "" those whose expression begins with no letter.
        self._first: dict[str, list[_Entry]] = {}
        self._last: dict[str, list[_Entry]] = {}
        for row in rows:
            path = row["path"] or "/?"
            entry = (re.compile(path.removeprefix("*")), row)
            if row["host"]:
                self._by_host.setdefault(row["host"], []).append(entry)
            else:
                places = self._last if path.startswith("*") else self._first
                places.setdefault(_letter(entry[0].pattern), []).append(entry)

    def find(self, host: str, path: str) -> Row | None:
        """The row that holds for the host and the path, nearest host first; `path` may go on with
        `?` and a query.
        """
        suffix = host
        while suffix:
            if entries := self._by_host.get(suffix):
                for pattern, row in entries:
                    if pattern.match(path):
                        return row
            suffix = suffix.partition(".")[2]
        mark = path.find("?")
        slash = max(path.rfind("/", 0, mark if mark >= 0 else len(path)), 0)
        return _search(self._first, path, 0) or _search(self._last, path, slash)


def _letter(pattern: str) -> str:
    first = pattern[1:2]
    return first if first.isalnum() and pattern[2:3] not in ("?", "*", "{", "|") else ""


def _search(places: dict[str, list[_Entry]], path: str, position: int) -> Row | None:
    for letter in (path[position + 1 : position + 2], ""):
        for pattern, row in places.get(letter, ()):
            if pattern.match(path, position):
                return row
    return None
