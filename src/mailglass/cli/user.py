"""`mailglass user`: who may submit mail and sign in to the dashboard."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from .. import history as store
from ..app import own_link
from ..errors import InputError
from ._history import account_option, account_or_all, one_account, opened, reading, writing
from ._rows import print_object, print_rows
from ._source import settings_of


class NoSuchUser(InputError):
    """Nobody of this name may come in."""

    id = "no-such-user"


@click.group()
def command() -> None:
    """List, add and remove users, give them new passwords and login links."""


@command.command("list")
@account_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_(ctx: click.Context, account: str | None, as_json: bool) -> None:
    """Who may come in."""
    with reading(ctx) as t:
        users = t.users(account_or_all(t, account))
        names = {a.id: a.name for a in t.accounts()}
    rows = [
        {
            "user": u.name,
            "account": names.get(u.account_id, "?"),
            "role": u.role.value,
            "second_factor": u.totp_secret is not None,
        }
        for u in users
    ]
    if as_json:
        for row in rows:
            print_object(row)
        return
    print_rows(
        ("user", "account", "role", "second factor"),
        [
            (
                str(r["user"]),
                str(r["account"]),
                str(r["role"]),
                "yes" if r["second_factor"] else "no",
            )
            for r in rows
        ],
    )


@command.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def remove(ctx: click.Context, name: str, yes: bool, as_json: bool) -> None:
    """NAME comes in no more, and is signed out everywhere; `user add NAME` undoes it."""
    if not yes:
        click.confirm(f"Remove the user {name}?", abort=True, err=True)
    with writing(ctx) as t:
        user = t.user_named(name)
        if user is None:
            raise NoSuchUser(f"there is no user {name!r}; `mailglass user list` shows who there is")
        store.Belongings(t, user.account_id).remove_user(user.id, datetime.now(UTC))
    click.echo(json.dumps({"removed": name}) if as_json else f"{name} comes in no more")


@command.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([r.value for r in store.Role]),
    help="From now on; without it a new user is an owner, and others keep theirs.",
)
@account_option
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def add(
    ctx: click.Context, name: str, role: str | None, account: str | None, as_json: bool
) -> None:
    """Add the user NAME, or give an existing one a new password; it is shown once."""
    with opened(ctx) as history:
        owner = None
        if account is not None:
            with history.reading() as t:
                owner = one_account(t, account).id
        password = store.new_user(history, name, owner, store.Role(role) if role else None)
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
    with reading(ctx) as t:
        user = t.user_named(name)
    if user is None:
        raise InputError(f"there is no user {name!r}; `mailglass user add` makes one")
    click.echo(own_link(settings_of(ctx), user.id))


@command.command("login-link")
@click.argument("name", default=store.ADMINISTRATOR)
@click.pass_context
def login_link(ctx: click.Context, name: str) -> None:
    """A link that signs NAME in to the dashboard once."""
    with opened(ctx) as history:
        click.echo(store.new_login_link(history, name, settings_of(ctx).dashboard_url))
