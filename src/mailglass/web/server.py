"""Serves the dashboard with uvicorn."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from ..history import History
from .app import create_app
from .site import Config

__all__ = ["serve"]


async def serve(
    config: Config, *, history: History, stopping: asyncio.Event, on_ready: Callable[[], None]
) -> None:
    """Serve the dashboard until `stopping`; `on_ready` is called when it listens."""
    server = _Server(
        uvicorn.Config(
            create_app(config, history),
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
        server.should_exit = True
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
