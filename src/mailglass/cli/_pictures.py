"""The image proxy as commands reach it: the options, the key, and how pictures are asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError
from ..gateway.cleaning import PictureProxy
from ..guard import Clean
from ..guard.pictures import KEY_BYTES, PictureUrls, is_base_url
from ..lookup import Fetcher, network

__all__ = ["check_pictures", "picture_options", "picture_proxy", "through_proxy"]

# A proxy that failed so often in a row is down: a mailbox of thousands must not wait for it each
# time. A single refusal may be one message's own (too many pictures).
_FAILURES_TO_GIVE_UP = 3


def picture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets them as `proxy_url`, `proxy_key` and `proxy_server`."""
    options = (
        click.option("--proxy-url", metavar="URL", help="Pictures come from this image proxy."),
        click.option(
            "--proxy-key",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="The proxy's key: guard-proxy-key in its data directory.",
        ),
        click.option("--proxy-server", metavar="URL", help="How the proxy is reached from here."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def check_pictures(
    proxy_url: str | None, proxy_key: Path | None, proxy_server: str | None
) -> PictureUrls | None:
    """The proxy's addresses, None without one; raises ConfigurationError."""
    if proxy_url is None:
        if proxy_key is not None or proxy_server is not None:
            raise ConfigurationError("--proxy-key and --proxy-server go with --proxy-url")
        return None
    for option, url in (("--proxy-url", proxy_url), ("--proxy-server", proxy_server)):
        if url is not None and not is_base_url(url):
            raise ConfigurationError(
                f"{option} {url}: write a plain http(s) address, such as https://pictures.example.org"
            )
    if proxy_key is None:
        raise ConfigurationError("--proxy-url needs --proxy-key, or anybody could use the proxy")
    try:
        key = bytes.fromhex(proxy_key.read_text().strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--proxy-key {proxy_key} holds no key: {error}") from error
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"--proxy-key {proxy_key} holds no key of {KEY_BYTES} bytes")
    return PictureUrls(proxy_url, key)


def picture_proxy(urls: PictureUrls, server: str, fetcher: Fetcher) -> PictureProxy:
    """The proxy as the cleaning asks it; `server` is how it is reached from here."""

    async def fetch(wanted: Sequence[str]) -> bool:
        body = json.dumps(list(wanted)).encode()
        headers = {"X-Mailglass-Seal": urls.seal(body), "Content-Type": "application/json"}
        page = await fetcher.fetch(
            f"{server.rstrip('/')}/fetch", method="POST", body=body, headers=headers
        )
        return page.status == 202

    return PictureProxy(urls.address, fetch)


@contextmanager
def through_proxy(
    clean: Callable[..., Clean],
    *,
    proxy_url: str | None,
    proxy_key: Path | None,
    proxy_server: str | None,
) -> Iterator[Callable[[bytes], Clean]]:
    """`clean` with the proxy's addresses, for each message whose pictures the proxy took.

    The others keep their own pictures, and it is said. Raises ConfigurationError.
    """
    urls = check_pictures(proxy_url, proxy_key, proxy_server)
    if urls is None:
        yield clean
        return
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        net = runner.run(stack.enter_async_context(network(None)))
        try:
            server = proxy_server or proxy_url or ""
            yield _Proxied(clean, picture_proxy(urls, server, net.fetcher), runner)
        finally:
            runner.run(stack.aclose())


class _Proxied:
    """Cleans with a proxy that is asked once for each message."""

    def __init__(
        self, clean: Callable[..., Clean], proxy: PictureProxy, runner: asyncio.Runner
    ) -> None:
        self._clean, self._proxy, self._runner = clean, proxy, runner
        self._failures = 0

    def __call__(self, data: bytes) -> Clean:
        if self._failures >= _FAILURES_TO_GIVE_UP:
            return self._clean(data)
        done = self._clean(data, self._proxy.address)
        if not done.proxied:
            return done
        if self._runner.run(_take(self._proxy, done.proxied)):
            self._failures = 0
            return done
        self._failures += 1
        told = "the image proxy took no pictures: those of a message stay as they are"
        if self._failures == _FAILURES_TO_GIVE_UP:
            told += "; it is not asked again"
        click.echo(f"mailglass: {told}", err=True)
        return self._clean(data)


async def _take(proxy: PictureProxy, urls: Sequence[str]) -> bool:
    return await proxy.fetch(urls)
