"""What a journal's directory holds, and how a position in it is written.

    0000000007.log   a segment: a header line, then records; the rest may be NUL bytes, which are
                     room made ready (the writer cuts it off when it leaves the segment)
    end              how far the records are on stable storage: one line, rewritten in place
    torn-…           bytes cut from a segment's tail after a crash, kept for whoever wants to look
    lock             held by the one process that writes

The header of a segment names the segment before it and where that one ended, so that what a
failing disk may have left behind that end, or in a segment that was given up, is never read.

A reader goes as far as `end` says and no further. The writer moves `end` after each fdatasync and
before it reports the commit, so no crash takes back what a reader was shown. `end` itself is not
synced: after a power cut it may be older than the truth, never newer, and the next writer puts it
right from the segments before it takes a record.
"""

from __future__ import annotations

import os
import re
from binascii import crc32
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..errors import CorruptRecord, InputError
from .codec import MAX_LINE_BYTES, seal, unseal

__all__ = [
    "END_FILE",
    "START",
    "Cursor",
    "Extent",
    "end_line",
    "extents",
    "header_line",
    "is_journal",
    "published_end",
    "segment_path",
    "segments",
    "whole_segments",
]

END_FILE = "end"
_SEGMENT_NAME = re.compile(r"(\d{10})\.log")
_CURSOR = re.compile(r"(\d{1,18}):(\d{1,18})")
_TRIES = 20  # a read may meet a half-written `end`; the writer needs microseconds for it


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A position in the journal, just before the next record; later positions compare greater."""

    segment: int
    offset: int

    def __str__(self) -> str:
        return f"{self.segment}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor that `str` wrote; raises InputError for anything else."""
        match = _CURSOR.fullmatch(text)
        if not match:
            raise InputError(f"{text!r} is no position in a journal, such as 12:34567")
        return cls(int(match[1]), int(match[2]))


START = Cursor(0, 0)


@dataclass(frozen=True, slots=True)
class Extent:
    """The valid part of one segment."""

    segment: int
    path: Path
    start: int  # offset of the first record, behind the header
    end: int  # offset behind the last record that counts


def segment_path(directory: Path, segment: int) -> Path:
    return directory / f"{segment:010d}.log"


def segments(directory: Path) -> list[int]:
    """The numbers of the segment files that exist, ascending."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(int(m[1]) for name in names if (m := _SEGMENT_NAME.fullmatch(name)))


def is_journal(directory: Path) -> bool:
    """Whether a writer ever began a journal here, or what is left of one lies here."""
    return (directory / END_FILE).exists() or bool(segments(directory))


def header_line(segment: int, previous: Cursor) -> bytes:
    return seal(
        b'{"mailglass_journal":1,"segment":%d,"previous":"%b"}' % (segment, str(previous).encode())
    )


def end_line(end: Cursor) -> bytes:
    """What the file `end` holds: always of the same length, so that it is rewritten in place."""
    text = b"%010d:%020d" % (end.segment, end.offset)
    return b"%b %08x\n" % (text, crc32(text))


def published_end(directory: Path) -> Cursor:
    """How far the records are on stable storage; START when nothing was ever committed.

    Raises CorruptRecord when the file is damaged: the writer's next start repairs it.
    """
    for _ in range(_TRIES):
        try:
            line = (directory / END_FILE).read_bytes()
        except FileNotFoundError:
            return START
        text = line[:31]
        if line[31:] == b" %08x\n" % crc32(text):
            return Cursor(int(text[:10]), int(text[11:]))
    raise CorruptRecord(f"{directory / END_FILE} is damaged; the collector's next start repairs it")


def read_header(directory: Path, segment: int) -> tuple[int, Cursor]:
    """The length of a segment's header line and the position where the segment before it ended.

    Raises CorruptRecord when it is no header of this segment.
    """
    with segment_path(directory, segment).open("rb") as file:
        line = file.readline(MAX_LINE_BYTES)
    record = unseal(line)
    if record.get("segment") != segment or not isinstance(record.get("previous"), str):
        raise CorruptRecord(f"{segment_path(directory, segment)} has the header of another segment")
    return len(line), Cursor.parse(record["previous"])


def extents(directory: Path, since: int, end: Cursor) -> list[Extent]:
    """The valid parts of the segments from number `since` on, ascending, up to `end`.

    Follows the headers backwards from `end`; a segment that none of them names was given up by
    the writer and is left out. Where a header is damaged or its segment is missing, the segment
    before it in number is taken as a whole: its records have checksums of their own.
    """
    found: list[Extent] = []
    while end.segment >= max(since, 1):
        path = segment_path(directory, end.segment)
        try:
            start, previous = read_header(directory, end.segment)
        except FileNotFoundError:  # by retention, then there is none before it
            end = _whole_segment_before(directory, end.segment)
            continue
        except CorruptRecord:
            start, previous = 0, _whole_segment_before(directory, end.segment)
        found.append(Extent(end.segment, path, min(start, end.offset), end.offset))
        end = previous
    return found[::-1]


def _whole_segment_before(directory: Path, segment: int) -> Cursor:
    before = [number for number in segments(directory) if number < segment]
    if not before:
        return START
    return Cursor(before[-1], segment_path(directory, before[-1]).stat().st_size)


def whole_segments(directory: Path, end: Cursor) -> Iterator[tuple[str, bytes]]:
    """The files of a journal as it is up to `end`, by name: to be written elsewhere as they are.

    A segment that retention removes meanwhile is left out: whoever follows the journal had it.
    """
    for extent in extents(directory, 0, end):
        try:
            with extent.path.open("rb") as file:
                yield extent.path.name, file.read(extent.end)
        except FileNotFoundError:
            continue
    yield END_FILE, end_line(end)
