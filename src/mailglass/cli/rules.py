"""`mailglass rules`: every observation that is weighed, with its ratio, source and date."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from ..evidence import FAMILIES, Rules, Signal, load_rules


@click.command()
@click.option("--json", "as_json", is_flag=True, help="All rules and tables as one JSON object.")
@click.option(
    "--rules", "extra", type=click.Path(path_type=Path), help="A site's own rules (TOML)."
)
@click.option("--family", type=click.Choice(FAMILIES), help="Only this family of signals.")
@click.option(
    "--table",
    type=click.Choice(["clients", "networks", "names"]),
    help="The rows of a table instead of the signals.",
)
def command(as_json: bool, extra: Path | None, family: str | None, table: str | None) -> None:
    """List the rules by which hits are judged."""
    rules = load_rules(extra)
    signals = [s for s in rules.signals.values() if family in (None, s.family)]
    if as_json:
        click.echo(orjson.dumps(_as_mapping(rules, signals), option=orjson.OPT_INDENT_2))
    elif table is not None:
        Console().print(_rows(rules, table))
    else:
        Console().print(_signals(rules, signals))


def _signals(rules: Rules, signals: list[Signal]) -> Table:
    table = Table(title=f"Rules {rules.version}", show_lines=False)
    for heading in ("signal", "ratio", "weight", "says", "source", "as of"):
        table.add_column(heading, overflow="fold")
    for s in sorted(signals, key=lambda s: (FAMILIES.index(s.family), s.weight)):
        table.add_row(s.name, _ratio(s.weight), f"{s.weight:+.1f}", s.text, s.source, s.as_of)
    return table


def _rows(rules: Rules, name: str) -> Table:
    rows = rules.rows[name]
    columns = list(rows[0])
    table = Table(title=f"{name} of rules {rules.version}")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(row.get(column, "") for column in columns))
    return table


def _ratio(weight: float) -> str:
    if weight < 0:
        return f"1/{math.exp(-weight):.3g}"
    return f"{math.exp(weight):.3g}"


def _as_mapping(rules: Rules, signals: list[Signal]) -> dict[str, Any]:
    return {
        "version": rules.version,
        **{name: dict(values) for name, values in rules.numbers.items()},
        "signals": [
            {
                "name": s.name,
                "family": s.family,
                "weight": round(s.weight, 4),
                "ratio": _ratio(s.weight),
                "text": s.text,
                "source": s.source,
                "as_of": s.as_of,
                "file": s.file,
            }
            for s in signals
        ],
        **{name: [dict(row) for row in rows] for name, rows in rules.rows.items()},
    }
