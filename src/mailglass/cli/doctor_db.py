"""`mailglass doctor-db`: whether the data of this installation hold together."""

from __future__ import annotations

import sys

import click

from .. import app
from ._findings import exit_status, finding_rows, print_findings, print_json
from ._source import settings_of

__all__ = ["command"]


@click.command("doctor-db", short_help="Check the history, journal and spool; migrate.")
@click.option(
    "--migrate", is_flag=True, help="Bring the history's schema up to this program first."
)
@click.option(
    "--rebuild-counts", is_flag=True, help="Count all that pages show anew from the events first."
)
@click.option("--brief", is_flag=True, help="Leave out what is well.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def command(
    ctx: click.Context, migrate: bool, rebuild_counts: bool, brief: bool, as_json: bool
) -> None:
    """Check integrity, schema, orphans, counts, journal, spool, what was set aside, and disk.

    Only reads, beside running roles; counting all events again takes some seconds a million.
    --migrate wants every role stopped; --rebuild-counts makes ingest wait for it.

    Exit status: 0 all well, 1 a warning, 2 a failure, 3 nothing bad but something unknown.
    """
    settings = settings_of(ctx)
    made = app.migrate_history(settings) if migrate else []
    if rebuild_counts:
        app.rebuild_counts(settings)
    show = sys.stderr.isatty() and not as_json
    findings = app.examine_database(
        settings, tell=lambda name: click.echo(f"looking at {name}", err=True) if show else None
    )
    if as_json:
        steps = [step.revision for step in made]
        print_json({"migrated": steps, "findings": finding_rows(findings)})
    else:
        for step in made:
            click.echo(f"migrated: {step.revision}")
        print_findings(findings, brief=brief)
    sys.exit(exit_status(findings))
