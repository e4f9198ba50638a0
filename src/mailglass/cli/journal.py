"""`mailglass journal`: check, print and replay the durable log of hits."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from ..errors import CorruptRecord, InputError
from ..journal import Cursor, Poison, Report, Writer, follow, is_journal
from ..journal import replay as replay_hits
from ..journal import verify as verify_journal
from ..model import Hit

__all__ = ["command"]

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


@click.group()
def command() -> None:
    """Check, print and replay the journal of hits."""


@command.command()
@click.argument("directory", type=_DIRECTORY)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(directory: Path, as_json: bool) -> None:
    """Read every record in DIRECTORY and check it; damage is an error."""
    _see_journal(directory)
    report = verify_journal(directory)
    if as_json:
        click.echo(orjson.dumps(_as_data(report), option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2))
    else:
        _print_report(report)
    if report.missing:
        raise CorruptRecord(f"missing in {directory}: {', '.join(report.missing)}")
    if report.poison:
        raise CorruptRecord(
            f"{len(report.poison)} stretches of {directory} are no record; readers pass over them "
            "and keep them, and the hits around them are whole"
        )


@command.command()
@click.argument("directory", type=_DIRECTORY)
@click.option("--since", metavar="CURSOR", default="0:0", help="Begin behind this position.")
@click.option("--limit", type=click.IntRange(min=1), help="Print at most so many records.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def dump(directory: Path, since: str, limit: int | None, as_json: bool) -> None:
    """Print the hits in DIRECTORY, oldest first; with --json, damage too."""
    _see_journal(directory)
    show = _json_line if as_json else _text_line
    for number, (cursor, item) in enumerate(follow(directory, Cursor.parse(since))):
        if number == limit:
            break
        click.echo(show(cursor, item))


@command.command()
@click.argument("source", type=_DIRECTORY)
@click.option(
    "--into",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The journal that receives the hits; its collector must be stopped.",
)
@click.option("--after", type=click.DateTime(_TIMES), help="Only hits at or after this UTC time.")
@click.option("--before", type=click.DateTime(_TIMES), help="Only hits before this UTC time.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def replay(
    source: Path, target: Path, after: datetime | None, before: datetime | None, as_json: bool
) -> None:
    """Append the hits of the journal SOURCE to another one, for ingest to read again.

    A hit that is replayed twice is there twice: replay into an empty journal to be sure.
    """
    if source.resolve() == target.resolve():
        raise click.UsageError("SOURCE and --into are the same directory")
    _see_journal(source)
    writer = Writer(target)
    try:
        hits, poison = replay_hits(
            source,
            writer,
            after=after and after.replace(tzinfo=UTC),
            before=before and before.replace(tzinfo=UTC),
            tell=lambda count: click.echo(f"{count} hits", err=True),
        )
        end = str(writer.end)
    finally:
        writer.close()
    if as_json:
        click.echo(orjson.dumps({"hits": hits, "poison": poison, "end": end}))
    else:
        click.echo(f"{hits} hits replayed, {poison} damaged records left behind; the end is {end}")


def _see_journal(directory: Path) -> None:
    """Raises InputError for a directory that holds no journal: nothing in it is wrong, or right."""
    if not is_journal(directory):
        raise InputError(
            f"{directory} holds no journal; that of a data directory is its folder `journal`, "
            "made when the collector starts"
        )


def _print_report(report: Report) -> None:
    for segment in report.segments:
        click.echo(
            f"segment {segment.segment}: {segment.hits} hits, {segment.size_bytes} bytes, "
            f"{segment.first_at or '-'} to {segment.last_at or '-'}"
        )
    for path in report.torn:
        click.echo(f"cut after a crash: {path} ({path.stat().st_size} bytes, never answered)")
    for text in report.missing:
        click.echo(f"missing: {text}")
    for item in report.poison:
        click.echo(f"damaged at {item.at}: {item.reason}")
    click.echo(f"{report.hits} hits, {len(report.poison)} damaged, end {report.end}")


def _as_data(report: Report) -> dict[str, object]:
    return {
        "end": str(report.end),
        "hits": report.hits,
        "segments": [asdict(segment) for segment in report.segments],
        "poison": [_poison_data(item) for item in report.poison],
        "torn": [str(path) for path in report.torn],
        "missing": list(report.missing),
    }


def _poison_data(item: Poison) -> dict[str, str]:
    return {
        "at": str(item.at),
        "reason": item.reason,
        "raw": item.raw.decode("utf-8", "backslashreplace"),
    }


def _json_line(cursor: Cursor, item: Hit | Poison) -> bytes:
    record = {"poison": _poison_data(item)} if isinstance(item, Poison) else item
    return orjson.dumps({"cursor": str(cursor), "record": record}, option=orjson.OPT_UTC_Z)


def _text_line(cursor: Cursor, item: Hit | Poison) -> str:
    if isinstance(item, Poison):
        return f"{cursor}  damaged: {item.reason}"
    at = item.at.isoformat(timespec="milliseconds")
    whose = item.delivery_id if item.delivery_id is not None else "unverified"
    agent = ascii(item.headers.get("user-agent", "-"))  # no control sequences on a terminal
    return f"{cursor}  {at}  {item.path_kind} {item.method} {whose} {item.address} {agent}"
