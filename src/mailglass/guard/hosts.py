"""Finds the rows of a table that are about a URL: by its host or a parent of it, then by its path.

A look-up costs one dictionary access for each label of the host, and one regular expression for the
rows that hold for any host, however many rows there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["HostTable"]

Row = dict[str, str]


class HostTable:
    """Rows with a `host` (empty for any; the name or a parent of it) and a `path` expression."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_host: dict[str, list[tuple[re.Pattern[str], Row]]] = {}
        self._anywhere: list[tuple[re.Pattern[str], Row]] = []
        for row in rows:
            entry = (re.compile(row["path"] or "/?"), row)
            if row["host"]:
                self._by_host.setdefault(row["host"], []).append(entry)
            else:
                self._anywhere.append(entry)
        forms = "|".join(f"(?:{pattern.pattern})" for pattern, _ in self._anywhere)
        self._any = re.compile(forms) if forms else None

    def find(self, host: str, path: str) -> Iterator[Row]:
        """The rows that hold for the host and the path, nearest host first."""
        suffix = host
        while suffix:
            for pattern, row in self._by_host.get(suffix, ()):
                if pattern.match(path):
                    yield row
            suffix = suffix.partition(".")[2]
        if self._any is not None and self._any.match(path):
            yield from (row for pattern, row in self._anywhere if pattern.match(path))
