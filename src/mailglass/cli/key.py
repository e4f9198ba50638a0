<<<<<<< HEAD
"""`mailglass key`: API keys of an account."""
=======
"""`mailglass key`: the API keys of an account."""
>>>>>>> f54e80f (cli: deliveries, statistics, API keys and webhooks for the operator)

from __future__ import annotations

from datetime import UTC, datetime, timedelta
<<<<<<< HEAD
from typing import Any
=======
>>>>>>> f54e80f (cli: deliveries, statistics, API keys and webhooks for the operator)

import click

from ..errors import InputError
from ..history import USUAL_SCOPES, ApiKey, Scope
from ._history import account_option, one_account, reading, writing
from ._rows import print_object, print_rows, stamp

__all__ = ["NoSuchKey", "command"]

_json_option = click.option("--json", "as_json", is_flag=True, help="For a program.")


class NoSuchKey(InputError):
<<<<<<< HEAD
    """The account has no key of this number that is still good."""
=======
    """The account has no good key of this number."""
>>>>>>> f54e80f (cli: deliveries, statistics, API keys and webhooks for the operator)

    id = "no-such-key"


@click.group()
def command() -> None:
<<<<<<< HEAD
    """API keys: who may ask /api/v1 what."""


@command.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; repeatable. Else all but raw hits, the account itself and further keys.",
)
@click.option("--all-scopes", is_flag=True, help="Everything, also raw hits and making accounts.")
@click.option("--days", type=click.IntRange(1, 36_500), help="For how long; else until revoked.")
@account_option
@_json_option
@click.pass_context
def add(
    ctx: click.Context,
    name: str,
    scopes: tuple[str, ...],
    all_scopes: bool,
    days: int | None,
    account: str | None,
    as_json: bool,
) -> None:
    """A new key, shown this once."""
    if all_scopes and scopes:
        raise click.UsageError("--scope and --all-scopes exclude each other")
    wanted = frozenset(map(Scope, scopes)) or USUAL_SCOPES
    now = datetime.now(UTC)
    expires_at = None if days is None else now + timedelta(days=days)
    with writing(ctx) as t:
        owner = one_account(t, account)
        key, text = t.add_key(
            owner.id, name, Scope if all_scopes else wanted, now, expires_at=expires_at
        )
    if as_json:
        print_object({**_fields(key), "key": text})
    else:
        click.echo(text)
=======
    """Keys for the API: list, add, revoke."""
>>>>>>> f54e80f (cli: deliveries, statistics, API keys and webhooks for the operator)


@command.command("list")
@account_option
@_json_option
@click.pass_context
def list_(ctx: click.Context, account: str | None, as_json: bool) -> None:
<<<<<<< HEAD
    """The keys of an account, also those that are no longer good."""
=======
    """All keys, also those that are no longer good."""
>>>>>>> f54e80f (cli: deliveries, statistics, API keys and webhooks for the operator)
    with reading(ctx) as t:
        keys = t.keys(one_account(t, account).id)
    if as_json:
        for key in keys:
            print_object(_fields(key))
        return
    now = datetime.now(UTC)
    print_rows(
<<<<<<< HEAD
        ("number", "name", "key", "state", "last used", "scopes"),
=======
        ("key", "name", "begins with", "made", "last used", "ends", "scopes"),
>>>>>>> f54e80f (cli: deliveries, statistics, API keys and webhooks for the operator)
        [
            (
                str(k.id),
                k.name,
<<<<<<< HEAD
                f"{k.prefix}…",
                "good" if k.is_good(now) else "revoked" if k.revoked_at else "expired",
                stamp(k.last_used_at),
=======
                k.prefix,
                stamp(k.created_at),
                stamp(k.last_used_at),
                "-" if k.is_good(now) and not k.expires_at else _end(k),
>>>>>>> f54e80f (cli: deliveries, statistics, API keys and webhooks for the operator)
                " ".join(sorted(k.scopes)),
            )
            for k in keys
        ],
    )


@command.command()
<<<<<<< HEAD
=======
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([s.value for s in Scope]),
    help="What it may do; repeatable. The usual ones when left out.",
)
@click.option("--days", type=click.IntRange(min=1), help="It ends by itself after so many days.")
@account_option
@_json_option
@click.pass_context
def add(
    ctx: click.Context,
    name: str,
    scopes: tuple[str, ...],
    days: int | None,
    account: str | None,
    as_json: bool,
) -> None:
    """A new key called NAME; it is shown once.

    Without --scope it may not read raw hits, change the account, or make keys or accounts.
    """
    now = datetime.now(UTC)
    with writing(ctx) as t:
        key, text = t.add_key(
            one_account(t, account).id,
            name,
            map(Scope, scopes) if scopes else USUAL_SCOPES,
            now,
            expires_at=now + timedelta(days=days) if days else None,
        )
    if as_json:
        print_object({**_fields(key), "key": text})
    else:
        click.echo(text)
        click.echo(f"key {key.id}, shown this once: {' '.join(sorted(key.scopes))}", err=True)


@command.command()
>>>>>>> f54e80f (cli: deliveries, statistics, API keys and webhooks for the operator)
@click.argument("number", type=int)
@account_option
@_json_option
@click.pass_context
def revoke(ctx: click.Context, number: int, account: str | None, as_json: bool) -> None:
<<<<<<< HEAD
    """A key opens nothing from now on."""
    with writing(ctx) as t:
        if not t.revoke_key(one_account(t, account).id, number, datetime.now(UTC)):
            raise NoSuchKey(f"there is no good key {number}; `mailglass key list` shows them")
    if as_json:
        print_object({"revoked": str(number)})
    else:
        click.echo(f"Key {number} is revoked.")


def _fields(key: ApiKey) -> dict[str, Any]:  # Any: JSON
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "created_at": _time(key.created_at),
        "last_used_at": _time(key.last_used_at),
        "expires_at": _time(key.expires_at),
        "revoked_at": _time(key.revoked_at),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")
=======
    """The key NUMBER opens nothing any more."""
    with writing(ctx) as t:
        done = t.revoke_key(one_account(t, account).id, number, datetime.now(UTC))
    if not done:
        raise NoSuchKey(f"there is no good key {number}; `mailglass key list` shows all")
    if as_json:
        print_object({"revoked": number})
    else:
        click.echo(f"key {number} is revoked")


def _end(key: ApiKey) -> str:
    return f"revoked {stamp(key.revoked_at)}" if key.revoked_at else stamp(key.expires_at)


def _fields(key: ApiKey) -> dict[str, object]:
    def text(at: datetime | None) -> str | None:
        return at.isoformat() if at else None

    return {
        "id": key.id,
        "account_id": key.account_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "created_at": text(key.created_at),
        "last_used_at": text(key.last_used_at),
        "expires_at": text(key.expires_at),
        "revoked_at": text(key.revoked_at),
    }
>>>>>>> f54e80f (cli: deliveries, statistics, API keys and webhooks for the operator)
