"""`mailglass restore`: take the edits of a plan back, exactly; or put a backup back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .. import app
from ..errors import InputError
from ..history import History, HistoryOutdated
from ..instrument import read_plan, restore
from ..spool import Spool
from ._files import read_input, write_output
from ._rows import print_object
from ._source import SettingsSource
from .backup import backup_fields

__all__ = ["command"]


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default=Path("-"))
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    help="The plan that `mailglass instrument` wrote: FILE is an instrumented message.",
)
@click.option(
    "--data-directory",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="A new directory: FILE is a backup that `mailglass backup` wrote.",
)
@click.option("--without-queue", is_flag=True, help="Of a backup: send nothing that waits in it.")
@click.option("--json", "as_json", is_flag=True, help="Of a backup: what it held.")
@click.pass_obj
def command(
    source: SettingsSource,
    file: Path,
    plan_file: Path | None,
    directory: Path | None,
    without_queue: bool,
    as_json: bool,
) -> None:
    """Write the original of an instrumented message to standard output, or put a backup back.

    A message that was changed since is refused: the plan would not give the original back.

    A backup comes into a new directory. A history that was on PostgreSQL also needs an empty
    database, named by --set history.url=... before the command. Mail and webhook notices that
    waited when the backup was made are sent when it is started, also if they have been delivered
    meanwhile; --without-queue prevents that: such mail is given up, such notices become dead
    letters, which can be replayed.
    """
    if (plan_file is None) == (directory is None):
        raise click.UsageError(
            "name one of --plan (to undo an instrumented message) and --data-directory (to put a "
            "backup back)"
        )
    if plan_file is not None:
        plan = read_plan(read_input(plan_file))
        write_output([restore(read_input(file), plan)])
        return
    assert directory is not None
    _restore_backup(source, file, directory, without_queue, as_json)


def _restore_backup(
    source: SettingsSource, file: Path, directory: Path, without_queue: bool, as_json: bool
) -> None:
    if not file.is_file():
        raise InputError(f"{file} is no file; a backup cannot come from standard input")
    settings, _ = source.load()
    show = sys.stderr.isatty()
    backup = app.restore_backup(
        file,
        directory,
        history_address=settings.history_url or None,
        tell=lambda part: click.echo(f"restoring {part}", err=True) if show else None,
    )
    waiting = _waiting(directory, without_queue)
    address = settings.history_url or f"sqlite:///{directory / 'history.db'}"
    notices = _notices(address, without_queue)
    if as_json:
        counts = {"waiting": waiting, "waiting_notices": notices}
        print_object({"directory": str(directory), **counts, **backup_fields(backup)})
        return
    click.echo(
        f"The backup of {backup.made_at:%Y-%m-%d %H:%M} UTC is in {directory}; {waiting} "
        f"deliveries wait in its queue, and {_number(notices)} webhook notices.\n"
        f"Look at it: mailglass --data {directory} doctor-db\n"
        f"Start it:   mailglass --data {directory} serve"
    )


def _number(notices: int | None) -> str:
    return "an unknown number of (migrate it first)" if notices is None else str(notices)


def _notices(address: str, without_queue: bool) -> int | None:
    """How many notices will be sent; None when the history must be migrated before one can know."""
    try:
        history = History(address)
    except HistoryOutdated:
        return None
    try:
        with history.transaction() as t:
            if without_queue:
                t.give_up_all_notices()
            return t.waiting_notices()
    finally:
        history.close()


def _waiting(directory: Path, without_queue: bool) -> int:
    spool = Spool(directory / "spool.db")
    try:
        if without_queue:
            spool.cancel_all("not sent again after a restore")
        return spool.counts()["delivery"]
    finally:
        spool.close()
