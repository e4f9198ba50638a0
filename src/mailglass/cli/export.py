"""`mailglass export`: what is known, for whoever has a right to it or wants to look elsewhere."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ..history import StoredEvent, Transaction
from ..spool import Spool, Waiting
from ._files import write_file, write_output
from ._history import account_option, account_or_all, reading
from ._source import settings_of

__all__ = ["command"]

_BATCH = 1000
_COLUMNS = ("id", "at", "type", "account_id", "message_id", "delivery_id", "recipient", "raw")
_to = click.option(
    "--to", type=click.Path(path_type=Path), help="A file; standard output when left out."
)


@click.group()
def command() -> None:
    """Export a person's data, or the events of the history."""


@command.command()
@click.argument("address")
@account_option
@_to
@click.option("--json", "as_json", is_flag=True, help="JSON is what it gives in any case.")
@click.pass_context
def person(
    ctx: click.Context, address: str, account: str | None, to: Path | None, as_json: bool
) -> None:
    """Everything that is known of ADDRESS, as one JSON document.

    Consents, policies, suppressions, each message they were sent with its events and hits, mail
    that came back about them, and what still waits to be sent to them.
    """
    with reading(ctx) as t:
        owner = account_or_all(t, account)
        found = dict(t.person(owner, address))
    found["waiting"] = _waiting(settings_of(ctx).data_directory, address, owner)
    _write([json.dumps(found, ensure_ascii=False, indent=2).encode() + b"\n"], to)


@command.command()
@account_option
@click.option("--after", type=click.IntRange(min=0), default=0, help="Begin behind this number.")
@click.option("--csv", "as_csv", is_flag=True, help="A table instead of one JSON object a line.")
@_to
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as without it.")
@click.pass_context
def events(
    ctx: click.Context,
    account: str | None,
    after: int,
    as_csv: bool,
    to: Path | None,
    as_json: bool,
) -> None:
    """All events in the order of their numbers: told by servers and mail, and judged from hits."""
    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both")
    with reading(ctx) as t:
        rows = _events(t, account_or_all(t, account), after, to is not None)
        _write(_csv(rows) if as_csv else (_line(row) for row in rows), to)


def _waiting(directory: Path, address: str, account_id: int | None) -> list[Mapping[str, Any]]:
    path = directory / "spool.db"
    if not path.exists():
        return []
    spool = Spool(path)
    try:
        return [_queued(w) for w in spool.waiting(recipient=address, account_id=account_id)]
    finally:
        spool.close()


def _queued(waiting: Waiting) -> Mapping[str, Any]:
    return {
        "delivery_id": str(waiting.delivery.id),
        "message_id": str(waiting.delivery.message_id),
        "next_attempt_at": waiting.next_attempt_at.isoformat(),
        "attempts": waiting.attempts,
        "said": waiting.said,
    }


def _events(
    t: Transaction, account_id: int | None, after: int, tell: bool
) -> Iterator[Mapping[str, Any]]:
    count = 0
    while found := t.events_after(account_id, after, limit=_BATCH):
        owners = {d.id: d for d in t.deliveries(e.delivery_id for e in found)}
        for event in found:
            owner = owners.get(event.delivery_id)
            yield {
                **event.as_json(),
                "account_id": event.account_id,
                "message_id": str(owner.message_id) if owner else None,
                "recipient": owner.recipient if owner else None,
            }
        after, count = _last(found), count + len(found)
        if tell and sys.stderr.isatty():
            click.echo(f"\r{count} events", nl=False, err=True)
    if tell:
        click.echo(f"{count} events", err=True)


def _last(found: list[StoredEvent]) -> int:
    return found[-1].id


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, default=_plain).encode() + b"\n"


def _csv(rows: Iterator[Mapping[str, Any]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row in rows:
        raw = json.dumps(row["raw"], ensure_ascii=False, default=_plain)
        writer.writerow([_cell({**row, "raw": raw}[name]) for name in _COLUMNS])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _cell(value: Any) -> str:  # Any: JSON
    """A cell that a spreadsheet takes for text: one that begins like a formula is quoted."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _write(pieces: Any, to: Path | None) -> None:  # Any: an iterable of bytes
    if to is None:
        write_output(pieces)
    else:
        write_file(to, pieces)
