"""`mailglass token-key`: the keys that sign the tokens in mail."""

from __future__ import annotations

import click

from .. import app
from ._source import settings_of


@click.group()
def command() -> None:
    """Keys that sign tokens; old ones verify for ever."""


@command.command()
@click.pass_context
def new(ctx: click.Context) -> None:
    """Add a key; it signs when `mailglass serve` is told to reload (SIGHUP), or starts anew."""
    settings = settings_of(ctx)
    count = app.add_key(settings.data_directory)
    click.echo(
        f"There are {count} keys now. Send SIGHUP to `mailglass serve` to sign with the new one."
    )
