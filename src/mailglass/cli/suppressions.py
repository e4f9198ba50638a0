"""`mailglass suppressions`: to whom nothing more is sent, and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from ..addresses import readable_address
from ..history import Suppression
from ._history import reading

__all__ = ["command"]


@click.command(short_help="To whom nothing more is sent, and why.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the recipients to whom nothing more is sent, with the reason and the words behind it."""
    with reading(ctx) as t:
        entries = t.suppressions(datetime.now(UTC))
    for entry in entries:
        click.echo(json.dumps(_fields(entry), ensure_ascii=False) if as_json else _line(entry))


def _fields(entry: Suppression) -> dict[str, object]:
    return {
        "account_id": entry.account_id,
        "recipient": entry.recipient,
        "reason": entry.reason,
        "evidence": entry.evidence,
        "since": entry.since.isoformat(),
        "expires_at": entry.expires_at.isoformat() if entry.expires_at else None,
    }


def _line(entry: Suppression) -> str:
    until = f"until {entry.expires_at:%Y-%m-%d}" if entry.expires_at else "until it is lifted"
    return f"{readable_address(entry.recipient)}  {entry.reason}, {until}\n    {entry.evidence}"
