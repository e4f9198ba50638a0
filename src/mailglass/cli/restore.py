"""`mailglass restore`: take the edits of a plan back, exactly."""

from __future__ import annotations

from pathlib import Path

import click

from ..instrument import read_plan, restore
from ._files import read_input, write_output

__all__ = ["command"]


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default=Path("-"))
@click.option(
    "--plan",
    "plan_file",
    required=True,
    type=click.Path(path_type=Path),
    help="The plan that `mailglass instrument` wrote.",
)
def command(file: Path, plan_file: Path) -> None:
    """Write the original of an instrumented message to standard output.

    A message that was changed since is refused: the plan would not give the original back.
    """
    plan = read_plan(read_input(plan_file))
    write_output([restore(read_input(file), plan)])
