"""Webhooks arrive signed, at least once, for three days; and no endpoint waits for another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from receivers import Answer, Receiver, endless, garbage, in_turn, never, receiving, says

from happenings import NOON, add_account, add_message, tell
from mailglass.errors import InputError, StorageUnavailable
from mailglass.history import EndpointState, Filters, History, NoticeState, Secret
from mailglass.lookup import Answer as DnsAnswer
from mailglass.lookup import Outcome, SystemResolver, WebFetcher
from mailglass.model import EventType
from mailglass.notify import (
    DEFAULT_RETRY_SECONDS,
    Notifying,
    RetrySchedule,
    new_secret,
    read_secret,
)

Test = Callable[["Bureau"], Coroutine[Any, Any, None]]


class Bureau:
    """A history, the sender of webhooks over it, and a clock that is turned by hand."""

    def __init__(self, folder: Path, *, private: bool = True, address: str | None = None) -> None:
        self.now = NOON
        self.history = History(address or f"sqlite:///{folder / 'history.db'}")
        self.account_id = add_account(self.history)
        self.secret = new_secret()
        self.fetcher = WebFetcher(SystemResolver(), timeout_seconds=5, private=private)
        self.notifying = self.new_sender()
        self._numbers = iter(range(1, 1000))

    def new_sender(self) -> Notifying:
        return Notifying(
            history=self.history,
            fetcher=self.fetcher,
            clock=lambda: self.now,
            jitter=lambda: 0.5,
        )

    def endpoint(self, url: str, filters: Filters | None = None) -> int:
        with self.history.transaction() as t:
            return t.add_endpoint(
                self.account_id,
                url,
                self.secret,
                filters=filters or Filters(),
                description="",
                last_event_id=t.last_event_id(),
                at=self.now,
            ).id

    def happen(self, *types: EventType, **about: Any) -> None:
        (delivery,) = add_message(self.history, self.account_id, next(self._numbers), **about)
        tell(self.history, delivery, *types)

    async def send(self, after: timedelta = timedelta(0)) -> None:
        """Turn the clock on, and see everything through that is due then."""
        self.now += after
        await self.notifying.look()
        await self.notifying.lanes_done()

    def notices(self, endpoint: int) -> list[tuple[NoticeState, int]]:
        with self.history.reading() as t:
            return [(n.state, n.attempts) for n in t.notices(endpoint)]

    def problems(self, endpoint: int) -> list[str | None]:
        with self.history.reading() as t:
            found = t.notices(endpoint)
            attempts = t.attempts_of(n.id for n in found)
        return [a.problem for n in found for a in attempts[n.id]]


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    return Bureau(tmp_path)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_a_notice_verifies_with_the_specifications_own_library(bureau: Bureau) -> None:
    async def test() -> None:
        async with receiving() as receiver:
            bureau.endpoint(receiver.url)
            bureau.happen(EventType.CLICKED, campaign="秋季")
            bureau.now = datetime.now(NOON.tzinfo)  # the library refuses old timestamps
            await bureau.send()
        (request,) = receiver.requests
        told = standardwebhooks.Webhook(bureau.secret).verify(request.body, request.headers)
        assert told["type"] == "clicked"
        assert told["data"]["recipient"] == "a@x.test"
        assert told["data"]["subject"] == "您好 안녕"
        assert told["data"]["campaign"] == "秋季"
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(bureau.secret).verify(request.body + b" ", request.headers)

    run(test())


def test_while_a_secret_is_replaced_both_verify(bureau: Bureau) -> None:
    async def test() -> None:
        fresh = new_secret()
        async with receiving() as receiver:
            endpoint = bureau.endpoint(receiver.url)
            bureau.now = datetime.now(NOON.tzinfo)
            with bureau.history.transaction() as t:
                old = Secret(text=bureau.secret, ends_at=bureau.now + timedelta(hours=1))
                t.change_endpoint(endpoint, secrets=[Secret(text=fresh), old])
            bureau.happen(EventType.DELIVERED)
            await bureau.send()
            bureau.now += timedelta(hours=2)
            bureau.happen(EventType.OPENED)
            await bureau.send()
        first, second = receiver.requests
        for secret in (fresh, bureau.secret):
            standardwebhooks.Webhook(secret).verify(first.body, first.headers)
        assert len(second.headers["webhook-signature"].split()) == 1

    run(test())


@pytest.mark.parametrize("secret", ["", "whsec_!", "whsec_c2hvcnQ=", "whsec_" + "A" * 100])
def test_a_secret_that_no_receiver_takes_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(InputError) as refused:
        read_secret(secret)
    assert secret == "" or secret not in str(refused.value)


def test_an_event_is_told_once_and_in_the_words_of_the_api(bureau: Bureau) -> None:
    async def test() -> None:
        async with receiving() as receiver:
            bureau.endpoint(receiver.url)
            bureau.happen(EventType.QUEUED, EventType.DELIVERED)
            for _ in range(3):
                await bureau.send()
        assert sorted(str(r.event["type"]) for r in receiver.requests) == ["delivered", "queued"]
        assert len({r.id for r in receiver.requests}) == 2

    run(test())


def test_an_endpoint_hears_only_of_its_account_and_what_its_filters_want(bureau: Bureau) -> None:
    async def test() -> None:
        async with receiving() as receiver:
            bureau.endpoint(
                receiver.url,
                Filters(types=(EventType.OPENED,), campaigns=("autumn",), tags=("b", "c")),
            )
            bureau.happen(EventType.OPENED, EventType.CLICKED, campaign="autumn", tags=("a", "b"))
            bureau.happen(EventType.OPENED, campaign="autumn", tags=("a",))
            bureau.happen(EventType.OPENED, campaign="spring", tags=("b",))
            other = add_account(bureau.history, "other")
            (delivery,) = add_message(bureau.history, other, 5000, campaign="autumn", tags=("b",))
            tell(bureau.history, delivery, EventType.OPENED)
            await bureau.send()
        (request,) = receiver.requests
        assert request.event["message_id"] == "1"

    run(test())


def test_what_fails_is_tried_again_with_the_same_id_until_it_is_taken(bureau: Bureau) -> None:
    async def test() -> None:
        async with receiving(in_turn(says(500), says(429), says(302), says(204))) as receiver:
            endpoint = bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            await bureau.send()
            await bureau.send(timedelta(seconds=4))
            assert len(receiver.requests) == 1
            await bureau.send(timedelta(seconds=2))
            await bureau.send(timedelta(seconds=301))
            await bureau.send(timedelta(seconds=1801))
            assert bureau.notices(endpoint) == [(NoticeState.TAKEN, 4)]
        assert len({r.id for r in receiver.requests}) == 1
        assert len({r.body for r in receiver.requests}) == 1
        stamps = [int(r.headers["webhook-timestamp"]) for r in receiver.requests]
        assert stamps == sorted(set(stamps))

    run(test())


def test_after_three_days_a_notice_is_a_dead_letter_that_can_be_replayed(
    tmp_path: Path, history_address: str
) -> None:
    bureau = Bureau(tmp_path, address=history_address)

    async def test() -> None:
        async with receiving(says(503, body=b"down\x00\x1b[31m")) as receiver:
            endpoint = bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            began = bureau.now
            await bureau.send()
            for seconds in DEFAULT_RETRY_SECONDS:
                assert bureau.notices(endpoint)[0][0] is NoticeState.WAITING
                await bureau.send(timedelta(seconds=seconds * 1.05))
            assert bureau.notices(endpoint) == [(NoticeState.DEAD, 10)]
            assert timedelta(days=2.9) < bureau.now - began < timedelta(days=3.2)
            assert set(bureau.problems(endpoint)) == {"503: down [31m"}
            receiver.answer = says(200)
            await bureau.send(timedelta(days=1))
            assert len(receiver.requests) == 10
            with bureau.history.transaction() as t:
                assert t.replay_notices(endpoint, bureau.now) == 1
            await bureau.send()
            assert bureau.notices(endpoint) == [(NoticeState.TAKEN, 1)]
        assert len({r.id for r in receiver.requests}) == 1

    run(test())
    bureau.history.close()


def test_a_receiver_that_asks_for_time_gets_it(bureau: Bureau) -> None:
    async def test() -> None:
        async with receiving(in_turn(says(503, "Retry-After: 600"), says(200))) as receiver:
            bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            await bureau.send()
            await bureau.send(timedelta(seconds=500))
            assert len(receiver.requests) == 1
            await bureau.send(timedelta(seconds=101))
            assert len(receiver.requests) == 2

    run(test())


@pytest.mark.parametrize("asked", ["-1", "x" * 300, "9" * 300, "Mon, 99 Nov 2026", ""])
def test_a_wild_retry_after_does_no_harm(bureau: Bureau, asked: str) -> None:
    async def test() -> None:
        async with receiving(in_turn(says(503, f"Retry-After: {asked}"), says(200))) as receiver:
            endpoint = bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            await bureau.send()
            await bureau.send(timedelta(days=1.1))
            assert bureau.notices(endpoint) == [(NoticeState.TAKEN, 2)]

    run(test())


def test_who_says_gone_gets_nothing_more(bureau: Bureau) -> None:
    async def test() -> None:
        async with receiving(says(410)) as receiver:
            endpoint = bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            await bureau.send()
            bureau.happen(EventType.CLICKED)
            await bureau.send(timedelta(days=1))
            assert len(receiver.requests) == 1
        with bureau.history.reading() as t:
            found = t.endpoint(bureau.account_id, endpoint)
        assert found is not None
        assert found.state is EndpointState.DISABLED

    run(test())


def test_what_happens_during_a_pause_is_told_after_it(bureau: Bureau) -> None:
    async def test() -> None:
        async with receiving() as receiver:
            endpoint = bureau.endpoint(receiver.url)
            with bureau.history.transaction() as t:
                t.change_endpoint(endpoint, state=EndpointState.PAUSED)
            bureau.happen(EventType.OPENED)
            await bureau.send()
            assert receiver.requests == []
            with bureau.history.transaction() as t:
                t.change_endpoint(endpoint, state=EndpointState.ENABLED)
            await bureau.send()
            assert len(receiver.requests) == 1

    run(test())


def test_a_redirect_is_not_followed(bureau: Bureau) -> None:
    async def test() -> None:
        async with receiving() as inner, receiving(says(307, f"Location: {inner.url}")) as receiver:
            endpoint = bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            await bureau.send()
            assert inner.requests == []
            (problem,) = bureau.problems(endpoint)
            assert problem is not None
            assert problem.startswith("307: it redirects")

    run(test())


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"]
)
def test_an_address_of_ours_is_refused_unless_it_is_allowed(tmp_path: Path, host: str) -> None:
    async def test() -> None:
        bureau = Bureau(tmp_path, private=False)
        async with receiving() as receiver:
            endpoint = bureau.endpoint(receiver.url.replace("127.0.0.1", host))
            bureau.happen(EventType.OPENED)
            await bureau.send()
            assert receiver.requests == []
        (problem,) = bureau.problems(endpoint)
        assert problem is not None
        assert "private" in problem or "address" in problem

    run(test())


class Rebinding:
    """A name that is public when it is first asked for, and ours from then on."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> DnsAnswer:
        if kind != "A":
            return DnsAnswer(name=name, kind=kind, outcome=Outcome.NODATA)
        self.asked += 1
        address = "192.0.2.1" if self.asked == 1 else "127.0.0.1"
        return DnsAnswer(name=name, kind=kind, outcome=Outcome.ANSWERS, records=(address,))


def test_a_name_that_turns_to_us_is_refused_at_the_connection(tmp_path: Path) -> None:
    async def test() -> None:
        bureau = Bureau(tmp_path)
        names = Rebinding()
        bureau.fetcher = WebFetcher(names, timeout_seconds=5)
        bureau.notifying = bureau.new_sender()
        async with receiving() as receiver:
            bureau.endpoint(receiver.url.replace("127.0.0.1", "rebind.test"))
            bureau.happen(EventType.OPENED)
            await bureau.send()
            await bureau.send(timedelta(seconds=10))
            assert names.asked == 2
            assert receiver.requests == []

    run(test())


@pytest.mark.parametrize("answer", [endless, garbage], ids=["endless", "garbage"])
def test_a_hostile_answer_is_read_for_two_kilobytes_and_no_further(
    bureau: Bureau, answer: Answer
) -> None:
    async def test() -> None:
        async with receiving(answer) as receiver:
            endpoint = bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            await bureau.send()
            assert len(receiver.requests) == 1
        ((state, _),) = bureau.notices(endpoint)
        assert state is (NoticeState.TAKEN if answer is endless else NoticeState.WAITING)

    run(test())


@contextlib.asynccontextmanager
async def sending(bureau: Bureau) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    running = asyncio.create_task(bureau.notifying.run(stopping))
    yield
    stopping.set()
    await running


def test_an_endpoint_that_never_answers_delays_no_other(bureau: Bureau) -> None:
    async def test() -> None:
        release = asyncio.Event()
        async with receiving(never(release)) as silent, receiving() as polite:
            for _ in range(5):
                bureau.endpoint(silent.url)
            bureau.endpoint(polite.url)
            async with sending(bureau):
                for _ in range(40):
                    bureau.happen(EventType.OPENED)
                await polite.wait_for(40)
                assert silent.connections > 0  # it still says nothing, and all others are told
                release.set()
        assert silent.most_open <= 5 * 8

    run(test())


def test_a_dead_endpoint_costs_one_attempt_a_rest_however_much_it_is_owed(bureau: Bureau) -> None:
    async def test() -> None:
        async with receiving(says(500)) as receiver:
            endpoint = bureau.endpoint(receiver.url)
            for _ in range(50):
                bureau.happen(EventType.OPENED)
            await bureau.send()
            first = len(receiver.requests)
            assert first <= 8
            for _ in range(5):
                await bureau.send(timedelta(minutes=6))
            assert len(receiver.requests) == first + 5
            receiver.answer = says(200)
            await bureau.send(timedelta(hours=12))
            assert {state for state, _ in bureau.notices(endpoint)} == {NoticeState.TAKEN}

    run(test())


def test_what_was_not_recorded_is_sent_again_under_its_id(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with receiving() as receiver:
            endpoint = bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            real = Notifying._record

            def fail(*_: object) -> None:
                raise StorageUnavailable("the history cannot be used: full")

            monkeypatch.setattr(Notifying, "_record", fail)
            await bureau.send()
            monkeypatch.setattr(Notifying, "_record", real)
            bureau.notifying = bureau.new_sender()  # as after a crash
            await bureau.send()
            assert bureau.notices(endpoint) == [(NoticeState.TAKEN, 1)]
        assert len(receiver.requests) == 2
        assert len({r.id for r in receiver.requests}) == 1

    run(test())


def test_a_history_that_is_down_is_waited_for(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with receiving() as receiver:
            bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            real, fails = History.reading, iter(range(2))

            def reading(history: History) -> Any:
                if next(fails, None) is not None:
                    raise StorageUnavailable("the history cannot be used: no server")
                return real(history)

            monkeypatch.setattr(History, "reading", reading)
            async with sending(bureau):
                await receiver.wait_for(1)

    run(test())


def test_the_schedule_lasts_three_days_and_no_longer() -> None:
    schedule = RetrySchedule()
    at: datetime | None = NOON
    for attempts in range(1, len(DEFAULT_RETRY_SECONDS) + 1):
        assert at is not None
        at = schedule.next_attempt(at, attempts, 0.5)
    assert at is not None
    assert timedelta(days=2.9) < at - NOON <= timedelta(days=3)
    assert schedule.next_attempt(at, len(DEFAULT_RETRY_SECONDS) + 1, 0.5) is None


def test_what_was_taken_is_forgotten_after_a_week_and_dead_letters_after_ninety_days(
    bureau: Bureau,
) -> None:
    async def test() -> None:
        async with receiving(in_turn(says(200), says(410))) as receiver:
            endpoint = bureau.endpoint(receiver.url)
            bureau.happen(EventType.OPENED)
            await bureau.send()
            assert isinstance(receiver, Receiver)
            await bureau.send(timedelta(days=6))
            assert len(bureau.notices(endpoint)) == 1
            await bureau.send(timedelta(days=1.1))
            assert bureau.notices(endpoint) == []

    run(test())
