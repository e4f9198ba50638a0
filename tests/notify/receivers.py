"""Endpoints on loopback: polite, slow, hostile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import orjson

Answer = Callable[["Receiver", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Request:
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, object]:
        return orjson.loads(self.body)["data"]


@dataclass
class Receiver:
    """One endpoint and what it got."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answer: Answer | None = None
    connections: int = 0
    most_open: int = 0
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, count: int) -> None:
        async with self.news, asyncio.timeout(60):
            await self.news.wait_for(lambda: len(self.requests) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.most_open = max(self.most_open, self.connections)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
            headers = {}
            for line in head[1:]:
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append(Request(headers, body))
            async with self.news:
                self.news.notify_all()
            await (self.answer or says(200))(self, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections -= 1
            writer.close()


def says(status: int, *headers: str, body: bytes = b"") -> Answer:
    """Answer so."""

    async def answer(_: Receiver, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Answer by the number of the request; the last one goes on."""

    async def answer(receiver: Receiver, writer: asyncio.StreamWriter) -> None:
        await answers[min(len(receiver.requests), len(answers)) - 1](receiver, writer)

    return answer


def never(release: asyncio.Event) -> Answer:
    """Say nothing until the test ends."""

    async def answer(_: Receiver, writer: asyncio.StreamWriter) -> None:
        await release.wait()

    return answer


async def endless(_: Receiver, writer: asyncio.StreamWriter) -> None:
    """Send a body without end, as fast as it is read."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def garbage(_: Receiver, writer: asyncio.StreamWriter) -> None:
    """Send what is no HTTP."""
    writer.write(b"\x00\xff\x00 220 mail.test ESMTP\r\n" * 3)
    await writer.drain()


@contextlib.asynccontextmanager
async def receiving(answer: Answer | None = None) -> AsyncIterator[Receiver]:
    """An endpoint that listens."""
    receiver = Receiver(answer=answer)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()
