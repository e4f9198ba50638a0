"""`mailglass clean`: a message without being watched."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ..errors import InputError
from ..guard import Clean, Mailbox, MailList, Remove, clean, load_easyprivacy, restore
from ..guard.describe import clean_object, edits_from_object, failure_object
from ..guard.mailboxes import Stored, Unreadable, gather, learn
from ._files import make_directory, refuse_collisions, write_file, write_output


@click.command("clean")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("-o", "--output", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--output-dir", type=click.Path(path_type=Path, file_okay=False))
@click.option("--report", "report_path", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--remove",
    type=click.Choice([level.value for level in Remove]),
    default=Remove.TRACKERS.value,
    show_default=True,
    help="trackers (and unseen maybes), maybe (every maybe), all (every remote resource).",
)
@click.option("--text-links", is_flag=True, help="Clean the links of plain text as well.")
@click.option("--recipient", "recipients", multiple=True, help="An address of the reader.")
@click.option("--easyprivacy/--no-easyprivacy", default=True, help="Ask an installed EasyPrivacy.")
@click.option("--undo", is_flag=True, help="Make the original again, with --report.")
def command(
    files: tuple[Path, ...],
    output: Path | None,
    output_dir: Path | None,
    report_path: Path | None,
    remove: str,
    text_links: bool,
    recipients: tuple[str, ...],
    easyprivacy: bool,
    undo: bool,
) -> None:
    """Write clean copies of FILES (.eml, mbox, Maildir, or - for standard input).

    One file goes to -o or standard output, many go to --output-dir under their own names. The
    report holds what it takes to undo every edit (--undo). Ends with status 65 when something was
    no message; the others are written.
    """
    files = files or (Path("-"),)
    if undo:
        _undo(files, output, report_path)
        return
    if len(files) > 1 and output_dir is None:
        raise click.UsageError("several files need --output-dir")
    mailbox = learn(files)
    mail_list = load_easyprivacy() if easyprivacy else None
    options = (recipients, mailbox, mail_list, Remove(remove), text_links)
    targets = [(file, _target(file, output, output_dir)) for file in files]
    written = [(file, target) for file, target in targets if target and str(target) != "-"]
    if report_path is not None:
        written.append((Path("the report"), report_path))
    refuse_collisions(files, written)
    objects: list[dict[str, object]] = []
    for file, target in targets:
        _write(file, target, options, objects)
    if report_path is not None:
        single = len(objects) == 1
        text = json.dumps(objects[0]) if single else "".join(json.dumps(o) + "\n" for o in objects)
        write_file(report_path, [text.encode()])
    if any(found["error"] for found in objects):
        sys.exit(InputError.exit_status)


_Options = tuple[tuple[str, ...], Mailbox, MailList | None, Remove, bool]


def _write(
    file: Path, target: Path | None, options: _Options, objects: list[dict[str, object]]
) -> None:
    """Clean one file, mbox or Maildir; a file that holds no message is not written."""
    if file.is_dir():
        folder = target or Path("-")
        if str(folder) == "-":
            raise click.UsageError(f"{file} is a Maildir and needs --output-dir")
        for stored, cleaned in _cleaned(file, options, objects):
            place = folder / Path(stored.name).relative_to(file)
            make_directory(place.parent)
            write_file(place, [cleaned.data])
        return
    data = [cleaned.data for _, cleaned in _cleaned(file, options, objects)]
    if not data:
        return
    if target is None or str(target) == "-":
        write_output(data)
    else:
        make_directory(target.parent)
        write_file(target, data)


def _cleaned(
    file: Path, options: _Options, objects: list[dict[str, object]]
) -> Iterator[tuple[Stored, Clean]]:
    recipients, mailbox, mail_list, remove, text_links = options
    for stored in gather((file,), sys.stdin.buffer):
        try:
            if isinstance(stored, Unreadable):
                raise stored.error
            cleaned = clean(
                stored.data,
                recipients=recipients,
                mailbox=mailbox,
                mail_list=mail_list,
                remove=remove,
                text_links=text_links,
            )
        except InputError as error:
            click.echo(f"mailglass: {stored.name}: {error}", err=True)
            objects.append(failure_object(stored.name, error))
        else:
            objects.append(clean_object(cleaned, stored.name))
            yield stored, cleaned


def _target(file: Path, output: Path | None, output_dir: Path | None) -> Path | None:
    if output_dir is None:
        return output
    return output_dir / ("stdin.eml" if str(file) == "-" else file.name)


def _undo(files: tuple[Path, ...], output: Path | None, report_path: Path | None) -> None:
    if report_path is None or len(files) != 1:
        raise click.UsageError("--undo takes one clean copy and the --report that was made with it")
    try:
        found = json.loads(report_path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{report_path} is no report: {error}") from error
    (stored,) = gather(files, sys.stdin.buffer)
    if isinstance(stored, Unreadable):
        raise stored.error
    original = restore(stored.data, edits_from_object(found))
    if output is None or str(output) == "-":
        write_output([original])
    else:
        write_file(output, [original])
