"""A crash loses nothing: roles are killed at random while mail and hits stream.

Afterwards every message that got its 250 has been delivered, and is in the timeline, once; every
hit that got its answer is in the timeline once.
"""

from __future__ import annotations

import asyncio
import smtplib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from installation import Running, running

from mailglass.history import History
from mailglass.journal import published_end
from mailglass.model import EventType
from mailglass.spool import Spool
from mailglass.world import Answers, LiveWorld, letters

LETTERS_A_KILL = 20
ROLES = ("collector", "gateway", "ingest", "delivery", "web")


class World:
    """A `LiveWorld` in a thread of its own: it is the outside, and is not killed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        answers = Answers(7, defer_share=0.1, refuse_share=0.0)
        # a day in some seconds: the requests come while roles are being killed
        self.live = LiveWorld(seed=7, speed=8_000, horizon_seconds=40_000, answers=answers)
        self._call(self.live.start())

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(120)  # type: ignore[arg-type]

    def settle(self, recipients: int) -> None:
        self._call(self.live.settled(recipients))

    def stop(self) -> None:
        self._call(self.live.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def world() -> Iterator[World]:
    one = World()
    try:
        yield one
    finally:
        one.stop()


class Sender(threading.Thread):
    """Submits as many letters as it is allowed to; counts those that got their 250."""

    def __init__(self, glass: Running, password: str, seed: int, count: int) -> None:
        super().__init__()
        self._glass = glass
        self._password = password
        self._letters = letters(count, seed)
        self.confirmed: list[tuple[str, str]] = []  # Message-ID and recipient
        self.answered = 0  # letters, with a 250 or without
        self.unsure = 0
        self.news = threading.Condition()
        self.allowed = threading.Semaphore(0)

    def run(self) -> None:
        client: smtplib.SMTP | None = None
        for letter in self._letters:
            self.allowed.acquire()
            while client is None:
                with suppress(OSError, smtplib.SMTPException):
                    client = self._glass.client(self._password)
            try:
                client.sendmail(
                    letter.author, list(letter.recipients), letter.content, ["BODY=8BITMIME"]
                )
            except (OSError, smtplib.SMTPException):
                self.unsure += 1  # no answer: it may have been taken or not
                client.close()
                client = None
            else:
                name = message_id_of(letter.content)
                self.confirmed += [(name, recipient) for recipient in letter.recipients]
            with self.news:
                self.answered += 1
                self.news.notify_all()
        if client is not None:
            client.close()


def message_id_of(content: bytes) -> str:
    line = next(x for x in content.splitlines() if x.lower().startswith(b"message-id:"))
    return line.partition(b":")[2].strip().decode()


def crash_round(tmp_path: Path, kills: int, seed: int) -> str:
    """Kill `kills` roles while mail and hits stream, then count; returns the counts."""
    rng = Random(seed)
    with (
        world() as outside,
        running(
            tmp_path / "data",
            smarthost_host="127.0.0.1",
            smarthost_port=str(outside.live.smtp_port),
            smarthost_security="none",
            collector_trusted__proxies="127.0.0.0/8",
            delivery_connections="8",
        ) as glass,
    ):
        sender = Sender(glass, glass.password(), seed, LETTERS_A_KILL * kills)
        sender.start()
        for number in range(kills):
            for _ in range(LETTERS_A_KILL):
                sender.allowed.release()
            # in the middle of these letters, the copies and hits of the earlier ones under way
            wait_for_answered(sender, LETTERS_A_KILL * number + rng.randrange(LETTERS_A_KILL // 2))
            glass.kill(ROLES[number % len(ROLES)] if number < 10 else rng.choice(ROLES))
        sender.join()
        wait_until_spool_is_empty(glass, tmp_path / "data")
        outside.settle(0)
        wait_until_ingested(glass, tmp_path / "data")
        return count(glass, outside.live, sender)


def wait_for_answered(sender: Sender, count: int) -> None:
    with sender.news:
        assert sender.news.wait_for(lambda: sender.answered >= count, 60)


def wait_until_spool_is_empty(glass: Running, data: Path) -> None:
    spool = Spool(data / "spool.db")
    glass.wait_for_news(lambda: spool.counts()["delivery"] == 0)
    spool.close()


def wait_until_ingested(glass: Running, data: Path) -> None:
    history, spool = History(glass.history), Spool(data / "spool.db")

    def is_done() -> bool:
        with history.transaction() as t:
            at = t.cursor("journal")
        return at == str(published_end(data / "journal")) and not spool.counts()["event"]

    glass.wait_for_news(is_done)
    history.close()
    spool.close()


def count(glass: Running, live: LiveWorld, sender: Sender) -> str:
    history = History(glass.history)
    with history.transaction() as t:
        messages = t.messages(None, limit=100_000)
        names = {m.id: m.message_id_field for m in messages}
        deliveries = t.deliveries_of(names)
        events = t.events_of((d.id for d in deliveries), told_only=True)
        hits = t.hits_of(d.id for d in deliveries)
        poison = t.poison()
    history.close()
    keys = {d.id: (names[d.message_id], d.recipient) for d in deliveries}
    delivered = Counter(keys[e.delivery_id] for e in events if e.event.type is EventType.DELIVERED)
    queued = Counter(keys[e.delivery_id] for e in events if e.event.type is EventType.QUEUED)
    arrived = live.maildrop.arrivals
    lost = [key for key in sender.confirmed if key not in arrived]
    assert not lost, f"{len(lost)} messages got their 250 and never arrived: {lost[:3]}"
    assert set(sender.confirmed) <= set(delivered)
    assert set(delivered.values()) <= {1}, "a delivery stands in the timeline twice"
    assert set(queued.values()) <= {1}, "a message was queued twice"
    assert not poison

    recorded = Counter((h.hit.token, h.hit.method, h.hit.address) for h in hits)
    answered: Counter[tuple[str, str, str]] = Counter()
    asked: Counter[tuple[str, str, str]] = Counter()
    for delivery in live.deliveries.values():
        for visit in delivery.visits:
            if visit.fetch.alters_token:
                continue  # such a hit has no delivery to stand in the timeline of
            key = (visit.token, visit.fetch.method, visit.fetch.place.address)
            asked[key] += 1
            answered[key] += bool(visit.answer.status)
    missing = answered - recorded
    assert not missing, f"answered and not recorded: {missing.total()}"
    doubled = recorded - asked
    assert not doubled, f"recorded more often than asked for: {doubled.total()}"
    return (
        f"submitted {len(sender.confirmed)}, delivered {len(sender.confirmed) - len(lost)}, "
        f"lost 0; {sender.unsure} submissions without an answer; copies repeated on the wire "
        f"{sum(n - 1 for n in live.maildrop.repeated.values())}; "
        f"hits answered {answered.total()}, recorded {recorded.total()}, missing 0, doubled 0"
    )


def test_killing_every_role_twice_loses_and_doubles_nothing(
    tmp_path: Path, record_property: pytest.RecordProperty, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = crash_round(tmp_path, kills=10, seed=1)
    record_property("counts", counts)
    with capsys.disabled():
        print(f"\ncrash test: {counts}")


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 6))
def test_killing_roles_at_random_for_long_loses_and_doubles_nothing(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = crash_round(tmp_path, kills=40, seed=seed)
    with capsys.disabled():
        print(f"\ncrash test, 40 kills: {counts}")
