"""`mailglass rejudge`: judge the kept hits again, and say what changes and why."""

from __future__ import annotations

import gc
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import orjson

from ..errors import InputError
from ..evidence import load_rules, with_learned
from ..history import History
from ..ingest import Rejudged, Rejudging, rejudge
from ._source import settings_of

# Objects made before the collector of cycles looks: nothing here makes cycles, and its looking
# took a quarter of the time over a million hits (measured 2026-11-28).
_SELDOM = (200_000, 20, 50)
_SHOWN = 20  # changes told one by one, unless all are asked for
_AGO = re.compile(r"(\d{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


@click.command()
@click.option(
    "--since", help="Only deliveries with an event since then: 2026-11-01, or 7d, 12h, 2w."
)
@click.option(
    "--rules",
    "extra",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A site's own rules (TOML) instead of the setting's.",
)
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@click.option("--all", "tell_all", is_flag=True, help=f"Tell every change, not the first {_SHOWN}.")
@click.option("--json", "as_json", is_flag=True, help="Every change as one JSON object a line.")
@click.pass_context
def command(
    ctx: click.Context,
    since: str | None,
    extra: Path | None,
    dry_run: bool,
    tell_all: bool,
    as_json: bool,
) -> None:
    """Judge the hits of the history again by the rules as they are now.

    Hits that are no longer kept stay as they were judged. Ingest may run meanwhile; start it anew
    when the rules themselves have changed, so that it judges by them too.
    """
    settings = settings_of(ctx)
    now = datetime.now(UTC)
    history = History(settings.history_address)
    ctx.call_on_close(history.close)
    lists = settings.data_directory / "networks"
    rules = load_rules(extra or settings.rules_file, lists=lists, now=now)
    with history.reading() as t:
        rules = with_learned(rules, t.learned())
    so_far = Rejudging()
    meter = _Meter()
    seldom_collect()
    told = 0
    for one in rejudge(
        history,
        rules,
        now,
        since=None if since is None else _moment(since, now),
        dry_run=dry_run,
        so_far=so_far,
        progress=lambda count: meter.show(count, so_far),
    ):
        if as_json:
            click.echo(orjson.dumps(_as_mapping(one)))
        elif tell_all or told < _SHOWN:
            click.echo(_sentence(one))
        told += 1
    meter.end()
    if as_json:
        click.echo(orjson.dumps({"summary": _summary(so_far, rules.version, dry_run)}))
    else:
        _print_summary(so_far, rules.version, dry_run, left=0 if tell_all else told - _SHOWN)


def seldom_collect() -> None:
    """Have the collector of cycles look seldom, and never at what was loaded so far."""
    gc.freeze()
    gc.set_threshold(*_SELDOM)


class _Meter:
    """How far it is, on a terminal."""

    def __init__(self) -> None:
        self._read = 0
        self._is_shown = sys.stderr.isatty()

    def show(self, count: int, so_far: Rejudging) -> None:
        self._read += count
        if self._is_shown:
            text = f"{self._read} hits read, {so_far.hits} judged, {so_far.hits_changed} changed"
            click.echo(f"\r{text}", nl=False, err=True)

    def end(self) -> None:
        if self._is_shown:
            click.echo("", err=True)


def _moment(text: str, now: datetime) -> datetime:
    if ago := _AGO.fullmatch(text):
        return now - timedelta(hours=int(ago[1]) * _HOURS[ago[2]])
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"--since {text!r} is neither a date such as 2026-11-01 nor an age such as 7d, 12h, 2w"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _as_mapping(one: Rejudged) -> dict[str, object]:
    return {
        "delivery_id": str(one.delivery_id),
        "hit_id": None if one.hit_id is None else str(one.hit_id),
        "before": one.change.before,
        "after": one.change.after,
        "why": one.change.why,
        "decisive": one.change.is_decisive,
    }


def _sentence(one: Rejudged) -> str:
    what = f"delivery {one.delivery_id}"
    if one.hit_id is not None:
        what += f" hit {one.hit_id}"
    why = f" ({one.change.why})" if one.change.why else ""
    return f"{what}: {one.change.before} -> {one.change.after}{why}"


def _summary(so_far: Rejudging, version: str, dry_run: bool) -> dict[str, object]:
    return {
        "rules_version": version,
        "dry_run": dry_run,
        "deliveries": so_far.deliveries,
        "hits": so_far.hits,
        "hits_changed": so_far.hits_changed,
        "hits_decided_otherwise": so_far.hits_decided_otherwise,
        "verdicts_changed": so_far.verdicts_changed,
        "kinds": [
            {"of": of, "before": before, "after": after, "number": number}
            for (of, before, after), number in so_far.kinds.most_common()
        ],
    }


def _print_summary(so_far: Rejudging, version: str, dry_run: bool, left: int) -> None:
    if left > 0:
        click.echo(f"... and {left} more; --all tells each")
    for (of, before, after), number in so_far.kinds.most_common(_SHOWN):
        click.echo(f"{number:>9}  {of}: {before} -> {after}")
    would = "would change" if dry_run else "changed"
    click.echo(
        f"rules {version}: {so_far.hits} hits of {so_far.deliveries} deliveries judged again; "
        f"{so_far.hits_changed} hits {would}, {so_far.hits_decided_otherwise} of them in verdict "
        f"or actor, and {so_far.verdicts_changed} verdicts"
    )
    if dry_run:
        click.echo("nothing was written; run it without --dry-run to write it")
