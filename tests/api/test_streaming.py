"""The stream of events over a real server: each event once, also for a client that comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from api_house import ApiHouse

from happenings import add_account, add_message, tell
from mailglass.errors import StorageUnavailable
from mailglass.history import History, Scope
from mailglass.model import EventType


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    return ApiHouse(tmp_path)


@contextlib.asynccontextmanager
async def serving(house: ApiHouse) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API behind uvicorn, as it runs in the web role."""
    server = uvicorn.Server(
        uvicorn.Config(house.app, port=0, log_config=None, timeout_graceful_shutdown=5)
    )
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {house.key()}"}
    base = f"http://127.0.0.1:{port}/api/v1"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60) as client:
        yield client
    await house.desk.following.end()
    server.should_exit = True
    await running


@contextlib.asynccontextmanager
async def streaming(
    client: httpx.AsyncClient, *, last: str | None = None, **params: str
) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """The messages of a stream, as a client of the specification reads them."""
    headers = {} if last is None else {"Last-Event-ID": last}
    async with client.stream("GET", "/events/stream", headers=headers, params=params) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")

        async def messages() -> AsyncIterator[dict[str, str]]:
            message: dict[str, str] = {}
            async for line in response.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    message[name] = value
                elif "data" in message:
                    yield message
                    message = {}
                else:
                    message = {}

        yield messages()


async def take(messages: AsyncIterator[dict[str, str]], count: int) -> list[dict[str, str]]:
    async with asyncio.timeout(60):
        return [await anext(messages) for _ in range(count)]


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


TYPES = (EventType.QUEUED, EventType.DELIVERED, EventType.OPENED, EventType.CLICKED)


def test_what_happens_is_streamed_with_all_that_it_is_about(house: ApiHouse) -> None:
    async def test() -> None:
        (delivery,) = add_message(house.history, house.account_id, 1)
        tell(house.history, delivery, EventType.QUEUED)
        async with serving(house) as client, streaming(client, after="1") as messages:
            tell(house.history, delivery, EventType.CLICKED, raw={"target": 1})
            (message,) = await take(messages, 1)
        data = orjson.loads(message["data"])
        assert (message["event"], message["id"]) == ("clicked", "2")
        assert data["recipient"] == "a@x.test"
        assert data["subject"] == "您好 안녕"
        assert data["target"]["url"] == "https://example.org/价格"

    run(test())


def test_a_client_that_comes_back_misses_nothing_and_hears_nothing_twice(house: ApiHouse) -> None:
    """Cut off after every few events while others happen."""

    async def test() -> None:
        recipients = [f"r{n}@x.test" for n in range(25)]
        deliveries = add_message(house.history, house.account_id, 1, *recipients)
        heard: list[str] = []
        async with serving(house) as client:

            async def happen() -> None:
                for delivery in deliveries:
                    await asyncio.to_thread(tell, house.history, delivery, *TYPES)

            happening = asyncio.create_task(happen())
            last = "0"
            while len(heard) < 100:
                async with streaming(client, last=last) as messages:
                    for message in await take(messages, min(7, 100 - len(heard))):
                        heard.append(message["id"])
                        last = message["id"]
            await happening
        assert heard == [str(n) for n in range(1, 101)]

    run(test())


def test_a_filter_leaves_the_rest_out(house: ApiHouse) -> None:
    async def test() -> None:
        deliveries = add_message(house.history, house.account_id, 1, "a@x.test", "b@x.test")
        for delivery in deliveries:
            tell(house.history, delivery, *TYPES)
        async with (
            serving(house) as client,
            streaming(client, after="0", type="opened") as messages,
        ):
            assert [m["id"] for m in await take(messages, 2)] == ["3", "7"]

    run(test())


def test_another_account_hears_nothing_of_it(house: ApiHouse) -> None:
    async def test() -> None:
        other = add_account(house.history, "other")
        ours = add_message(house.history, house.account_id, 1)[0]
        theirs = add_message(house.history, other, 2)[0]
        for delivery in (ours, theirs, ours, theirs):
            tell(house.history, delivery, EventType.OPENED)
        async with serving(house) as client:
            client.headers["Authorization"] = f"Bearer {house.key(account_id=other)}"
            async with streaming(client, after="0") as messages:
                assert [m["id"] for m in await take(messages, 2)] == ["2", "4"]

    run(test())


def test_while_the_history_is_down_the_stream_waits_and_then_goes_on(
    house: ApiHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        (delivery,) = add_message(house.history, house.account_id, 1)
        tell(house.history, delivery, EventType.QUEUED)
        real = History.reading
        async with serving(house) as client, streaming(client, after="0") as messages:
            await take(messages, 1)

            asked = asyncio.Event()
            loop = asyncio.get_running_loop()

            def fail(_: History) -> Any:
                loop.call_soon_threadsafe(asked.set)
                raise StorageUnavailable("the history cannot be used: no server")

            tell(house.history, delivery, EventType.DELIVERED)
            with monkeypatch.context() as patch:
                patch.setattr(History, "reading", fail)
                await asked.wait()
            assert History.reading is real
            tell(house.history, delivery, EventType.OPENED)
            assert [m["event"] for m in await take(messages, 2)] == ["delivered", "opened"]

    run(test())


def test_a_key_has_no_more_streams_than_are_good_for_it(
    house: ApiHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailglass.web.api.stream._MOST_A_KEY", 1)

    async def test() -> None:
        async with serving(house) as client, streaming(client, after="0"):
            refused = await client.get("/events/stream")
            assert refused.status_code == 429
            client.headers["Authorization"] = f"Bearer {house.key(Scope.MESSAGES_READ)}"
            async with streaming(client, after="0"):
                pass

    run(test())


def test_streams_end_when_the_server_does(tmp_path: Path) -> None:
    house = ApiHouse(tmp_path)

    async def test() -> None:
        async with serving(house) as client, streaming(client, after="0") as messages:
            await house.desk.following.end()
            async with asyncio.timeout(60):
                assert [m async for m in messages] == []

    run(test())
