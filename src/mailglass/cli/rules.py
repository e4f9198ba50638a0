"""`mailglass rules`: every observation that is weighed, with its ratio, source and date."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table

from ..evidence import FAMILIES, Learned, Rules, Signal, expected_share, load_rules
from ._console import console
from ._history import reading
from ._source import settings_of


@click.command()
@click.option("--json", "as_json", is_flag=True, help="All rules and tables as one JSON object.")
@click.option(
    "--rules", "extra", type=click.Path(path_type=Path), help="A site's own rules (TOML)."
)
@click.option("--family", type=click.Choice(FAMILIES), help="Only this family of signals.")
@click.option(
    "--table",
    type=click.Choice(["clients", "networks", "names", "mailboxes", "learned"]),
    help="The rows of a table instead of the signals; what was learned of recipient domains.",
)
@click.pass_context
def command(
    ctx: click.Context, as_json: bool, extra: Path | None, family: str | None, table: str | None
) -> None:
    """List the rules by which hits are judged, and what was learned of recipient domains."""
    rules = load_rules(extra)
    learned = _learned(ctx)
    signals = [s for s in rules.signals.values() if family in (None, s.family)]
    if as_json:
        told = {**_as_mapping(rules, signals), "learned": _learned_as_mapping(learned, rules)}
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    elif table == "learned":
        _print_learned(learned, rules)
    elif table is not None:
        console().print(_rows(rules, table))
    else:
        console().print(_signals(rules, signals))
        click.echo(_about(learned))


def _learned(ctx: click.Context) -> Learned | None:
    """What the history of this installation holds; None where there is no history yet."""
    settings = settings_of(ctx)
    if not settings.history_url and not (settings.data_directory / "history.db").exists():
        return None
    with reading(ctx) as t:
        return t.learned()


def _about(learned: Learned | None) -> str:
    if learned is None:
        return "Nothing was learned of recipient domains yet; `mailglass serve` learns once a day."
    domains = len({share.domain for share in learned.shares})
    return (
        f"Learned, version {learned.version} of {learned.at:%Y-%m-%d}: {learned.hits:.0f} decided "
        f"hits of {domains} recipient domains; `mailglass rules --table learned` lists them."
    )


def _print_learned(learned: Learned | None, rules: Rules) -> None:
    click.echo(_about(learned))
    if learned is None:
        return
    table = Table()
    for heading in (
        "domain",
        "hits",
        "people's",
        "machines'",
        "of 100 are expected to be people's",
    ):
        table.add_column(heading, overflow="fold")
    for s in sorted(learned.shares, key=lambda s: -(s.people + s.machines)):
        expected = expected_share(s, rules)
        table.add_row(
            s.domain, s.kind, f"{s.people:.0f}", f"{s.machines:.0f}", f"{expected * 100:.0f}"
        )
    console().print(table)


def _learned_as_mapping(learned: Learned | None, rules: Rules) -> dict[str, Any] | None:
    if learned is None:
        return None
    return {
        "version": learned.version,
        "at": learned.at.isoformat(timespec="seconds"),
        "shares": [{**s._asdict(), "expected": expected_share(s, rules)} for s in learned.shares],
    }


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
