"""Takes mail that comes back: SMTP (RFC 5321) or LMTP (RFC 2033) for our return-path domains.

It keeps what it is given and answers 250 only then; what the mail means, and whether the address is
one of ours, is found out later by ingest. Nothing is relayed: a recipient outside the domains is
refused. Anybody may connect, so one transaction has one recipient, and size and connections are
bounded. With one recipient LMTP's reply per recipient is the one reply that SMTP gives.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from ..addresses import domain_of
from ..errors import RetryLater
from .listening import Listening

__all__ = ["ReturnServer", "ReturnServerConfig"]

_log = logging.getLogger("mailglass.gateway")

Keep = Callable[[str, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnServerConfig:
    """Where and for which domains the server listens."""

    host: str
    port: int
    hostname: str
    domains: frozenset[str]  # lower case
    lmtp: bool = False  # behind a mail server of one's own, instead of as an MX
    max_message_bytes: int = 10 * 1024 * 1024  # a bounce may return a whole message
    max_connections: int = 100
    tls: ssl.SSLContext | None = None


class ReturnServer(Listening):
    """Listens, and hands every complete mail on to be kept."""

    def __init__(self, config: ReturnServerConfig, *, keep: Keep) -> None:
        """`keep` gets the address that the mail came to and the mail, and returns when both are
        on stable storage; RetryLater from it becomes a 451, so that the peer tries again.
        """
        super().__init__(config.host, config.port)
        self._config = config
        self._keep = keep
        self._open: set[SMTP] = set()

    async def stop(self) -> None:
        """Take no new connection and end those that are open; a peer without a 250 tries again."""
        if self._server is not None:
            self._server.close()
            for session in list(self._open):
                if session.transport is not None:
                    session.transport.close()

    def _new_session(self) -> asyncio.Protocol:
        kind = _LmtpSession if self._config.lmtp else _Session
        return kind(
            _Handler(self._config, self._keep),
            self._open,
            self._config.max_connections,
            data_size_limit=self._config.max_message_bytes,
            enable_SMTPUTF8=True,
            hostname=self._config.hostname,
            ident="Mailglass, for mail that comes back",
            tls_context=self._config.tls,
            loop=asyncio.get_running_loop(),
        )


class _Session(SMTP):
    """One connection; those beyond the most that are allowed are sent away."""

    # RFC 5321 section 4.5.3.1.6 allows 1,000; a returned message may hold any line, and a bounce
    # that is refused for it is lost, for nobody reports it.
    line_length_limit = 1024 * 1024

    def __init__(self, handler: _Handler, sessions: set[SMTP], most: int, **options: Any) -> None:
        # Any: the keyword arguments of aiosmtpd's SMTP, passed on as they are
        super().__init__(handler, **options)
        self._sessions = sessions
        self._most = most

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if (
            len(self._sessions) >= self._most
            and self not in self._sessions  # STARTTLS connects it a second time
            and isinstance(transport, asyncio.Transport)
        ):
            transport.write(b"421 4.3.2 Too many connections; try again later\r\n")
            transport.close()
            return
        self._sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._sessions:
            self._sessions.discard(self)
            super().connection_lost(error)


class _LmtpSession(LMTP, _Session):
    """One connection of a mail server of one's own."""


class _Handler:
    """aiosmtpd's hooks for one connection."""

    def __init__(self, config: ReturnServerConfig, keep: Keep) -> None:
        self._config = config
        self._keep = keep

    async def handle_RCPT(  # noqa: N802  # aiosmtpd names the hooks
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if envelope.rcpt_tos:
            return "452 4.5.3 One recipient a transaction; send the others in one of their own"
        if domain_of(address) not in self._config.domains:
            return "550 5.7.1 Mail for this domain is not taken here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Go on"

    async def handle_DATA(  # noqa: N802  # aiosmtpd names the hooks
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        raw = envelope.content
        if not isinstance(raw, bytes):
            return "550 5.6.0 The message cannot be read"
        try:
            await self._keep(envelope.rcpt_tos[0], raw)
        except RetryLater as error:
            _log.error("%s; the peer will try again", error, extra={"action": "return-waits"})
            return "451 4.3.0 It cannot be kept now; try again later"
        return "250 2.0.0 Kept"
