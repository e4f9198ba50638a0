"""`mailglass serve`: the whole product on one machine, or one role of it."""

from __future__ import annotations

import asyncio
import sys

import click

from .. import app
from ..settings import OPTIONAL_ROLES, ROLES
from ._source import SettingsSource


@click.command()
@click.argument("role", required=False, type=click.Choice((*ROLES, *OPTIONAL_ROLES)))
@click.pass_obj
def command(source: SettingsSource, role: str | None) -> None:
    """Run everything, or one ROLE in this process.

    Without a role each role runs in a process of its own and is started again when it dies.
    SIGTERM and Ctrl-C drain: what is under way ends, nothing new begins.
    """
    settings, _ = source.load()
    app.start_logging(settings.log_level, settings.log_format)
    if role:
        app.run_role(role, settings)
        return
    made = app.prepare(settings)
    if made:
        click.echo(app.welcome(settings, made))
    optional = [name for name in ("guard-proxy",) if settings.proxy_url]
    supervisor = app.Supervisor(
        tuple(dict.fromkeys((*settings.roles, *optional))),
        lambda name: [sys.executable, "-m", "mailglass", *source.arguments(), "serve", name],
        lambda: click.echo(app.ready_text(settings)),
    )
    if not asyncio.run(supervisor.run()):
        sys.exit(1)
