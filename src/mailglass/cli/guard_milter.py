"""`mailglass guard-milter`: the guard as a milter of Postfix or Sendmail."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError
from ..gateway.milter import Milter
from ._cleaning import (
    CleaningOptions,
    check_originals,
    cleaner,
    cleaning_options,
    endpoint,
    listening,
    until_stopped,
)


@click.command("guard-milter")
@click.option(
    "--listen",
    default="127.0.0.1:10027",
    show_default=True,
    metavar="HOST:PORT",
    help="Or unix:PATH for a socket file.",
)
@click.option("--originals", type=click.Path(path_type=Path), help="Keep changed originals here.")
@cleaning_options
def command(listen: str, originals: Path | None, **options: Any) -> None:
    """Clean each message before the mail server queues it (milter protocol, version 6).

    A message that cannot be read, or whose original cannot be kept, is accepted as it came.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    asyncio.run(_serve(listen, originals, CleaningOptions(**options)))


async def _serve(listen: str, originals: Path | None, options: CleaningOptions) -> None:
    check_originals(originals)
    async with cleaner(options, originals) as cleans:
        milter = Milter(cleans)
        with listening(listen):
            click.echo(f"listening on {await _start(milter, listen)}")
        await until_stopped()
        await milter.stop()


async def _start(milter: Milter, listen: str) -> str:
    if listen.startswith("unix:"):
        path = Path(listen.removeprefix("unix:"))
        if path.exists() and not path.is_socket():  # `unix:` alone is this folder
            raise ConfigurationError(f"--listen {listen}: {path} is there and no socket")
        if path.is_socket():
            if _is_served(path):
                raise ConfigurationError(f"--listen {listen}: another program listens there")
            path.unlink()  # what a killed one left behind
        await milter.start_unix(path)
        return listen
    host, port = endpoint(listen, "--listen", may_choose=True)
    return f"{host}:{await milter.start(host, port)}"


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
