"""Where in a document stands what makes a tag of any name worth reading.

Most tags of a mail neither load nor hide anything; one search over the whole document says which
ones to leave unread.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

__all__ = ["Hints"]

# Tags of other names are read only when one of these stands in them: what calls for a URL in CSS,
# an attribute that any element may have, what hides, and what could spell any of it (escapes and
# references). Each begins with a character that is rare in running text.
_HINT = re.compile(
    r"\\|\((?<=(?:url|age|set|src|der|ter)\()"
    r"|=(?:(?<=(?:asrc|nsrc|ping|ound)=)|(?<=\s=))"
    r"|--(?=[\w-]++\s*+:)"
    r"|&(?=#|lpar;|bsol;|colon;|tab;|newline;|period;|ast;|midast;|sol;)"
    r"|:(?:(?<=link:)|(?<=[y\s/]:)\s*+(?:none|hid|coll|\.?0|/\*)"
    r"|(?<=[n\s/]:)\s*+(?:abs|fix|/\*)|(?<=[wx\s/]:)\s*+(?:hid|/\*))"
)
_HIDDEN = re.compile(r"hidden(?=[\s=>/])")
# A search for each of many names would take their number times the document's length.
_FEW_SELECTORS = 16
_NAMING = re.compile(r"(?:class|id)\s*+=")
# What stands at a hint that may hide something.
_HIDING = frozenset(":h&\\")
# What runs at an event.
_HANDLER = re.compile(r"on(?<=[\s\"'/]on)[a-z]++\s*+=")


class Hints:
    """The hints of one document, by their offsets."""

    def __init__(self, lowered: str, selectors: set[str]) -> None:
        """`selectors` are the style sheets' that hide, as `.class` and `#id`."""
        self._handlers = [match.start() for match in _HANDLER.finditer(lowered)]
        found = [match.start() for match in _HINT.finditer(lowered)] + self._handlers
        found += [match.start() for match in _HIDDEN.finditer(lowered)]
        if len(selectors) > _FEW_SELECTORS:
            found += [match.start() for match in _NAMING.finditer(lowered)]
        else:
            for selector in selectors:
                found += _occurrences(lowered, selector[1:].lower())
        found.sort()
        self._offsets = found
        self.may_hide = bool(selectors) or any(lowered[offset] in _HIDING for offset in found)

    def has_one(self, start: int, end: int) -> bool:
        """Whether one stands between these offsets."""
        return _has_one(self._offsets, start, end)

    def has_handler(self, start: int, end: int) -> bool:
        """Whether what stands there may run at an event."""
        return _has_one(self._handlers, start, end)


def _has_one(offsets: list[int], start: int, end: int) -> bool:
    place = bisect_left(offsets, start)
    return place < len(offsets) and offsets[place] < end


def _occurrences(lowered: str, name: str) -> Iterator[int]:
    position = lowered.find(name)
    while position >= 0:
        yield position
        position = lowered.find(name, position + len(name))
