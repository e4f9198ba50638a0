"""What the transfer encodings have in common: a decoded body, and the way back to its bytes."""

from __future__ import annotations

from collections.abc import Sequence

from .fillings import Filling, Patch, Span

__all__ = ["Coding", "Lines"]


class Coding:
    """A decoded body."""

    uses_room = False  # whether changes leave room for white space
    pads = False  # whether that is to fill groups, not to break lines
    space = b" "  # in the charset of the text
    longest_run: int | None = None  # bytes that may stand on one line, where nothing breaks them
    is_regular = True  # whether every program reads the body in one way

    def __init__(self, body: bytes, line_end: bytes) -> None:
        self.body = body
        self.line_end = line_end
        self.data = self.decode()

    def decode(self) -> bytes:
        """The decoded bytes."""
        return self.body

    def patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        """The spans as patches of the message, whose body begins at `base`.

        Raises ValueError when one cannot be expressed.
        """
        raise NotImplementedError


class Lines:
    """Encoded text in lines of its own: a soft break before it and behind it, and lines that fit.

    So no line of the original grows: its beginning and its rest each stand on a line that is
    shorter than it was, whatever stands between them.
    """

    def __init__(self, limit: int, soft_break: bytes) -> None:
        self.limit, self.soft_break = limit, soft_break
        self.column = 0
        self.pieces: list[bytes | Filling] = []

    def text(self, text: bytes) -> None:
        """Encoded bytes; an escape such as `=3D` is not cut in two."""
        at = 0
        while self.column + len(text) - at > self.limit:
            cut = max(at, at + self.limit - self.column)
            mark = text.rfind(b"=", max(at, cut - 2), cut)
            cut = mark if mark >= 0 else cut
            self.pieces += (text[at:cut], self.soft_break)
            self.column = 0
            at = cut
        self.pieces.append(text[at:] if at else text)
        self.column += len(text) - at

    def whole(self, filling: Filling) -> None:
        """A value that stays on one line if one can hold it."""
        length = filling.encoded_length
        if self.column and self.column + length > self.limit:
            self.pieces.append(self.soft_break)
            self.column = 0
        if length > self.limit:
            filling = filling._replace(fold=self.soft_break)
            length = len(filling.fill("a" * filling.length).rpartition(b"\n")[2])
        self.pieces.append(filling)
        self.column += length

    def hard_break(self, line_end: bytes) -> None:
        """A line break of the text itself."""
        self.pieces.append(line_end)
        self.column = 0

    def within(self, body: bytes, low: int, high: int) -> list[bytes | Filling]:
        """All of it, as it stands in place of a span of `body`."""
        if not self.pieces:
            return self.pieces
        if low and body[low - 1] not in b"\r\n":
            self.pieces.insert(0, self.soft_break)
        follows = self.column and high < len(body) and body[high] not in b"\r\n"
        if follows and not body.startswith(self.soft_break, high):
            self.pieces.append(self.soft_break)
        return self.pieces
