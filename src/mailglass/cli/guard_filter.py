"""`mailglass guard-filter`: the guard as an SMTP content filter."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from pathlib import Path

import click

from ..gateway.content_filter import ContentFilter, FilterConfig
from ..guard import Remove, load_easyprivacy
from ..lookup import network, parse_server


@click.command("guard-filter")
@click.option("--listen", default="127.0.0.1:10025", show_default=True, metavar="HOST:PORT")
@click.option(
    "--next", "next_hop", default="127.0.0.1:10026", show_default=True, metavar="HOST:PORT"
)
@click.option(
    "--remove", type=click.Choice([r.value for r in Remove]), default=Remove.TRACKERS.value
)
@click.option("--originals", type=click.Path(path_type=Path), help="Keep changed originals here.")
@click.option("--authserv-id", help="Check DKIM and write Authentication-Results by this name.")
@click.option("--dns", "dns_server", metavar="HOST:PORT", help="The only DNS server to ask.")
def command(
    listen: str,
    next_hop: str,
    remove: str,
    originals: Path | None,
    authserv_id: str | None,
    dns_server: str | None,
) -> None:
    """Take mail by SMTP, hand its clean copy to the next hop, and answer what that answered."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    host, port = parse_server(next_hop)
    config = FilterConfig(
        next_host=host,
        next_port=port,
        remove=Remove(remove),
        originals=originals,
        authserv_id=authserv_id,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(config, listen, dns_server))


async def _serve(config: FilterConfig, listen: str, dns_server: str | None) -> None:
    loop = asyncio.get_running_loop()
    async with network(dns_server) as net:

        def find_txt(name: str) -> bytes | None:
            """Ask from the thread that cleans."""
            question = asyncio.run_coroutine_threadsafe(net.resolver.ask(name, "TXT"), loop)
            answer = question.result(timeout=10)
            if not answer.is_known:
                raise OSError(f"the DNS said {answer.outcome} for {name}")
            return answer.records[0].encode("utf-8", "surrogateescape") if answer.records else None

        guard = ContentFilter(config, find_txt=find_txt, mail_list=load_easyprivacy())
        host, port = parse_server(listen)
        click.echo(f"listening on {host}:{await guard.start(host, port)}")
        done = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, done.set)
        await done.wait()
        await guard.stop()
