"""Listens for what a mail program asks while it shows the leak test (HTTP/1.1, RFC 9112).

Knows nothing of deliveries and records no address: it answers every request with an empty page,
that of the mail's link with a sentence, and remembers the path. It runs for one test on the
tester's own machine, so that it has no log.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress

__all__ = ["LeakCollector"]

_REQUEST = re.compile(
    rb"[A-Z]{1,10} (?:https?://[^/ ]{1,255})?(/[^\r\n ?]{1,500})[^\r\n]* HTTP/1\."
)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\n\r\n%s"
)
_NOTED = b"Noted: you have opened the mail. End the test with Ctrl-C where it runs.\n"
_MAX_HEADER_BYTES = 16_384
_MAX_SECONDS = 10.0


class LeakCollector:
    """Remembers which loaders asked, in the order in which they first did."""

    def __init__(self, names: set[str], link: str, on_first: Callable[[str], None]) -> None:
        """`names` are the loaders of the test mail, `link` what its link asks for.

        `on_first` is told each when it first asks.
        """
        self._names = names | {link}
        self._link = link
        self._on_first = on_first
        self._server: asyncio.Server | None = None
        self.asked: list[str] = []

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._answer, host, port, limit=_MAX_HEADER_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_MAX_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            name = self._name(head)
            self._note(name)
            text = _NOTED if name == self._link else b""
            writer.write(_ANSWER % (len(text), text))
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # whoever that was asked for nothing of the test
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _name(self, head: bytes) -> str:
        """What is asked for: a part of the path, which may begin with that of the base URL."""
        match = _REQUEST.match(head)
        parts = match[1].decode("latin-1").split("/") if match else []
        return next((part for part in parts if part in self._names), "")

    def _note(self, name: str) -> None:
        if name and name not in self.asked:
            self.asked.append(name)
            self._on_first(name)
