"""How commands get at the history: opened with the settings' address, one transaction a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..errors import InputError
from ..history import Account, History, Transaction
from ._source import settings_of

__all__ = [
    "NoSuchAccount",
    "account_option",
    "account_or_all",
    "one_account",
    "opened",
    "reading",
    "writing",
]


class NoSuchAccount(InputError):
    """No account has this name, or there are several and none was named."""

    id = "no-such-account"


account_option = click.option(
    "--account", metavar="NAME", help="The account; needed when there are several."
)


@contextmanager
def opened(ctx: click.Context) -> Iterator[History]:
    """The history, for a command that makes its transactions itself."""
    history = History(settings_of(ctx).history_address)
    try:
        yield history
    finally:
        history.close()


@contextmanager
def reading(ctx: click.Context) -> Iterator[Transaction]:
    """The history, to be read only."""
    with opened(ctx) as history, history.reading() as t:
        yield t


@contextmanager
def writing(ctx: click.Context) -> Iterator[Transaction]:
    """The history; everything that a command writes is one transaction."""
    with opened(ctx) as history, history.transaction() as t:
        yield t


def one_account(t: Transaction, name: str | None) -> Account:
    """The account of that name, or the only one; raises NoSuchAccount."""
    accounts = t.accounts()
    found = [a for a in accounts if name in (None, a.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(a.name for a in accounts) or "none; `mailglass setup` makes one"
    if name is None:
        raise NoSuchAccount(f"name an account with --account; there are: {names}")
    raise NoSuchAccount(f"there is no account {name!r}; there are: {names}")


def account_or_all(t: Transaction, name: str | None) -> int | None:
    """The account's number, None for all when none was named."""
    return None if name is None else one_account(t, name).id
