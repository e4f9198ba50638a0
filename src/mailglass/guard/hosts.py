"""Finds the rows of a table that are about a URL: by its host or a parent of it, then by its path.

A look-up costs one dictionary access for each label of the host, and one regular expression for the
rows that hold for any host, however many rows there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["HostTable"]

Row = dict[str, str]
_Entry = tuple[re.Pattern[str], Row]
_COUNTRY = re.compile(r"(?:com|[a-z]{2}|(?:com?|org|net)\.[a-z]{2})\Z")


class HostTable:
    """Rows with a `host` and a `path`.

    `host` is a name or the parent of one; `name.*` that name under any country's domain, as large
    services have it (`google.de`, `google.co.uk`); empty for any. `path` is an expression matched
    at the start of the path; one that begins with `*/` is matched at the last slash of the path.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_host: dict[str, list[_Entry]] = {}
        # By the letter after the slash; under "" those whose expression begins with no letter.
        first: dict[str, list[_Entry]] = {}
        last: dict[str, list[_Entry]] = {}
        for row in rows:
            path = row["path"] or "/?"
            entry = (re.compile(path.removeprefix("*")), row)
            if row["host"]:
                self._by_host.setdefault(row["host"], []).append(entry)
            else:
                places = last if path.startswith("*") else first
                places.setdefault(_letter(entry[0].pattern), []).append(entry)
        self._first, self._last = _Places(first), _Places(last)
        self._of_host = lru_cache(maxsize=4096)(self._entries)

    def find(self, host: str, path: str) -> Row | None:
        """The row that holds for the host and the path, nearest host first; `path` may go on with
        `?` and a query.
        """
        for pattern, row in self._of_host(host):
            if pattern.match(path):
                return row
        mark = path.find("?")
        slash = max(path.rfind("/", 0, mark if mark >= 0 else len(path)), 0)
        return self._first.search(path, 0) or self._last.search(path, slash)

    def _entries(self, host: str) -> tuple[_Entry, ...]:
        found: list[_Entry] = []
        while host:
            found += self._by_host.get(host, ())
            name, _, parent = host.partition(".")
            if _COUNTRY.match(parent):
                found += self._by_host.get(f"{name}.*", ())
            host = parent
        return tuple(found)


class _Places:
    """Rows for any host. One expression of all of them says first whether a path fits any."""

    def __init__(self, by_letter: dict[str, list[_Entry]]) -> None:
        self._by_letter = by_letter
        self._any = re.compile("|".join(
            f"(?:{pattern.pattern})" for entries in by_letter.values() for pattern, _ in entries
        ) or r"(?!)")  # fmt: skip

    def search(self, path: str, position: int) -> Row | None:
        if self._any.match(path, position) is None:
            return None
        for letter in (path[position + 1 : position + 2], ""):
            for pattern, row in self._by_letter.get(letter, ()):
                if pattern.match(path, position):
                    return row
        return None


def _letter(pattern: str) -> str:
    first = pattern[1:2]
    return first if first.isalnum() and pattern[2:3] not in ("?", "*", "{", "|") else ""
