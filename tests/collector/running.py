"""A collector that runs in a thread of the test, and a client that speaks in bytes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from mailglass.collector import Collector, Config
from mailglass.journal import START, Poison, read
from mailglass.model import Hit
from mailglass.tokens import Ring

KEYS = (bytes(32), bytes(range(32)))
RING = Ring(KEYS)


@dataclass
class Answer:
    """An HTTP answer in pieces."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Running:
    """A collector that answers on a port of its own."""

    collector: Collector
    directory: Path
    loop: asyncio.AbstractEventLoop

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function within the collector's event loop."""

        async def wrapped() -> Any:
            return function(*args)

        return asyncio.run_coroutine_threadsafe(wrapped(), self.loop).result(10)

    def connect(self, port: int | None = None) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port or self.collector.port), timeout=10)

    def get(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """One request on a connection of its own; header names are written with underscores."""
        return self.send(request_bytes(target, method, body, **headers))

    def send(self, data: bytes, port: int | None = None) -> Answer:
        with self.connect(port) as connection:
            connection.sendall(data)
            return receive(connection, is_head=data.startswith(b"HEAD"))

    def private(self, target: str) -> Answer:
        return self.send(request_bytes(target), self.collector.metrics_port)

    def metric(self, name: str) -> float:
        text = self.private("/metrics").body.decode()
        found = re.findall(rf"^mailglass_collector_{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))

    def hits(self) -> list[Hit]:
        """The hits in the journal, as a reader sees them now."""
        items = [item for _, item in read(self.directory / "journal", START, 1_000_000)]
        assert not [item for item in items if isinstance(item, Poison)]
        return [item for item in items if isinstance(item, Hit)]

    def collector_is_idle(self) -> None:
        """Return when every connection is closed and every hit is on stable storage."""
        site, commits = self.collector._site, self.collector._commits
        while self.call(lambda: bool(site.connections or commits.backlog_bytes)):
            time.sleep(0.005)

    def hit(self) -> Hit:
        """The one hit in the journal."""
        (found,) = self.hits()
        return found


def request_bytes(target: str, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    fields = {"Host": "track.example.com", "Connection": "close"}
    fields |= {name.replace("_", "-"): text for name, text in headers.items()}
    if body:
        fields["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def receive(connection: socket.socket | ssl.SSLSocket, *, is_head: bool = False) -> Answer:
    """One answer, which leaves what follows it unread."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(1)
        if not data:
            raise ConnectionError(f"closed after {head!r}")
        head += data
    status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): text for name, text in pairs}
    assert len(headers) == len(pairs), f"a header stands twice: {pairs}"
    status = int(status_line.split()[1])
    length = 0 if is_head or status == 304 else int(headers.get("content-length", 0))
    body = b""
    while len(body) < length:
        data = connection.recv(length - len(body))
        if not data:
            raise ConnectionError(f"closed after {len(body)} of {length} bytes")
        body += data
    return Answer(status, headers, body)


@contextlib.contextmanager
def serve(directory: Path, **changes: Any) -> Iterator[Running]:
    """A collector with its data in `directory`, until the end of the block."""
    fields: dict[str, Any] = {
        "journal_directory": directory / "journal",
        "attachment_directory": directory / "attachments",
        "keys": KEYS,
        "port": 0,
        "metrics_port": 0,
        "junk_a_second": 1e9,
        "drain_seconds": 5,
    }
    disk = changes.pop("disk", None)
    collector = Collector(Config(**{**fields, **changes}), disk=disk)
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(collector.start(), loop).result(10)
        yield Running(collector, directory, loop)
    finally:
        asyncio.run_coroutine_threadsafe(collector.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
