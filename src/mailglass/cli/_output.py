"""Standard output of every command: what cannot be written to it is one error of ours.

A full disk, a reader that went away (`| head`) and a closed descriptor show in the middle of any
command, in whichever library happens to write. Here they become BrokenOutput where they happen, so
that no other failed write is taken for one. What comes after the first failure goes nowhere: Python
would try it once more when the process ends, and complain louder.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from ._files import BrokenOutput

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["watch_output"]


def watch_output() -> None:
    """From now on writing to standard output raises BrokenOutput when it fails, once.

    Whoever has put another stream in its place, as tests do, keeps it.
    """
    plain = sys.stdout
    if plain is not sys.__stdout__:
        return
    if plain is None:
        sys.stdout = io.TextIOWrapper(_Closed(), encoding="utf-8", write_through=True)
        return
    plain.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Open(plain.fileno(), "wb", closefd=False)),
        encoding=plain.encoding,
        errors=plain.errors,
        line_buffering=plain.isatty(),
    )


class _Open(io.FileIO):
    """The descriptor."""

    _is_broken = False

    def write(self, data: ReadableBuffer, /) -> int:
        if self._is_broken:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self._is_broken = True
            raise BrokenOutput(f"standard output cannot be written: {error.strerror}") from error


class _Closed(io.RawIOBase):
    """In place of a descriptor that the process was started without."""

    _was_told = False

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        size = memoryview(data).nbytes
        if size and not self._was_told:  # click writes nothing, to see of which kind a stream is
            self._was_told = True
            raise BrokenOutput("standard output is closed")
        return size
