"""`mailglass clean`: a message without being watched."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..errors import InputError, NotAMessage
from ..guard import Clean, Remove, clean, load_easyprivacy
from ..guard.describe import clean_object, failure_object, kept_object
from ..guard.mailboxes import Stored, Unreadable, gather, learn
from ..guard.undoing import read_report, undo
from ._addresses import ADDRESS
from ._files import read_input, status_of, write_file
from ._outputs import Outputs
from ._pictures import picture_options, through_proxy


@click.command("clean")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="For one file; its folder must be there, and a file that is there is replaced.",
)
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="For many files or a Maildir, each under its own name; made when it is missing.",
)
@click.option(
    "--report",
    "report_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what was found, and what undoes the edits, as JSON.",
)
@click.option(
    "--remove",
    type=click.Choice([level.value for level in Remove]),
    default=Remove.TRACKERS.value,
    show_default=True,
    help="trackers (and unseen maybes), maybe (every maybe), all (every remote resource).",
)
@click.option("--text-links", is_flag=True, help="Clean the links of plain text as well.")
@click.option(
    "--single",
    is_flag=True,
    help="Take each file for one message, also when it looks like an mbox.",
)
@click.option(
    "--recipient", "recipients", multiple=True, type=ADDRESS, help="An address of the reader."
)
@click.option("--easyprivacy/--no-easyprivacy", default=True, help="Ask an installed EasyPrivacy.")
@picture_options
@click.option("--undo", "undoes", is_flag=True, help="Make the originals again, with --report.")
def command(
    files: tuple[Path, ...],
    output: Path | None,
    output_dir: Path | None,
    report_path: Path | None,
    remove: str,
    text_links: bool,
    single: bool,
    recipients: tuple[str, ...],
    easyprivacy: bool,
    undoes: bool,
    **pictures: Any,
) -> None:
    """Write clean copies of FILES (.eml, mbox, Maildir, or - for standard input).

    One file goes to -o or standard output; many, and a Maildir, go to --output-dir. The report
    holds what it takes to undo every edit (--undo, with the clean copies as FILES). Nothing is
    asked of a network, but of your own image proxy with --proxy-url. Ends with status 65 when
    something was no message, with 66 when something could not be read and all else was read; the
    others are written, and what is no message stays as it is in its mbox or Maildir.
    """
    files = files or (Path("-"),)
    outputs = Outputs(files, output, output_dir)
    if report_path is not None and str(report_path) == "-":
        raise click.UsageError("--report needs the name of a file")
    if undoes:
        outputs.check()
        _undo(files, outputs, report_path)
        return
    outputs.check(report_path)
    mailbox = learn(files, single=single)
    mail_list = load_easyprivacy() if easyprivacy else None

    def cleaned(data: bytes, proxy: Callable[[str], str | None] | None = None) -> Clean:
        return clean(
            data,
            recipients=recipients,
            mailbox=mailbox,
            mail_list=mail_list,
            remove=Remove(remove),
            text_links=text_links,
            proxy=proxy,
        )

    objects: list[dict[str, Any]] = []
    failures: list[InputError] = []
    with through_proxy(cleaned, **pictures) as how:
        for file in files:
            _write(file, outputs, _Work(how, objects, failures, single))
    if report_path is not None:
        write_file(report_path, [(json.dumps(found) + "\n").encode() for found in objects])
    if failures:
        sys.exit(status_of(failures))


@dataclass(frozen=True, slots=True)
class _Work:
    """How messages are cleaned, and what was said of them so far."""

    clean: Callable[[bytes], Clean]
    objects: list[dict[str, Any]]
    failures: list[InputError]
    single: bool

    def on(self, file: Path) -> Iterator[tuple[Stored, bytes]]:
        """The messages of a file with their clean copies; what is none comes as it is."""
        for stored in gather((file,), _read_stdin, single=self.single):
            if isinstance(stored, Unreadable):
                self._complain(stored.name, stored.error)
                self.objects.append(failure_object(stored.name, stored.error))
                continue
            try:
                done = self.clean(stored.data)
            except NotAMessage as error:
                self._complain(stored.name, error)
                self.objects.append(
                    kept_object(stored.name, error, stored.data, offset=stored.offset)
                )
                yield stored, stored.data
            else:
                self.objects.append(
                    clean_object(done, stored.name, stored.data, offset=stored.offset)
                )
                yield stored, done.data

    def _complain(self, name: str, error: InputError) -> None:
        self.failures.append(error)
        click.echo(f"mailglass: {name}: {error}", err=True)


def _write(file: Path, outputs: Outputs, work: _Work) -> None:
    """Clean one file, mbox or Maildir; a file in which no message is, is not written."""
    if os.path.isdir(file):
        outputs.make_maildir(file)
        for stored, data in work.on(file):
            write_file(outputs.place_of(file, Path(stored.name)), [data])
        return
    before = len(work.objects)
    pieces = [piece for _, piece in work.on(file)]
    told = work.objects[before:]
    if all(found["error"] for found in told):
        work.objects[before:] = [_failed(found) for found in told]
        return
    outputs.write(file, pieces)


def _failed(found: dict[str, Any]) -> dict[str, Any]:
    """What is told of something that was not written: nothing that could be undone."""
    made = ("edits", "left_alone", "offset", "original", "clean")
    return {key: value for key, value in found.items() if key not in made}


def _undo(files: tuple[Path, ...], outputs: Outputs, report_path: Path | None) -> None:
    """Write the originals; nothing is written when one of them cannot be made."""
    if report_path is None:
        raise click.UsageError("--undo needs the --report that was made with the clean copy")
    data = read_input(report_path)
    try:
        known = read_report(data)
    except InputError as error:
        raise InputError(f"{report_path} is no report of `mailglass clean`: {error}") from error
    originals = [(file, name, undo(clean, known)) for file, name, clean in _whole(files)]
    for file in files:
        if os.path.isdir(file):
            outputs.make_maildir(file)
    for file, name, original in originals:
        if os.path.isdir(file):
            write_file(outputs.place_of(file, name), [original])
        else:
            outputs.write(file, [original])


def _whole(files: tuple[Path, ...]) -> Iterator[tuple[Path, Path, bytes]]:
    """Each file with its bytes, those of a Maildir with their own names."""
    for file in files:
        if not os.path.isdir(file):
            yield file, file, read_input(file)
            continue
        for stored in gather((file,), _read_stdin):
            if isinstance(stored, Unreadable):
                raise stored.error
            yield file, Path(stored.name), stored.data


def _read_stdin() -> bytes:
    return read_input(Path("-"))
