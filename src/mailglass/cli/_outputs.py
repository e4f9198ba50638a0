"""Where the outputs of `mailglass clean` go, and which places are refused before anything is read.

An existing file is replaced, as by any program with -o; what was named as an input never is. A
Maildir is made anew: in one that is there, messages whose flags changed would lie twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import click

from ..errors import InputError
from ..guard.mailboxes import maildir_folders
from ._files import CannotCreate, make_directory, refuse_collisions, write_file, write_output

__all__ = ["Outputs"]


class Outputs:
    """The places of one call."""

    def __init__(self, files: Sequence[Path], output: Path | None, output_dir: Path | None) -> None:
        """`output` is for a single file, `output_dir` for any number; with neither it is printed.

        Raises click.UsageError for what contradicts itself.
        """
        self._files, self._output, self._output_dir = files, output, output_dir
        if output is not None and output_dir is not None:
            raise click.UsageError("-o names one file and --output-dir a folder for many; give one")
        if sum(str(file) == "-" for file in files) > 1:
            raise click.UsageError("standard input can be read once only")
        if output_dir is None and len(files) > 1:
            raise click.UsageError("several files need --output-dir")
        for file in files:
            if output_dir is None and os.path.isdir(file):
                raise click.UsageError(f"{file} is a folder; a Maildir needs --output-dir")

    def check(self, report: Path | None = None) -> None:
        """Raises InputError or CannotCreate when something could not be written where it belongs,
        or would be written over what is read.
        """
        written = [(file, self._target(file)) for file in self._files]
        pairs = [(file, target) for file, target in written if target is not None]
        if report is not None:
            pairs.append((Path("the report"), report))
        refuse_collisions(self._files, pairs)
        for target in [target for _, target in pairs]:
            self._refuse_inside_input(target)
        for single in (self._output, report):
            if single is not None and str(single) != "-":
                _refuse_missing_folder(single)
        for file, target in pairs:
            if os.path.isdir(file) and os.path.isdir(target) and os.listdir(target):
                raise CannotCreate(
                    f"{target} is there and not empty; name another --output-dir, or remove it"
                )

    def make_maildir(self, file: Path) -> None:
        """The folders for a Maildir's copy; none when `file` is no Maildir."""
        with suppress(InputError):
            for folder in maildir_folders(file):
                for name in ("cur", "new", "tmp"):
                    make_directory(self.place_of(file, folder / name))

    def place_of(self, file: Path, inner: Path) -> Path:
        """Where something of the Maildir `file` goes."""
        target = self._target(file)
        assert target is not None, "a Maildir was refused without --output-dir"
        return target / inner.relative_to(file)

    def write(self, file: Path, data: Iterable[bytes]) -> None:
        """What is made of one file; raises as `write_file` does."""
        target = self._target(file)
        if target is None:
            write_output(data)
            return
        if self._output_dir is not None:
            make_directory(self._output_dir)
        write_file(target, data)

    def _target(self, file: Path) -> Path | None:
        """None for standard output."""
        if self._output_dir is None:
            return None if self._output is None or str(self._output) == "-" else self._output
        if str(file) == "-":
            return self._output_dir / "stdin.eml"
        return self._output_dir / os.path.basename(os.path.abspath(file))

    def _refuse_inside_input(self, target: Path) -> None:
        place = Path(os.path.realpath(target))
        for file in self._files:
            if os.path.isdir(file) and place.is_relative_to(os.path.realpath(file)):
                raise InputError(f"{target} lies inside the input {file}; nothing was written")


def _refuse_missing_folder(file: Path) -> None:
    if not file.parent.exists():
        raise CannotCreate(f"{file} cannot be created: there is no folder {file.parent}")
