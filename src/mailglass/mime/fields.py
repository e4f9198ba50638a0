"""Header fields by offset (RFC 5322 section 2.2), and the parameters of those that have them.

Reads what mail programs read, not what the grammar allows: a header ends at an empty line or at the
first line that is no field, white space may stand before the colon, lines end in LF, CRLF or CR.
Parameters follow RFC 2045 section 5.1 with the continuations and charsets of RFC 2231.
Encoded words (RFC 2047) and addresses are left to the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from .charsets import find_charset

__all__ = ["Field", "parse_parameters", "read_header"]

# A line break is any number of CRs before an LF (some relays double the CR), or a lone CR where
# the message has no LF at all.
_LINES = {
    b"\n": re.compile(rb"([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)"),
    b"\r": re.compile(rb"([!-9;-~]++)[ \t]*+:([^\r]*+(?:\r[ \t][^\r]*+)*+)(?:\r|\Z)"),
}
_PARAMETER = re.compile(
    r"""\s*+;[\s;]*+([^\s=;"()]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?+|([^\s;]*+))""", re.DOTALL
)
# A comment stands behind white space: parentheses inside a boundary are part of it.
_COMMENT = re.compile(r"""("(?:[^"\\]|\\.)*+"?+)|(?<=[\s;])\((?:[^()\\]|\\.)*+\)""", re.DOTALL)
_SEGMENT = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")


class Field(NamedTuple):
    """One header field, by offsets into the message."""

    name: str  # lower case
    start: int
    value_start: int  # after the colon
    end: int  # after the field's last line break

    def value(self, raw: bytes) -> str:
        """The unfolded value; bytes that are no UTF-8 become their Latin-1 characters."""
        data = raw[self.value_start : self.end]
        text = _decode(data)
        return " ".join(line.strip() for line in text.splitlines()).strip()


def read_header(
    raw: bytes, start: int, end: int, line_end: bytes, boundaries: Container[bytes] = ()
) -> tuple[tuple[Field, ...], int]:
    """The fields from `start` on, and where the body begins.

    A line in `boundaries` ends the header, as does the first line that is neither field nor
    continuation; that line then belongs to the body.  `line_end` is LF or CR.
    """
    pattern = _LINES[line_end]
    found: list[Field] = []
    position = start
    while position < end:
        match = pattern.match(raw, position, end)
        if match is None:
            after = _after_other_line(raw, position, end, line_end, bool(found), start)
            if after is None:
                return tuple(found), _after_empty_line(raw, position, end, line_end)
            position = after
            continue
        if raw.startswith(b"--", position) and is_boundary(raw, position, line_end, boundaries):
            break
        name = match[1].decode("ascii").lower()
        found.append(Field(name, position, match.start(2), match.end()))
        position = match.end()
    return tuple(found), position


def is_boundary(raw: bytes, start: int, line_end: bytes, boundaries: Container[bytes]) -> bool:
    """Whether the line at `start` is a delimiter or closing delimiter of an open multipart."""
    stop = raw.find(line_end, start)
    line = raw[start + 2 : len(raw) if stop < 0 else stop].rstrip()
    return line in boundaries or (line.endswith(b"--") and line[:-2] in boundaries)


def _after_other_line(
    raw: bytes, position: int, end: int, line_end: bytes, any_field: bool, start: int
) -> int | None:
    """Past a line that is no field but does not end the header, else None.

    That is a mailbox's "From " line and a continuation of nothing, both at the top only.
    """
    first = raw[position : position + 6]
    if any_field or not (
        (position == start and first.startswith((b"From ", b">From ")))
        or (first[:1] in (b" ", b"\t") and first.strip())
    ):
        return None
    stop = raw.find(line_end, position, end)
    return end if stop < 0 else stop + 1


def _after_empty_line(raw: bytes, position: int, end: int, line_end: bytes) -> int:
    """Past the empty line at `position`; `position` itself when another line stands there."""
    stop = raw.find(line_end, position, min(end, position + 4))
    if stop >= 0 and not raw[position:stop].strip(b"\r"):
        return stop + 1
    return position


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """The first word of a structured value in lower case, and its parameters by lower-case name.

    Of a parameter given twice the first counts, as in the readers we compared with.
    """
    value = _COMMENT.sub(r"\1", value) if "(" in value else value
    word, _, _ = value.partition(";")
    word = word.strip().lower()
    segments: dict[str, list[tuple[int, bool, str]]] = {}
    for match in _PARAMETER.finditer(value, value.find(";") if ";" in value else len(value)):
        content = match[3]
        if content is None:
            content = re.sub(r"\\(.)", r"\1", match[2])
        parts = _SEGMENT.fullmatch(match[1].lower())
        if parts is not None:
            number = -1 if parts[2] is None else int(parts[2])
            segments.setdefault(parts[1], []).append((number, parts[3] is not None, content))
    return word, {name: _join(found) for name, found in segments.items()}


def _join(segments: list[tuple[int, bool, str]]) -> str:
    """One value from its RFC 2231 segments; a plain value beats segments."""
    plain = [s for s in segments if s[0] < 0]
    chosen = plain[:1] or sorted(segments)
    if not any(encoded for _, encoded, _ in chosen):
        return "".join(content for _, _, content in chosen)
    label = ""
    data = b""
    for number, (_, encoded, content) in enumerate(chosen):
        if encoded and number == 0 and content.count("'") >= 2:
            label, _, content = content.split("'", 2)
        data += unquote_to_bytes(content) if encoded else content.encode("utf-8", "replace")
    return _decode(data, label)


def _decode(data: bytes, label: str = "utf-8") -> str:
    charset = find_charset(label)
    for codec in (charset.codec, "utf-8"):
        try:
            return data.decode(codec or "utf-8")
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")
