"""The SMTP submission server (RFC 6409), on aiosmtpd.

AUTH (RFC 4954) is required, and offered in the clear only where nobody can listen: on loopback.
Every reply carries an enhanced status code (RFC 2034, RFC 3463) and one plain sentence.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
import ssl
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from ..errors import Error, InputError, NotAMessage, RetryLater
from ..history import PasswordCheck, User
from .intake import Intake, Submitter
from .listening import Listening

__all__ = ["Config", "SubmissionServer"]

_log = logging.getLogger("mailglass.gateway")

# An attacker who guesses passwords gets this many tries a connection.
_AUTH_TRIES = 3

# RFC 5321 2.3.11 asks only for local-part@domain; what is longer than 4.5.3.1 allows is refused.
_ADDRESS = re.compile(
    r"(?=[^\x00-\x1f\x7f]{1,64}@)"
    r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*+"|[^\s<>"@\x00-\x1f\x7f]++)'
    r"@[^\s<>@\x00-\x1f\x7f]{1,255}"
)

# How aiosmtpd writes the null return path; an empty text would mean that there was no MAIL FROM.
_NULL = "<>"

# aiosmtpd's own replies lack enhanced codes; told apart by how they begin (aiosmtpd 1.4).
_REPLIES = (
    ("500 Line too long", "500 5.5.2 A line is longer than 998 characters; nothing was taken"),
    ("500 Command line too long", "500 5.5.2 The command line is too long"),
    ("500 Error: command", "500 5.5.1 The command is not known here"),
    ("500 Error: bad syntax", "500 5.5.2 The command cannot be understood"),
    ("552 Error: Too much mail data", "552 5.3.4 The message is larger than {limit} bytes"),
    ("552 Error: message size exceeds", "552 5.3.4 The message is larger than {limit} bytes"),
    ("503 Error: send", "503 5.5.1 Say EHLO first"),
    ("503 Error: nested MAIL", "503 5.5.1 A message is already under way"),
    ("503 Error: need MAIL", "503 5.5.1 Say MAIL FROM first"),
    ("503 Error: need RCPT", "503 5.5.1 Say RCPT TO first"),
    ("503 Already authenticated", "503 5.5.1 You are authenticated already"),
    ("454 TLS not available", "454 4.7.0 TLS is not available here"),
    ("535 5.7.8", "535 5.7.8 The user name or the password is wrong"),
    ("250 OK", "250 2.0.0 Done"),
    ("221 Bye", "221 2.0.0 Goodbye"),
)
_WITHOUT_ENHANCED = re.compile(r"\A([45])(\d\d) (?!\d\.\d)")

# A user name, a password, and the address from which they come.
Authenticate = Callable[[str, str, str], Awaitable[PasswordCheck]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where and how the server listens."""

    host: str
    port: int
    hostname: str
    max_message_bytes: int
    max_recipients: int
    max_connections: int
    tls: ssl.SSLContext | None = None


class SubmissionServer(Listening):
    """Listens, authenticates, and hands complete messages to the intake."""

    def __init__(
        self,
        config: Config,
        *,
        intake: Intake,
        authenticate: Authenticate,
        refusal: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`authenticate` tells whose a user name and password are, and raises RetryLater when it
        cannot tell. `refusal` is asked before each message and returns the reply with which to
        refuse it for a reason of ours.
        """
        super().__init__(config.host, config.port)
        self._config = config
        self._handler = _Handler(config, intake, _Remembered(authenticate), refusal)
        self._sessions: set[_Session] = set()

    async def stop(self, grace_seconds: float = 10) -> None:
        """Take no new connection, and let messages under way end."""
        if self._server is None:
            return
        self._server.close()
        busy = [s.finished for s in self._sessions if s.is_receiving]
        if busy:
            await asyncio.wait(busy, timeout=grace_seconds)
        for session in list(self._sessions):
            session.hang_up()

    def _new_session(self) -> asyncio.Protocol:
        config = self._config
        with warnings.catch_warnings():  # AUTH without TLS is offered on loopback on purpose
            warnings.simplefilter("ignore")
            return _Session(
                self._handler,
                self._sessions,
                config.max_connections,
                data_size_limit=config.max_message_bytes,
                enable_SMTPUTF8=True,
                hostname=config.hostname,
                ident="ESMTP Mailglass",
                tls_context=config.tls,
                auth_required=True,
                auth_require_tls=not _is_loopback(config.host),
                loop=asyncio.get_running_loop(),
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Session(SMTP):
    """One connection: aiosmtpd's, with our replies and our limits."""

    def __init__(
        self, handler: _Handler, sessions: set[_Session], most: int, **options: Any
    ) -> None:
        super().__init__(handler, authenticator=None, **options)
        self._gate = handler
        self._sessions = sessions
        self._most = most
        self._auth_failures = 0
        self.is_receiving = False
        self.finished: asyncio.Future[None] = self.loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._sessions) >= self._most and self not in self._sessions:
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"421 4.7.0 Too many connections; try again later\r\n")
            transport.close()
            self.transport = None
            self._refused = True
            return
        self._sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sessions.discard(self)
        if not self.finished.done():
            self.finished.set_result(None)
        if not getattr(self, "_refused", False):
            super().connection_lost(error)

    def hang_up(self) -> None:
        """Say that the service ends (RFC 5321 3.8) and close."""
        if self.transport is not None and not self.transport.is_closing():
            self._writer.write(b"421 4.3.2 The service is shutting down\r\n")
            self.transport.close()

    async def push(self, status: str | bytes) -> None:
        text = status.decode("utf-8", "replace") if isinstance(status, bytes) else status
        for beginning, reply in _REPLIES:
            if text.startswith(beginning):
                text = reply.format(limit=self.data_size_limit)
                break
        else:
            text = _WITHOUT_ENHANCED.sub(r"\1\2 \1.5.0 ", text, count=1)
        await super().push(text)
        if text.startswith("535"):
            self._auth_failures += 1
            if self._auth_failures >= _AUTH_TRIES and self.transport is not None:
                await super().push("421 4.7.0 Too many wrong passwords")
                self.transport.close()

    def _authenticate(self, mechanism: str, auth_data: object) -> AuthResult:
        """Only carry the name and password out of the dialogue: checking them has to wait."""
        return AuthResult(success=True, auth_data=auth_data)

    async def auth_PLAIN(self, _: object, args: list[str]) -> AuthResult:  # noqa: N802
        return await self._gate.checked(self, await super().auth_PLAIN(_, args))

    async def auth_LOGIN(self, _: object, args: list[str]) -> AuthResult:  # noqa: N802
        return await self._gate.checked(self, await super().auth_LOGIN(_, args))

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd finds it by this name
        refusal = self._gate.refusal()
        if refusal and self.envelope is not None and self.envelope.rcpt_tos:
            self._set_post_data_state()  # type: ignore[no-untyped-call]
            await self.push(refusal)
            return
        self.is_receiving = True
        try:
            await super().smtp_DATA(arg)
        finally:
            self.is_receiving = False
            if not self.finished.done():
                self.finished.set_result(None)
                self.finished = self.loop.create_future()


@dataclass(frozen=True, slots=True)
class _SignedIn:
    account_id: int
    name: str


class _Handler:
    """What aiosmtpd calls at each step of a dialogue; the names are its."""

    def __init__(
        self,
        config: Config,
        intake: Intake,
        authenticate: Authenticate,
        refusal: Callable[[], str | None],
    ) -> None:
        self._config = config
        self._intake = intake
        self._authenticate = authenticate
        self.refusal = refusal

    async def handle_EHLO(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def checked(self, server: SMTP, answer: AuthResult) -> AuthResult:
        """Turn the name and password that the client gave into an account, or a refusal."""
        login = answer.auth_data
        if not isinstance(login, LoginPassword):
            return answer
        name = login.login.decode("utf-8", "replace")
        peer = server.session.peer if server.session else None
        address = str(peer[0]) if peer else ""
        password = login.password.decode("utf-8", "replace")
        try:
            check = await self._authenticate(name, password, address)
        except RetryLater as error:
            _log.error("nobody can sign in: %s", error, extra={"action": "auth-unavailable"})
            return await _refused(server, "454 4.7.0 Sign-in is not possible now; try again later")
        if check.wait_seconds:
            minutes = -(-check.wait_seconds // 60)
            reply = f"454 4.7.0 Too many wrong passwords; try again in {minutes} minutes"
            return await _refused(server, reply)
        if check.user is None:
            _log.warning(
                "wrong user name or password for %r from %s",
                name,
                peer,
                extra={"action": "auth-failed"},
            )
            return AuthResult(success=False, handled=False)
        if not check.user.role.may_send:
            return await _refused(server, "535 5.7.1 Your role is read-only; ask an owner to send")
        return AuthResult(success=True, auth_data=_SignedIn(check.user.account_id, name))

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        if len(envelope.rcpt_tos) >= self._config.max_recipients:
            return "452 4.5.3 Too many recipients; send the rest in another message"
        if not _ADDRESS.fullmatch(address):
            return "553 5.1.3 The address is not of the form name@domain"
        if not (address.isascii() or envelope.smtp_utf8):
            return "553 5.6.7 A non-ASCII address needs the SMTPUTF8 option of MAIL FROM"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient taken"

    async def handle_MAIL(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        mail_options: list[str],
    ) -> str:
        if address != _NULL and not _ADDRESS.fullmatch(address):
            return "553 5.1.7 The address is not of the form name@domain"
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 2.1.0 Sender taken"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        signed_in = cast("_SignedIn", session.auth_data)
        name = signed_in.name
        submitter = Submitter(
            account_id=signed_in.account_id,
            name=name,
            greeting=session.host_name or "localhost",
            protocol="ESMTPSA" if session.ssl else "ESMTPA",
            address=str(session.peer[0]) if session.peer else "",
        )
        try:
            receipt = await asyncio.to_thread(
                self._intake.accept,
                envelope.original_content or b"",
                return_path="" if envelope.mail_from == _NULL else envelope.mail_from or "",
                recipients=envelope.rcpt_tos,
                submitter=submitter,
            )
        except Error as error:
            return _refusal_for(error, name)
        count = len(receipt.deliveries)
        _log.info(
            "took message %d from %s for %d recipients",
            receipt.message_id,
            name,
            count,
            extra={"action": "accepted", "message_id": receipt.message_id},
        )
        people = "1 recipient" if count == 1 else f"{count} recipients"
        return f"250 2.0.0 Taken as {receipt.message_id} for {people}"

    async def handle_exception(self, error: Exception) -> str:
        _log.exception("a submission failed: %s", error, extra={"action": "submission-failed"})
        return "451 4.3.0 Something went wrong here and is in the log; try again later"


async def _refused(server: SMTP, reply: str) -> AuthResult:
    """A refused sign-in whose reply says why."""
    await server.push(reply)
    return AuthResult(success=False, handled=True)


def _refusal_for(error: Error, name: str) -> str:
    """The reply for a message that was not taken; the log says why."""
    _log.error(
        "a message from %s was not taken: %s",
        name,
        error,
        extra={"action": "not-accepted", "error": error.id},
    )
    if isinstance(error, NotAMessage):
        return "554 5.6.0 This is not a mail message: it does not begin with a header field"
    if isinstance(error, InputError):
        return "554 5.6.0 The message cannot be used as it is"
    return "452 4.3.1 The message cannot be stored now; try again later"


class _Remembered:
    """Remembers passwords that were right, so that people can submit while the history is down.

    Kept is an HMAC under a key that lives as long as the process: memory read later tells nothing.
    """

    _MOST = 10_000

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, User] = {}

    async def __call__(self, name: str, password: str, address: str) -> PasswordCheck:
        text = f"{name}\0{password}".encode()
        mark = hmac.digest(self._key, text, hashlib.sha256)
        try:
            check = await self._authenticate(name, password, address)
        except RetryLater:
            if mark in self._known:
                return PasswordCheck(user=self._known[mark])
            raise
        if check.user is None:
            if not check.wait_seconds:
                self._known.pop(mark, None)
        elif len(self._known) < self._MOST or mark in self._known:
            self._known[mark] = check.user
        return check
