"""Tells open pages that something happened, as server-sent events (WHATWG HTML 9.2).

One task looks at the history twice a second for all pages together; a page hears of its own
account only. An event carries no content: the page fetches what of itself may have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from ..errors import RetryLater
from ..history import History

__all__ = ["Live"]

_LOOK_SECONDS = 0.5  # a page shows a hit within two seconds; ingest takes a tenth
_BEAT_SECONDS = 15.0  # a comment now and then, or a proxy takes the silence for an end
_BATCH = 1000


class Live:
    """Who listens, and the number of the last event that they heard of."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._listeners: dict[asyncio.Event, int] = {}
        self._looking: asyncio.Task[None] | None = None
        self._last = 0

    async def stream(self, account_id: int) -> AsyncIterator[bytes]:
        """`activity` whenever the account has new events; ends when the reader goes."""
        news = asyncio.Event()
        self._listeners[news] = account_id
        if self._looking is None:
            self._last = await run_in_threadpool(self._newest)
            self._looking = asyncio.create_task(self._look())
        try:
            yield b"retry: 1000\n\n"
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_BEAT_SECONDS):
                        await news.wait()
                if news.is_set():
                    news.clear()
                    yield f"event: activity\nid: {self._last}\ndata:\n\n".encode()
                else:
                    yield b": still here\n\n"
        finally:
            del self._listeners[news]

    async def _look(self) -> None:
        """Until nobody listens any more."""
        while self._listeners:
            await asyncio.sleep(_LOOK_SECONDS)
            with contextlib.suppress(RetryLater):  # the page says so itself when it is fetched
                accounts = await run_in_threadpool(self._news)
                for news, account_id in self._listeners.items():
                    if account_id in accounts:
                        news.set()
        self._looking = None

    def _newest(self) -> int:
        with self._history.reading() as t:
            return t.last_event_id()

    def _news(self) -> set[int]:
        accounts: set[int] = set()
        with self._history.reading() as t:
            while events := t.events_after(None, self._last, limit=_BATCH):
                self._last = events[-1].id
                accounts.update(event.account_id for event in events)
        return accounts
