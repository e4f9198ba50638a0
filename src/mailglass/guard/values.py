"""An attribute's value as a program reads it, and the way back to where each character stands."""

from __future__ import annotations

import re
from bisect import bisect_right

from ..mime import Attribute, unescape_attribute

__all__ = ["Value", "escape"]

_REFERENCE = re.compile(r"&(?:#[0-9]++|#[xX][0-9a-fA-F]++|[A-Za-z][A-Za-z0-9]*+);?+")


class Value:
    """The text of one attribute with its character references read."""

    __slots__ = ("_decoded_at", "_raw_at", "attribute", "text")

    def __init__(self, markup: str, attribute: Attribute) -> None:
        self.attribute = attribute
        raw = markup[attribute.value_start : attribute.value_end]
        if attribute.value_start < 0:
            raw = ""
        # Where decoded and raw text run side by side: both offsets at the start of each stretch.
        self._decoded_at: list[int] = []
        self._raw_at: list[int] = []
        if "&" not in raw:
            self.text = raw
            return
        self._decoded_at.append(0)
        self._raw_at.append(attribute.value_start)
        pieces: list[str] = []
        length = position = 0
        for match in _REFERENCE.finditer(raw):
            following = raw[match.end() : match.end() + 1]
            whole = unescape_attribute(match.group() + following)
            decoded = whole[: len(whole) - len(following)]
            pieces += (raw[position : match.start()], decoded)
            length += match.start() - position + len(decoded)
            position = match.end()
            self._decoded_at.append(length)
            self._raw_at.append(attribute.value_start + position)
        pieces.append(raw[position:])
        self.text = "".join(pieces)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters `start` to `end` of the text stand in the markup."""
        return self._raw(start), self._raw(end)

    def _raw(self, offset: int) -> int:
        if not self._decoded_at:
            return self.attribute.value_start + offset
        place = bisect_right(self._decoded_at, offset) - 1
        return self._raw_at[place] + offset - self._decoded_at[place]


def escape(text: str) -> str:
    """Text as it can stand in an attribute, whichever its quotes are."""
    for character, reference in _REFERENCES.items():
        text = text.replace(character, reference)
    return text


_REFERENCES = {"&": "&amp;", '"': "&quot;", "'": "&#39;", "<": "&lt;", ">": "&gt;", "`": "&#96;"}
