"""The command line: one module a command, each thin.

A module `name.py` of this package holds a click command `command`, found by the module's name with
underscores as hyphens, and imported only when it is called, so that a command starts without
loading the others.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import Error
from ._output import watch_output
from ._source import SettingsSource

__all__ = ["main"]


class _Commands(click.Group):
    """Finds the commands among the modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(
            m.name.replace("_", "-")
            for m in pkgutil.iter_modules(__path__)
            if not m.name.startswith("_")
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f".{cmd_name.replace('-', '_')}", __name__)
        command: click.Command = module.command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mailglass")
@click.option(
    "--settings",
    "file",
    type=click.Path(path_type=Path),
    envvar="MAILGLASS_SETTINGS",
    help="Settings file (TOML).",
)
@click.option("--data", metavar="DIR", help="Data directory; short for --set data.directory=DIR.")
@click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting; repeatable."
)
@click.pass_context
def cli(
    ctx: click.Context, file: Path | None, data: str | None, overrides: tuple[str, ...]
) -> None:
    """A looking-glass for e-mail: what happened to a message, and who watches the mail you get."""
    if data:
        overrides = (*overrides, f"data.directory={data}")
    ctx.obj = SettingsSource(file=file, overrides=overrides)


def main(args: list[str] | None = None) -> Any:
    """Run the command line; an error of ours is one line on stderr and its own exit status.

    Returns what click returns, which is never seen: the process exits.
    """
    watch_output()
    try:
        try:
            return cli(args=args, prog_name="mailglass")
        finally:
            sys.stdout.flush()  # what fails here is told like what failed before
    except Error as error:
        with suppress(OSError):  # nobody is left to tell
            click.echo(f"mailglass: {error}", err=True)
        sys.exit(error.exit_status)
