"""`mailglass guard-filter`: the guard as an SMTP content filter."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import click

from ..gateway.content_filter import ContentFilter, FilterConfig
from ._cleaning import (
    CleaningOptions,
    check_loop,
    check_originals,
    cleaner,
    cleaning_options,
    endpoint,
    listening,
    until_stopped,
)


@click.command("guard-filter")
@click.option("--listen", default="127.0.0.1:10025", show_default=True, metavar="HOST:PORT")
@click.option(
    "--next", "next_hop", default="127.0.0.1:10026", show_default=True, metavar="HOST:PORT"
)
@click.option("--originals", type=click.Path(path_type=Path), help="Keep changed originals here.")
@cleaning_options
def command(listen: str, next_hop: str, originals: Path | None, **options: Any) -> None:
    """Take mail by SMTP, hand its clean copy to the next hop, and answer what that answered."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    asyncio.run(_serve(listen, next_hop, originals, CleaningOptions(**options)))


async def _serve(
    listen: str, next_hop: str, originals: Path | None, options: CleaningOptions
) -> None:
    next_host, next_port = endpoint(next_hop, "--next")
    host, port = endpoint(listen, "--listen", may_choose=True)
    check_loop((host, port), (next_host, next_port))
    check_originals(originals)
    async with cleaner(options, originals) as cleans:
        guard = ContentFilter(FilterConfig(next_host=next_host, next_port=next_port), cleans)
        with listening(listen):
            click.echo(f"listening on {host}:{await guard.start(host, port)}")
        await until_stopped()
        await guard.stop()
