"""`mailglass key`: API keys of an account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..errors import InputError
from ..history import USUAL_SCOPES, ApiKey, Belongings, Scope
from ._history import account_option, one_account, reading, writing
from ._rows import NUMBER, print_object, print_rows, stamp

__all__ = ["NoSuchKey", "command"]

_json_option = click.option("--json", "as_json", is_flag=True, help="For a program.")


class NoSuchKey(InputError):
    """The account has no key of this number that is still good."""

    id = "no-such-key"


@click.group()
def command() -> None:
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
        key, text = Belongings(t, owner.id).add_key(
            name, Scope if all_scopes else wanted, now, expires_at=expires_at
        )
    if as_json:
        print_object({**_fields(key), "key": text})
    else:
        click.echo(text)


@command.command("list")
@account_option
@_json_option
@click.pass_context
def list_(ctx: click.Context, account: str | None, as_json: bool) -> None:
    """The keys of an account, also those that are no longer good."""
    with reading(ctx) as t:
        keys = t.keys(one_account(t, account).id)
    if as_json:
        for key in keys:
            print_object(_fields(key))
        return
    now = datetime.now(UTC)
    print_rows(
        ("number", "name", "key", "state", "last used", "scopes"),
        [
            (
                str(k.id),
                k.name,
                f"{k.prefix}…",
                "good" if k.is_good(now) else "revoked" if k.revoked_at else "expired",
                stamp(k.last_used_at),
                " ".join(sorted(k.scopes)),
            )
            for k in keys
        ],
    )


@command.command()
@click.argument("number", type=NUMBER)
@account_option
@_json_option
@click.pass_context
def revoke(ctx: click.Context, number: int, account: str | None, as_json: bool) -> None:
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
