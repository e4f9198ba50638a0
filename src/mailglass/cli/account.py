"""`mailglass account`: whose mail it is."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..errors import InputError
from ..history import Account, Dimension, User
from ._history import one_account, reading, writing
from ._rows import print_object, print_rows, stamp

__all__ = ["AccountExists", "command"]

_json_option = click.option("--json", "as_json", is_flag=True, help="For a program.")


class AccountExists(InputError):
    """An account of this name is there already."""

    id = "account-exists"


@click.group()
def command() -> None:
    """Accounts: nothing of one is seen by another."""


@command.command("list")
@_json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """All accounts that are open, with their users and how much they sent."""
    with reading(ctx) as t:
        accounts = t.accounts()
        users = {a.id: t.users(a.id) for a in accounts}
        sent = {a.id: sum(c["queued"] for c in t.counts(a.id, Dimension.ACCOUNT)) for a in accounts}
    if as_json:
        for account in accounts:
            print_object({**_fields(account, users[account.id]), "deliveries": sent[account.id]})
        return
    print_rows(
        ("account", "number", "users", "deliveries"),
        [
            (a.name, str(a.id), ", ".join(u.name for u in users[a.id]) or "-", str(sent[a.id]))
            for a in accounts
        ],
    )


@command.command()
@click.argument("name")
@_json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """One account: its users, policies and days of retention."""
    with reading(ctx) as t:
        account = one_account(t, name)
        users, policies = t.users(account.id), t.policies(account.id)
        days = t.retention(account.id).get(account.id, {})
    about = {
        **_fields(account, users),
        "policies": [
            {"scope": p.scope.value, "subject": p.subject, "tracking": p.mode.value}
            for p in policies
        ],
        "retention": days,
    }
    if as_json:
        print_object(about)
        return
    click.echo(f"account {account.name}, number {account.id}")
    for user in users:
        click.echo(f"  user {user.name}, {user.role.value}")
    for p in policies:
        click.echo(f"  policy {p.scope.value} {p.subject or '-'}: {p.mode.value}")
    for kind, number in days.items():
        click.echo(f"  keeps {kind} {number} days")


@command.command()
@click.argument("name")
@_json_option
@click.pass_context
def add(ctx: click.Context, name: str, as_json: bool) -> None:
    """A new account; `mailglass user add --account NAME` gives it somebody who may come in."""
    with writing(ctx) as t:
        if t.is_account_name_taken(name):
            raise AccountExists(f"there is or was an account {name!r}; choose another name")
        account = t.add_account(name, datetime.now(UTC))
    if as_json:
        print_object(_fields(account, []))
    else:
        click.echo(f"account {account.name}, number {account.id}")


@command.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json_option
@click.pass_context
def close(ctx: click.Context, name: str, yes: bool, as_json: bool) -> None:
    """Nobody comes in for the account NAME any more, and it sends nothing; its history stays."""
    if not yes:
        click.confirm(f"Close the account {name}?", abort=True, err=True)
    now = datetime.now(UTC)
    with writing(ctx) as t:
        account = one_account(t, name)
        t.close_account(account.id, now)
    if as_json:
        print_object({"closed": account.name, "at": now.isoformat()})
    else:
        click.echo(f"account {account.name} is closed since {stamp(now)}")


def _fields(account: Account, users: list[User]) -> dict[str, object]:
    return {
        "id": account.id,
        "name": account.name,
        "users": [{"name": u.name, "role": u.role.value} for u in users],
    }
