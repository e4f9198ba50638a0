"""Transfer encodings (RFC 2045 section 6): decoding with the way back, and encoding of a change.

Each coding decodes a body once, says which of its bytes hold a span of the decoded ones, and
encodes new bytes in their place with lines of at most 76 characters (RFC 2045 sections 6.7 and
6.8).
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp, b2a_base64
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from .coding import Coding, Folder, NumberedSpan
from .fillings import Filling, Form, Patch, Span, Unit, is_room, joined, length_of, quote
from .plain import Identity

__all__ = ["coding_of", "encode_quoted"]

_LINE = 76  # characters of an encoded line at most (RFC 2045)
_IRREGULAR = "the quoted-printable encoding is irregular at a change"
_DIGITS = "0123456789ABCDEFabcdef"
_HEX_PAIRS = frozenset((first + second).encode() for first in _DIGITS for second in _DIGITS)
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]*+[ \t\r]*+\n)*+[A-Za-z0-9+/]*+(={0,2}+)[ \t\r\n]*+")


def coding_of(name: str, body: memoryview, line_end: bytes) -> Coding:
    """The coding of a body; raises ValueError for an unknown name or an irregular body."""
    if name in ("7bit", "8bit", "binary"):
        return Identity(bytes(body), line_end)
    if name == "quoted-printable":
        return QuotedPrintable(bytes(body), line_end)
    if name == "base64":
        return Base64(bytes(body), line_end)
    raise ValueError(f"the transfer encoding {name[:40]!r} is unknown")


def encode_quoted(units: Sequence[Unit], line_end: bytes) -> tuple[bytes | Filling, ...]:
    """New content in quoted-printable; line breaks in it become `line_end`."""
    coding = QuotedPrintable(b"", line_end)
    found = coding.patches([(0, 0, list(units))], 0)
    return found[0].pieces if found else ()


class QuotedPrintable(Coding):
    """Section 6.7."""

    uses_room = False  # a soft break can stand anywhere
    limit = _LINE - 1  # the soft break's own `=` is the 76th

    def decode(self) -> bytes:
        self.soft_break = b"=" + self.line_end
        lines = self.body.splitlines(keepends=True)
        decoded = list(map(a2b_qp, lines))
        self.lines = lines
        self.raw_starts = [0, *accumulate(map(len, lines))]
        self.starts = [0, *accumulate(map(len, decoded))]
        return b"".join(decoded)

    def locate(self, start: int, end: int) -> tuple[int, int]:
        low = self._offset(start, min(bisect_right(self.starts, start), len(self.lines)) - 1)
        if start == end:
            return low, low
        return low, self._offset(end, bisect_left(self.starts, end) - 1)

    def _offset(self, position: int, line: int) -> int:
        if line < 0:
            return 0
        text, left, at = self.lines[line], position - self.starts[line], 0
        while (mark := text.find(b"=", at)) >= 0 and mark - at < left:
            if text[mark + 1 : mark + 3] not in _HEX_PAIRS:
                raise ValueError(_IRREGULAR)
            left -= mark - at + 1
            at = mark + 3
        if at + left > len(text):
            raise ValueError(_IRREGULAR)
        return self.raw_starts[line] + at + left

    def line_start(self, offset: int) -> int:
        return self.raw_starts[bisect_right(self.raw_starts, offset) - 1]

    def line_stop(self, offset: int) -> int:
        line = min(bisect_right(self.raw_starts, offset), len(self.lines)) - 1
        if line < 0:
            return offset
        return max(offset, self.raw_starts[line] + len(self.lines[line].rstrip(b"\r\n")))

    def write(self, folder: Folder, units: list[Unit]) -> None:
        for unit in units:
            if isinstance(unit, Filling):
                is_wide = unit.decoded_length > unit.length
                folder.whole(unit._replace(form=Form.QUOTED) if is_wide else unit)
            elif unit and b"\0" in unit:  # of a wide charset: its line breaks are no text lines
                self._write_line(folder, unit)
            elif unit and b"\n" not in unit:
                self._write_line(folder, unit.removesuffix(b"\r"))
            elif unit:
                for number, line in enumerate(unit.split(b"\n")):
                    if number:
                        folder.pieces.append(self.line_end)
                        folder.column = 0
                    self._write_line(folder, line.removesuffix(b"\r"))

    @staticmethod
    def _write_line(folder: Folder, line: bytes) -> None:
        text = quote(line)
        while folder.column + len(text) > folder.limit:
            cut = max(0, folder.limit - folder.column)
            mark = text.rfind(b"=", max(0, cut - 2), cut)
            cut = mark if mark >= 0 else cut
            folder.pieces.append(text[:cut])
            folder.column += cut
            folder.break_line()
            text = text[cut:]
        folder.pieces.append(text)
        folder.column += len(text)


class Base64(Coding):
    """Section 6.8."""

    limit = _LINE - 1  # one less than allowed, so that one folding serves both codings

    def decode(self) -> bytes:
        match = _BASE64.match(self.body)
        if match is None or (match.end() < len(self.body) and not match[1]):
            raise ValueError("the base64 encoding holds foreign characters")
        self.stop = match.end(1) if match[1] else len(self.body[: match.start(1)].rstrip())
        lines = self.body[: match.start(1)].split(b"\n")
        self.counts = [0, *accumulate(map(len, map(bytes.rstrip, lines)))]
        self.raw_starts = [0, *accumulate([len(line) + 1 for line in lines])]
        if (self.counts[-1] + len(match[1])) % 4:
            raise ValueError("the base64 encoding is cut off")
        return a2b_base64(self.body[: self.stop])

    def _offset(self, group: int, after: bool) -> int:
        """Where a group's first character stands; with `after`, where the one before it ends."""
        count = group * 4
        if count >= self.counts[-1] and not after:
            return self.stop
        if after and group * 3 >= len(self.data):
            return self.stop
        line = (bisect_left if after else bisect_right)(self.counts, count) - 1
        return self.raw_starts[max(line, 0)] + count - self.counts[max(line, 0)]

    def locate(self, start: int, end: int) -> tuple[int, int]:
        low = self._offset(start // 3, after=False)
        return low, max(low, self._offset(-(-end // 3), after=True))

    def line_start(self, offset: int) -> int:
        return self.body.rfind(b"\n", 0, offset) + 1

    def line_stop(self, offset: int) -> int:
        stop = self.body.find(b"\n", offset)
        return offset + len(self.body[offset : len(self.body) if stop < 0 else stop].rstrip())

    def patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        return self._fold(self._clusters(spans), base)

    def _clusters(self, spans: Sequence[Span]) -> list[NumberedSpan]:
        """Spans widened to whole groups; those that share a group, or cannot be padded, as one.

        A span that stays out of step with the groups behind it takes everything behind it along.
        """
        found: list[NumberedSpan] = []
        number = 0
        while number < len(spans):
            if is_room(spans[number]):
                number += 1
                continue
            first, (start, end, units) = number, spans[number]
            low = start // 3 * 3
            units = [self.data[low:start], *units]
            while True:
                high = min(-(-end // 3) * 3, len(self.data))
                shares = number + 1 < len(spans) and spans[number + 1][0] // 3 * 3 < high
                padded = None if shares else self._pad([*units, self.data[end:high]], high)
                if padded is not None:
                    break
                if number + 1 == len(spans):
                    high = len(self.data)
                    padded = _without_room([*units, self.data[end:high]])
                    break
                number += 1
                units += [self.data[end : spans[number][0]], *spans[number][2]]
                end = spans[number][1]
            found.append((tuple(range(first, number + 1)), low, high, padded))
            number += 1
        return found

    def _pad(self, units: list[Unit], high: int) -> list[Unit] | None:
        """The units padded to whole groups; None when there is no room."""
        length = sum(map(length_of, units))
        if high == len(self.data) or length % 3 == 0:
            return _without_room(units)
        if None not in units:
            return None
        codec = next((unit.codec for unit in units if isinstance(unit, Filling)), "ascii")
        space = " ".encode(codec)
        padding = next(n for n in range(3) if (length + n * len(space)) % 3 == 0) * space
        place = units.index(None)
        return _without_room([*units[:place], padding, *units[place + 1 :]])

    def write(self, folder: Folder, units: list[Unit]) -> None:
        """Encode in whole groups; a filling takes along the bytes that share its groups."""
        queue = list(joined([unit for unit in units if unit]))
        rest = b""
        for number, unit in enumerate(queue):
            if isinstance(unit, bytes):
                data = rest + unit
                is_last = number + 1 == len(queue)
                cut = len(data) if is_last else len(data) // 3 * 3
                self._write_text(folder, b2a_base64(data[:cut], newline=False))
                rest = data[cut:]
                continue
            wanted = -(len(rest) + unit.decoded_length) % 3
            following = queue[number + 1] if number + 1 < len(queue) else b""
            if not isinstance(following, bytes) or (
                len(following) < wanted and number + 2 < len(queue)
            ):
                raise ValueError("two holes stand too close together")
            if number + 1 < len(queue):
                queue[number + 1] = following[wanted:]
            after = following[:wanted]
            folder.whole(Filling(unit.number, unit.length, unit.codec, Form.BASE64, rest, after))
            rest = b""

    @staticmethod
    def _write_text(folder: Folder, text: bytes) -> None:
        while folder.column + len(text) > folder.limit:
            cut = max(0, folder.limit - folder.column)
            folder.pieces.append(text[:cut])
            folder.column += cut
            folder.break_line()
            text = text[cut:]
        folder.pieces.append(text)
        folder.column += len(text)


def _without_room(units: list[Unit]) -> list[Unit]:
    return [unit for unit in units if unit is not None]
