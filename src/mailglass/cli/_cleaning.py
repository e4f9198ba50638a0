"""What the commands share that clean mail on its way or in a mailbox."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError
from ..gateway.cleaning import Cleaner, CleaningConfig, PictureProxy
from ..guard import Remove, load_easyprivacy
from ..guard.pictures import PictureUrls
from ..lookup import Fetcher, network

__all__ = [
    "CleaningOptions",
    "cleaner",
    "cleaning_options",
    "endpoint",
    "listening",
    "until_stopped",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningOptions:
    """What was asked for on the command line."""

    remove: str
    text_links: bool
    authserv_id: str | None
    dns_server: str | None
    easyprivacy: bool
    proxy_url: str | None
    proxy_key: Path | None
    proxy_server: str | None


def cleaning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets them as keyword arguments for CleaningOptions."""
    options = (
        click.option(
            "--remove",
            type=click.Choice([level.value for level in Remove]),
            default=Remove.TRACKERS.value,
            show_default=True,
            help="trackers (and unseen maybes), maybe (every maybe), all (every remote resource).",
        ),
        click.option("--text-links", is_flag=True, help="Clean the links of plain text as well."),
        click.option(
            "--authserv-id", help="Check DKIM and write Authentication-Results by this name."
        ),
        click.option(
            "--dns", "dns_server", metavar="HOST:PORT", help="The only DNS server to ask."
        ),
        click.option(
            "--easyprivacy/--no-easyprivacy", default=True, help="Ask an installed EasyPrivacy."
        ),
        click.option("--proxy-url", metavar="URL", help="Pictures come from this image proxy."),
        click.option(
            "--proxy-key",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="The proxy's key: guard-proxy-key in its data directory.",
        ),
        click.option(
            "--proxy-server",
            metavar="URL",
            help="How the proxy is reached from here.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@asynccontextmanager
async def cleaner(
    options: CleaningOptions, originals: Path | None = None, *, is_border: bool = True
) -> AsyncIterator[Cleaner]:
    """What cleans, with the DNS behind it."""
    loop = asyncio.get_running_loop()
    async with network(options.dns_server) as net:

        def find_txt(name: str) -> bytes | None:
            """Ask from the thread that cleans."""
            question = asyncio.run_coroutine_threadsafe(net.resolver.ask(name, "TXT"), loop)
            answer = question.result(timeout=10)
            if not answer.is_known:
                raise OSError(f"the DNS said {answer.outcome} for {name}")
            return answer.records[0].encode("utf-8", "surrogateescape") if answer.records else None

        yield Cleaner(
            CleaningConfig(
                remove=Remove(options.remove),
                text_links=options.text_links,
                authserv_id=options.authserv_id,
                originals=originals,
                is_border=is_border,
            ),
            find_txt=find_txt,
            mail_list=load_easyprivacy() if options.easyprivacy else None,
            proxy=_proxy(options, net.fetcher),
        )


def _proxy(options: CleaningOptions, fetcher: Fetcher) -> PictureProxy | None:
    """The image proxy that was named; raises ConfigurationError."""
    if options.proxy_url is None:
        return None
    if options.proxy_key is None:
        raise ConfigurationError("--proxy-url needs --proxy-key, or anybody could use the proxy")
    try:
        key = bytes.fromhex(options.proxy_key.read_text().strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{options.proxy_key} holds no key: {error}") from error
    urls = PictureUrls(options.proxy_url, key)
    server = (options.proxy_server or options.proxy_url).rstrip("/")

    async def fetch(wanted: Sequence[str]) -> bool:
        body = json.dumps(list(wanted)).encode()
        headers = {"X-Mailglass-Seal": urls.seal(body), "Content-Type": "application/json"}
        page = await fetcher.fetch(f"{server}/fetch", method="POST", body=body, headers=headers)
        return page.status == 202

    return PictureProxy(urls.address, fetch)


def endpoint(text: str, option: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; raises ConfigurationError that names the option."""
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ConfigurationError(f"{option} {text}: write HOST:PORT, such as 127.0.0.1:10025")
    return host, int(port)


@contextmanager
def listening(text: str) -> Iterator[None]:
    """What the system refuses becomes a ConfigurationError that names --listen."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigurationError(f"--listen {text}: {reason}") from error


async def until_stopped() -> None:
    """Wait for SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await stopping.wait()
