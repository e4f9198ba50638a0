"""Speaks SMTP (RFC 5321) to the smarthost, on aiosmtplib, and says what it answered.

A 250 after the data means that the smarthost has taken responsibility; nothing else does.
When the connection is lost after the data went out, nobody can know whether it did (RFC 1047):
the message is sent again, with its Message-ID unchanged, by which mailbox stores drop a duplicate.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import aiosmtplib

from ..model import Reply

__all__ = ["Courier", "Outcome", "Reports", "Smarthost", "Step"]

Security = Literal["starttls", "tls", "opportunistic", "none"]

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


class Step(Enum):
    """How far the dialogue came."""

    CONNECT = "connect"
    SIGN_IN = "sign-in"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Smarthost:
    """The server that every message is handed to."""

    host: str
    port: int
    security: Security
    username: str = ""
    password: str = ""
    timeout_seconds: float = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one attempt."""

    step: Step  # the last one that was tried
    reply: Reply | None  # None when no answer came
    problem: str = ""  # why no answer came
    encrypted: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether the smarthost took responsibility."""
        return self.step is Step.DATA and self.reply is not None and self.reply.reply_code == 250

    @property
    def is_permanent(self) -> bool:
        """Whether another attempt with this message is in vain.

        A refusal of ourselves (sign-in, greeting) is not: it is mended in the settings.
        """
        ours = self.step in (Step.CONNECT, Step.SIGN_IN)
        return not ours and self.reply is not None and self.reply.is_permanent

    @property
    def is_about_connection(self) -> bool:
        """Whether the smarthost could not be spoken to at all, so that others fare the same."""
        return self.step in (Step.CONNECT, Step.SIGN_IN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What a server is asked to report of a delivery."""

    envelope_id: str  # ENVID, which comes back in each report
    notify: tuple[str, ...] = ()  # success, failure, delay; or never; none: as the server likes


class Courier:
    """One connection to the smarthost, used for many messages, one at a time."""

    def __init__(
        self, smarthost: Smarthost, *, hostname: str, most_messages: int, context: ssl.SSLContext
    ) -> None:
        """`hostname` is what we greet with; `most_messages` are sent before a new connection."""
        self._smarthost = smarthost
        self._hostname = hostname
        self._most = most_messages
        self._context = context
        self._client: aiosmtplib.SMTP | None = None
        self._sent = 0

    async def hand_over(
        self, message: bytes, *, return_path: str, recipient: str, reports: Reports
    ) -> Outcome:
        """Try once; never raises for what a server did.

        `reports` goes along where the server knows delivery reports (RFC 3461).
        """
        step = Step.CONNECT
        try:
            client = await self._connected()
            step = Step.MAIL
            options = _mail_options(client, message, reports, return_path + recipient)
            encoding = "utf-8" if "SMTPUTF8" in options else "ascii"
            await client.mail(return_path, options=options, encoding=encoding)
            step = Step.RCPT
            wishes = _rcpt_options(client, recipient, reports)
            await client.rcpt(recipient, options=wishes, encoding=encoding)
            step = Step.DATA
            answer = await client.data(message)
            return self._outcome(step, _reply(answer.code, answer.message))
        except aiosmtplib.SMTPAuthenticationError as error:
            return await self._failed(Step.SIGN_IN, error)
        except (aiosmtplib.SMTPException, OSError, UnicodeEncodeError) as error:
            return await self._failed(step, error)

    async def close(self) -> None:
        """Say goodbye if the connection stands."""
        client, self._client = self._client, None
        if client is not None and client.is_connected:
            try:
                await client.quit(timeout=5)
            except (aiosmtplib.SMTPException, OSError):
                client.close()

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is not None and self._client.is_connected and self._sent < self._most:
            self._sent += 1
            return self._client
        await self.close()
        s = self._smarthost
        client = aiosmtplib.SMTP(
            hostname=s.host,
            port=s.port,
            local_hostname=self._hostname,
            timeout=s.timeout_seconds,
            use_tls=s.security == "tls",
            start_tls={"starttls": True, "opportunistic": None}.get(s.security, False),
            tls_context=self._context,
            username=s.username or None,
            password=s.password or None,
        )
        await client.connect()
        self._client, self._sent = client, 1
        if client.is_ehlo_or_helo_needed:  # sign-in and STARTTLS have said it already
            await client.ehlo()
        return client

    async def _failed(self, step: Step, error: Exception) -> Outcome:
        """The outcome of an attempt that ended in an error, with the connection ready again."""
        if isinstance(error, aiosmtplib.SMTPResponseException):
            reply = _reply(error.code, error.message)
            outcome = self._outcome(step, reply)
            if step is Step.CONNECT or reply.reply_code == 421 or not await self._reset():
                await self.close()
            return outcome
        await self.close()
        if isinstance(error, UnicodeEncodeError):
            # RFC 6531 3.1: without SMTPUTF8 such an address cannot be handed on
            text = "The smarthost does not take non-ASCII addresses (no SMTPUTF8)"
            refusal = Reply(reply_code=553, enhanced_status="5.6.7", reply_text=text)
            return Outcome(step=step, reply=refusal)
        problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return Outcome(step=step, reply=None, problem=problem)

    async def _reset(self) -> bool:
        if self._client is None or not self._client.is_connected:
            return False
        try:
            await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            return False
        return True

    def _outcome(self, step: Step, reply: Reply) -> Outcome:
        client = self._client
        encrypted = (
            client is not None
            and client.is_connected  # a 421 has closed it
            and client.get_transport_info("sslcontext") is not None
        )
        return Outcome(step=step, reply=reply, encrypted=encrypted)


def _mail_options(
    client: aiosmtplib.SMTP, message: bytes, reports: Reports, addresses: str
) -> list[str]:
    options = []
    if client.supports_extension("size"):
        options.append(f"SIZE={len(message)}")
    if not message.isascii() and client.supports_extension("8bitmime"):
        options.append("BODY=8BITMIME")
    if not addresses.isascii() and client.supports_extension("smtputf8"):
        options.append("SMTPUTF8")
    if client.supports_extension("dsn"):
        options.append(f"ENVID={reports.envelope_id}")
        if reports.notify:  # they come back to us, who need the header at most
            options.append("RET=HDRS")
    return options


def _rcpt_options(client: aiosmtplib.SMTP, recipient: str, reports: Reports) -> list[str]:
    """What to report, and the address that a report is to name (RFC 3461 sections 4.1 and 4.2)."""
    if not reports.notify or not client.supports_extension("dsn"):
        return []
    words = ",".join(word.upper() for word in reports.notify)
    return [f"NOTIFY={words}", f"ORCPT={_original_recipient(recipient)}"]


def _original_recipient(address: str) -> str:
    """Type and address in the forms for a command: xtext (RFC 3461 section 4), or for an address
    beyond ASCII the form that ASCII can hold (RFC 6533 section 3).
    """
    if address.isascii():
        return "rfc822;" + "".join(f"+{ord(c):02X}" if _is_special(c) else c for c in address)
    return "utf-8;" + "".join(
        f"\\x{{{ord(c):X}}}" if _is_special(c) or c == "\\" else c for c in address
    )


def _is_special(c: str) -> bool:
    return c in "+=" or not "!" <= c <= "~"


def _reply(code: int, text: str) -> Reply:
    """The answer; bytes that are not UTF-8 stay readable as \\x.. (a GBK server's words)."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    found = _ENHANCED.match(text)
    return Reply(
        reply_code=code,
        enhanced_status=found.group(1) if found else None,
        reply_text=" ".join(text.split()),
    )
