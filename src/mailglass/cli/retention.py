"""`mailglass retention`: what is kept for how long, and the task that lets go of the rest."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from .. import ingest
from ..history import KINDS, MOST_DAYS, OF_ACCOUNTS, History, TaskReport
from ._history import account_option, account_or_all, one_account, reading, writing
from ._rows import print_object, print_rows, stamp
from ._source import settings_of

__all__ = ["command"]

_json_option = click.option("--json", "as_json", is_flag=True, help="For a program.")


@click.group()
def command() -> None:
    """What is kept for how many days, what the nightly task did, and doing it now."""


@command.command()
@account_option
@_json_option
@click.pass_context
def show(ctx: click.Context, account: str | None, as_json: bool) -> None:
    """Each kind of data, its days, and accounts' own days; then the last run."""
    days = settings_of(ctx).retention_days
    with reading(ctx) as t:
        own = t.retention(account_or_all(t, account))
        names = {a.id: a.name for a in t.accounts()}
        last = t.reports(ingest.NIGHTLY)
    if as_json:
        named = {names.get(number, str(number)): kinds for number, kinds in own.items()}
        report = _fields(last[0]) if last else None
        print_object({"days": days, "accounts": named, "last_run": report})
        return
    rows = [(kind, _days(days[kind]), "all", about) for kind, about in KINDS.items()]
    rows += [
        (kind, _days(number), names.get(owner, "?"), KINDS[kind])
        for owner, kinds in own.items()
        for kind, number in kinds.items()
    ]
    print_rows(("kind", "days", "account", "what"), sorted(rows))
    if last:
        _print(last[0])
    else:
        click.echo("it has not run yet")


@command.command("set")
@click.argument("kind", type=click.Choice(OF_ACCOUNTS))
@click.argument("days", type=click.IntRange(0, MOST_DAYS), required=False)
@account_option
@_json_option
@click.pass_context
def set_(
    ctx: click.Context, kind: str, days: int | None, account: str | None, as_json: bool
) -> None:
    """Give an account its own number of DAYS for KIND; 0 keeps for ever, none is the setting's."""
    with writing(ctx) as t:
        t.set_retention(one_account(t, account).id, kind, days)
    if as_json:
        print_object({"kind": kind, "days": days})
    else:
        click.echo(f"{kind}: {'as the settings say' if days is None else _days(days)}")


@command.command()
@_json_option
@click.pass_context
def run(ctx: click.Context, as_json: bool) -> None:
    """Do now what the nightly task does; it may run beside everything else."""
    settings = settings_of(ctx)
    history = History(settings.history_address)
    try:
        nightly = ingest.Nightly(
            history=history,
            days=settings.retention_days,
            at=settings.retention_at,
            clock=lambda: datetime.now(UTC),
            tell=lambda words: click.echo(words, err=True),
        )
        report = nightly.run()
    finally:
        history.close()
    if as_json:
        print_object(_fields(report))
    else:
        _print(report)


def _days(days: int) -> str:
    return f"{days} days" if days else "for ever"


def _fields(report: TaskReport) -> dict[str, object]:
    return {
        "began_at": report.began_at.isoformat(),
        "ended_at": report.ended_at.isoformat() if report.ended_at else None,
        **report.result,
    }


def _print(report: TaskReport) -> None:
    removed = report.result.get("removed", {})
    gone = ", ".join(f"{n} {kind}" for kind, n in removed.items() if n) or "nothing"
    click.echo(f"run of {stamp(report.began_at)}: let go of {gone}")
