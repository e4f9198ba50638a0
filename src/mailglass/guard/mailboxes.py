"""Messages where they lie: a file of one, an mbox, a Maildir; the room's only touch with files.

An mbox is cut where a "From " line with a year follows an empty line (RFC 4155 and what programs
write); every byte belongs to one message, so that joined again they are the file. A Maildir is read
with the folders below it: `.Sent` as Maildir++ names them, `Sent` as Dovecot's layout `fs` does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..errors import InputError, NoInput
from .learn import Mailbox
from .report import examine, resources

__all__ = [
    "Stored",
    "Unreadable",
    "gather",
    "learn",
    "maildir_folders",
    "read_messages",
    "split_mbox",
]

_FROM_LINE = re.compile(rb"From \S[^\r\n]* \d{4}\b[^\r\n]*\r?\n")
_NEXT = re.compile(rb"(?<=\n)\r?\n(?=From \S[^\r\n]* \d{4}\b)")


@dataclass(frozen=True, slots=True)
class Stored:
    """One message and where it was."""

    name: str  # the file, with `#` and a number in an mbox of several; `-` for standard input
    data: bytes
    offset: int = 0  # where it begins in its file, in bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that was named and could not be read."""

    name: str
    error: InputError


def gather(
    paths: Iterable[Path], read_stdin: Callable[[], bytes], *, single: bool = False
) -> Iterator[Stored | Unreadable]:
    """The messages of several files, mboxes and Maildirs, one at a time.

    `-` is what `read_stdin` gives, which raises InputError when that is nothing to be read. With
    `single` a file is one message whatever it looks like: a delivery agent hands on a "From " line,
    and who wrote the mail can write a second one into it.
    """
    for path in paths:
        try:
            if str(path) == "-":
                data = read_stdin()
                yield from _numbered("-", [data] if single else split_mbox(data))
            else:
                yield from read_messages(path, single=single)
        except InputError as error:
            yield Unreadable(str(path), error)


def learn(paths: Iterable[Path], *, single: bool = False) -> Mailbox:
    """What the messages say together, in a pass of its own; a stream cannot be read twice."""
    mailbox = Mailbox()
    for path in paths:
        if str(path) == "-" or not (os.path.isfile(path) or os.path.isdir(path)):
            continue
        try:
            for stored in read_messages(path, single=single):
                if isinstance(stored, Stored):
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


def read_messages(path: Path, *, single: bool = False) -> Iterator[Stored | Unreadable]:
    """The messages of a file, an mbox (unless `single`) or a Maildir.

    Raises InputError for a folder that is no Maildir, NoInput for what cannot be read; one file of
    a Maildir that cannot be read is said, and the others follow.
    """
    try:
        if path.is_dir():
            yield from _maildir(path)
            return
        data = path.read_bytes()
    except OSError as error:
        raise NoInput(f"{path} cannot be read: {error.strerror}") from error
    yield from _numbered(str(path), [data] if single else split_mbox(data))


def maildir_folders(path: Path) -> list[Path]:
    """The folders of a Maildir that hold messages: itself first, then those below it, by name.

    Links to folders are not followed, so that none is met twice. Raises InputError.
    """
    if not _holds_mail(path):
        raise InputError(f"{path} is a folder without cur and new, so it is no Maildir")
    found = []
    for place, names, _ in os.walk(path, onerror=_refuse):
        names[:] = sorted(name for name in names if name not in ("cur", "new", "tmp"))
        if _holds_mail(folder := Path(place)):
            found.append(folder)
    return found


def _refuse(error: OSError) -> None:
    raise error


def _holds_mail(folder: Path) -> bool:
    return (folder / "cur").is_dir() or (folder / "new").is_dir()


def _numbered(name: str, several: list[bytes]) -> Iterator[Stored]:
    offset = 0
    for number, data in enumerate(several, 1):
        yield Stored(name if len(several) == 1 else f"{name}#{number}", data, offset)
        offset += len(data)


def _maildir(path: Path) -> Iterator[Stored | Unreadable]:
    # All names first: whoever reads may write below the folder meanwhile.
    files = [
        file
        for folder in maildir_folders(path)
        for name in ("cur", "new")
        if (folder / name).is_dir()
        for file in sorted((folder / name).iterdir())
        if not file.name.startswith(".")  # as maildir(5) has it, not mail
    ]
    for file in files:
        if not file.is_file():
            continue
        try:
            yield Stored(str(file), file.read_bytes())
        except OSError as error:
            yield Unreadable(str(file), NoInput(f"{file} cannot be read: {error.strerror}"))
