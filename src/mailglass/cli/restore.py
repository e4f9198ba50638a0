"""`mailglass restore`: take the edits of a plan back, exactly."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..instrument import read_plan, restore

__all__ = ["command"]


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default=Path("-"))
@click.option(
    "--plan",
    "plan_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The plan that `mailglass instrument` wrote.",
)
def command(file: Path, plan_file: Path) -> None:
    """Write the original of an instrumented message to standard output.

    A message that was changed since is refused: the plan would not give the original back.
    """
    instrumented = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    sys.stdout.buffer.write(restore(instrumented, read_plan(plan_file.read_bytes())))
