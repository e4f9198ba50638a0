"""`mailglass reports`: DMARC and TLS reports of receivers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from ..postmaster import BadReport, DomainReport, ReportFile, read_report, summarise
from ._findings import print_json
from ._source import settings_of

__all__ = ["command"]


def _file(ctx: click.Context) -> ReportFile:
    return ReportFile(settings_of(ctx).data_directory / "reports.jsonl")


@click.group()
def command() -> None:
    """Import and read DMARC and TLS reports."""


@command.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def import_(ctx: click.Context, paths: tuple[Path, ...], as_json: bool) -> None:
    """Import report files, or every file of a folder; what was imported before counts once.

    Exit status: 0 all were reports, 1 some were not (they are named and left out).
    """
    store = _file(ctx)
    added, refused = 0, []
    for path in _files(paths):
        try:
            rows = read_report(path.read_bytes())
        except BadReport as error:
            refused.append(f"{path}: {error}")
            continue
        added += store.add(rows)
        if not as_json:
            click.echo(f"{path}: {len(rows)} rows", err=True)
    if as_json:
        print_json({"added": added, "refused": refused, "file": str(store.path)})
    else:
        click.echo(f"{added} new rows in {store.path}")
        for text in refused:
            click.echo(f"left out: {text}", err=True)
    sys.exit(1 if refused else 0)


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file())
        else:
            yield path


@command.command()
@click.argument("domain", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def show(ctx: click.Context, domain: str | None, as_json: bool) -> None:
    """What the reports say of DOMAIN, or of every domain."""
    rows = _file(ctx).rows()
    found = summarise(row for row in rows if domain in (None, row.domain))
    if as_json:
        print_json({"domains": [asdict(each) for each in found]})
        return
    if not found:
        click.echo("no reports; import some with `mailglass reports import FILE`")
    for each in found:
        _print(each)


def _print(found: DomainReport) -> None:
    share = 100 * found.passed / found.count if found.count else 0.0
    unit = "sessions" if found.kind == "tls" else "messages"
    click.echo(
        f"{found.domain} ({found.kind}): {found.passed} of {found.count} {unit} passed "
        f"({share:.1f} %), told by {', '.join(found.reporters)}"
    )
    for source, count, detail in found.failing:
        click.echo(f"  {count:>8} {source or '-':<40} {detail}")
