"""`mailglass user`: who may submit mail and sign in to the dashboard."""

from __future__ import annotations

import json

import click

from .. import history as store
from ..app import read_keys
from ..errors import InputError
from ..tokens import Kind, Ring, self_url
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


@command.command("self-link")
@click.argument("name", default=store.ADMINISTRATOR)
@click.pass_context
def self_link(ctx: click.Context, name: str) -> None:
    """The link by which NAME marks a browser as the sender's own.

    Open it once in each browser and mail program that shows your own messages: their hits are then
    the sender's. It sets no cookie; address and user agent are remembered for 180 days. Whoever
    has the link can mark a browser of theirs, so do not send it on.
    """
    settings = settings_of(ctx)
    with store.History(settings.history_address).reading() as t:
        user = t.user_named(name)
    if user is None:
        raise InputError(f"there is no user {name!r}; `mailglass user add` makes one")
    ring = Ring(read_keys(settings.data_directory))
    click.echo(self_url(settings.tracking_url, ring.mint(Kind.SELF, user.id, 0)))


@command.command("login-link")
@click.argument("name", default=store.ADMINISTRATOR)
@click.pass_context
def login_link(ctx: click.Context, name: str) -> None:
    """A link that signs NAME in to the dashboard once."""
    settings = settings_of(ctx)
    history = store.History(settings.history_address)
    click.echo(store.new_login_link(history, name, settings.dashboard_url))
