"""How commands show what the history and the spool hold: rows for a person, times, safe text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

import click

__all__ = ["NUMBER", "print_object", "print_rows", "safe", "stamp"]

NUMBER = click.IntRange(0, 2**63 - 1)  # of the history: no more than a database can hold


_WIDEST = 60  # characters of a cell; what is cut stands whole in --json


def safe(text: str) -> str:
    """Text from mail and servers, without the characters that would steer a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def stamp(at: datetime | None) -> str:
    """A time in the reader's own zone, to the second; a dash for none."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else "-"


def print_rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table with plain columns, which `awk` and eyes can read; nothing when there are no rows."""
    cells = [[_cut(safe(cell)) for cell in row] for row in rows]
    if not cells:
        return
    widths = [max(len(row[i]) for row in [list(head), *cells]) for i in range(len(head))]
    for number, row in enumerate([list(head), *cells]):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.secho(line.rstrip(), bold=number == 0)


def print_object(value: object) -> None:
    """One JSON document on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
