"""The guard in the way of incoming mail: SMTP in, clean copy out to the next hop.

Made for Postfix's `content_filter` and `smtpd_proxy_filter`, and for whatever else hands mail on by
SMTP. A message is answered only when the next hop has answered, with its answer, so that nothing
can be lost in between and no queue is needed here. Whatever goes wrong in the guard, the message
goes on as it came: a filter that cannot read a message has no reason to withhold it.

What is done with a message stands in `cleaning`.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

import aiosmtplib
from aiosmtpd.smtp import SMTP, Envelope, Session

from .cleaning import Cleaner
from .filter_session import FilterHandler, FilterSession, options_for

__all__ = ["ContentFilter", "FilterConfig"]

_log = logging.getLogger("mailglass.gateway.content_filter")

# Postfix waits 300 s for a proxy filter's answer (smtpd_proxy_timeout 100 s in 3.7); a next hop on
# the same machine that is silent longer is down.
_NEXT_HOP_SECONDS = 90
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
            data_size_limit=self._config.max_bytes,
            enable_SMTPUTF8=True,
            ident=_GREETING,
            loop=asyncio.get_running_loop(),
        )

    async def handle_DATA(  # noqa: N802  # the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """One message: clean it, hand it on, answer what the next hop answered."""
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        done = await self._cleaner.clean(raw, envelope.rcpt_tos)
        return await self._hand_on(envelope, raw if done is None else done.data)

    async def _hand_on(self, envelope: Envelope, data: bytes) -> str:
        client = aiosmtplib.SMTP(
            hostname=self._config.next_host,
            port=self._config.next_port,
            timeout=_NEXT_HOP_SECONDS,
            start_tls=False,
        )
        try:
            await client.connect()
            return await _transaction(client, envelope, data)
        except aiosmtplib.SMTPResponseException as error:
            return _reply(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError) as error:
            _log.warning("the next hop cannot be reached: %s", error)
            return "451 4.4.1 The next hop cannot be reached; try again later"
        finally:
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit()


async def _transaction(client: aiosmtplib.SMTP, envelope: Envelope, data: bytes) -> str:
    """The same envelope at the next hop.

    A recipient that the next hop refuses refuses the message: the sender's queue then tells who,
    and nobody gets it twice.
    """
    extensions = await _greet(client)
    sender = f"FROM:<{envelope.mail_from or ''}>"
    await _say(client, "MAIL", sender, options_for(extensions, envelope.mail_options))
    for recipient, options in zip(envelope.rcpt_tos, envelope.rcpt_options, strict=True):
        known = options_for(extensions, options.split())
        await _say(client, "RCPT", f"TO:<{recipient}>", known)
    answer = await client.data(data)
    return _reply(answer.code, answer.message)


async def _greet(client: aiosmtplib.SMTP) -> frozenset[str]:
    """The extensions of the next hop, in lower case."""
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()
    return frozenset(name.lower() for name in client.esmtp_extensions)


async def _say(client: aiosmtplib.SMTP, verb: str, path: str, options: list[str]) -> None:
    """One command with its path as it came; raises SMTPResponseException unless it is taken."""
    words = [verb, path, *options]
    answer = await client.execute_command(*(word.encode() for word in words))
    if answer.code not in (250, 251, 252):
        raise aiosmtplib.SMTPResponseException(answer.code, answer.message)


def _reply(code: int, message: str) -> str:
    """An answer of one or several lines (RFC 5321 section 4.2.1)."""
    *before, last = message.splitlines() or [""]
    return "\r\n".join([*(f"{code}-{line}" for line in before), f"{code} {last}"])
