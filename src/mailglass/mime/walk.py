"""A message as a tree of parts, by byte offsets (RFC 2045, RFC 2046).

One pass over the delimiter lines, without recursion, so that time and memory grow with the size of
the message whatever its shape.  Nothing is decoded or copied here.

Reads what mail programs read: a missing boundary, a missing closing delimiter, a delimiter of an
outer multipart inside an inner one, header fields without an empty line after them.  What was odd
is named in `Part.faults`, so that a caller can refuse to touch it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from ..errors import NotAMessage
from .fields import Field, parse_parameters, read_header

__all__ = ["MAX_DEPTH", "Message", "Part", "walk"]

# Dovecot reads no more than 100 nested parts, and no mail program shows a body that lies deeper.
MAX_DEPTH = 100
# Misspellings in real mail that every reader takes for what was meant.
_ENCODING_ALIASES = {
    **dict.fromkeys(("7-bit", "7 bit", "7bits", "none", "plain"), "7bit"),
    **dict.fromkeys(("8-bit", "8 bit", "8bits"), "8bit"),
}
_FIELD_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One entity: its header from `start` to `body_start`, its body from there to `end`."""

    number: int  # position in Message.parts
    parent: int | None  # number of the multipart or embedded message that holds it
    depth: int
    position: int  # among its parent's children, from 0
    start: int
    body_start: int
    end: int  # without the line break that belongs to the next delimiter
    fields: tuple[Field, ...]
    content_type: str  # such as text/html, lower case; text/plain when absent or unreadable
    parameters: dict[str, str]  # of Content-Type
    charset: str  # the label as given, lower case; empty when there is none
    transfer_encoding: str  # lower case; 7bit when absent
    disposition: str  # lower case; empty when there is none
    file_name: str | None
    content_id: str | None  # without angle brackets
    faults: tuple[str, ...]

    @property
    def is_multipart(self) -> bool:
        """Whether its content is parts, as far as its header says."""
        return self.content_type.startswith("multipart/")

    def field(self, name: str) -> Field | None:
        """The first field of this lower-case name."""
        return next((f for f in self.fields if f.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message and its parts, in the order in which they begin; the first is the whole."""

    raw: bytes
    parts: tuple[Part, ...]
    line_end: bytes  # the first line's: CRLF, LF or CR

    @property
    def root(self) -> Part:
        """The whole message."""
        return self.parts[0]

    def value(self, name: str, part: Part | None = None) -> str | None:
        """The unfolded value of the first such field of the message, or of one part."""
        field = (part or self.root).field(name)
        return None if field is None else field.value(self.raw)

    def body(self, part: Part) -> memoryview:
        """A part's body as it stands in the message, not copied."""
        return memoryview(self.raw)[part.body_start : part.end]

    def parent(self, part: Part) -> Part | None:
        """The part that holds this one."""
        return None if part.parent is None else self.parts[part.parent]

    def path(self, part: Part) -> str:
        """Where a part is, counted as IMAP counts (RFC 9051 section 6.4.5): `1.2`; `0` is all."""
        steps: list[str] = []
        at: Part | None = part
        while at is not None and at.parent is not None:
            steps.append(str(at.position + 1))
            at = self.parts[at.parent]
        return ".".join(reversed(steps)) or "0"


def walk(raw: bytes, *, max_parts: int = sys.maxsize) -> Message:
    """The parts of a message.

    After `max_parts` no further one is looked for, and the first names that as a fault.
    Raises NotAMessage when the bytes begin with no header field (a mailbox's "From " line may stand
    before it).
    """
    first = raw.find(b"\n")
    line_end = b"\r" if first < 0 else b"\r\n" if raw[first - 1 : first] == b"\r" else b"\n"
    walker = _Walker(raw, line_end[-1:], max_parts)
    parts = walker.run()
    if not any(_FIELD_NAME.fullmatch(f.name) for f in parts[0].fields):
        raise NotAMessage("no header field at the start: this is no mail message (RFC 5322)")
    return Message(raw=raw, parts=parts, line_end=line_end)


@dataclass(slots=True)
class _Open:
    """A part whose end has not been seen."""

    number: int
    parent: int | None
    position: int
    start: int
    body_start: int
    fields: tuple[Field, ...]
    content: dict[str, str]
    content_type: str
    children: int = 0
    boundary: bytes | None = None
    closed: bool = False
    faults: tuple[str, ...] = ()


class _Walker:
    """The state of the pass: the chain of open parts and the boundaries among them."""

    def __init__(self, raw: bytes, line_end: bytes, max_parts: int) -> None:
        self.raw = raw
        self.max_parts = max_parts
        self.line_end = line_end
        self.parts: list[Part | None] = []
        self.chain: list[_Open] = []
        self.levels: dict[bytes, list[int]] = {}  # boundary -> places in the chain, innermost last

    def run(self) -> tuple[Part, ...]:
        """All parts, in the order in which they begin."""
        position: int | None = 0
        while position is not None:
            self._begin(position)
            position = self._next_part()
            if position is not None and len(self.parts) >= self.max_parts:
                self.chain[0].faults += (f"more than {self.max_parts} parts in all",)
                break
        self._close(0, len(self.raw))
        return tuple(part for part in self.parts if part is not None)

    def _begin(self, start: int) -> None:
        """Open the part that starts here, and the embedded messages that start with it."""
        while True:
            opened = self._open(start)
            if not self._holds_message(opened):
                break
            if len(self.chain) >= MAX_DEPTH:
                opened.faults += (f"more than {MAX_DEPTH} parts deep",)
                break
            start = opened.body_start
        if opened.content_type.startswith("multipart/"):
            self._open_boundary(opened)

    def _open(self, start: int) -> _Open:
        raw, end = self.raw, len(self.raw)
        fields, body = read_header(raw, start, end, self.line_end, self.levels)
        parent = self.chain[-1] if self.chain else None
        content_type, content, faults = self._content_type(fields, parent)
        opened = _Open(
            number=len(self.parts),
            parent=None if parent is None else parent.number,
            position=0 if parent is None else parent.children,
            start=start,
            body_start=body,
            fields=fields,
            content=content,
            content_type=content_type,
            faults=faults,
        )
        if not self._has_empty_line(start, body):
            opened.faults += ("no empty line after the header",)
        if parent is not None:
            parent.children += 1
        self.parts.append(None)
        self.chain.append(opened)
        return opened

    def _has_empty_line(self, start: int, body: int) -> bool:
        """Whether an empty line, or nothing at all, stands between header and body."""
        before = self.raw[max(start, body - 4) : body].replace(b"\r\n", b"\n")
        return before.endswith((b"\n\n", b"\r\r")) or not before.strip(b"\r\n")

    def _content_type(
        self, fields: tuple[Field, ...], parent: _Open | None
    ) -> tuple[str, dict[str, str], tuple[str, ...]]:
        values = [f.value(self.raw) for f in fields if f.name == "content-type"]
        default = "text/plain"
        if parent is not None and parent.content_type == "multipart/digest":
            default = "message/rfc822"
        if not values:
            return default, {}, ()
        word, content = parse_parameters(values[0])
        faults = ("repeated Content-Type",) if len(set(values)) > 1 else ()
        if word.count("/") != 1 or not word.strip("/") or " " in word:
            return "text/plain", content, (*faults, "unreadable Content-Type")
        return word, content, faults

    def _holds_message(self, opened: _Open) -> bool:
        return opened.content_type in (
            "message/rfc822",
            "message/global",
            "message/news",
        ) and self._encoding(opened) in ("7bit", "8bit", "binary")

    def _open_boundary(self, opened: _Open) -> None:
        text = opened.content.get("boundary", "").rstrip()
        if not text:
            opened.faults += ("multipart without a boundary",)
        elif len(self.chain) >= MAX_DEPTH:
            opened.faults += (f"more than {MAX_DEPTH} parts deep",)
        else:
            opened.boundary = text.encode("utf-8", "surrogateescape")
            self.levels.setdefault(opened.boundary, []).append(len(self.chain) - 1)

    def _next_part(self) -> int | None:
        """Close what the next delimiter line ends; where the part after it starts, if one does."""
        raw, line_end = self.raw, self.line_end
        at = self.chain[-1].body_start
        while self.levels:
            start = at if raw.startswith(b"--", at) and self._at_line_start(at) else -1
            if start < 0:
                start = raw.find(line_end + b"--", at) + 1
                if start == 0:
                    return None
            stop = raw.find(line_end, start)
            after = len(raw) if stop < 0 else stop + 1
            line = raw[start + 2 : min(after, start + 2048)].rstrip()
            if line in self.levels:
                place = self.levels[line][-1]
                self._close(place + 1, self._before_break(start))
                return self._after_repetition(line, after)
            if line.endswith(b"--") and line[:-2] in self.levels:
                place = self.levels[line[:-2]][-1]
                self._close(place + 1, self._before_break(start))
                self._forget_boundary(self.chain[place])
                self.chain[place].closed = True
            at = after if stop < 0 else stop
        return None

    def _after_repetition(self, line: bytes, after: int) -> int:
        """Past delimiter lines that only repeat the one before."""
        while self.raw.startswith(b"--" + line, after):
            stop = self.raw.find(self.line_end, after)
            end = len(self.raw) if stop < 0 else stop + 1
            if self.raw[after + 2 : end].rstrip() != line:
                break
            after = end
        return after

    def _at_line_start(self, at: int) -> bool:
        return at == 0 or self.raw[at - 1 : at] == self.line_end

    def _before_break(self, start: int) -> int:
        """The end of a body whose delimiter line begins at `start`."""
        end = start - 1
        if self.line_end == b"\n" and self.raw[end - 1 : end] == b"\r":
            end -= 1
        return end

    def _forget_boundary(self, opened: _Open) -> None:
        if opened.boundary is not None and not opened.closed:
            places = self.levels[opened.boundary]
            places.pop()
            if not places:
                del self.levels[opened.boundary]

    def _close(self, place: int, end: int) -> None:
        """End all parts of the chain from `place` on."""
        while len(self.chain) > place:
            opened = self.chain.pop()
            if opened.boundary is not None and not opened.closed:
                opened.faults += ("missing closing boundary",)
                self._forget_boundary(opened)
            self.parts[opened.number] = self._finish(opened, end, len(self.chain))

    def _finish(self, opened: _Open, end: int, depth: int) -> Part:
        disposition = ""
        shown: dict[str, str] = {}
        content_id = None
        for field in opened.fields:
            if field.name == "content-disposition" and not disposition:
                disposition, shown = parse_parameters(field.value(self.raw))
            elif field.name == "content-id" and content_id is None:
                content_id = field.value(self.raw).strip("<> \t")
        return Part(
            number=opened.number,
            parent=opened.parent,
            depth=depth,
            position=opened.position,
            start=opened.start,
            body_start=min(opened.body_start, max(end, opened.start)),
            end=max(end, opened.start),
            fields=opened.fields,
            content_type=opened.content_type,
            parameters=opened.content,
            charset=opened.content.get("charset", "").strip().lower(),
            transfer_encoding=self._encoding(opened),
            disposition=disposition,
            file_name=shown.get("filename") or opened.content.get("name") or None,
            content_id=content_id,
            faults=opened.faults,
        )

    def _encoding(self, opened: _Open) -> str:
        for field in opened.fields:
            if field.name == "content-transfer-encoding":
                value = field.value(self.raw).split(";")[0].split("(")[0]
                name = value.strip().strip("\"'").lower() or "7bit"
                return _ENCODING_ALIASES.get(name, name)
        return "7bit"
