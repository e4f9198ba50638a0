"""`mailglass demo`: the whole product against a simulated world."""

from __future__ import annotations

import asyncio
import sys

import click
from rich.console import Console

from ..app.demo import demo


@click.command()
@click.option(
    "--seconds", type=click.IntRange(5), help="End this many seconds after everything is up."
)
@click.option(
    "--keep/--no-keep", default=None, help="Leave the dashboard up; by default on a terminal only."
)
def command(seconds: int | None, keep: bool | None) -> None:
    """Send 200 letters to simulated mailbox providers on loopback, and show what becomes of them.

    Everything is real but the providers and people: SMTP, HTTP, journal, history, dashboard.
    Nothing leaves this machine, and nothing is kept. Ctrl-C ends it.
    """
    is_kept = sys.stdout.isatty() if keep is None else keep
    asyncio.run(demo(Console(), seconds, keep=is_kept))
