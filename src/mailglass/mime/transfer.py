"""Transfer encodings (RFC 2045 section 6): decoding with the way back, and encoding of a change.

Each coding decodes a body once, says which of its bytes hold a span of the decoded ones, and
encodes new bytes in their place with lines of at most 76 characters (RFC 2045 sections 6.7 and
6.8).  A `Filling` is a place of fixed length that is filled later, for each recipient anew; it is
never broken over two lines, so its encoded form has one length too.
"""

from __future__ import annotations

import re
import sys
from binascii import a2b_base64, a2b_qp, b2a_base64
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import accumulate
from typing import NamedTuple

from .splice import Edit

__all__ = ["Filling", "Hole", "Identity", "NeedsRoom", "Patch", "coding_of", "encode_quoted"]

_SHORT_LINE = 78  # RFC 5322 section 2.1.1: what lines should keep to
_LONG_LINE = 998  # and what they must
_FOLD = 60  # a multiple of what a base64 group and a quoted character of any charset take
_LINE = 76  # characters of an encoded line at most (RFC 2045)
_QP_SPECIAL = re.compile(rb"[^!-<>-~ ]|[ \t](?=\r?\n|\Z)")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]*+[ \t\r]*+\n)*+[A-Za-z0-9+/]*+(={0,2}+)[ \t\r\n]*+")


class Hole(NamedTuple):
    """A place in new text for a value of `length` ASCII characters, known later."""

    number: int
    length: int


class Form(Enum):
    """How bytes are written in an encoded body."""

    PLAIN = "plain"
    QUOTED = "quoted-printable"
    BASE64 = "base64"


class Filling(NamedTuple):
    """A hole in encoded bytes; `fill` makes the bytes that stand there."""

    number: int
    length: int
    codec: str = "ascii"
    form: Form = Form.PLAIN
    before: bytes = b""  # base64 only: bytes that share their groups with the value
    after: bytes = b""
    fold: bytes = b""  # the soft break within a value that no line can hold (wide charsets)

    def fill(self, value: str) -> bytes:
        """The encoded form of `value`, which must have `length` characters."""
        data = value.encode(self.codec)
        if self.form is Form.BASE64:
            data = b2a_base64(self.before + data + self.after, newline=False)
        elif self.form is Form.QUOTED:
            data = _quote(data)
        if self.fold:
            data = self.fold.join(data[n : n + _FOLD] for n in range(0, len(data), _FOLD))
        return data

    @property
    def is_plain(self) -> bool:
        """Whether the value stands in the message as it is."""
        return self.codec == "ascii" and self.form is Form.PLAIN and not self.fold

    @property
    def decoded_length(self) -> int:
        """Bytes of the value in the part's charset."""
        if self.codec == "ascii":
            return self.length
        return len(("a" * self.length).encode(self.codec))

    @property
    def encoded_length(self) -> int:
        """Bytes of the value in the message."""
        return len(self.fill("a" * self.length))


def _quote(data: bytes) -> bytes:
    return _QP_SPECIAL.sub(lambda match: b"=%02X" % match[0][0], data)


Unit = bytes | Filling | None  # None: room for padding
Span = tuple[int, int, list[Unit]]  # decoded start and end, and what shall stand there
_Numbered = tuple[tuple[int, ...], int, int, list[Unit]]  # a span and the changes that it makes


class Patch(NamedTuple):
    """An edit of the message with holes in it."""

    offset: int
    length: int
    pieces: tuple[bytes | Filling, ...]
    changes: tuple[int, ...]  # numbers of the changes that it makes

    def edit(self, values: Mapping[int, str] | Sequence[str] = ()) -> Edit:
        """The edit for these values, by the holes' numbers."""
        new = b"".join(
            piece if isinstance(piece, bytes) else piece.fill(values[piece.number])
            for piece in self.pieces
        )
        return Edit(offset=self.offset, length=self.length, new=new)


def coding_of(name: str, body: memoryview, line_end: bytes) -> _Coding:
    """The coding of a body; raises ValueError for an unknown name or an irregular body."""
    if name in ("7bit", "8bit", "binary"):
        return Identity(bytes(body), line_end)
    if name == "quoted-printable":
        return _QuotedPrintable(bytes(body), line_end)
    if name == "base64":
        return _Base64(bytes(body), line_end)
    raise ValueError(f"the transfer encoding {name[:40]!r} is unknown")


def encode_quoted(units: Sequence[Unit], line_end: bytes) -> tuple[bytes | Filling, ...]:
    """New content in quoted-printable; line breaks in it become `line_end`."""
    coding = _QuotedPrintable(b"", line_end)
    return coding.patches([(0, 0, list(units))], 0)[0].pieces


class _Coding:
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
            [((n,), *span) for n, span in enumerate(spans) if not _is_room(span)], base
        )

    def _fold(self, spans: Sequence[_Numbered], base: int) -> list[Patch]:
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
            folder = _Folder(column, self.limit, self.soft_break)
            self.write(folder, spans[number][3])
            stop = self.line_stop(high)
            following = bounds[number + 1][0] if number + 1 < len(bounds) else stop + 1
            folder.follow(min(stop, following) - high, self.limit + (following > stop))
            column = folder.column
            pieces = _joined(folder.pieces)
            found.append(Patch(base + low, high - low, pieces, spans[number][0]))
        return found

    def line_start(self, offset: int) -> int:
        """Where the encoded line that holds `offset` begins."""
        return offset

    def line_stop(self, offset: int) -> int:
        """Where the text of that line ends."""
        return offset

    def write(self, folder: _Folder, units: list[Unit]) -> None:
        """Encode new units."""
        folder.pieces += [unit for unit in units if unit is not None]


class NeedsRoom(ValueError):
    """A line would grow too long where the changes leave no room to break it."""


class Identity(_Coding):
    """7bit, 8bit, binary: bytes as they are (sections 2.7 to 2.9).

    A line that would pass the limit is broken where the caller leaves room for white space.  Most
    parts never need that: `uses_room` is off until a first attempt has shown that this one does,
    unless all lines keep to 78 characters, which a tracked link's line hardly can.
    """

    uses_room = False
    longest_run = _LONG_LINE

    def decode(self) -> bytes:
        mark = self.line_end[-1:]
        longest = max(map(len, self.body.split(mark)), default=0) - len(self.line_end) + 1
        self.uses_room = longest <= _SHORT_LINE
        self.line_limit = _SHORT_LINE if self.uses_room else _LONG_LINE
        self.mark = mark
        return self.body

    def lift_line_limit(self) -> None:
        """Let lines grow: in a charset of wide characters no byte is a line break."""
        self.line_limit = sys.maxsize

    def line_start(self, offset: int) -> int:
        return self.body.rfind(self.mark, 0, offset) + 1

    def line_stop(self, offset: int) -> int:
        stop = self.body.find(self.mark, offset)
        return len(self.body) if stop < 0 else stop

    def patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        if self.uses_room and any(None in units for _, _, units in spans):
            return self._broken_patches(spans, base)
        limit = max(self.line_limit, _LONG_LINE)
        found: list[Patch] = []
        line, room = -1, 0  # where the line being filled ends, and what may still be added to it
        for number, (start, end, units) in enumerate(spans):
            pieces = [unit for unit in units if unit is not None]
            if start > line:
                begin, line = self.line_start(start), self.line_stop(end)
                room = limit - line + begin
            elif end > line:
                stop = self.line_stop(end)
                room, line = room - stop + line, stop
            for piece in pieces:
                room -= len(piece) if isinstance(piece, bytes) else piece.decoded_length
            room += end - start
            if room < 0:
                self.uses_room = True
                raise NeedsRoom
            if pieces or end > start:
                found.append(Patch(base + start, end - start, _joined(pieces), (number,)))
        return found

    def _broken_patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        found: list[Patch] = []
        column, behind = 0, -1
        for number, (start, end, units) in enumerate(spans):
            if behind < 0 or self.line_start(start) > behind:
                column = start - self.line_start(start)
            else:
                column += start - behind
            pieces: list[bytes | Filling] = []
            for place, unit in enumerate(units):
                if unit is not None:
                    pieces.append(unit)
                    column = _column_behind(column, unit)
                elif column and column + self._run(spans, number, place) > self.line_limit:
                    pieces.append(self.line_end)
                    column = 0
            behind = end
            if pieces or end > start:
                found.append(Patch(base + start, end - start, _joined(pieces), (number,)))
        return found

    def _run(self, spans: Sequence[Span], number: int, place: int) -> int:
        """Bytes of the new text from this room to the next one or the line's end."""
        length, at, units = 0, spans[number][1], spans[number][2][place + 1 :]
        stop = self.line_stop(at)
        while None not in units:
            length += sum(map(_length, units))
            number += 1
            if number == len(spans) or spans[number][0] > stop:
                return length + stop - at
            start, end, units = spans[number]
            length += start - at
            at = end
            stop = stop if end <= stop else self.line_stop(end)
        return length + sum(map(_length, units[: units.index(None)]))


def _is_room(span: Span) -> bool:
    """Whether a span changes nothing unless its room is needed."""
    return span[0] == span[1] and not any(span[2])


def _length(unit: Unit) -> int:
    if unit is None:
        return 0
    return unit.decoded_length if isinstance(unit, Filling) else len(unit)


def _column_behind(column: int, unit: bytes | Filling) -> int:
    if isinstance(unit, bytes) and (mark := unit.rfind(b"\n")) >= 0:
        return len(unit) - mark - 1
    return column + _length(unit)


def _joined(units: Sequence[bytes | Filling]) -> tuple[bytes | Filling, ...]:
    """Neighbouring bytes joined, empty ones dropped."""
    if len(units) == 1 or (len(units) == 3 and isinstance(units[1], Filling)):
        return tuple(units)  # one text, or what stands around one token: nothing to join
    found: list[bytes | Filling] = []
    for unit in units:
        last = found[-1] if found else None
        if isinstance(unit, bytes) and isinstance(last, bytes):
            found[-1] = last + unit
        elif unit != b"":
            found.append(unit)
    return tuple(found)


class _Folder:
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
            length = (length - 1) % _FOLD + 1
        self.pieces.append(filling)
        self.column += length

    def follow(self, length: int, limit: int) -> None:
        """Make place for `length` characters of the original that stand behind."""
        if self.column + length > limit and length:
            self.break_line()
        self.column += length


class _QuotedPrintable(_Coding):
    """Section 6.7."""

    uses_room = False  # a soft break can stand anywhere
    limit = _LINE - 1  # the soft break's own `=` is the 76th

    def decode(self) -> bytes:
        self.soft_break = b"=" + self.line_end
        lines = self.body.splitlines(keepends=True)
        decoded = [a2b_qp(line) for line in lines]
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
            left -= mark - at + 1
            at = mark + 3
        at += left
        before = len(a2b_qp(text[:at]))
        whole = self.starts[line + 1] - self.starts[line]
        if (
            at > len(text)
            or before != position - self.starts[line]
            or before + len(a2b_qp(text[at:])) != whole
        ):
            raise ValueError("the quoted-printable encoding is irregular at a change")
        return self.raw_starts[line] + at

    def line_start(self, offset: int) -> int:
        return self.raw_starts[bisect_right(self.raw_starts, offset) - 1]

    def line_stop(self, offset: int) -> int:
        line = min(bisect_right(self.raw_starts, offset), len(self.lines)) - 1
        if line < 0:
            return offset
        return max(offset, self.raw_starts[line] + len(self.lines[line].rstrip(b"\r\n")))

    def write(self, folder: _Folder, units: list[Unit]) -> None:
        for unit in units:
            if isinstance(unit, Filling):
                is_wide = unit.decoded_length > unit.length
                folder.whole(unit._replace(form=Form.QUOTED) if is_wide else unit)
            elif unit and b"\0" in unit:  # of a wide charset: its line breaks are no text lines
                self._write_line(folder, unit)
            elif unit:
                for number, line in enumerate(unit.split(b"\n")):
                    if number:
                        folder.pieces.append(self.line_end)
                        folder.column = 0
                    self._write_line(folder, line.removesuffix(b"\r"))

    @staticmethod
    def _write_line(folder: _Folder, line: bytes) -> None:
        text = _quote(line)
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


class _Base64(_Coding):
    """Section 6.8."""

    limit = _LINE - 1  # one less than allowed, so that one folding serves both codings

    def decode(self) -> bytes:
        match = _BASE64.match(self.body)
        if match is None or (match.end() < len(self.body) and not match[1]):
            raise ValueError("the base64 encoding holds foreign characters")
        self.stop = match.end(1) if match[1] else len(self.body[: match.start(1)].rstrip())
        lines = self.body[: match.start(1)].split(b"\n")
        self.counts = [0, *accumulate(len(line.rstrip()) for line in lines)]
        self.raw_starts = [0, *accumulate(len(line) + 1 for line in lines)]
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

    def _clusters(self, spans: Sequence[Span]) -> list[_Numbered]:
        """Spans widened to whole groups; those that share a group, or cannot be padded, as one.

        A span that stays out of step with the groups behind it takes everything behind it along.
        """
        found: list[_Numbered] = []
        number = 0
        while number < len(spans):
            if _is_room(spans[number]):
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
        length = sum(map(_length, units))
        if high == len(self.data) or length % 3 == 0:
            return _without_room(units)
        if None not in units:
            return None
        codec = next((unit.codec for unit in units if isinstance(unit, Filling)), "ascii")
        space = " ".encode(codec)
        padding = next(n for n in range(3) if (length + n * len(space)) % 3 == 0) * space
        place = units.index(None)
        return _without_room([*units[:place], padding, *units[place + 1 :]])

    def write(self, folder: _Folder, units: list[Unit]) -> None:
        """Encode in whole groups; a filling takes along the bytes that share its groups."""
        queue = [unit for unit in units if unit]
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
            folder.whole(unit._replace(form=Form.BASE64, before=rest, after=after))
            rest = b""

    @staticmethod
    def _write_text(folder: _Folder, text: bytes) -> None:
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
