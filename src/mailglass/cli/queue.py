"""`mailglass queue`: the deliveries that are still to be made."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from ..addresses import readable_address
from ..errors import InputError
from ..spool import Spool, Waiting
from ._rows import print_rows, safe, stamp
from ._source import settings_of

__all__ = ["command"]

_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_which = click.argument("names", metavar="WHICH...", nargs=-1)


class NotWaiting(InputError):
    """A delivery or message is not in the queue: it has ended, or its number is mistyped."""

    id = "not-waiting"


@click.group()
def command() -> None:
    """List, hasten and cancel deliveries that are still to be made.

    WHICH is the number of a message or of one delivery, or a recipient's address.
    """


@command.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@_json_option
@click.pass_context
def list_(ctx: click.Context, limit: int, as_json: bool) -> None:
    """The deliveries that wait, the next ones first, and why the last attempt did not succeed."""
    with _OpenSpool(ctx) as spool:
        waiting = spool.waiting(limit=limit)
        count = spool.counts()["delivery"]
    if as_json:
        _print_json(waiting)
        return
    now = datetime.now(UTC)
    print_rows(
        ("delivery", "recipient", "next attempt", "tried", "last answer"),
        [
            (
                str(w.delivery.id),
                readable_address(w.delivery.recipient),
                _when(w, now),
                str(w.attempts),
                w.said,
            )
            for w in waiting
        ],
    )
    more = f", the first {len(waiting)} shown" if len(waiting) < count else ""
    click.echo(f"{count} {'delivery waits' if count == 1 else 'deliveries wait'}{more}")


@command.command()
@click.argument("name", metavar="WHICH")
@_json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Everything that is known of one waiting message, delivery or recipient."""
    with _OpenSpool(ctx) as spool:
        waiting = _find(spool, name)
    if as_json:
        _print_json(waiting)
        return
    for number, each in enumerate(waiting):
        click.echo("\n" if number else "", nl=False)
        for label, value in _fields(each).items():
            click.echo(f"{label.replace('_', ' '):16} {safe(str(value))}")


@command.command()
@_which
@click.option("--all", "everything", is_flag=True, help="Every delivery that waits.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def retry(ctx: click.Context, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Try again now what waits for its next attempt."""
    with _OpenSpool(ctx) as spool:
        done = spool.hasten(_chosen(spool, names, everything), datetime.now(UTC))
    click.echo(
        json.dumps({"hastened": done})
        if as_json
        else f"{done} will be tried at once; `mailglass queue list` shows what comes of it"
    )


@command.command()
@_which
@click.option("--reason", default="cancelled by the operator", show_default=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def cancel(
    ctx: click.Context, names: tuple[str, ...], reason: str, yes: bool, as_json: bool
) -> None:
    """Make no further attempt; the author is not told, and the history says `rejected`.

    An attempt that is under way is seen through.
    """
    with _OpenSpool(ctx) as spool:
        chosen = _chosen(spool, names, everything=False)
        if not yes:
            question = f"Cancel {len(chosen)} {'delivery' if len(chosen) == 1 else 'deliveries'}?"
            click.confirm(question, abort=True, err=True)
        done = spool.cancel(chosen, datetime.now(UTC), reason)
    click.echo(json.dumps({"cancelled": done}) if as_json else f"{done} cancelled")


class _OpenSpool:
    """The spool of the data directory, for as long as a command needs it."""

    def __init__(self, ctx: click.Context) -> None:
        path: Path = settings_of(ctx).data_directory / "spool.db"
        if not path.exists():
            raise InputError(f"there is no spool at {path}; --data names the data directory")
        self._spool = Spool(path)

    def __enter__(self) -> Spool:
        return self._spool

    def __exit__(self, *_: object) -> None:
        self._spool.close()


def _find(spool: Spool, name: str) -> list[Waiting]:
    if name.isdecimal() and int(name) < 2**63:
        found = spool.waiting(number=int(name))
    else:
        found = spool.waiting(recipient=name)
    if not found:
        raise NotWaiting(
            f"{name} is not in the queue; `mailglass queue list` shows what is, and "
            "`mailglass timeline` what became of the rest"
        )
    return found


def _chosen(spool: Spool, names: tuple[str, ...], everything: bool) -> list[int]:
    if everything:
        return [w.delivery.id for w in spool.waiting()]
    if not names:
        raise click.UsageError("name a message, a delivery or a recipient")
    return sorted({w.delivery.id for name in names for w in _find(spool, name)})


def _when(waiting: Waiting, now: datetime) -> str:
    if waiting.is_held:
        return "held"
    if waiting.next_attempt_at <= now:
        return "now"
    return stamp(waiting.next_attempt_at)


def _fields(waiting: Waiting) -> dict[str, object]:
    return {
        "delivery_id": str(waiting.delivery.id),
        "message_id": str(waiting.delivery.message_id),
        "recipient": waiting.delivery.recipient,
        "return_path": waiting.return_path,
        "accepted_at": waiting.accepted_at.isoformat(timespec="milliseconds"),
        "next_attempt_at": waiting.next_attempt_at.isoformat(timespec="milliseconds"),
        "attempts": waiting.attempts,
        "said": waiting.said,
        "policy": waiting.policy.value,
        "is_held": waiting.is_held,
        "size_bytes": waiting.size_bytes,
    }


def _print_json(waiting: list[Waiting]) -> None:
    for each in waiting:
        click.echo(json.dumps(_fields(each), ensure_ascii=False))
