"""HTTP of the image proxy: readers get pictures, guards with our key have them fetched.

    GET  /i/<tag>?url=<URL>   the picture, or a blank; 403 when the tag is not ours
    POST /fetch               a JSON list of URLs, sealed in `X-Mailglass-Seal`; 202 when promised

There is no log of who looks at what.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..guard.pictures import PictureUrls
from ..lookup import Fetcher
from .fetching import Limits, Pictures
from .shelf import Shelf

__all__ = ["ProxyConfig", "create_app", "serve"]

_MAX_REQUEST_BYTES = 1_000_000
_SWEEP_SECONDS = 3600
_BLANK = bytes.fromhex(  # 43 bytes: the smallest transparent GIF
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
# What is served is a picture and nothing else, whoever opens it and however.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """What the proxy is told."""

    host: str
    port: int
    keep_days: int = 90
    limits: Limits = Limits()  # noqa: RUF009  # frozen


def create_app(urls: PictureUrls, fetcher: Fetcher, shelf: Shelf, config: ProxyConfig) -> Starlette:
    """The application; while it runs it fetches, and forgets what is old."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        pictures = Pictures(fetcher, shelf, config.limits)
        app.state.pictures = pictures
        pictures.resume()
        sweeping = asyncio.create_task(_sweep(shelf, config.keep_days))
        yield
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        await pictures.stop()

    async def picture(request: Request) -> Response:
        url = request.query_params.get("url", "")
        if not urls.is_ours(request.path_params["tag"], url):
            return PlainTextResponse("This address was not made here.\n", 403, headers=_HEADERS)
        found = await asyncio.to_thread(shelf.read, url)
        if found is None:  # not fetched yet, or never to be had: the sender is not asked now
            headers = {**_HEADERS, "Cache-Control": "no-store"}
            return Response(_BLANK, media_type="image/gif", headers=headers)
        headers = {**_HEADERS, "Cache-Control": "private, max-age=31536000, immutable"}
        return Response(found.data, media_type=found.content_type, headers=headers)

    async def fetch(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse("Too much for one message.\n", 413, headers=_HEADERS)
        if not urls.is_sealed(request.headers.get("X-Mailglass-Seal", ""), body):
            return PlainTextResponse("The seal is not ours.\n", 403, headers=_HEADERS)
        try:
            wanted = [str(url) for url in json.loads(body)]
        except (ValueError, TypeError):
            return PlainTextResponse("A JSON list of URLs is wanted.\n", 400, headers=_HEADERS)
        await request.app.state.pictures.want(wanted)
        return Response(status_code=202, headers=_HEADERS)

    routes = [
        Route("/i/{tag}", picture, methods=["GET", "HEAD"]),
        Route("/fetch", fetch, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def _body(request: Request) -> bytes | None:
    """The request's body; None when it is too long."""
    body = bytearray()
    with suppress(ClientDisconnect):
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_REQUEST_BYTES:
                return None
    return bytes(body)


async def _sweep(shelf: Shelf, keep_days: int) -> None:
    while True:
        await asyncio.to_thread(shelf.forget_before, time.time() - keep_days * 86_400)
        await asyncio.sleep(_SWEEP_SECONDS)


async def serve(
    config: ProxyConfig,
    *,
    urls: PictureUrls,
    fetcher: Fetcher,
    shelf: Shelf,
    stopping: asyncio.Event,
    on_ready: Callable[[], None],
) -> None:
    """Serve until `stopping`; `on_ready` is called when it listens."""
    server = _Server(
        uvicorn.Config(
            create_app(urls, fetcher, shelf, config),
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    serving = asyncio.create_task(server.serve())
    ending = asyncio.create_task(stopping.wait())
    listening = asyncio.create_task(server.listening.wait())
    await asyncio.wait((serving, listening), return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        on_ready()
        await asyncio.wait((serving, ending), return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
    for task in (ending, listening):
        task.cancel()
    await serving


class _Server(uvicorn.Server):
    """Says when it listens, and leaves the signals to us."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
