"""What the transfer encodings have in common: a decoded body, and lines of bounded length."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .fillings import Filling, Patch, Span, Unit, is_room, joined

__all__ = ["Coding", "Folder", "NumberedSpan"]

NumberedSpan = tuple[tuple[int, ...], int, int, list[Unit]]  # a span and the changes it makes


class Coding:
    """A decoded body; the plain encodings as they are."""

    uses_room = True
    longest_run: int | None = None  # bytes that may stand on one line, where nothing breaks them
    limit = sys.maxsize - 1  # characters of a line that may be followed by a soft break

    def __init__(self, body: bytes, line_end: bytes) -> None:
        self.body = body
        self.line_end = self.soft_break = line_end
        self.data = self.decode()

    def decode(self) -> bytes:
        """The decoded bytes; sets up what `locate` needs."""
        return self.body

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """The bytes of the body that hold a span of the decoded ones."""
        return start, end

    def patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        """The spans as patches of the message, whose body begins at `base`."""
        return self._fold(
            [((n,), *span) for n, span in enumerate(spans) if not is_room(span)], base
        )

    def _fold(self, spans: Sequence[NumberedSpan], base: int) -> list[Patch]:
        """Write each span where it stands, and break lines that would become too long.

        What stands between two spans on one line, or behind the last one, is not ours to break:
        the line is broken before it when it does not fit.
        """
        bounds = [self.locate(start, end) for _, start, end, _ in spans]
        found: list[Patch] = []
        column = 0
        for number, (low, high) in enumerate(bounds):
            line_start = self.line_start(low)
            if number == 0 or bounds[number - 1][1] < line_start:
                column = low - line_start
            folder = Folder(column, self.limit, self.soft_break)
            self.write(folder, spans[number][3])
            stop = self.line_stop(high)
            following = bounds[number + 1][0] if number + 1 < len(bounds) else stop + 1
            folder.follow(min(stop, following) - high, self.limit + (following > stop))
            column = folder.column
            pieces = joined(folder.pieces)
            found.append(Patch(base + low, high - low, pieces, spans[number][0]))
        return found

    def line_start(self, offset: int) -> int:
        """Where the encoded line that holds `offset` begins."""
        return offset

    def line_stop(self, offset: int) -> int:
        """Where the text of that line ends."""
        return offset

    def write(self, folder: Folder, units: list[Unit]) -> None:
        """Encode new units."""
        folder.pieces += [unit for unit in units if unit is not None]


class Folder:
    """Writes encoded units in lines of bounded length, beginning at a column."""

    def __init__(self, column: int, limit: int, soft_break: bytes) -> None:
        self.column, self.limit, self.soft_break = column, limit, soft_break
        self.pieces: list[bytes | Filling] = []

    def break_line(self) -> None:
        if self.column:
            self.pieces.append(self.soft_break)
            self.column = 0

    def whole(self, filling: Filling) -> None:
        """A value that stays on one line if one can hold it."""
        length = filling.encoded_length
        if self.column + length > self.limit:
            self.break_line()
        if length > self.limit:
            filling = filling._replace(fold=self.soft_break)
            length = len(filling.fill("a" * filling.length).rpartition(b"\n")[2])
        self.pieces.append(filling)
        self.column += length

    def follow(self, length: int, limit: int) -> None:
        """Make place for `length` characters of the original that stand behind."""
        if self.column + length > limit and length:
            self.break_line()
        self.column += length
