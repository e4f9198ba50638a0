"""Mailboxes over IMAP (RFC 9051) and the way to send to them (RFC 6409), for the mailbox test.

Folders are opened read-only and messages fetched with PEEK: looking leaves no trace in a mailbox.
"""

from __future__ import annotations

import asyncio
import imaplib
import re
import ssl
from dataclasses import dataclass
from typing import Literal

import aiosmtplib

from ..errors import RetryLater
from .trust import tls_context

__all__ = ["FoundMessage", "ImapMailbox", "MailboxError", "Submission"]

Security = Literal["tls", "starttls", "none"]

_LIST = re.compile(rb'\((?P<flags>[^)]*)\) (?:"[^"]*"|NIL) (?P<name>"(?:[^"\\]|\\.)*"|\S+)')
# Names of spam folders where the server does not mark them (RFC 6154); the Chinese and Korean ones
# in IMAP's own UTF-7 (RFC 9051 section 5.1).
_SPAM_NAMES = {"junk", "spam", "bulk", "bulk mail", "junk e-mail", "junk email", "[gmail]/spam"}
_SPAM_WORDS = ("垃圾邮件", "广告邮件", "스팸메일함", "迷惑メール")
_SPAM_ENCODED = {word.encode("utf-16-be") for word in _SPAM_WORDS}


class MailboxError(RetryLater):
    """A mailbox cannot be looked into, or a message cannot be handed in."""

    id = "mailbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMessage:
    """A message in a mailbox."""

    folder: str  # as the server names it
    is_spam: bool  # whether it lies in a spam folder
    header: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapMailbox:
    """One account; each look is a connection of its own, since servers end idle ones."""

    host: str
    port: int = 993
    security: Security = "tls"
    user: str = ""
    password: str = ""
    inbox: str = "INBOX"
    spam: tuple[str, ...] = ()  # found by their marks and names when empty
    certificates: str | None = None
    timeout_seconds: float = 15.0

    async def find(self, message_id: str) -> FoundMessage | None:
        """The message with this Message-ID, in the inbox or a spam folder; raises MailboxError."""
        return await asyncio.to_thread(self._find, message_id)

    def _find(self, message_id: str) -> FoundMessage | None:
        try:
            connection = self._connect()
            try:
                return self._search(connection, message_id)
            finally:
                connection.logout()
        except (imaplib.IMAP4.error, OSError, EOFError) as error:
            raise MailboxError(f"{self.user} at {self.host}:{self.port}: {error}") from error

    def _connect(self) -> imaplib.IMAP4:
        context = tls_context(self.certificates, True)
        if self.security == "tls":
            connection: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                self.host, self.port, ssl_context=context, timeout=self.timeout_seconds
            )
        else:
            connection = imaplib.IMAP4(self.host, self.port, timeout=self.timeout_seconds)
            if self.security == "starttls":
                connection.starttls(context)
        connection.login(self.user, self.password)
        if "ID" in connection.capabilities:
            # NetEase opens no folder to a client that has not named itself (RFC 2971).
            connection.xatom("ID", '("name" "mailglass")')
        return connection

    def _search(self, connection: imaplib.IMAP4, message_id: str) -> FoundMessage | None:
        folders = [(self.inbox, False), *((name, True) for name in self._spam(connection))]
        for folder, is_spam in folders:
            quoted = folder if folder.startswith('"') else f'"{folder}"'
            answer, _ = connection.select(quoted, readonly=True)
            if answer != "OK":
                continue
            _, numbers = connection.search(None, "HEADER", "Message-ID", f'"{message_id}"')
            found = (numbers[0] or b"").split()
            if found:
                _, data = connection.fetch(found[-1].decode(), "(BODY.PEEK[HEADER])")
                header = data[0][1] if data and isinstance(data[0], tuple) else b""
                return FoundMessage(folder=folder, is_spam=is_spam, header=header)
        return None

    def _spam(self, connection: imaplib.IMAP4) -> list[str]:
        if self.spam:
            return list(self.spam)
        _, lines = connection.list()
        matches = [_LIST.match(line) for line in lines if isinstance(line, bytes)]
        return [
            match["name"].decode("ascii", "replace")
            for match in matches
            if match and (b"\\junk" in match["flags"].lower() or _is_spam_name(match["name"]))
        ]


def _is_spam_name(raw: bytes) -> bool:
    name = raw.decode("ascii", "replace").strip('"').lower()
    if name in _SPAM_NAMES or name.removeprefix("inbox.") in _SPAM_NAMES:
        return True
    return _decode_name(raw.decode("ascii", "replace").strip('"')) in _SPAM_ENCODED


def _decode_name(name: str) -> bytes:
    """A name in IMAP's UTF-7 as UTF-16, when it is one shifted stretch."""
    shifted = re.fullmatch(r"&([A-Za-z0-9+,]+)-", name)
    if not shifted:
        return b""
    text = "+" + shifted[1].replace(",", "/") + "-"
    return text.encode("ascii").decode("utf-7", "replace").encode("utf-16-be")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The server that takes our mail."""

    host: str
    port: int = 587
    security: Security = "starttls"
    user: str = ""
    password: str = ""
    certificates: str | None = None
    timeout_seconds: float = 30.0

    async def send(self, raw: bytes, sender: str, recipient: str) -> str:
        """Hand in one message; gives the server's answer, raises MailboxError."""
        context: ssl.SSLContext = tls_context(self.certificates, True)
        try:
            _, answer = await aiosmtplib.send(
                raw,
                sender=sender,
                recipients=[recipient],
                hostname=self.host,
                port=self.port,
                username=self.user or None,
                password=self.password or None,
                use_tls=self.security == "tls",
                start_tls=self.security == "starttls",
                tls_context=context if self.security != "none" else None,
                timeout=self.timeout_seconds,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailboxError(f"{recipient} by {self.host}:{self.port}: {error}") from error
        return answer
