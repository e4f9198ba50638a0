"""A text made from another by taking pieces out or writing them otherwise, and the way back."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

__all__ = ["Derived"]


class Derived:
    """A text made from another in which matches gave way, and the way back."""

    def __init__(
        self, source: str, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]
    ) -> None:
        pieces: list[str] = []
        # Where derived and source text run side by side: both offsets at the start of each stretch.
        self._here, self._there = [0], [0]
        length = at = 0
        for match in pattern.finditer(source):
            new = replace(match)
            pieces += (source[at : match.start()], new)
            length += match.start() - at + len(new)
            at = match.end()
            self._here.append(length)
            self._there.append(at)
        pieces.append(source[at:])
        self.text = "".join(pieces)

    def back(self, offset: int) -> int:
        """Where a character stood."""
        place = bisect_right(self._here, offset) - 1
        return self._there[place] + offset - self._here[place]
