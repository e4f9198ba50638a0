"""The protocol side of the simulated servers: SMTP spoken, decisions asked for.

RFC 5321, 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 2920 (PIPELINING), 2034 (enhanced status).
aiosmtpd stays behind this module.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol
from weakref import WeakSet

from aiosmtpd.smtp import SMTP

from ..model import Reply

__all__ = ["Decisions", "SmtpDoor"]

_log = logging.getLogger(__name__)
_SIZE_LIMIT = 35_882_577  # bytes: what Gmail's servers announce, 25 MB in base64
_HOST_NAME = "mx.world.example"


class Decisions(Protocol):
    """Who decides what is said."""

    async def answer_recipient(self, return_path: str, recipient: str, peer: str) -> Reply | None:
        """The refusal of a recipient, or None to take it."""

    async def answer_message(
        self, return_path: str, recipients: list[str], content: bytes, peer: str
    ) -> Reply:
        """The answer to a whole message; the return path of a report is empty."""


class SmtpDoor:
    """A listening port on which `decisions` are spoken as SMTP."""

    def __init__(self, decisions: Decisions) -> None:
        self._handler = _Handler(decisions)
        self._server: asyncio.Server | None = None
        self._sessions: WeakSet[Any] = WeakSet()  # aiosmtpd has no types

    async def open(self, host: str, port: int) -> int:
        """Listen, and return the port; 0 takes a free one. Raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, host, port)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    def close(self) -> None:
        """Stop listening and drop every connection at once."""
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.abort()

    def _session(self) -> Any:
        session = SMTP(
            self._handler,
            data_size_limit=_SIZE_LIMIT,
            enable_SMTPUTF8=True,
            hostname=_HOST_NAME,
            ident="ESMTP (simulated)",
        )
        self._sessions.add(session)
        return session


class _Handler:
    """The hooks that aiosmtpd calls."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's name)
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        peer = str(session.peer[0])
        return_path = _return_path(envelope)
        reply = await self._decisions.answer_recipient(return_path, address, peer)
        if reply is None:
            envelope.rcpt_tos.append(address)
            return "250 2.1.5 Ok"
        return _say(server, reply)

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        peer = str(session.peer[0])
        reply = await self._decisions.answer_message(
            _return_path(envelope), list(envelope.rcpt_tos), bytes(envelope.content), peer
        )
        return _say(server, reply)

    async def handle_exception(self, error: Exception) -> str:
        _log.exception("the simulated server failed", exc_info=error)
        return "451 4.3.0 Internal error, try again later"


def _return_path(envelope: Any) -> str:
    """MAIL FROM; aiosmtpd keeps the null one as it was written."""
    return "" if envelope.mail_from == "<>" else str(envelope.mail_from)


def _say(server: Any, reply: Reply) -> str:
    if reply.reply_code == 421:  # RFC 5321 section 3.8: the server closes the channel
        asyncio.get_running_loop().call_soon(server.transport.close)
    return f"{reply.reply_code} {reply.reply_text}"
