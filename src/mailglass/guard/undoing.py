"""The way back from a clean copy: reads a report of `mailglass clean` again, whatever it holds.

A report is a file like any other: it may be cut short, of another program or of another message.
Each piece of it is therefore checked before it is used, and what comes out is the original by its
SHA-256 or nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, PlanMismatch
from .sanitise import GuardEdit, restore

__all__ = ["CleanedFile", "read_report", "undo"]


@dataclass(frozen=True, slots=True)
class _Bytes:
    """What is known of some bytes."""

    size_bytes: int
    sha256: str

    def fits(self, data: bytes | memoryview) -> bool:
        return hashlib.sha256(data).hexdigest() == self.sha256


@dataclass(frozen=True, slots=True)
class _Message:
    """One message of a report."""

    edits: tuple[GuardEdit, ...]
    original: _Bytes
    clean: _Bytes


@dataclass(frozen=True, slots=True)
class CleanedFile:
    """One file that was cleaned: a message, or the messages of an mbox in their order."""

    name: str
    messages: tuple[_Message, ...]

    @property
    def size_bytes(self) -> int:
        """Of the clean copy."""
        return sum(message.clean.size_bytes for message in self.messages)


def read_report(data: bytes) -> list[CleanedFile]:
    """The files that a report tells of; raises InputError for what is no report of `clean`."""
    found: list[tuple[str, list[_Message]]] = []
    for value in _values(data):
        name, offset, message = _read(value)
        if message is None:
            continue
        if offset == 0 or not found:
            found.append((name, []))
        found[-1][1].append(message)
    if not found:
        raise InputError("it tells of no message that was cleaned")
    return [CleanedFile(name, tuple(messages)) for name, messages in found]


def undo(clean: bytes, files: Sequence[CleanedFile]) -> bytes:
    """The original of a clean copy, byte for byte.

    Raises PlanMismatch when no file of the report has just these bytes as its clean copy.
    """
    for file in files:
        if file.size_bytes == len(clean) and (pieces := _pieces(clean, file)) is not None:
            return b"".join(
                _restored(piece, message)
                for piece, message in zip(pieces, file.messages, strict=True)
            )
    raise PlanMismatch(_why_not(clean, files))


def _restored(clean: bytes, message: _Message) -> bytes:
    original = restore(clean, message.edits)
    if not message.original.fits(original):
        raise PlanMismatch("the report was changed: its edits do not give the original")
    return original


def _pieces(clean: bytes, file: CleanedFile) -> list[bytes] | None:
    """The clean copy cut into its messages; None when it is another."""
    found: list[bytes] = []
    position = 0
    for message in file.messages:
        piece = clean[position : position + message.clean.size_bytes]
        if not message.clean.fits(piece):
            return None
        found.append(piece)
        position += len(piece)
    return found


def _why_not(clean: bytes, files: Sequence[CleanedFile]) -> str:
    if len(files) > 1:
        return f"these {len(clean)} bytes are none of the {len(files)} clean copies of the report"
    (file,) = files
    if file.size_bytes != len(clean):
        return (
            f"the clean copy of {file.name} that the report tells of has {file.size_bytes} bytes,"
            f" and this has {len(clean)}"
        )
    return f"this is not the clean copy of {file.name} that the report tells of"


def _values(data: bytes) -> Iterator[Any]:
    """The JSON values of a file, one after the other with white space between them."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"it is no text: {error}") from error
    decoder = json.JSONDecoder()
    position, end = 0, len(text)
    while True:
        while position < end and text[position] in " \t\r\n":
            position += 1
        if position == end:
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise InputError(f"it is no JSON, or cut short: {error}") from error
        yield value


def _read(value: Any) -> tuple[str, int, _Message | None]:
    """Name, offset and message of one object; no message for a file that was not written."""
    if not isinstance(value, dict):
        raise InputError(f"it holds a JSON {type(value).__name__} where an object should be")
    name = value.get("file")
    if not isinstance(name, str):
        raise InputError("it names no file")
    if "edits" not in value:
        if isinstance(value.get("error"), str):
            return name, 0, None
        raise InputError("it holds no edits; `mailglass inspect` writes such, only `clean` others")
    edits = tuple(_edits(_of_type(value, "edits", list)))
    original, clean = _bytes(value, "original"), _bytes(value, "clean")
    grown = sum(len(edit.new) - len(edit.old) for edit in edits)
    if original.size_bytes + grown != clean.size_bytes or not _in_order(edits, original.size_bytes):
        raise InputError("its edits contradict each other")
    return name, _number(value, "offset"), _Message(edits, original, clean)


def _in_order(edits: Iterable[GuardEdit], size_bytes: int) -> bool:
    position = 0
    for edit in edits:
        if edit.offset < position:
            return False
        position = edit.offset + len(edit.old)
    return position <= size_bytes


def _edits(values: list[Any]) -> Iterator[GuardEdit]:
    for value in values:
        if not isinstance(value, dict):
            raise InputError("one of its edits is no object")
        yield GuardEdit(
            offset=_number(value, "offset"),
            old=_base64(value, "old"),
            new=_base64(value, "new"),
            reasons=tuple(str(reason) for reason in _of_type(value, "reasons", list)),
        )


def _bytes(value: dict[str, Any], key: str) -> _Bytes:
    told = _of_type(value, key, dict)
    return _Bytes(_number(told, "bytes"), _of_type(told, "sha256", str))


def _number(value: dict[str, Any], key: str) -> int:
    number: int = _of_type(value, key, int)
    if isinstance(number, bool) or number < 0:
        raise InputError(f"its `{key}` is {number}")
    return number


def _base64(value: dict[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode(_of_type(value, key, str), validate=True)
    except ValueError as error:
        raise InputError(f"its `{key}` is no base64: {error}") from error


def _of_type(value: dict[str, Any], key: str, kind: type) -> Any:  # Any: of `kind`
    found = value.get(key)
    if not isinstance(found, kind):
        raise InputError(f"its `{key}` is {'missing' if found is None else 'of another type'}")
    return found
