"""`mailglass config`: every setting, its value, and where the value came from."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.table import Table

from ..evidence import load_rules
from ._console import console
from ._source import SettingsSource


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, by name.")
@click.pass_obj
def command(source: SettingsSource, as_json: bool) -> None:
    """Show each setting's value and its origin; secrets only as set or not.

    Wrong ones are all named at once, and so is what is wrong in the file of rules.file.
    """
    settings, origins = source.load()
    if settings.rules_file:
        load_rules(settings.rules_file)  # what is wrong in it is named here, not when serve starts
    if as_json:
        click.echo(json.dumps({o.name: asdict(o) for o in origins}, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("setting", "value", "from", "meaning"):
        table.add_column(heading, overflow="fold")
    for origin in origins:
        table.add_row(origin.name, origin.value, origin.origin, origin.about)
    console().print(table)
