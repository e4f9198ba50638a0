"""Group commit: answers go out when their hits are on stable storage, many to one fdatasync.

A thread writes and syncs while the event loop goes on reading requests, so a disk that hangs never
stops the loop. See docs/explain/collector.md for what was tried and measured.

When the disk refuses, readers are answered all the same: the hits stay in a bounded backlog and are
written when the disk takes them again; what does not fit there is shed, and both are counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol, TypeAlias

from ..journal import Writer
from .metrics import Counters

__all__ = ["Commits", "Keep", "Waiter"]

log = logging.getLogger("mailglass.collector")

_RETRY_SECONDS = 1.0  # between attempts on a disk that failed


Keep = Callable[[], None]  # something to put on stable storage besides the journal's lines
_Waiting: TypeAlias = "tuple[Waiter, bytes, bytes | None, bool]"  # answer, otherwise, is a hit


class Waiter(Protocol):
    """Whoever waits for a commit."""

    def reply(self, answer: bytes) -> None:
        """Send the answer; the hit is on stable storage, or the disk failed and that is counted."""


class Commits:
    """Collects hits and their answers; all methods are called from the event loop."""

    def __init__(
        self,
        writer: Writer,
        loop: asyncio.AbstractEventLoop,
        counters: Counters,
        *,
        backlog_bytes: int,
        patience_seconds: float,
    ) -> None:
        self._writer = writer
        self._loop = loop
        self._counters = counters
        self._backlog_bytes = backlog_bytes
        self._patience_seconds = patience_seconds
        self._lines: list[bytes] = []  # for the next commit
        self._size = 0  # bytes of these
        self._keeps: list[Keep] = []  # for the next commit
        self._waiting: list[_Waiting] = []  # for the next commit
        self._in_flight: list[bytes] = []  # lines that the thread is writing
        self._in_flight_keeps: list[Keep] = []
        self._in_flight_waiting: list[_Waiting] = []
        self._started_at = 0.0  # of the commit in flight; 0 when there is none
        self._seen = 0  # arrivals at the last turn of the loop
        self._is_gathering = False
        self.fault: str | None = None  # why the disk is not taking hits; None when it is
        self._jobs: SimpleQueue[tuple[list[bytes], list[Keep]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    @property
    def backlog_bytes(self) -> int:
        """Size of the hits in memory that are not yet on stable storage."""
        return self._size + sum(map(len, self._in_flight))

    def submit(
        self,
        line: bytes,
        waiter: Waiter,
        answer: bytes,
        otherwise: bytes | None = None,
        keep: Keep | None = None,
    ) -> None:
        """Have `waiter` reply with `answer` as soon as `line` is on stable storage.

        An empty line waits for a sync like any other. `keep` is done by the journal's thread before
        that. When the disk does not take them, the reply is `otherwise`, if there is one.
        """
        size = self._size + len(line)
        if self.fault is not None or size > self._backlog_bytes:
            self._submit_late(line, waiter, otherwise or answer, keep)
            return
        if line:
            self._size = size
            self._lines.append(line)
        if keep is not None:
            self._keeps.append(keep)
        self._waiting.append((waiter, answer, otherwise, line != b""))
        if not self._is_gathering and not self._started_at:
            self._begin_gathering()

    def _submit_late(self, line: bytes, waiter: Waiter, answer: bytes, keep: Keep | None) -> None:
        """Answer at once; keep the hit for when the disk takes it, if there is room."""
        if keep is not None:
            self._keeps.append(keep)
        if not line:
            pass  # and was counted
        elif self._size + len(line) > self._backlog_bytes:
            self._counters.shed["full"] += 1
        else:
            self._size += len(line)
            self._lines.append(line)
            self._counters.late += 1
        waiter.reply(answer)

    def tick(self) -> None:
        """Every second: let nobody wait longer for a disk that does not answer."""
        if self._started_at and self.fault is None:
            waited_seconds = time.monotonic() - self._started_at
            if waited_seconds > self._patience_seconds:
                self._declare(f"the disk has not answered for {waited_seconds:.0f} s")
                self._answer_late()

    async def close(self, seconds: float) -> None:
        """Write what is left, for at most `seconds`, and let go of the journal."""
        until = time.monotonic() + seconds
        while (self._has_work or self._started_at) and time.monotonic() < until:
            self._start()
            await asyncio.sleep(0.01)
        left = len(self._lines) + len(self._in_flight)
        if left:
            self._counters.shed["stopped"] += left
            log.error(
                "stopped with %d hits that the disk did not take: %s",
                left,
                self.fault,
                extra={"action": "journal-lost", "hits": left},
            )
        self._jobs.put(None)
        if not self._started_at:
            self._thread.join()
            self._writer.close()

    def _begin_gathering(self) -> None:
        self._is_gathering = True
        self._seen = 0
        self._loop.call_soon(self._gather)

    def _gather(self) -> None:
        """Wait for as long as each turn of the loop brings more hits, then commit."""
        arrived = len(self._waiting)
        if arrived > self._seen:
            self._seen = arrived
            self._loop.call_soon(self._gather)
        else:
            self._is_gathering = False
            self._start()

    def _start(self) -> None:
        if self._started_at or not self._has_work:
            return
        self._in_flight, self._lines = self._lines, []
        self._in_flight_keeps, self._keeps = self._keeps, []
        self._in_flight_waiting, self._waiting = self._waiting, []
        self._size = 0
        self._started_at = time.monotonic()
        self._jobs.put((self._in_flight, self._in_flight_keeps))

    @property
    def _has_work(self) -> bool:
        return bool(self._waiting or self._lines or self._keeps)

    def _write(self) -> None:
        """The thread: one commit after the other."""
        while (job := self._jobs.get()) is not None:
            lines, keeps = job
            error = None
            try:
                for keep in keeps:
                    keep()
                self._writer.commit(lines)
            except Exception as fault:  # whatever it is, readers wait for this thread
                error = str(fault) or repr(fault)
            self._loop.call_soon_threadsafe(self._done, error)

    def _done(self, error: str | None) -> None:
        self._started_at = 0.0
        lines, self._in_flight = self._in_flight, []
        if error is None:
            self._counters.written += len(lines)
            self._counters.commits += 1
            if self.fault is not None:
                log.warning("the journal takes hits again", extra={"action": "journal-recovered"})
                self.fault = None
        else:
            self._take_back(lines, error)
        waiting, self._in_flight_waiting = self._in_flight_waiting, []
        for waiter, answer, _, _ in waiting:
            waiter.reply(answer)
        if self.fault is None and self._has_work and not self._is_gathering:
            self._begin_gathering()

    def _take_back(self, lines: list[bytes], error: str) -> None:
        """After a failed commit: answer who waits, keep the hits, try again in a while."""
        self._lines = lines + self._lines
        self._keeps = self._in_flight_keeps + self._keeps
        self._size += sum(map(len, lines))
        self._declare(error)
        self._answer_late()
        self._loop.call_later(_RETRY_SECONDS, self._start)

    def _declare(self, fault: str) -> None:
        if self.fault is None:
            log.error(
                "hits are answered before they are on stable storage: %s",
                fault,
                extra={"action": "journal-failed"},
            )
        self.fault = fault

    def _answer_late(self) -> None:
        for waiting in (self._in_flight_waiting, self._waiting):
            self._counters.late += sum(is_hit for *_, is_hit in waiting)
            for waiter, answer, otherwise, _ in waiting:
                waiter.reply(otherwise or answer)
            waiting.clear()
