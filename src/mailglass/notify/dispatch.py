"""Sees every notice through: a lane for each endpoint, so that none waits for another.

A lane sends a few notices at a time. Where an endpoint fails, its lane rests, longer each time, and
then tries a single notice: ten thousand notices for a dead endpoint cost one connection now and
then. Whether others are slow, hostile or dead makes no difference to an endpoint that answers.
What an attempt meant is written before the lane goes on; a crash before that repeats the attempt
(at least once), with the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..errors import RetryLater
from ..history import Attempt, Endpoint, EndpointState, History, Notice, NoticeState
from ..lookup import Fetcher
from .notices import owe_notices
from .posting import Posted, post
from .schedule import RetrySchedule

__all__ = ["Notifying"]

_log = logging.getLogger("mailglass.notify")

_LOOK_SECONDS = 0.25  # between looks for events and due notices: three small queries
_WIDTH = 8  # requests to one endpoint at a time
_REST_SECONDS = (1.0, 300.0)  # a lane after a failure; doubles with each further one
_UNAVAILABLE_SECONDS = (0.5, 15.0)  # after the history could not be used; doubles

_LIFETIME = timedelta(days=3)  # of a notice that nobody takes
_TAKEN_KEPT = timedelta(days=7)  # so that an operator sees what was sent
_DEAD_KEPT = timedelta(days=90)
_TIDY_SECONDS = 600.0
_TIDY_BATCH = 5_000


@dataclass(slots=True)
class _Rest:
    """How an endpoint that fails is spared."""

    until: datetime
    seconds: float


class Notifying:
    """The one sender of webhooks."""

    def __init__(
        self,
        *,
        history: History,
        fetcher: Fetcher,
        schedule: RetrySchedule | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`fetcher` bounds time and size of an answer, and refuses addresses that are not public.
        `clock` and `jitter` are for tests.
        """
        self._history = history
        self._fetcher = fetcher
        self._schedule = schedule or RetrySchedule()
        self._clock = clock
        self._jitter = jitter
        self._lanes: dict[int, asyncio.Task[None]] = {}
        self._rests: dict[int, _Rest] = {}
        self._tidy_at = clock()
        self._is_ending = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until `stopping`; attempts under way end, which takes ten seconds at most."""
        rest = _UNAVAILABLE_SECONDS[0]
        while not stopping.is_set():
            wait = _LOOK_SECONDS
            try:
                seen = await self.look()
                rest = _UNAVAILABLE_SECONDS[0]
                if seen:
                    continue
            except RetryLater as error:
                _log.error("%s; trying again", error, extra={"action": "notify-waits"})
                wait, rest = rest, min(rest * 2, _UNAVAILABLE_SECONDS[1])
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), wait)
        self._is_ending = True
        await self.lanes_done()

    async def look(self) -> int:
        """Owe notices for new events and start the lanes that have work; returns events seen."""
        seen, owed = await asyncio.to_thread(self._owed)
        self._lanes = {number: lane for number, lane in self._lanes.items() if not lane.done()}
        for endpoint in owed:
            if endpoint.id not in self._lanes and not self._is_resting(endpoint.id):
                self._lanes[endpoint.id] = asyncio.create_task(self._lane(endpoint))
        if self._clock() >= self._tidy_at:
            await asyncio.to_thread(self._tidy)
            self._tidy_at = self._clock() + timedelta(seconds=_TIDY_SECONDS)
        return seen

    async def lanes_done(self) -> None:
        """Wait until every lane has nothing more to do."""
        await asyncio.gather(*self._lanes.values(), return_exceptions=True)

    def _owed(self) -> tuple[int, list[Endpoint]]:
        with self._history.reading() as t:
            newest = t.last_event_id()
            is_news = any(
                e.last_event_id < newest and e.state is not EndpointState.PAUSED
                for e in t.endpoints(None)
            )
        seen = 0
        if is_news:
            with self._history.transaction() as t:
                seen = owe_notices(t, self._clock())
        with self._history.reading() as t:
            return seen, t.endpoints_owed(self._clock())

    def _is_resting(self, endpoint_id: int) -> bool:
        rest = self._rests.get(endpoint_id)
        return rest is not None and self._clock() < rest.until

    async def _lane(self, endpoint: Endpoint) -> None:
        """Send what is due for one endpoint until nothing is, or until it fails."""
        while not self._is_ending:
            width = 1 if endpoint.id in self._rests else _WIDTH
            try:
                due = await asyncio.to_thread(self._due, endpoint.id, width)
                if not due:
                    return
                endpoint, notices = due
                posted = await asyncio.gather(*(self._post(endpoint, n) for n in notices))
                await asyncio.to_thread(self._record, endpoint, notices, posted)
            except RetryLater as error:
                _log.error("%s; trying again", error, extra={"action": "notify-waits"})
                return
            except Exception:
                # a fault of ours with one endpoint must not stop the others, nor spin
                _log.exception(
                    "notices for endpoint %d failed", endpoint.id, extra={"action": "lane-failed"}
                )
                self._spare(endpoint.id)
                return
            if any(p.is_taken for p in posted):
                self._rests.pop(endpoint.id, None)
            else:
                self._spare(endpoint.id)
                return

    def _due(self, endpoint_id: int, width: int) -> tuple[Endpoint, list[Notice]] | None:
        """The endpoint as it stands now, and what is due; None when there is nothing to do."""
        with self._history.reading() as t:
            found = [e for e in t.endpoints_owed(self._clock()) if e.id == endpoint_id]
            notices = t.due_notices(endpoint_id, self._clock(), width) if found else []
        return (found[0], notices) if notices else None

    async def _post(self, endpoint: Endpoint, notice: Notice) -> Posted:
        now = self._clock()
        return await post(
            self._fetcher,
            endpoint.url,
            notice_id=notice.id,
            body=notice.body.encode(),
            secrets=endpoint.signing_secrets(now),
            now=now,
        )

    def _spare(self, endpoint_id: int) -> None:
        rest = self._rests.get(endpoint_id)
        first, most = _REST_SECONDS
        seconds = first if rest is None else min(rest.seconds * 2, most)
        until = self._clock() + timedelta(seconds=seconds)
        self._rests[endpoint_id] = _Rest(until=until, seconds=seconds)

    def _record(self, endpoint: Endpoint, notices: list[Notice], posted: list[Posted]) -> None:
        now = self._clock()
        with self._history.transaction() as t:
            for notice, one in zip(notices, posted, strict=True):
                state, again_at = self._what_follows(notice, one, now)
                attempt = Attempt(
                    at=now,
                    seconds=round(one.seconds, 3),
                    status_code=one.status_code,
                    problem=one.problem,
                )
                t.settle_notice(notice, attempt, state, again_at)
                _log_attempt(endpoint, notice, one, state)
            if any(one.is_gone for one in posted):
                t.change_endpoint(endpoint.id, state=EndpointState.DISABLED)
            if not any(one.is_taken for one in posted):
                t.give_up_notices(endpoint.id, now - _LIFETIME)

    def _what_follows(
        self, notice: Notice, posted: Posted, now: datetime
    ) -> tuple[NoticeState, datetime | None]:
        if posted.is_taken:
            return NoticeState.TAKEN, None
        again_at = self._schedule.next_attempt(
            now, notice.attempts + 1, self._jitter(), posted.asked_seconds
        )
        if again_at is None or now - notice.created_at >= _LIFETIME:
            return NoticeState.DEAD, None
        return NoticeState.WAITING, again_at

    def _tidy(self) -> None:
        """Let go of notices that nobody needs any more."""
        now = self._clock()
        with self._history.transaction() as t:
            t.forget_notices(NoticeState.TAKEN, now - _TAKEN_KEPT, _TIDY_BATCH)
            t.forget_notices(NoticeState.DEAD, now - _DEAD_KEPT, _TIDY_BATCH)


def _log_attempt(endpoint: Endpoint, notice: Notice, posted: Posted, state: NoticeState) -> None:
    level = logging.DEBUG if posted.is_taken else logging.WARNING
    if state is NoticeState.DEAD:
        level = logging.ERROR
    _log.log(
        level,
        "notice %s to endpoint %d: %s",
        notice.id,
        endpoint.id,
        posted.problem or "taken",
        extra={"action": "notice", "endpoint_id": endpoint.id, "state": state.value},
    )
