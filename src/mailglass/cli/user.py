"""`mailglass user`: who may submit mail and sign in to the dashboard."""

from __future__ import annotations

import json

import click

from .. import history as store
from ._source import settings_of


@click.group()
def command() -> None:
    """Add users, give them new passwords and login links."""


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def add(ctx: click.Context, name: str, as_json: bool) -> None:
    """Add the user NAME, or give an existing one a new password; it is shown once."""
    settings = settings_of(ctx)
    history = store.History(settings.history_address)
    password = store.new_user(history, name)
    if as_json:
        click.echo(json.dumps({"user": name, "password": password}))
    else:
        click.echo(f"user {name}\npassword {password}")


@command.command("login-link")
@click.argument("name", default=store.ADMINISTRATOR)
@click.pass_context
def login_link(ctx: click.Context, name: str) -> None:
    """A link that signs NAME in to the dashboard once."""
    settings = settings_of(ctx)
    history = store.History(settings.history_address)
    click.echo(store.new_login_link(history, name, settings.dashboard_url))
