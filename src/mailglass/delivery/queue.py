"""Takes deliveries from the spool when they are due and sees each one through.

What an attempt meant is written to the spool before the next one begins: a crash between the
smarthost's 250 and that write repeats the delivery (RFC 1047); any other crash repeats nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import RetryLater
from ..ids import Ids
from ..instrument import (
    Options,
    Template,
    attachment_digest,
    compile_message,
    fill,
    under_policy,
)
from ..model import EventType, TrackingPolicy
from ..spool import Job, Spool, Submission
from ..tokens import Kind as TokenKind
from ..tokens import Ring, return_address
from .courier import Courier, Outcome, Reports
from .report import failure_report

__all__ = ["Delivering", "Returns", "Schedule"]

_log = logging.getLogger("mailglass.delivery")

# How often the spool is asked for news when nothing is due: a query by index, under a millisecond.
_LOOK_SECONDS = 0.1
# An unused connection is closed after this: below the 5 minutes after which servers hang up
# (RFC 5321 4.5.3.2.7).
_IDLE_SECONDS = 30.0
# How long an attempt under way may take when we are to end; what is not recorded is repeated.
_DRAIN_SECONDS = 20.0
# After the smarthost could not be spoken to, wait this long, doubling, before the next connection.
_REST_SECONDS = (1.0, 60.0)
# Messages of which the compiled form is kept: those of one mailing come one after the other.
_TEMPLATES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When to try again, and when to give up."""

    retry_seconds: tuple[int, ...]
    lifetime_seconds: int

    def next_attempt(self, now: datetime, attempts: int, jitter: float) -> datetime:
        """After `attempts` failed ones; `jitter` of 0 to 1 spreads them by a tenth."""
        wait = self.retry_seconds[min(attempts - 1, len(self.retry_seconds) - 1)]
        return now + timedelta(seconds=wait * (0.9 + 0.2 * jitter))

    def is_over(self, now: datetime, since: datetime) -> bool:
        """Whether a message that could be sent `since` then has been tried long enough."""
        return (now - since).total_seconds() > self.lifetime_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """Where mail that comes back is taken, and what the smarthost is to report there."""

    domain: str
    notify: tuple[str, ...] = ("failure", "delay")


class Delivering:
    """The courier's office: a dispatcher and as many workers as there are connections."""

    def __init__(
        self,
        *,
        spool: Spool,
        ring: Ring,
        ids: Ids,
        schedule: Schedule,
        new_courier: Callable[[], Courier],
        connections: int,
        hostname: str,
        returns: Returns | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`hostname` signs delivery reports. With `returns` each delivery has a return path of its
        own, there; without, the author's. `clock` and `jitter` are for tests.
        """
        self._spool = spool
        self._ring = ring
        self._ids = ids
        self._schedule = schedule
        self._new_courier = new_courier
        self._connections = connections
        self._hostname = hostname
        self._returns = returns
        self._clock = clock
        self._jitter = jitter
        self._under_way: set[int] = set()
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()
        self._freed = asyncio.Event()
        self._rest_seconds = 0.0
        self._templates: OrderedDict[tuple[int, TrackingPolicy], Template] = OrderedDict()
        self._templates_lock = threading.Lock()

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until `stopping`; then let the attempts under way end."""
        workers = [asyncio.create_task(self._work()) for _ in range(self._connections)]
        try:
            await self._dispatch(stopping)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _dispatch(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            self._freed.clear()
            room = self._connections - len(self._under_way)
            if not (room and await self._take_due(room)):
                await _first_of(self._freed, stopping, seconds=_LOOK_SECONDS)
        while not self._jobs.empty():  # nothing new begins; what waits stays in the spool
            self._under_way.discard(self._jobs.get_nowait().delivery.id)
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self._under_way:  # what is under way is seen through
                    self._freed.clear()
                    await self._freed.wait()

    async def _take_due(self, room: int) -> int:
        try:
            jobs = await asyncio.to_thread(
                self._spool.due, self._clock(), room, tuple(self._under_way)
            )
        except RetryLater as error:
            _log.error("%s", error, extra={"action": "spool-unavailable"})
            return 0
        for job in jobs:
            self._under_way.add(job.delivery.id)
            self._jobs.put_nowait(job)
        return len(jobs)

    async def _work(self) -> None:
        courier = self._new_courier()
        try:
            while True:
                try:
                    job = await asyncio.wait_for(self._jobs.get(), timeout=_IDLE_SECONDS)
                except TimeoutError:
                    await courier.close()  # do not hold a connection that nobody uses
                    continue
                rest_seconds = _REST_SECONDS[0]
                try:
                    rest_seconds = await self._see_through(courier, job)
                except RetryLater as error:
                    _log.error("%s", error, extra={"action": "spool-unavailable"})
                except Exception:
                    # a fault of ours with one delivery must not stop the others
                    _log.exception(
                        "an attempt failed; it will be repeated",
                        extra={"action": "attempt-failed", "delivery_id": job.delivery.id},
                    )
                    await self._put_off(job)
                finally:
                    self._under_way.discard(job.delivery.id)
                    self._freed.set()
                await asyncio.sleep(rest_seconds)
        finally:
            await courier.close()

    async def _put_off(self, job: Job) -> None:
        """After a fault of ours: later, so that it neither spins nor stands in the others' way."""
        now = self._clock()
        at = self._schedule.next_attempt(now, job.attempts + 1, self._jitter())
        body = {"attempt": job.attempts + 1, "problem": "a fault of ours; the log has it"}
        with suppress(RetryLater):
            await asyncio.to_thread(self._spool.defer, job.delivery, now, at, body)

    async def _see_through(self, courier: Courier, job: Job) -> float:
        """One attempt and its record; returns how long this worker is to rest, in seconds."""
        raw = await asyncio.to_thread(self._spool.raw, job.delivery.message_id)
        copy = await asyncio.to_thread(self._copy, job, raw)
        return_path, reports = self._way_back(job)
        outcome = await courier.hand_over(
            copy, return_path=return_path, recipient=job.delivery.recipient, reports=reports
        )
        await self._record_surely(job, outcome, raw)
        first, most = _REST_SECONDS
        resting = min(max(first, self._rest_seconds * 2), most)
        self._rest_seconds = resting if outcome.is_about_connection else 0.0
        return self._rest_seconds

    def _way_back(self, job: Job) -> tuple[str, Reports]:
        """Where what comes back of a delivery goes, and what is to be reported.

        The envelope id is signed too: numbers can be guessed, and who guesses a neighbour's could
        report its failure. What has the null return path is a report itself and gets no other
        (RFC 5321 section 4.5.5).
        """
        envelope_id = self._ring.mint(TokenKind.RETURN_PATH, job.delivery.id)
        if not job.return_path:
            return "", Reports(envelope_id=envelope_id, notify=("never",))
        if self._returns is None:
            return job.return_path, Reports(envelope_id=envelope_id)
        address = return_address(self._ring, job.delivery.id, self._returns.domain)
        return address, Reports(envelope_id=envelope_id, notify=self._returns.notify)

    async def _record_surely(self, job: Job, outcome: Outcome, raw: bytes) -> None:
        """Record what an attempt meant, however long the spool cannot be written.

        Nothing else is sent over this connection meanwhile: an attempt that is not recorded would
        be made again and again, and the recipient would get as many copies.
        """
        rest, most = _REST_SECONDS
        while True:
            try:
                return await self._record(job, outcome, raw)
            except RetryLater as error:
                _log.error(
                    "what came of delivery %d cannot be recorded, so nothing more is sent: %s",
                    job.delivery.id,
                    error,
                    extra={"action": "spool-unavailable", "delivery_id": job.delivery.id},
                )
            await asyncio.sleep(rest)
            rest = min(rest * 2, most)

    async def _record(self, job: Job, outcome: Outcome, raw: bytes) -> None:
        now = self._clock()
        body = _body(outcome, job.attempts + 1)
        if self._returns is not None and job.return_path:
            body["signed_return_path"] = True  # so a report that comes elsewhere is doubted
        delivery = job.delivery
        if outcome.is_accepted:
            await asyncio.to_thread(self._spool.end, delivery, EventType.DELIVERED, now, body)
        elif outcome.is_permanent or self._schedule.is_over(now, job.due_since):
            if not outcome.is_permanent:
                body["expired"] = True
            report = self._report(job, outcome, raw, now)
            await asyncio.to_thread(self._spool.end, delivery, EventType.BOUNCED, now, body, report)
        else:
            at = self._schedule.next_attempt(now, job.attempts + 1, self._jitter())
            await asyncio.to_thread(self._spool.defer, delivery, now, at, body)
        _log_outcome(job, outcome)

    def _report(self, job: Job, outcome: Outcome, raw: bytes, now: datetime) -> Submission | None:
        try:
            original = fill(raw, job.filling) if job.filling else raw
            return failure_report(
                job, outcome, original, ids=self._ids, hostname=self._hostname, now=now
            )
        except Exception:
            # a fault of ours in the report must not keep a dead delivery alive
            _log.exception(
                "the author of delivery %d cannot be told that it failed",
                job.delivery.id,
                extra={"action": "report-failed", "delivery_id": job.delivery.id},
            )
            return None

    def _copy(self, job: Job, raw: bytes) -> bytes:
        """The recipient's own copy, with their own text in it when it is a mail merge."""
        copy = self._tracked(job, raw)
        return fill(copy, job.filling) if job.filling else copy

    def _tracked(self, job: Job, raw: bytes) -> bytes:
        """With tokens; as it came when nothing is tracked or it cannot be edited.

        A fault of ours in the edits must cost the tracking, never the mail.
        """
        if not job.tracking:
            return raw
        delivery = job.delivery
        try:
            template = self._template(job, raw)
            if template.options.anonymous:
                return template.render(delivery.message_id, self._ring, unsubscribe_id=delivery.id)
            return template.render(delivery.id, self._ring)
        except Exception:
            _log.exception(
                "message %d goes out untracked: it cannot be instrumented",
                job.delivery.message_id,
                extra={"action": "not-instrumented", "delivery_id": job.delivery.id},
            )
            return raw

    def _template(self, job: Job, raw: bytes) -> Template:
        key = job.delivery.message_id, job.policy
        with self._templates_lock:
            found = self._templates.get(key)
        if found is None:
            # the intake has stored the attachments; here only their names are needed again
            found = compile_message(
                raw,
                under_policy(Options(**job.tracking), job.policy),
                ring=self._ring,
                store=lambda content, _: attachment_digest(content),
            )
        with self._templates_lock:
            self._templates[key] = found
            self._templates.move_to_end(key)
            while len(self._templates) > _TEMPLATES:
                self._templates.popitem(last=False)
        return found


async def _first_of(*events: asyncio.Event, seconds: float) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _body(outcome: Outcome, attempt: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "attempt": attempt,
        "step": outcome.step.value,
        "encrypted": outcome.encrypted,
    }
    if outcome.reply:
        body["reply_code"] = outcome.reply.reply_code
        body["enhanced_status"] = outcome.reply.enhanced_status
        body["reply_text"] = outcome.reply.reply_text
    else:
        body["problem"] = outcome.problem
    return body


def _log_outcome(job: Job, outcome: Outcome) -> None:
    answer = (
        f"{outcome.reply.reply_code} {outcome.reply.reply_text}"
        if outcome.reply
        else outcome.problem
    )
    word = "delivered" if outcome.is_accepted else "not delivered"
    fields: Mapping[str, Any] = {
        "action": "attempt",
        "delivery_id": job.delivery.id,
        "message_id": job.delivery.message_id,
    }
    level = logging.INFO if outcome.is_accepted else logging.WARNING
    _log.log(level, "%s: %s to %s", word, outcome.step.value, answer, extra=fields)
