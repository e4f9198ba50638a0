"""The stream of events (server-sent events, WHATWG HTML 9.2): from any point on, each event once.

The number of an event is the `id` of its message. A client that comes back says the last one it
has (`Last-Event-ID`) and goes on behind it: numbers become visible in their order, so nothing is
missed, and nothing is told twice. While the history is down the stream waits; nothing is skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import orjson

from ...errors import RetryLater
from ...history import History, ToldEvent, told_events
from ...model import EventType
from .problems import TooFast

__all__ = ["Following"]

_LOOK_SECONDS = 0.25  # between looks for news, one small query for all streams
_QUIET_SECONDS = 15.0  # after which something is said, so that no proxy hangs up (nginx: 60 s)
_BATCH = 200
_MOST_STREAMS = 200  # open at a time; a browser opens one a page
_MOST_A_KEY = 20
_AGAIN_MILLISECONDS = 2_000  # how long a client is to wait before it comes back


class Following:
    """Everybody who streams events in this process, and the one look-out for news."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._newest = -1
        self._news = asyncio.Condition()
        self._open: dict[int, int] = {}  # streams by key
        self._look_out: asyncio.Task[None] | None = None
        self._is_ending = False

    async def end(self) -> None:
        """Let every stream end; clients come back where they stopped."""
        self._is_ending = True
        async with self._news:
            self._news.notify_all()
        if self._look_out is not None:
            self._look_out.cancel()

    def check_room(self, key_id: int) -> None:
        """Raise TooFast when no further stream is given to this key."""
        if self._open.get(key_id, 0) >= _MOST_A_KEY or sum(self._open.values()) >= _MOST_STREAMS:
            raise TooFast("too many streams are open; close one first", wait_seconds=30)

    async def messages(
        self, key_id: int, account_id: int, after: int | None, types: Sequence[EventType]
    ) -> AsyncIterator[bytes]:
        """The stream's bytes; `after` is the last number that the client has, None: from now on."""
        async with self._counted(key_id):
            yield f"retry: {_AGAIN_MILLISECONDS}\n\n".encode()
            place = after
            while not self._is_ending:
                try:
                    told, reached = await asyncio.to_thread(self._read, account_id, place, types)
                except RetryLater:
                    yield b": the history cannot be read now; waiting\n\n"
                    await asyncio.sleep(_LOOK_SECONDS)
                    continue
                place = reached
                for one in told:
                    yield _message(one)
                if not told and not await self._wait_for_news(reached):
                    # also tells a client how far it is, so that it need not look through all that
                    # its filter left out when it comes back
                    yield f"id: {place}\n\n".encode()

    def _read(
        self, account_id: int, after: int | None, types: Sequence[EventType]
    ) -> tuple[list[ToldEvent], int]:
        """The next events, and the number up to which there is no other."""
        with self._history.reading() as t:
            if after is None:
                return [], t.last_event_id()
            return told_events(t, account_id, after, limit=_BATCH, types=types)

    async def _wait_for_news(self, place: int) -> bool:
        """Until there is an event above `place`; False when it stayed quiet."""
        try:
            async with asyncio.timeout(_QUIET_SECONDS), self._news:
                await self._news.wait_for(lambda: self._newest > place or self._is_ending)
        except TimeoutError:
            return False
        return True

    @asynccontextmanager
    async def _counted(self, key_id: int) -> AsyncIterator[None]:
        self._open[key_id] = self._open.get(key_id, 0) + 1
        if self._look_out is None or self._look_out.done():
            self._look_out = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._open[key_id] -= 1
            if not self._open[key_id]:
                del self._open[key_id]

    async def _look(self) -> None:
        """Ask for the newest number as long as somebody streams."""
        while self._open and not self._is_ending:
            try:
                newest = await asyncio.to_thread(self._last_event_id)
            except RetryLater:
                newest = self._newest
            if newest != self._newest:
                self._newest = newest
                async with self._news:
                    self._news.notify_all()
            await asyncio.sleep(_LOOK_SECONDS)

    def _last_event_id(self) -> int:
        with self._history.reading() as t:
            return t.last_event_id()


def _message(told: ToldEvent) -> bytes:
    data = told.as_json()
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (
        told.event.id,
        data["type"].encode(),
        orjson.dumps(data),
    )
