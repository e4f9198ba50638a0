"""`mailglass unsuppress`: send to a recipient again."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..errors import InputError
from ._history import writing

__all__ = ["command"]


@click.command(short_help="Send to a recipient again.")
@click.argument("recipient")
@click.pass_context
def command(ctx: click.Context, recipient: str) -> None:
    """Lift the suppression of RECIPIENT, of every account that has one."""
    with writing(ctx) as t:
        found = t.suppressions(datetime.now(UTC), recipients=[recipient])
        for entry in found:
            t.unsuppress(entry.account_id, entry.recipient)
    if not found:
        raise InputError(f"{recipient} is not suppressed; `mailglass suppressions` lists who is")
    click.echo(f"{recipient} may be written to again")
