"""`mailglass setup`: make the data directory, keys and administrator without starting anything."""

from __future__ import annotations

import click

from .. import app
from ._source import settings_of


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Make what `serve` needs: data directory, keys, an administrator with a one-time link."""
    settings = settings_of(ctx)
    made = app.prepare(settings)
    if made:
        click.echo(app.welcome(settings, made))
    else:
        click.echo(f"{settings.data_directory} is already set up; nothing was changed.")
