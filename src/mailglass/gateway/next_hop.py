"""A filter's dialogue with the server that mail goes on to (RFC 5321), command by command.

What the next hop says to a recipient is what the sender's server hears of that recipient, so that
one who is refused takes nothing from the others. A connection that did not last until the message
was there is made again with the recipients that were taken.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import aiosmtplib

__all__ = ["NextHop", "Reply"]

_log = logging.getLogger("mailglass.gateway.next_hop")

# Postfix waits 300 s for a proxy filter's answer (smtpd_proxy_timeout 100 s in 3.7); a next hop on
# the same machine that is silent longer is down.
_TIMEOUT_SECONDS = 90
_GOODBYE_SECONDS = 5  # the sender waits for its answer meanwhile
_TAKEN = (250, 251, 252)
# Which extension of the next server's an option needs. SIZE is left out, since a clean copy has
# another; AUTH (RFC 4954 section 5), which is not offered, was the first server's business.
_OPTIONS = {
    "BODY": "8bitmime",
    "SMTPUTF8": "smtputf8",
    "RET": "dsn",
    "ENVID": "dsn",
    "NOTIFY": "dsn",
    "ORCPT": "dsn",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of one or several lines (RFC 5321 section 4.2.1), as the sender may hear it."""

    code: int
    text: str

    @property
    def is_taken(self) -> bool:
        """Whether a sender or a recipient was accepted."""
        return self.code in _TAKEN

    def __str__(self) -> str:
        *before, last = self.text.splitlines() or [""]
        return "\r\n".join([*(f"{self.code}-{line}" for line in before), f"{self.code} {last}"])


_UNREACHABLE = Reply(451, "4.4.1 The next hop cannot be reached; try again later")


class NextHop:
    """One message after the other, each over a connection of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._client: aiosmtplib.SMTP | None = None
        self._sender: tuple[str, Sequence[str]] = ("", ())
        self._recipients: list[tuple[str, Sequence[str]]] = []

    async def begin(self, sender: str, options: Sequence[str]) -> Reply:
        """Connect and say MAIL, with those options that the next hop understands."""
        await self.leave()
        self._sender, self._recipients = (sender, options), []
        reply = await self._connect()
        if reply is None:
            reply = await self._say("MAIL", f"FROM:<{sender}>", options)
        if not reply.is_taken:
            await self.leave()
        return reply

    async def add(self, recipient: str, options: Sequence[str]) -> Reply:
        """Say RCPT."""
        reply = await self._say("RCPT", f"TO:<{recipient}>", options)
        if reply.is_taken:
            self._recipients.append((recipient, options))
        return reply

    async def finish(self, data: bytes) -> Reply:
        """Hand on the message to all recipients that were taken."""
        reply = await self._resume()
        if reply is None:
            try:
                answer = await self._connected().data(data)
                reply = _heard(answer.code, answer.message)
            except aiosmtplib.SMTPResponseException as error:
                reply = _heard(error.code, error.message)
            except (aiosmtplib.SMTPException, OSError) as error:
                reply = self._lost(error)
        await self.leave()
        return reply

    async def leave(self) -> None:
        """Say goodbye, if there is anybody."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=_GOODBYE_SECONDS)
            client.close()

    def drop(self) -> None:
        """End the connection at once: the sender is gone."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def _connect(self) -> Reply | None:
        """The refusal; None when the next hop has greeted."""
        self._client = client = aiosmtplib.SMTP(
            hostname=self._host, port=self._port, timeout=_TIMEOUT_SECONDS, start_tls=False
        )
        try:
            await client.connect()
            try:
                await client.ehlo()
            except aiosmtplib.SMTPHeloError:
                await client.helo()
        except aiosmtplib.SMTPResponseException as error:
            return _heard(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError) as error:
            return self._lost(error)
        return None

    async def _say(self, verb: str, path: str, options: Iterable[str]) -> Reply:
        """One command, with its path as it came."""
        try:
            client = self._connected()
            extensions = {name.lower() for name in client.esmtp_extensions}
            known = (o for o in options if _OPTIONS.get(o.partition("=")[0].upper()) in extensions)
            words = (verb, path, *known)
            answer = await client.execute_command(
                *(word.encode("utf-8", "surrogateescape") for word in words)
            )
        except aiosmtplib.SMTPResponseException as error:
            return _heard(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError) as error:
            return self._lost(error)
        return _heard(answer.code, answer.message)

    async def _resume(self) -> Reply | None:
        """Go on where the connection ended while the message came in; None when it stands."""
        try:
            # The message is not sent before it is known that somebody listens: once it is under
            # way, nobody can tell whether it was taken.
            if (await self._connected().execute_command(b"NOOP")).code != 421:
                return None
        except (aiosmtplib.SMTPException, OSError) as error:
            _log.info("the next hop did not wait for the message: %s", error)
        recipients = self._recipients
        replies = [await self.begin(*self._sender)]
        for recipient in recipients if replies[0].is_taken else ():
            replies.append(await self.add(*recipient))
        refused = [reply for reply in replies if not reply.is_taken]
        if not refused:
            return None
        # The sender was told that all of these are taken; when it comes again, it hears of each.
        return Reply(
            451, f"4.4.2 Try again; the next hop now says {refused[0].code} {refused[0].text}"
        )

    def _connected(self) -> aiosmtplib.SMTP:
        if self._client is None:
            raise aiosmtplib.SMTPServerDisconnected("not connected")
        return self._client

    def _lost(self, error: BaseException) -> Reply:
        _log.warning("the next hop cannot be reached: %s", error)
        return _UNREACHABLE


def _heard(code: int, text: str) -> Reply:
    """The answer; 451 for a goodbye (421), since our own connection goes on, and for no answer."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return Reply(code if 200 <= code < 600 and code != 421 else 451, readable)
