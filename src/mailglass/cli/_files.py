"""Files and standard streams of commands that take a message and give one.

What the system refuses becomes an error of one line with the status of sysexits.h: no input (66),
an output that cannot be created (73), one that breaks off (74).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from ..errors import InputError, NoInput, StorageUnavailable

__all__ = [
    "BrokenOutput",
    "CannotCreate",
    "make_directory",
    "read_input",
    "refuse_collisions",
    "status_of",
    "write_file",
    "write_output",
]


class CannotCreate(StorageUnavailable):
    """A file or directory for output cannot be created."""

    id = "cannot-create"
    exit_status: ClassVar[int] = 73  # EX_CANTCREAT


class BrokenOutput(StorageUnavailable):
    """Output could not be written to its end: closed, or no space is left."""

    id = "broken-output"
    exit_status: ClassVar[int] = 74  # EX_IOERR


def read_input(file: Path) -> bytes:
    """The bytes of a file, `-` for standard input; raises NoInput."""
    try:
        if str(file) != "-":
            return file.read_bytes()
        if sys.stdin is None:
            raise NoInput("standard input is closed")
        return sys.stdin.buffer.read()
    except (OSError, ValueError) as error:
        raise NoInput(f"{file} cannot be read: {_why(error)}") from error


def status_of(failures: Iterable[InputError]) -> int:
    """The exit status after these: 66 when all of them could not be read, else 65.

    So 65 always says that something was read and is no message.
    """
    return min(failure.exit_status for failure in failures)


def make_directory(directory: Path) -> None:
    """Raises CannotCreate."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise CannotCreate(f"{directory} cannot be created: {_why(error)}") from error


def write_file(file: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Raises CannotCreate before the first byte, BrokenOutput behind it.

    Half a file is taken away again: it would pass for a whole message.
    """
    try:
        out = file.open("wb")
    except (OSError, ValueError) as error:
        raise CannotCreate(f"{file} cannot be created: {_why(error)}") from error
    try:
        with out:
            out.writelines(pieces)
    except OSError as error:
        if file.is_file():  # not a device
            file.unlink(missing_ok=True)
        raise BrokenOutput(f"{file} cannot be written: {_why(error)}") from error


def write_output(pieces: Iterable[bytes | memoryview]) -> None:
    """All pieces to standard output, at once; raises BrokenOutput, as `_output` has it."""
    sys.stdout.buffer.writelines(pieces)
    sys.stdout.buffer.flush()


def refuse_collisions(inputs: Sequence[Path], outputs: Sequence[tuple[Path, Path]]) -> None:
    """`outputs` are pairs of an input and what is written for it.

    Raises InputError when one file would be written over another, before anything is written.
    """
    taken: dict[object, str] = {}
    for file in inputs:
        if str(file) != "-":
            taken.update(dict.fromkeys(_places(file), f"the input {file}"))
    for source, file in outputs:
        places = _places(file)
        if met := next((taken[place] for place in places if place in taken), None):
            raise InputError(
                f"{file}, made from {source}, would overwrite {met}; nothing was written"
            )
        taken.update(dict.fromkeys(places, f"what is made from {source}"))


def _places(file: Path) -> list[object]:
    """By what a file is known: its path without links, and the number of what hard links share."""
    places: list[object] = [os.path.realpath(file)]
    with suppress(OSError):
        found = os.stat(file)
        if stat.S_ISREG(found.st_mode):
            places.append((found.st_dev, found.st_ino))
    return places


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
