"""`mailglass backup`: everything that must survive, in one file."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from .. import app
from ._rows import print_object
from ._source import SettingsSource

__all__ = ["backup_fields", "command"]


@click.command(short_help="Everything that must survive, in one file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--json", "as_json", is_flag=True, help="What it holds, as one JSON object.")
@click.pass_obj
def command(source: SettingsSource, file: Path | None, as_json: bool) -> None:
    """Copy a running installation: history, spool, journal, attachments, keys, settings.

    FILE ends in .tar, or .tar.gz to compress it; mailglass-<time>.tar here when left out. It holds
    keys and mail, so only its owner may read it. `mailglass restore FILE --data-directory DIR`
    puts it back.
    """
    settings, _ = source.load()
    to = file or Path(f"mailglass-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar")
    show = sys.stderr.isatty()
    made = app.make_backup(
        settings,
        to,
        settings_file=source.file,
        tell=lambda part: click.echo(f"copying {part}", err=True) if show else None,
    )
    if as_json:
        print_object({"file": str(to), **backup_fields(made)})
    else:
        click.echo(f"{to}: {made.members} files, {made.size_bytes} bytes")


def backup_fields(backup: app.Backup) -> dict[str, object]:
    """A backup for a program."""
    return {
        "made_at": backup.made_at.isoformat(),
        "version": backup.version,
        "database": backup.database,
        "journal_end": backup.journal_end,
        "files": backup.members,
        "size_bytes": backup.size_bytes,
    }
