"""Notify: sends webhooks."""

from __future__ import annotations

import asyncio
import resource

from ...history import History
from ...lookup import SystemResolver, WebFetcher
from ...notify import TIMEOUT_SECONDS, Notifying
from ...settings import Settings
from .process import run_async, say_ready

__all__ = ["run"]


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    _allow_open_files()

    async def main(stopping: asyncio.Event) -> None:
        fetcher = WebFetcher(
            SystemResolver(),
            timeout_seconds=TIMEOUT_SECONDS,
            allowed=settings.notify_allow_networks,
        )
        async with fetcher:
            history = History(settings.history_address, patient=True)
            notifying = Notifying(history=history, fetcher=fetcher)
            say_ready("sends webhooks")
            await notifying.run(stopping)

    run_async(main, name="notify")


def _allow_open_files() -> None:
    """As many as the system grants: each endpoint has connections of its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
