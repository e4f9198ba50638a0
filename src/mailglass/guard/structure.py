"""Other ways of telling the parts of a message apart than that of `mime.walk`.

Programs differ where a message is faulty: about lines that end in a bare carriage return, about a
multipart whose boundary is missing or given twice, about delimiters that only begin with it, and
about a header with a line in it that is no field. What one program takes for text another displays
as HTML.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote

from ..mime import Message, Part

__all__ = ["Delimiters", "Other", "Places", "other_parts", "other_structures"]


# Where the bytes of a text made from a message stand there: offsets in the text at which a stretch
# begins, each with its place in the message, None when it is not in it.
Places = tuple[tuple[int, int | None], ...]


class Other(NamedTuple):
    """A message as other programs read one, or a part of one."""

    raw: bytes
    head: int  # bytes put before it
    places: Places


_BARE_RETURN = re.compile(rb"\r(?!\n)")
_BOUNDARY = re.compile(r"boundary(?:\*0?\*?)?\s*=\s*([^\r\n]{1,200})", re.IGNORECASE)
# Where a boundary may end when it is not quoted as it must be: at what is no token (RFC 2045
# section 5.1), at a semicolon, at white space, with a comment left out, or nowhere.
_ENDS = (
    re.compile(r"[^()<>@,;:\\\"/\[\]?=\s]+"),
    re.compile(r"[^;\s]+"),
    re.compile(r"[^;]+"),
    re.compile(r".+"),
)
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)")
_COMMENT = re.compile(r"\s*\([^()]*\)\s*")
_MARKS = "\"'<>[] \t"  # what some programs leave out around it
_FIRST_DELIMITER = re.compile(rb"^--([^\r\n]{1,200}?)[ \t]*\r?$", re.MULTILINE)
_DELIMITER = re.compile(rb"^--([^\r\n]{2,200})", re.MULTILINE)
_FIELD_LINE = re.compile(rb"[!-9;-~]++[ \t]*+:|[ \t]")
_MAX_BOUNDARIES = 4  # of one part


def other_structures(message: Message) -> Iterator[Other]:
    """The whole message as a program reads it for which a bare carriage return ends a line."""
    raw = message.raw
    if message.line_end != b"\r" and _BARE_RETURN.search(raw):
        yield Other(_BARE_RETURN.sub(b"\n", raw), 0, ((0, 0),))


class Delimiters:
    """The lines of a message that look like a delimiter and are none for `walk`."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @cached_property
    def _odd(self) -> dict[bytes, list[tuple[int, bytes]]]:
        """By the boundary that they begin with, where they stand; each line is read once."""
        known = {_boundary_of(part) for part in self._message.parts} - {b""}
        found: dict[bytes, list[tuple[int, bytes]]] = {}
        for match in _DELIMITER.finditer(self._message.raw):
            line = match[1].rstrip()
            if line in known or line.removesuffix(b"--") in known:
                continue
            for length in range(1, len(line)):
                if line[:length] in known:
                    found.setdefault(line[:length], []).append((match.start(1), line))
        return found

    def like(self, boundary: bytes, start: int, end: int) -> list[bytes]:
        """Lines of a stretch of the message that begin with a boundary, the first few."""
        lines = self._odd.get(boundary, [])
        first = bisect_left(lines, (start, b""))
        near = lines[first : first + 10 * _MAX_BOUNDARIES]
        return list(dict.fromkeys(line for at, line in near if at < end))


def other_parts(message: Message, part: Part, delimiters: Delimiters) -> Iterator[Other]:
    """The parts of one part as other programs find them."""
    if part.is_multipart or "boundary" in part.parameters:
        for boundary in _boundaries(message, part, delimiters):
            kind = part.content_type if part.is_multipart else "multipart/mixed"
            quoted = re.sub(rb"([\"\\])", rb"\\\1", boundary)
            field = b'Content-Type: %b; boundary="%b"' % (kind.encode("utf-8", "replace"), quoted)
            head = field + message.line_end * 2
            raw = head + message.raw[part.body_start : part.end]
            yield Other(raw, len(head), ((0, None), (len(head), part.body_start)))
    is_bare = part.body_start == part.start
    if is_bare or any(fault.startswith("no empty line") for fault in part.faults):
        yield from _longer_header(message, part)


def _boundary_of(part: Part) -> bytes:
    return part.parameters.get("boundary", "").rstrip().encode("utf-8", "surrogateescape")


def _boundaries(message: Message, part: Part, delimiters: Delimiters) -> list[bytes]:
    """Those that stand in the body and that `walk` did not take for the part's own."""
    raw, start, end = message.raw, part.body_start, part.end
    own = _boundary_of(part)
    named: list[bytes] = []
    for field in part.fields:
        if field.name == "content-type":
            named += (text.encode("utf-8", "replace") for text in _spellings(field.value(raw)))
    if own:
        named += delimiters.like(own, start, end)
    if raw.find(b"--" + own, start, end) < 0 or not own:
        named += (match[1] for match in islice(_FIRST_DELIMITER.finditer(raw, start, end), 1))
    if part.is_multipart:
        named = [name for name in named if name != own]
    there = (
        name for name in dict.fromkeys(named) if name and raw.find(b"--" + name, start, end) >= 0
    )
    return list(islice(there, _MAX_BOUNDARIES))


def _spellings(value: str) -> Iterator[str]:
    """The boundaries that programs may read in a Content-Type."""
    value = value[:4000]
    at = value.lower().find("boundary")
    for _ in range(_MAX_BOUNDARIES):
        if not (match := _BOUNDARY.search(value, at)):
            return
        rest = match[1]
        if quoted := _QUOTED.match(rest):
            yield re.sub(r"\\(.)", r"\1", quoted[1]).rstrip()
            yield quoted[1].rstrip()
            yield rest.partition(";")[0].rstrip()
        for text in (rest, _COMMENT.sub("", rest)):
            for end in _ENDS:
                if found := end.match(text):
                    yield from (found[0].rstrip(), found[0].strip(_MARKS), unquote(found[0]))
        at = match.start(1)


def _longer_header(message: Message, part: Part) -> Iterator[Other]:
    """The part as a program reads it that passes over lines of a header that are no fields."""
    raw, at = message.raw, part.body_start
    mark = message.line_end[-1:]
    pieces = [raw[part.start : at]]
    places: list[tuple[int, int | None]] = [(0, part.start)]
    length = at - part.start
    while at < part.end:
        stop = raw.find(mark, at, part.end)
        stop = part.end if stop < 0 else stop + 1
        line = raw[at:stop]
        is_end = not line.strip()
        if is_end:
            line, stop = raw[at : part.end], part.end
        if is_end or _FIELD_LINE.match(line):
            places.append((length, at))
            pieces.append(line)
            length += len(line)
        at = stop
    if len(places) > 1:
        yield Other(b"".join(pieces), 0, tuple(places))
