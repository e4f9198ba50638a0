"""`mailglass erase`: forget a person."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..history import TaskReport
from ..spool import Spool
from ._history import account_option, account_or_all, writing
from ._rows import print_object
from ._source import settings_of

__all__ = ["command"]


@click.command(short_help="Forget a person.")
@click.argument("address")
@account_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
@click.pass_context
def command(
    ctx: click.Context, address: str, account: str | None, yes: bool, as_json: bool
) -> None:
    """Forget ADDRESS: in deliveries, events, hits, returned mail, webhook notices and the queue.

    Sums stay. That they get no mail and are not tracked, if so, goes on under a keyed digest of
    the address. Backups and the logs of other programs are yours to see to; the journal names no
    recipient and goes by its own days (journal.keep-days).
    """
    if not yes:
        click.confirm(f"Forget {address}? This cannot be undone", abort=True, err=True)
    now = datetime.now(UTC)
    path = settings_of(ctx).data_directory / "spool.db"
    with writing(ctx) as t:
        owner = account_or_all(t, account)
        not_sent = 0
        if path.exists():
            # before the history: what the spool still tells of them must not bring them back
            spool = Spool(path)
            not_sent = spool.forget_recipient(address, owner, now)
            spool.close()
        counts = {**t.erase(owner, address, now).counts, "not sent": not_sent}
        counts = {kind: count for kind, count in counts.items() if count}
        t.add_report(
            TaskReport(
                name="erasure", began_at=now, ended_at=datetime.now(UTC), result={"erased": counts}
            )
        )
    if as_json:
        print_object({"erased": counts})
    else:
        words = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        click.echo(f"forgotten: {words or 'nothing was known of them'}")
