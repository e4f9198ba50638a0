"""The transfer encodings 7bit, 8bit and binary: bytes as they are (RFC 2045 section 2)."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache

from .coding import Coding
from .fillings import Filling, Patch, Span, joined, length_of

__all__ = ["Identity", "NeedsRoom"]

_SHORT_LINE = 78  # RFC 5322 section 2.1.1: what lines should keep to
_LONG_LINE = 998  # and what they must


class NeedsRoom(ValueError):
    """A line would grow too long where the changes leave no room to break it."""


class Identity(Coding):
    """7bit, 8bit, binary: bytes as they are (sections 2.7 to 2.9).

    A line that would pass the limit is broken where the caller leaves room for white space.  Most
    parts never need that: `uses_room` is off until a first attempt has shown that this one does,
    unless all lines keep to 78 characters, which a tracked link's line hardly can.
    """

    uses_room = False
    longest_run = _LONG_LINE
    _last_line = (1, 0)  # none yet

    def decode(self) -> bytes:
        mark = self.line_end[-1:]
        self.uses_room = _longer_line(mark, len(self.line_end)).match(self.body) is None
        self.line_limit = _SHORT_LINE if self.uses_room else _LONG_LINE
        self.mark = mark
        return self.body

    def lift_line_limit(self) -> None:
        """Let lines grow: in a charset of wide characters no byte is a line break."""
        self.line_limit = sys.maxsize

    def line_start(self, offset: int) -> int:
        return self._line(offset)[0]

    def line_stop(self, offset: int) -> int:
        return self._line(offset)[1]

    def _line(self, offset: int) -> tuple[int, int]:
        """Where the line around `offset` begins and ends; the last one is remembered, because a
        body may be one line of megabytes with thousands of changes.
        """
        start, stop = self._last_line
        if not start <= offset <= stop:
            start = self.body.rfind(self.mark, 0, offset) + 1
            found = self.body.find(self.mark, offset)
            stop = len(self.body) if found < 0 else found
            self._last_line = start, stop
        return start, stop

    def patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        if self.uses_room and any(None in units for _, _, units, _ in spans):
            return self._broken_patches(spans, base)
        limit = max(self.line_limit, _LONG_LINE)
        found: list[Patch] = []
        body, mark = self.body, self.mark
        line, room = -1, 0  # where the line being filled ends, and what may still be added to it
        pieces: tuple[bytes | Filling, ...]
        for start, end, units, number in spans:
            if isinstance(units, tuple):
                before, filling, ending = pieces = units
                growth = len(before) + filling.length + len(ending)
            else:
                pieces = joined([unit for unit in units if unit is not None])
                growth = sum(map(length_of, pieces))
            if start > line:
                line = body.find(mark, end)
                line = line if line >= 0 else len(body)
                room = limit - line + body.rfind(mark, 0, start) + 1
            elif end > line:
                stop = self.line_stop(end)
                room, line = room - stop + line, stop
            room += end - start - growth
            if room < 0:
                self.uses_room = True
                raise NeedsRoom
            if pieces or end > start:
                found.append(Patch(base + start, end - start, pieces, (number,)))
        return found

    def _broken_patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        found: list[Patch] = []
        column, behind = 0, -1
        for place_of_span, (start, end, units, number) in enumerate(spans):
            if behind < 0 or self.line_start(start) > behind:
                column = start - self.line_start(start)
            else:
                column += start - behind
            new: list[bytes | Filling] = []
            for place, unit in enumerate(units):
                if unit is not None:
                    new.append(unit)
                    column = _column_behind(column, unit)
                elif column and column + self._run(spans, place_of_span, place) > self.line_limit:
                    new.append(self.line_end)
                    column = 0
            behind = end
            if new or end > start:
                found.append(Patch(base + start, end - start, joined(new), (number,)))
        return found

    def _run(self, spans: Sequence[Span], number: int, place: int) -> int:
        """Bytes of the new text from this room to the next one or the line's end."""
        length, at, units = 0, spans[number][1], spans[number][2][place + 1 :]
        stop = self.line_stop(at)
        while None not in units:
            length += sum(map(length_of, units))
            number += 1
            if number == len(spans) or spans[number][0] > stop:
                return length + stop - at
            start, end, units, _ = spans[number]
            length += start - at
            at = end
            stop = stop if end <= stop else self.line_stop(end)
        return length + sum(map(length_of, units[: units.index(None)]))


@lru_cache(maxsize=4)
def _longer_line(mark: bytes, break_length: int) -> re.Pattern[bytes]:
    """Steps over short lines to the first that is longer, if there is one."""
    most = _SHORT_LINE + break_length - 1  # the CR of a line break belongs to the piece here
    other = b"[^" + mark + b"]"
    return re.compile(b"(?:%b{0,%d}+%b)*+%b{%d}" % (other, most, mark, other, most + 1))


def _column_behind(column: int, unit: bytes | Filling) -> int:
    if isinstance(unit, bytes) and (mark := unit.rfind(b"\n")) >= 0:
        return len(unit) - mark - 1
    return column + length_of(unit)
