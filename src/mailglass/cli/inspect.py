"""`mailglass inspect`: who watches a message."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..errors import InputError
from ..guard import inspect, load_easyprivacy
from ..guard.describe import as_object, as_text, failure_object
from ..guard.mailboxes import Stored, Unreadable, gather, learn
from ..guard.report import Report
from ._addresses import ADDRESS
from ._files import read_input, status_of


@click.command("inspect")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a message, one a line.")
@click.option("--all", "everything", is_flag=True, help="With --json: the plain resources too.")
@click.option(
    "--recipient", "recipients", multiple=True, type=ADDRESS, help="An address of the reader."
)
@click.option("--easyprivacy/--no-easyprivacy", default=True, help="Ask an installed EasyPrivacy.")
def command(
    files: tuple[Path, ...],
    as_json: bool,
    everything: bool,
    recipients: tuple[str, ...],
    easyprivacy: bool,
) -> None:
    """Say who watches the messages in FILES: .eml, mbox, Maildir, or - for standard input.

    Several messages are taken for one mailbox, and what repeats in it is evidence. Nothing is ever
    asked of a network. Ends with status 65 when something was no message, with 66 when something
    could not be read and all else was read; every message is looked at all the same.
    """
    files = files or (Path("-"),)
    if sum(str(file) == "-" for file in files) > 1:
        raise click.UsageError("standard input can be read once only")
    mailbox = learn(files)
    mail_list = load_easyprivacy() if easyprivacy else None
    failures: list[InputError] = []
    for stored in gather(files, _read_stdin):
        try:
            report = inspect(
                _data(stored), recipients=recipients, mailbox=mailbox, mail_list=mail_list
            )
        except InputError as error:
            failures.append(error)
            _complain(stored.name, error, as_json)
        else:
            _show(report, stored.name, as_json, everything)
    if failures:
        sys.exit(status_of(failures))


def _read_stdin() -> bytes:
    return read_input(Path("-"))


def _data(stored: Stored | Unreadable) -> bytes:
    if isinstance(stored, Unreadable):
        raise stored.error
    return stored.data


def _show(report: Report, name: str, as_json: bool, everything: bool) -> None:
    if as_json:
        click.echo(json.dumps(as_object(report, name, everything=everything)))
    else:
        click.echo("\n".join(as_text(report, name)))


def _complain(name: str, error: InputError, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(failure_object(name, error)))
    click.echo(f"mailglass: {name}: {error}", err=True)
