"""Transfer encodings (RFC 2045 section 6): decoding with the way back, and encoding of a change.

Each coding decodes a body once, says which of its bytes hold a span of the decoded ones, and
encodes new bytes in their place, on lines of their own of at most 76 characters (RFC 2045 sections
6.7 and 6.8).  Where a change stands is reckoned when it is asked for: a message has some ten
changes and thousands of lines.
"""

from __future__ import annotations

import re
from array import array
from binascii import a2b_base64, a2b_qp, b2a_base64
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

import pybase64

from .coding import Coding, Lines
from .fillings import Filling, Form, Patch, RunUnits, Span, Unit, is_room, joined, length_of, quote
from .plain import Identity

__all__ = ["coding_of", "encode_quoted"]

_LINE = 76  # characters of an encoded line at most (RFC 2045)
_IRREGULAR = "the quoted-printable encoding is irregular at a change"
_DIGITS = "0123456789ABCDEFabcdef"
_BREAKS = frozenset(b"\r\n")
_HEX_PAIRS = frozenset((first + second).encode() for first in _DIGITS for second in _DIGITS)
_BODY_LINE = re.compile(rb"[^\r\n]*+(?:\r\n|[\r\n])|[^\r\n]++\Z")
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
    found = coding.patches([(0, 0, list(units), 0)], 0)
    return found[0].pieces if found else ()


class QuotedPrintable(Coding):
    """Section 6.7."""

    def decode(self) -> bytes:
        self.soft_break = b"=" + self.line_end
        self.table: _Table | None = None
        self.head = (b"", b"", 0)  # of a run: what stands before its holes, and written with them
        data = a2b_qp(self.body)
        if not self._is_regular(len(data)):
            self.table = _Table(self.body)
            self.is_regular = False
            data = self.table.data
        return data

    def _is_regular(self, decoded_length: int) -> bool:
        """Whether each `=` begins a soft break or an escape, and each CR a line break.

        Counted, not read: a soft break takes itself away, an escape two of its three bytes, and
        whatever else may follow a `=` takes less.
        """
        body = self.body
        self.has_cr = b"\r" in body
        if self.has_cr and body.count(b"\r") != body.count(b"\r\n"):
            return False
        wide = body.count(b"=\r") if self.has_cr else 0
        return decoded_length == len(body) - 2 * body.count(b"=") - wide

    def patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        self.decoded_at = self.raw_at = 0
        body, soft_break = self.body, self.soft_break
        found: list[Patch] = []
        for span in spans:
            start, end, units, number = span
            if start == end and is_room(span):
                continue
            low = self._raw(start, is_end=False)
            while body.startswith(soft_break, low):
                low += len(soft_break)
            high = low if start == end else self._raw(end, is_end=True)
            pieces: tuple[bytes | Filling, ...] | None = None
            if isinstance(units, tuple):
                pieces = self._ordinary(units, low, high)
            if pieces is None:
                pieces = joined(self._written(units).within(body, low, high))
            found.append(Patch(base + low, high - low, pieces, (number,)))
        return found

    def _ordinary(self, units: RunUnits, low: int, high: int) -> RunUnits | None:
        """What `_written` makes of a run's change in the middle of a line; None for another."""
        body = self.body
        before, filling, end = units
        if before != self.head[0]:
            self.head = before, self.soft_break + quote(before), len(quote(before)) + filling.length
        _, head, column = self.head
        if (
            column >= _LINE
            or not 0 < low < high < len(body)
            or body[low - 1] in _BREAKS
            or body[high] in b"\r\n="
        ):
            return None
        tail = quote(end)
        limit, soft_break = _LINE - 1, self.soft_break
        folded = b""
        while column + len(tail) > limit:
            cut = limit - column
            mark = tail.rfind(b"=", max(0, cut - 2), cut)
            cut = mark if mark >= 0 else cut
            folded += tail[:cut] + soft_break
            tail, column = tail[cut:], 0
        return head, filling, folded + tail + soft_break

    def _raw(self, position: int, is_end: bool) -> int:
        """Where a decoded byte stands, before the soft breaks there; to be asked in order.

        A guess falls short by what the escapes before it take; those are counted until none is
        new, and each round reads only what the last one added.
        """
        if self.table is not None:
            return self.table.raw(position, is_end)
        body, at = self.body, self.raw_at
        guess = at + position - self.decoded_at
        while new := 2 * body.count(b"=", at, guess):
            if self.has_cr:
                new += body.count(b"=\r", at, guess + 1)
            at, guess = guess, guess + new
        self.decoded_at, self.raw_at = position, guess
        return guess

    def _written(self, units: Sequence[Unit]) -> Lines:
        lines = Lines(_LINE - 1, self.soft_break)  # the soft break's own `=` is the 76th
        for unit in units:
            if isinstance(unit, Filling):
                is_wide = unit.decoded_length > unit.length
                lines.whole(unit._replace(form=Form.QUOTED) if is_wide else unit)
            elif unit and (b"\n" not in unit or b"\0" in unit):
                # Of a wide charset: its line breaks are no text lines.
                lines.text(quote(unit))
            elif unit:
                for number, line in enumerate(unit.split(b"\n")):
                    if number:
                        lines.hard_break(self.line_end)
                    lines.text(quote(line.removesuffix(b"\r")))
        return lines


class _Table:
    """Where the lines of an irregular quoted-printable body begin, encoded and decoded."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.raw_starts, self.starts = array("Q", [0]), array("Q", [0])
        decoded = bytearray()
        for match in _BODY_LINE.finditer(body):
            decoded += a2b_qp(match[0])
            self.raw_starts.append(match.end())
            self.starts.append(len(decoded))
        self.data = bytes(decoded)

    def raw(self, position: int, is_end: bool) -> int:
        """Where a decoded byte stands; raises ValueError when its line is irregular before it."""
        bound = (bisect_left if is_end else bisect_right)(self.starts, position)
        line = min(bound, len(self.starts) - 1) - 1
        if line < 0:
            return 0
        text = self.body[self.raw_starts[line] : self.raw_starts[line + 1]]
        left, at = position - self.starts[line], 0
        while (mark := text.find(b"=", at)) >= 0 and mark - at < left:
            if text[mark + 1 : mark + 3] not in _HEX_PAIRS:
                raise ValueError(_IRREGULAR)
            left -= mark - at + 1
            at = mark + 3
        if at + left > len(text):
            raise ValueError(_IRREGULAR)
        return self.raw_starts[line] + at + left


class Base64(Coding):
    """Section 6.8."""

    uses_room = pads = True

    def decode(self) -> bytes:
        body, line_end = self.body, self.line_end
        self.stop = len(body.rstrip())
        self.width = body.find(line_end, 0, self.stop)
        self.table: tuple[Sequence[int], Sequence[int]] | None = None
        self.heads: dict[bytes, tuple[bytes, bytes, int, int]] = {}
        if self.width < 0:
            self.width = self.stop
        elif not self._is_grid():
            return self._read_irregular()
        try:
            return pybase64.b64decode(body[: self.stop].replace(line_end, b""), validate=True)
        except ValueError:
            return self._read_irregular()

    def _is_grid(self) -> bool:
        """Whether all lines but the last have one length."""
        width, stop, line_end = self.width, self.stop, self.line_end
        step = width + len(line_end)
        column = self.body[step - 1 : stop : step]
        count = len(column)
        return (
            width > 0
            and column == line_end[-1:] * count
            and self.body.count(line_end, 0, stop) == count
        )

    def _read_irregular(self) -> bytes:
        """The decoded bytes of lines of several lengths, and where these stand."""
        match = _BASE64.match(self.body)
        if match is None or (match.end() < len(self.body) and not match[1]):
            raise ValueError("the base64 encoding holds foreign characters")
        self.is_regular = match.end() == len(self.body)
        self.stop = match.end(1) if match[1] else len(self.body[: match.start(1)].rstrip())
        lines = self.body[: match.start(1)].split(b"\n")
        counts = [0, *accumulate(map(len, map(bytes.rstrip, lines)))]
        self.table = counts, [0, *accumulate([len(line) + 1 for line in lines])]
        if (counts[-1] + len(match[1])) % 4:
            raise ValueError("the base64 encoding is cut off")
        return a2b_base64(self.body[: self.stop])

    def _locate(self, low: int, high: int) -> tuple[int, int]:
        """The characters that hold the groups from byte `low` to `high`; of none, their place."""
        first, behind = low // 3 * 4, -(-high // 3) * 4
        if self.table is not None:
            return self._look_up(first, behind, high)
        width, gap = self.width, len(self.line_end)
        start = min(first + first // width * gap, self.stop) if width else 0
        if high >= len(self.data):
            return start, self.stop
        return start, max(start, behind + (behind - 1) // width * gap)

    def _look_up(self, first: int, behind: int, high: int) -> tuple[int, int]:
        counts, raw_starts = self.table or ([], [])
        line = max(bisect_right(counts, first) - 1, 0)
        start = self.stop if first >= counts[-1] else raw_starts[line] + first - counts[line]
        if high >= len(self.data):
            return start, max(start, self.stop)
        line = max(bisect_left(counts, behind) - 1, 0)
        return start, max(start, raw_starts[line] + behind - counts[line])

    def patches(self, spans: Sequence[Span], base: int) -> list[Patch]:
        found: list[Patch] = []
        number, count = 0, len(spans)
        while number < count:
            start, stop, units, change = spans[number]
            if start == stop and is_room(spans[number]):
                number += 1
                continue
            first, low = number, start // 3 * 3
            number, high = number + 1, -(-stop // 3) * 3
            if (
                isinstance(units, tuple)
                and high < len(self.data)
                and (number == count or spans[number][0] >= high)
            ):
                place = self._locate(low, high)
                pieces = self._ordinary(units, start, stop, place)
                if pieces is not None:
                    found.append(Patch(base + place[0], place[1] - place[0], pieces, (change,)))
                    continue
            number, high, padded = self._cluster(spans, first)
            begin, end = self._locate(low, high)
            new = joined(self._written(padded).within(self.body, begin, end))
            changes = tuple([span[3] for span in spans[first:number]])
            found.append(Patch(base + begin, end - begin, new, changes))
        return found

    def _ordinary(
        self, units: RunUnits, start: int, stop: int, place: tuple[int, int]
    ) -> RunUnits | None:
        """What `_written` makes of a run's change in the middle of a line; None for another."""
        body, data = self.body, self.data
        raw_start, raw_end = place
        low, high = start // 3 * 3, -(-stop // 3) * 3
        before, filling, end = units
        if (
            not 0 < raw_start < raw_end < len(body)
            or body[raw_start - 1] in _BREAKS
            or body[raw_end] in _BREAKS
        ):
            return None
        before = data[low:start] + before
        head = self.heads.get(before)
        if head is None:
            head = self.heads[before] = self._head(before, filling.length)
        text, rest, column, wanted = head
        if column > _LINE or len(end) < wanted:
            return None
        tail = end[wanted:]
        tail += b"  "[: -(len(tail) + high - stop) % 3] + data[stop:high]
        encoded = b2a_base64(tail, newline=False)
        line_end = self.line_end
        room = _LINE - column
        if len(encoded) > room:
            lines = [encoded[:room]]
            lines += [encoded[n : n + _LINE] for n in range(room, len(encoded), _LINE)]
            encoded = line_end.join(lines)
        hole = Filling(filling[0], filling[1], "ascii", Form.BASE64, rest, end[:wanted])
        return text, hole, encoded + line_end

    def _head(self, data: bytes, length: int) -> tuple[bytes, bytes, int, int]:
        """What stands before a hole of `length`: as text, the bytes left over for the hole's
        groups, the column behind the hole, and how many bytes of what follows its groups want.
        """
        cut = len(data) // 3 * 3
        text, rest = b2a_base64(data[:cut], newline=False), data[cut:]
        wanted = -(len(rest) + length) % 3
        width = (len(rest) + length + wanted) // 3 * 4
        if len(text) + width <= _LINE:
            return self.line_end + text, rest, len(text) + width, wanted
        is_long = len(text) > _LINE  # left to `_written`
        return self.line_end + text + self.line_end, rest, 999 if is_long else width, wanted

    def _cluster(self, spans: Sequence[Span], number: int) -> tuple[int, int, list[Unit]]:
        """A span widened to whole groups: the number of the next one, its end, what it becomes.

        Spans that share a group, or cannot be padded, are taken as one.  A span that stays out of
        step with the groups behind it takes everything behind it along.
        """
        data = self.data
        start, end, new, _ = spans[number]
        units = [data[start // 3 * 3 : start], *_with_room(new)]
        while True:
            high = min(-(-end // 3) * 3, len(data))
            number += 1
            is_last = number == len(spans)
            if is_last or spans[number][0] // 3 * 3 >= high:
                padded = self._pad([*units, data[end:high]], high)
                if padded is not None:
                    return number, high, padded
            if is_last:
                return number, len(data), _without_room([*units, data[end:]])
            units += [data[end : spans[number][0]], *_with_room(spans[number][2])]
            end = spans[number][1]

    def _pad(self, units: list[Unit], high: int) -> list[Unit] | None:
        """The units padded to whole groups; None when there is no room."""
        length = sum(map(length_of, units))
        if high == len(self.data) or length % 3 == 0:
            return _without_room(units)
        if None not in units:
            return None
        padding = next(n for n in range(3) if (length + n * len(self.space)) % 3 == 0) * self.space
        place = units.index(None)
        return _without_room([*units[:place], padding, *units[place + 1 :]])

    def _written(self, units: Sequence[Unit]) -> Lines:
        """Encoded in whole groups; a filling takes along the bytes that share its groups."""
        lines = Lines(_LINE, self.line_end)
        queue = list(joined([unit for unit in units if unit]))
        rest = b""
        for number, unit in enumerate(queue):
            is_last = number + 1 == len(queue)
            if isinstance(unit, bytes):
                data = rest + unit
                cut = len(data) if is_last else len(data) // 3 * 3
                lines.text(b2a_base64(data[:cut], newline=False))
                rest = data[cut:]
                continue
            wanted = -(len(rest) + unit.decoded_length) % 3
            following = b"" if is_last else queue[number + 1]
            if not isinstance(following, bytes) or (
                len(following) < wanted and number + 2 < len(queue)
            ):
                raise ValueError("two holes stand too close together")
            if not is_last:
                queue[number + 1] = following[wanted:]
            after = following[:wanted]
            lines.whole(Filling(unit.number, unit.length, unit.codec, Form.BASE64, rest, after))
            rest = b""
        return lines


def _with_room(units: list[Unit] | RunUnits) -> Sequence[Unit]:
    """The units of a change; behind those of a run is room."""
    return (*units, None) if isinstance(units, tuple) else units


def _without_room(units: list[Unit]) -> list[Unit]:
    return [unit for unit in units if unit is not None]
