"""`mailglass stats`: the counts, people and machines apart."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..addresses import readable_address
from ..history import PERIODS, Counts, Dimension, Period, Transaction
from ._history import account_option, one_account, reading
from ._rows import print_object, print_rows, stamp

__all__ = ["command"]

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_SHOWN = ("queued", "delivered", "bounced", "opened", "clicked", "downloaded", "replied")
_HITS = ("human", "machine", "undetermined")


@click.command(short_help="Counts by account, message, campaign, tag or recipient domain.")
@click.option(
    "--by",
    type=click.Choice([d.value for d in Dimension]),
    default=Dimension.ACCOUNT.value,
    show_default=True,
)
@click.option(
    "--period",
    type=click.Choice([p.value for p in Period]),
    default=Period.TOTAL.value,
    show_default=True,
)
@click.option("--name", "names", multiple=True, help="Only this campaign, tag, domain or message.")
@click.option("--since", type=click.DateTime(_TIMES), help="UTC; with --period day or hour.")
@click.option("--until", type=click.DateTime(_TIMES), help="UTC; the first moment left out.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@account_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with every counter.")
@click.pass_context
def command(
    ctx: click.Context,
    by: str,
    period: str,
    names: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    limit: int,
    account: str | None,
    as_json: bool,
) -> None:
    """Counts kept beside the events: no hit is scanned, and what was let go still counts.

    Opened, clicked and downloaded are people's alone; beacon, link and attachment hits are counted
    by who was behind them: human, machine, undetermined.
    """
    dimension, wanted = Dimension(by), Period(period)
    if wanted not in PERIODS[dimension]:
        kept = ", ".join(p.value for p in PERIODS[dimension])
        raise click.UsageError(f"by {by} there are: {kept}")
    with reading(ctx) as t:
        owner = one_account(t, account).id
        rows = _rows(t, owner, dimension, wanted, names, since, until, limit)
    if as_json:
        for name, counts in rows:
            print_object(
                {
                    by: name,
                    "start": counts.start.isoformat() if counts.start else None,
                    **dict(counts.counts),
                }
            )
        return
    print_rows(
        (by, "from", *_SHOWN, *_HITS),
        [
            (
                readable_address(name) if dimension is Dimension.DOMAIN else name,
                stamp(counts.start) if counts.start else "-",
                *(str(counts[counter]) for counter in _SHOWN),
                *(str(_hits(counts, who)) for who in _HITS),
            )
            for name, counts in rows
        ],
    )
    if not rows:
        click.echo("nothing was counted there")


def _rows(
    t: Transaction,
    owner: int,
    dimension: Dimension,
    period: Period,
    names: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[tuple[str, Counts]]:
    keys = _keys(t, owner, dimension, names)
    if keys is None and period is Period.TOTAL and dimension is not Dimension.ACCOUNT:
        found = t.largest(owner, dimension, limit)
    else:
        found = t.counts(
            owner,
            dimension,
            period,
            keys=keys,
            since=since and since.replace(tzinfo=UTC),
            until=until and until.replace(tzinfo=UTC),
        )[-limit:]
    if dimension is Dimension.ACCOUNT:
        return [(t.account(owner).name, counts) for counts in found]
    if dimension is Dimension.MESSAGE:
        return [(str(counts.key), counts) for counts in found]
    called = t.dimension_names(owner, dimension, {c.key for c in found})
    return [(called.get(c.key) or "(not told apart)", c) for c in found]


def _keys(
    t: Transaction, owner: int, dimension: Dimension, names: tuple[str, ...]
) -> list[int] | None:
    if not names or dimension is Dimension.ACCOUNT:
        return None
    if dimension is Dimension.MESSAGE:
        return [int(name) for name in names if name.isdecimal()]
    return list(t.dimension_keys(owner, dimension, names))


def _hits(counts: Counts, who: str) -> int:
    return sum(counts[f"{what}_{who}"] for what in ("beacon", "link", "attachment", "page"))
