"""Messages where they lie: a file of one, an mbox, a Maildir; the room's only touch with files.

An mbox is cut where a "From " line with a year follows an empty line (RFC 4155 and what programs
write); every byte belongs to one message, so that joined again they are the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError
from .learn import Mailbox
from .report import examine, resources

__all__ = ["Stored", "Unreadable", "gather", "learn", "read_messages", "split_mbox"]

_FROM_LINE = re.compile(rb"From \S[^\r\n]* \d{4}\b[^\r\n]*\r?\n")
_NEXT = re.compile(rb"(?<=\n)\r?\n(?=From \S[^\r\n]* \d{4}\b)")


@dataclass(frozen=True, slots=True)
class Stored:
    """One message and where it was."""

    name: str  # the file, with `#` and a number in an mbox of several; `-` for standard input
    data: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that was named and could not be read."""

    name: str
    error: InputError


def gather(paths: Iterable[Path], stdin: BinaryIO) -> Iterator[Stored | Unreadable]:
    """The messages of several files, mboxes and Maildirs, one at a time; `-` is `stdin`."""
    for path in paths:
        if str(path) == "-":
            yield from _numbered("-", split_mbox(stdin.read()))
            continue
        try:
            yield from read_messages(path)
        except InputError as error:
            yield Unreadable(str(path), error)


def learn(paths: Iterable[Path]) -> Mailbox:
    """What the messages say together, in a pass of its own; standard input cannot be read twice."""
    mailbox = Mailbox()
    for path in paths:
        if str(path) == "-":
            continue
        try:
            for stored in read_messages(path):
                _learn_one(mailbox, stored.data)
        except InputError:
            continue
    return mailbox


def _learn_one(mailbox: Mailbox, data: bytes) -> None:
    try:
        mailbox.add(resources(examine(data)))
    except InputError:
        return


def split_mbox(data: bytes) -> list[bytes]:
    """The messages of an mbox with their "From " lines; one when it is no mbox."""
    if not _FROM_LINE.match(data):
        return [data]
    cuts = [0, *(match.end() for match in _NEXT.finditer(data)), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


def read_messages(path: Path) -> Iterator[Stored]:
    """The messages of a file, an mbox or a Maildir.

    Raises InputError for a folder that is no Maildir, and for what cannot be read.
    """
    try:
        if path.is_dir():
            yield from _maildir(path)
            return
        several = split_mbox(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    yield from _numbered(str(path), several)


def _numbered(name: str, several: list[bytes]) -> Iterator[Stored]:
    for number, data in enumerate(several, 1):
        yield Stored(name if len(several) == 1 else f"{name}#{number}", data)


def _maildir(path: Path) -> Iterator[Stored]:
    folders = [path / name for name in ("cur", "new") if (path / name).is_dir()]
    if not folders:
        raise InputError(f"{path} is a folder without cur and new, so it is no Maildir")
    for folder in folders:
        for file in sorted(folder.iterdir()):
            if file.is_file():
                yield Stored(str(file), file.read_bytes())
