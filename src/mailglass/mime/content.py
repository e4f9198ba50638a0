"""A leaf part's text, and the way back from its characters to the message's bytes.

Decodes the transfer encoding (RFC 2045 section 6) and, where it must, the charset; turns changes of
the text into edits of the message, encoded as the part is.  Bytes outside a change stay as they
are: quoted-printable keeps its soft line breaks, base64 its lines, because a change is padded with
white space to a multiple of three bytes where the caller leaves room for it.

`Content.markup` has one character for each byte where the charset allows to find HTML's own
characters that way (nearly all do), else the decoded characters; `Content.text` is what a person
reads there.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import count, repeat
from operator import itemgetter
from typing import Final, NamedTuple

from ..errors import InputError
from .charsets import Charset, find_charset
from .coding import Coding
from .fillings import Filling, Hole, Patch, Span, Unit, plain_filling
from .plain import Identity, NeedsRoom
from .transfer import coding_of
from .walk import Message, Part

__all__ = [
    "ROOM",
    "Change",
    "Content",
    "NotEditable",
    "Opened",
    "Pieces",
    "Room",
    "Run",
    "decoded_body",
    "header_content",
    "meta_charset",
    "open_charset",
    "read_content",
]


class NotEditable(InputError):
    """A part's bytes cannot be changed in one place without changing others; the text says why."""

    id = "not-editable"


class Room(Enum):
    """Marks where white space may be added without changing what is displayed.

    Base64 needs it to stay in step with its groups, plain encodings to break a long line.
    """

    ROOM = "room"


ROOM: Final = Room.ROOM
_start = itemgetter(0)
_META_CHARSET = re.compile(
    r"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE
)
_META_WINDOW = 1024  # bytes that the HTML standard searches for a charset (section 13.2.3.2)


Pieces = tuple[str | Hole | Room, ...]  # new text, as far as it is known


class Change(NamedTuple):
    """Characters `start` to `end` of a content's markup give way to `new`."""

    start: int
    end: int
    new: Pieces


class Run(NamedTuple):
    """Changes of one form, told all in one: each span gives way to `before`, a hole, and its end.

    There may be white space behind each.  What all have in common is done once, and a message has
    many links (bench/instrument.py).
    """

    spans: Sequence[tuple[int, int]]  # in order
    before: str
    holes: Sequence[Hole]
    ends: Sequence[str]  # without line breaks

    def changes(self) -> list[Change]:
        """The same, one by one."""
        return [
            Change(start, stop, (self.before, hole, end, ROOM))
            for (start, stop), hole, end in zip(self.spans, self.holes, self.ends, strict=True)
        ]


class Content:
    """The decoded text of one part."""

    def __init__(
        self, message: Message, part: Part, coding: Coding | None = None, text: Opened | None = None
    ) -> None:
        """Raises NotEditable when the transfer encoding is unknown or its bytes are irregular.

        `coding` and `text` are another way of reading it, where there are several.
        """
        self._message, self._part = message, part
        self._base = part.body_start
        try:
            self._coding = coding or coding_of(
                part.transfer_encoding, message.body(part), message.line_end
            )
        except ValueError as error:
            raise NotEditable(str(error)) from error
        self.charset = find_charset(part.charset)
        opened = text or open_charset(self.charset, self._coding.data)
        self.markup, self._codec, self._transparent, self._is_faithful = opened
        self._data = self._coding.data
        if not self._transparent:
            self._coding.space = " ".encode(self._codec or "ascii")
        self._reading: str | None = None
        if self._is_wide and isinstance(self._coding, Identity):
            self._coding.lift_line_limit()

    @property
    def _is_wide(self) -> bool:
        return not self._transparent and len("a".encode(self._codec or "ascii")) > 1

    @property
    def wants_room(self) -> bool:
        """Whether changes of this part make use of `ROOM`.

        It may become true when `patches` has found that a line would grow too long.
        """
        return self._coding.uses_room

    @property
    def pads(self) -> bool:
        """Whether `ROOM` is for padding, so that one behind a change serves, within the tag."""
        return self._coding.pads

    @property
    def longest_run(self) -> int | None:
        """Bytes that may stand together where no line break can (RFC 5322 section 2.1.1)."""
        return self._coding.longest_run

    def text(self, start: int = 0, end: int | None = None, errors: str = "replace") -> str:
        """The characters that a person reads in a span of the markup.

        Raises UnicodeDecodeError with `errors="strict"` when the bytes are not of the charset.
        """
        part = self.markup[start:end]
        if not self._transparent or part.isascii():
            return part
        return part.encode("latin-1").decode(self._text_codec(), errors)

    def can_hold(self, text: str) -> bool:
        """Whether the part can have these characters: by its charset, and in 7bit only ASCII."""
        try:
            data = text.encode(self._codec or "ascii")
        except UnicodeError:
            return False
        return data.isascii() or self._part.transfer_encoding != "7bit"

    def charset_holds(self, text: str) -> bool:
        """Whether the part's charset has these characters."""
        try:
            text.encode(self._codec or "ascii")
        except UnicodeError:
            return False
        return True

    def could_hold(self, text: str) -> bool:
        """Whether only its 7bit keeps a part of ASCII from having these characters."""
        return (
            not self.can_hold(text)
            and self._transparent
            and self.markup.isascii()
            and self.charset_holds(text)
        )

    def patches(
        self,
        changes: Sequence[tuple[int, int, Pieces]],
        run: Run | None = None,
        first: int = 0,
    ) -> list[Patch]:
        """The changes (`Change` or their like) and those of the run as edits of the message.

        The changes are in order, and none overlaps another.  They are numbered as they stand, those
        of the run behind them, from `first` on.  Raises NotEditable when one cannot be expressed:
        the charset lacks a character, its bytes there are not the ones that its codec would write,
        or a line would grow too long; in that case `wants_room` is true from then on, and another
        attempt may succeed.
        """
        if not self._is_faithful:
            raise NotEditable("its bytes are not what its text would be written as")
        if self._transparent:
            units = self._units
            spans: list[Span] = [
                (start, end, units(new), number)
                for number, (start, end, new) in enumerate(changes, first)
            ]
            if run is not None:
                spans += self._run_spans(run, first + len(changes))
                spans.sort(key=_start)
        else:
            spans = self._decoded_spans([*changes, *(run.changes() if run else ())], first)
        try:
            return self._coding.patches(spans, self._base)
        except NeedsRoom as error:
            raise NotEditable("a line would grow too long; make the changes with room") from error
        except ValueError as error:
            raise NotEditable(str(error)) from error

    def rewritten(self, changes: Sequence[tuple[int, int, str]]) -> tuple[bytes, str]:
        """All of the text with the changes, and the label of the charset that it is then in.

        For a part that is to be written anew, so that every program reads it in one way: NUL bytes
        become question marks, and text that had to be decoded becomes UTF-8.  The changes are in
        order, and none overlaps another.
        """
        pieces: list[tuple[str, bool]] = []
        at = 0
        for start, end, new in changes:
            pieces += ((self.markup[at:start], False), (new, True))
            at = end
        pieces.append((self.markup[at:], False))
        if not self._transparent:
            text = "".join(piece for piece, _ in pieces).lstrip("\ufeff").replace("\0", "?")
            return text.encode("utf-8", "replace"), "utf-8"
        codec = self._codec or self._text_codec()
        data = b"".join(
            piece.encode(codec, "xmlcharrefreplace") if is_new else piece.encode("latin-1")
            for piece, is_new in pieces
        ).replace(b"\0", b"?")
        if self._codec is not None:
            return data, self._part.charset
        return data, "utf-8" if _is_utf8(data) else "windows-1252"

    def _run_spans(self, run: Run, first: int) -> Iterable[Span]:
        codec = self._codec or "ascii"
        try:
            before = repeat(run.before.encode(codec))
            ends = "\n".join(run.ends).encode(codec).split(b"\n")
        except UnicodeError as error:
            raise NotEditable(f"the charset {codec} lacks a character of the change") from error
        units = zip(before, map(plain_filling, run.holes), ends, strict=False)
        starts, stops = zip(*run.spans, strict=True)
        return zip(starts, stops, units, count(first), strict=False)

    def _decoded_spans(self, changes: Sequence[tuple[int, int, Pieces]], first: int) -> list[Span]:
        """The spans of a text that had to be decoded."""
        order = sorted(range(len(changes)), key=lambda number: changes[number][0])
        offsets = self._byte_offsets([changes[number] for number in order])
        return [
            (start, end, self._units(changes[number][2]), first + number)
            for (start, end), number in zip(offsets, order, strict=True)
        ]

    def _text_codec(self) -> str:
        """The codec for reading; without a label UTF-8, else what the document's meta names."""
        if self._reading is None:
            self._reading = self._codec or self._guessed_codec()
        return self._reading

    def _guessed_codec(self) -> str:
        if _is_utf8(self._data):
            return "utf-8"
        named = meta_charset(self.markup)
        return named.codec if named is not None and named.codec and named.transparent else "ascii"

    def _units(self, new: Pieces) -> list[Unit]:
        codec = self._codec or "ascii"
        units: list[Unit] = []
        try:
            for piece in new:
                if isinstance(piece, str):
                    units.append(piece.encode(codec))
                elif isinstance(piece, Hole):
                    wide = not self._transparent and self._is_wide
                    units.append(Filling(*piece, codec) if wide else Filling(*piece))
                else:
                    units.append(None)
        except UnicodeError as error:
            raise NotEditable(f"the charset {codec} lacks a character of the change") from error
        return units

    def _byte_offsets(self, changes: Sequence[tuple[int, int, Pieces]]) -> list[tuple[int, int]]:
        codec, data = self._codec or "ascii", self._data
        characters = position = 0
        found: list[int] = []
        for bound in (bound for change in changes for bound in change[:2]):
            segment = self.markup[characters:bound].encode(codec)
            if not data.startswith(segment, position):
                raise NotEditable(f"the bytes are not what the charset {codec} would write")
            characters, position = bound, position + len(segment)
            found.append(position)
        return list(zip(found[::2], found[1::2], strict=True))


class Opened(NamedTuple):
    """Decoded bytes as text."""

    markup: str
    codec: str | None  # for what is added to them
    transparent: bool  # whether the markup has a character for each byte
    is_faithful: bool = True  # whether the codec would write these bytes for it


def open_charset(charset: Charset, data: bytes) -> Opened:
    """The text of decoded bytes; raises NotEditable when that is not certain."""
    if charset.refusal is not None:
        raise NotEditable(charset.refusal)
    if charset.transparent:
        if b"\0" in data[:4096]:
            raise NotEditable("the text holds NUL bytes, so its charset is not the declared one")
        return Opened(data.decode("latin-1"), charset.codec, True)
    codec = charset.codec or "ascii"
    if codec.startswith(("utf-16", "utf-32")):
        codec = codec[:6] + (_marked_order(data) or codec[6:] or _byte_order(codec, data))
    try:
        return Opened(data.decode(codec), codec, False)
    except UnicodeDecodeError as error:
        raise NotEditable(f"the bytes are not of the declared charset {codec}") from error


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def meta_charset(markup: str) -> Charset | None:
    """The charset that a document names at its beginning, as the HTML standard looks for it."""
    found = _META_CHARSET.search(markup, 0, _META_WINDOW)
    return find_charset(found[1]) if found else None


def _marked_order(data: bytes) -> str | None:
    """What the byte order mark says, which programs believe more than the label."""
    if data.startswith((b"\xfe\xff", b"\0\0\xfe\xff")):
        return "-be"
    return "-le" if data.startswith(b"\xff\xfe") else None


def _byte_order(codec: str, data: bytes) -> str:
    """By where the zero bytes stand: those of ASCII, which markup is, outnumber all others."""
    width = int(codec[4:6]) // 8
    first, last = data[::width].count(0), data[width - 1 :: width].count(0)
    if first == last:
        raise NotEditable(f"{codec} without a byte order mark, and no order to be seen")
    return "-be" if first > last else "-le"


def decoded_body(message: Message, part: Part) -> bytes | None:
    """A leaf's content without its transfer encoding; None when that is unknown or yields nothing.

    For bytes that leave the message as a whole: copies once, forgives what readers forgive.
    """
    body = message.body(part)
    try:
        if part.transfer_encoding == "base64":
            content = a2b_base64(body)
            return content if content or not bytes(body).strip() else None
        if part.transfer_encoding == "quoted-printable":
            return a2b_qp(body)
    except ValueError:
        return None
    return bytes(body) if part.transfer_encoding in ("7bit", "8bit", "binary") else None


def header_content(message: Message, part: Part) -> Content:
    """A part's header as text that can be changed: what lies there is its content's address."""
    header = message.raw[part.start : part.body_start]
    text = Opened(header.decode("latin-1"), None, True)
    found = Content(message, part, Identity(header, message.line_end), text)
    found._base = part.start
    return found


def read_content(message: Message, part: Part) -> Content:
    """The text of a leaf part; raises NotEditable as `Content` does."""
    if part.is_multipart:
        raise NotEditable("a multipart has no text of its own")
    return Content(message, part)
