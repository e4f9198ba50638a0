"""The guard's proxy: fetches pictures without telling who looks."""

from __future__ import annotations

import asyncio

from ...errors import ConfigurationError
from ...guard.pictures import PictureUrls
from ...lookup import WebFetcher
from ...proxy import Limits, ProxyConfig, Shelf, serve
from ...settings import Settings
from ..first_run import picture_key
from .process import Port, run_async, say_ready
from .resolver import system_resolver

__all__ = ["ports", "run"]


def ports(settings: Settings) -> list[Port]:
    """Where readers ask for pictures."""
    return [Port("guard-proxy.port", settings.proxy_host, settings.proxy_port)]


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    if not settings.proxy_url:
        raise ConfigurationError(
            "guard-proxy.url: needed by the role guard-proxy, for readers to reach it"
        )
    shelf = _shelf(settings)

    async def main(stopping: asyncio.Event) -> None:
        async with WebFetcher(system_resolver(), timeout_seconds=10.0) as fetcher:
            await serve(
                ProxyConfig(
                    host=settings.proxy_host,
                    port=settings.proxy_port,
                    keep_days=settings.proxy_keep_days,
                    limits=Limits(max_image_bytes=settings.proxy_max_image_bytes),
                ),
                urls=PictureUrls(settings.proxy_url, picture_key(settings.data_directory)),
                fetcher=fetcher,
                shelf=shelf,
                stopping=stopping,
                on_ready=lambda: say_ready(settings.proxy_url),
            )

    run_async(main, name="guard-proxy")


def _shelf(settings: Settings) -> Shelf:
    directory = settings.data_directory / "guard-proxy"
    try:
        return Shelf(directory, max_bytes=settings.proxy_max_bytes)
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot hold pictures: {error.strerror}") from error
