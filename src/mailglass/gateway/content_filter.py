"""The guard in the way of incoming mail: SMTP in, clean copy out to the next hop.

Made for Postfix's `content_filter` and `smtpd_proxy_filter`, and for whatever else hands mail on by
SMTP. Sender, recipients and message are answered only when the next hop has answered, each with
its answer, so that nothing can be lost in between and no queue is needed here. Whatever goes wrong
in the guard, the message goes on as it came: a filter that cannot read a message has no reason to
withhold it.

What is done with a message stands in `cleaning`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, Envelope, Session

from .cleaning import Cleaner
from .filter_session import FilterHandler, FilterSession
from .next_hop import NextHop

__all__ = ["ContentFilter", "FilterConfig"]

_GREETING = "Mailglass guard"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterConfig:
    """What the filter is told."""

    next_host: str
    next_port: int
    max_bytes: int = 50_000_000  # Postfix's message_size_limit is 10 MB unless set


class ContentFilter(FilterHandler):
    """Listens, cleans, hands on."""

    def __init__(self, config: FilterConfig, cleaner: Cleaner) -> None:
        self._config = config
        self._cleaner = cleaner
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which is chosen by the system when `port` is 0."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening; messages under way are finished by their own connections."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _session(self) -> SMTP:
        return FilterSession(
            self,
            NextHop(self._config.next_host, self._config.next_port),
            data_size_limit=self._config.max_bytes,
            enable_SMTPUTF8=True,
            ident=_GREETING,
            loop=asyncio.get_running_loop(),
        )

    async def handle_DATA(  # noqa: N802  # the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """One message: clean it, hand it on, answer what the next hop answered."""
        assert isinstance(server, FilterSession), "no other is made here"
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        done = await self._cleaner.clean(raw, envelope.rcpt_tos)
        return str(await server.next_hop.finish(raw if done is None else done.data))
