"""`mailglass unsuppress`: send to a recipient again."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..errors import InputError
from ..history import History
from ._source import settings_of

__all__ = ["command"]


@click.command(short_help="Send to a recipient again.")
@click.argument("recipient")
@click.pass_context
def command(ctx: click.Context, recipient: str) -> None:
    """Lift the suppression of RECIPIENT, of every account that has one."""
    history = History(settings_of(ctx).history_address)
    with history.transaction() as t:
        found = t.suppressions(datetime.now(UTC), recipients=[recipient])
        for entry in found:
            t.unsuppress(entry.account_id, entry.recipient)
    if not found:
        raise InputError(f"{recipient} is not suppressed; `mailglass suppressions` lists who is")
    click.echo(f"{recipient} may be written to again")
