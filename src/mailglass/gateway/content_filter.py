"""The guard in the way of incoming mail: SMTP in, clean copy out to the next hop.

Made for Postfix's `content_filter` and `smtpd_proxy_filter`, and for whatever else hands mail on by
SMTP. A message is answered only when the next hop has answered, with its answer, so that nothing
can be lost in between and no queue is needed here. Whatever goes wrong in the guard, the message
goes on as it came: a filter that cannot read a message has no reason to withhold it.

DKIM is checked before anything is changed (RFC 8601); what is not to be lost of the original is
written to `originals` before the clean copy leaves.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiosmtplib
from aiosmtpd.smtp import SMTP, Envelope, Session

from ..guard import HEADER, Clean, MailList, Remove, clean
from ..guard.authentication import FindTxt, authentication_results

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
    remove: Remove = Remove.TRACKERS
    authserv_id: str | None = None  # writes Authentication-Results under this name; None: does not
    originals: Path | None = None  # a folder for the original of every message that was changed
    max_bytes: int = 50_000_000  # Postfix's message_size_limit is 10 MB unless set


class ContentFilter:
    """Listens, cleans, hands on."""

    def __init__(
        self,
        config: FilterConfig,
        *,
        find_txt: FindTxt | None = None,
        mail_list: MailList | None = None,
    ) -> None:
        """`find_txt` asks the DNS; it is called in a thread of its own and may block."""
        self._config = config
        self._find_txt = find_txt
        self._mail_list = mail_list
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
        return SMTP(
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
        data = await asyncio.to_thread(self._cleaned, raw, tuple(envelope.rcpt_tos))
        return await self._hand_on(envelope, data)

    def _cleaned(self, raw: bytes, recipients: tuple[str, ...]) -> bytes:
        """The clean copy; the original when the guard fails or its original cannot be kept."""
        try:
            done = clean(
                raw,
                recipients=recipients,
                mail_list=self._mail_list,
                remove=self._config.remove,
                authentication=self._authentication(raw),
            )
            if done.is_changed and self._config.originals is not None:
                _keep(self._config.originals, raw)
        except Exception:  # whatever it is, the mail must go on
            _log.exception("a message could not be cleaned and goes on as it came")
            return raw
        if done.is_changed:
            _log.info("cleaned %s", _summary(done), extra={"action": "guard-cleaned"})
        return done.data

    def _authentication(self, raw: bytes) -> str | None:
        if self._config.authserv_id is None or self._find_txt is None:
            return None
        return authentication_results(raw, self._config.authserv_id, self._find_txt)

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
            return f"{error.code} {error.message}"
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
    sender = envelope.mail_from or ""
    await client.mail(sender, options=list(envelope.mail_options))
    for recipient in envelope.rcpt_tos:
        await client.rcpt(recipient)
    answer = await client.data(data)
    return f"{answer.code} {answer.message}"


def _keep(folder: Path, raw: bytes) -> None:
    """Write the original under its own hash, whole and on stable storage or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{hashlib.sha256(raw).hexdigest()}.eml"
    if place.exists():
        return
    part = place.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    part.replace(place)


def _summary(done: Clean) -> str:
    head = done.data[: done.data.find(b"\n\n") + 1 or 4096]
    line = next((ln for ln in head.splitlines() if ln.startswith(HEADER.encode())), b"")
    return line.decode("ascii", "replace")
