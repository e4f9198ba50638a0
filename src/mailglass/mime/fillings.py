"""New bytes with holes: what a change puts into a message, before the holes' values are known.

A `Filling` is a place of fixed length in encoded bytes, filled for each recipient anew; it is never
broken over two lines unless no line can hold it, so its encoded form has one length too.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from .splice import Edit

__all__ = [
    "Filling",
    "Form",
    "Hole",
    "Patch",
    "RunUnits",
    "Span",
    "Unit",
    "is_room",
    "joined",
    "length_of",
    "plain_filling",
    "quote",
]

_FOLD = 60  # a multiple of what a base64 group and a quoted character of any charset take
_QP_ORDINARY = re.compile(rb"[!-~]*+")
_QP_SPECIAL = re.compile(rb"[^!-<>-~ ]|[ \t](?=\r?\n|\Z)")


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
        _, _, codec, form, before, after, fold = self
        data = value.encode(codec)
        if form is Form.BASE64:
            data = b2a_base64(before + data + after, newline=False)
        elif form is Form.QUOTED:
            data = quote(data)
        if fold:
            data = fold.join(data[n : n + _FOLD] for n in range(0, len(data), _FOLD))
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
        if self.is_plain:
            return self.length
        if self.form is Form.BASE64 and not self.fold:
            return -(-(len(self.before) + self.decoded_length + len(self.after)) // 3) * 4
        return len(self.fill("a" * self.length))


_PLAIN = tuple(Filling(number, 29) for number in range(0x80))


def plain_filling(hole: Hole) -> Filling:
    """The filling of a hole whose value stands in the message as it is; most are made already."""
    number, length = hole
    return _PLAIN[number] if number < 0x80 and length == 29 else Filling(number, length)


def quote(data: bytes) -> bytes:
    if _QP_ORDINARY.fullmatch(data):
        return data.replace(b"=", b"=3D")
    return _QP_SPECIAL.sub(lambda match: b"=%02X" % match[0][0], data)


Unit = bytes | Filling | None  # None: room for padding
# Of a run's changes: bytes, a filling that stands as it is, and bytes without line breaks.  In a
# padded coding there is room behind them.
RunUnits = tuple[bytes, Filling, bytes]
# Decoded start and end, what shall stand there, and the number of the change that wants it.
Span = tuple[int, int, list[Unit] | RunUnits, int]


class Patch(NamedTuple):
    """An edit of the message with holes in it."""

    offset: int
    length: int
    pieces: tuple[bytes | Filling, ...]
    changes: tuple[int, ...]  # numbers of the changes that it makes, as the caller counts them

    def edit(self, values: Mapping[int, str] | Sequence[str] = ()) -> Edit:
        """The edit for these values, by the holes' numbers."""
        new = b"".join(
            piece if isinstance(piece, bytes) else piece.fill(values[piece.number])
            for piece in self.pieces
        )
        return Edit(offset=self.offset, length=self.length, new=new)


def is_room(span: Span) -> bool:
    """Whether a span changes nothing unless its room is needed."""
    return span[0] == span[1] and not any(span[2])


def length_of(unit: Unit) -> int:
    if isinstance(unit, bytes):
        return len(unit)
    return 0 if unit is None else unit.decoded_length


def joined(units: Sequence[bytes | Filling]) -> tuple[bytes | Filling, ...]:
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
