"""Serves the dashboard, and the API below /api/v1, with uvicorn."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from ..history import History
from .api import Desk, create_api
from .app import create_app
from .pages.compose import Outbox
from .site import Config

__all__ = ["serve", "side_by_side"]


async def serve(
    config: Config,
    *,
    history: History,
    desk: Desk,
    stopping: asyncio.Event,
    on_ready: Callable[[], None],
) -> None:
    """Serve both until `stopping`; `on_ready` is called when it listens."""
    outbox = Outbox(
        intake=desk.intake,
        refusal=desk.refusal,
        max_message_bytes=desk.max_message_bytes,
        max_recipients=desk.max_recipients,
    )
    dashboard = create_app(config, history, outbox=outbox)
    server = _Server(
        uvicorn.Config(
            side_by_side(dashboard, create_api(desk)),
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )
    serving = asyncio.create_task(server.serve())
    await asyncio.wait(
        (serving, asyncio.create_task(server.listening.wait())),
        return_when=asyncio.FIRST_COMPLETED,
    )
    if not serving.done():
        on_ready()
        await asyncio.wait(
            (serving, asyncio.create_task(stopping.wait())), return_when=asyncio.FIRST_COMPLETED
        )
        await desk.following.end()
        server.should_exit = True
    await serving


def side_by_side(dashboard: ASGIApp, api: ASGIApp) -> ASGIApp:
    """Two applications in one process, of which neither knows the other."""
    return Starlette(routes=[Mount("/api/v1", api), Mount("/", dashboard)])


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
