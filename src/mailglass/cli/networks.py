"""`mailglass networks`: refresh the published lists of networks, and show how old they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click

from ..errors import Error, InputError, RetryLater
from ..evidence import BadList, ListSource, keep_list, kept_lists, list_sources
from ..lookup import DnsResolver, FetchOutcome, Page, WebFetcher
from ._source import settings_of

_MOST_BYTES = 64 << 20
_SECONDS = 120.0  # Apple's 12 MB at 1 Mbit/s


class _Found(NamedTuple):
    """What was found of one list."""

    at: datetime  # fetched, or the oldest file's time
    parts: tuple[bytes | BadList, ...]


@click.group()
def command() -> None:
    """Published lists of networks: Apple's egress, Google's crawlers, Microsoft's filters."""


@command.command()
@click.option(
    "--from",
    "places",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file, or a directory of files, whose names begin with a list's name; nothing is "
    "fetched then.",
)
@click.option("--only", multiple=True, help="A list's name; all lists without this.")
@click.pass_context
def refresh(ctx: click.Context, places: tuple[Path, ...], only: tuple[str, ...]) -> None:
    """Fetch the lists, check them, and keep those that are good.

    A list that cannot be fetched or is wrong leaves the last good one in place.
    """
    sources = _chosen(only)
    contents = _from_files(places, sources) if places else asyncio.run(_fetched(sources))
    if not contents:
        raise InputError(f"no file begins with the name of a list: {_names(list_sources())}")
    directory = settings_of(ctx).data_directory / "networks"
    failed = 0
    for source in sources:
        found = contents.get(source.name)
        if found is None:
            continue
        try:
            kept = keep_list(source, _good(found.parts), directory, found.at)
        except Error as error:
            failed += 1
            click.echo(f"{source.name}: kept as it was: {error}", err=True)
        else:
            click.echo(f"{source.name}: {len(kept.prefixes)} prefixes")
    if failed:
        raise RetryLater(f"{failed} of {len(contents)} lists were not refreshed")


@command.command()
@click.pass_context
def show(ctx: click.Context) -> None:
    """Show the lists, their age, and what their signals still count for."""
    now = datetime.now(UTC)
    kept = {k.source.name: k for k in kept_lists(settings_of(ctx).data_directory / "networks")}
    for source in list_sources():
        found = kept.get(source.name)
        if found is None:
            click.echo(f"{source.name}: never refreshed ({source.url})")
            continue
        click.echo(
            f"{source.name}: {len(found.prefixes)} prefixes, {found.age_days(now):.1f} days old, "
            f"counts for {found.fresh_share(now):.0%}"
        )


def _chosen(only: tuple[str, ...]) -> list[ListSource]:
    sources = list_sources()
    unknown = set(only) - {s.name for s in sources}
    if unknown:
        raise InputError(f"no list is called {min(unknown)!r}; there are {_names(sources)}")
    return [s for s in sources if not only or s.name in only]


def _names(sources: Iterable[ListSource]) -> str:
    return ", ".join(s.name for s in sources)


def _from_files(places: Iterable[Path], sources: Iterable[ListSource]) -> dict[str, _Found]:
    """The contents by list; of two lists whose names begin a file's, the longer one has it."""
    files = sorted(f for p in places for f in (p.iterdir() if p.is_dir() else (p,)) if f.is_file())
    found: dict[str, _Found] = {}
    for file in files:
        owner = max(
            (s.name for s in sources if file.name.startswith(s.name)), key=len, default=None
        )
        if owner is not None:
            written_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            so_far = found.get(owner, _Found(written_at, ()))
            at = min(so_far.at, written_at)
            found[owner] = _Found(at, (*so_far.parts, file.read_bytes()))
    return found


async def _fetched(sources: Iterable[ListSource]) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    resolver = DnsResolver.from_system()
    async with WebFetcher(resolver, timeout_seconds=_SECONDS) as fetcher:
        for source in sources:
            click.echo(f"{source.name}: fetching {source.url}", err=True)
            page = await fetcher.fetch(source.url, limit_bytes=_MOST_BYTES, redirects=3)
            found[source.name] = _Found(datetime.now(UTC), (_body(source, page),))
    return found


def _body(source: ListSource, page: Page) -> bytes | BadList:
    if page.outcome is not FetchOutcome.ANSWERED:
        return BadList(f"{source.url} did not answer: {page.detail}")
    if page.status != 200 or page.truncated:
        return BadList(f"{source.url} answered {page.status} with {len(page.body)} bytes")
    return page.body


def _good(parts: Iterable[bytes | BadList]) -> list[bytes]:
    good = []
    for part in parts:
        if isinstance(part, BadList):
            raise part
        good.append(part)
    return good
