"""Reads what comes back to an ordinary mailbox, over IMAP (RFC 9051, IDLE of RFC 2177).

For people whose answers go where all their mail goes. The mailbox is opened read-only (EXAMINE,
BODY.PEEK): nothing is marked, moved or deleted. Most of what lies there is none of our business,
so a mail goes on only when `is_ours` says so, and what was there before we first looked is never
read.
"""

from __future__ import annotations

import imaplib
import re
import select
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import RetryLater

__all__ = ["Mailbox", "MailboxConfig", "Position"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxConfig:
    """Where the mailbox is and who may read it."""

    host: str
    port: int
    username: str
    password: str
    folder: str = "INBOX"
    tls: bool = True
    timeout_seconds: float = 60.0
    max_message_bytes: int = 10 * 1024 * 1024  # larger mails are passed over


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a mailbox was read; UIDs count within a UIDVALIDITY (RFC 9051 section 2.3.1.1)."""

    uid_validity: int
    last_uid: int


class Mailbox:
    """A mailbox that is followed. Blocking: meant for a thread of its own."""

    def __init__(
        self,
        config: MailboxConfig,
        *,
        keep: Callable[[bytes], None],
        is_ours: Callable[[bytes], bool],
        position: Position | None = None,
    ) -> None:
        """`keep` puts a mail on stable storage. Without a position reading starts with what comes
        after the first look.
        """
        self._config = config
        self._keep = keep
        self._is_ours = is_ours
        self.position = position

    def follow(self, stopping: threading.Event, wait_seconds: float = 60.0) -> None:
        """Read what is new and wait for more, until `stopping`, which is looked at with each news
        and every `wait_seconds`.

        Raises RetryLater when the server cannot be used; `position` says how far it was read.
        """
        with self._opened() as imap:
            while not stopping.is_set():
                imap.response("EXISTS")  # forget what was said before
                self._read_new(imap)
                came_meanwhile = imap.response("EXISTS")[1] != [None]
                if not stopping.is_set() and not came_meanwhile:
                    self._wait(imap, stopping, wait_seconds)

    def read(self) -> None:
        """Read what is new, once; raises RetryLater when the server cannot be used."""
        with self._opened() as imap:
            self._read_new(imap)

    @contextmanager
    def _opened(self) -> Iterator[imaplib.IMAP4]:
        config = self._config
        try:
            imap = (
                imaplib.IMAP4_SSL(
                    config.host,
                    config.port,
                    ssl_context=ssl.create_default_context(),
                    timeout=config.timeout_seconds,
                )
                if config.tls
                else imaplib.IMAP4(config.host, config.port, timeout=config.timeout_seconds)
            )
            with imap:
                imap.login(config.username, config.password)
                self._open_folder(imap)
                yield imap
        except (OSError, imaplib.IMAP4.error) as error:
            raise RetryLater(
                f"the mailbox {config.username} at {config.host} cannot be read: {error}"
            ) from error

    def _open_folder(self, imap: imaplib.IMAP4) -> None:
        status, answer = imap.select(self._config.folder, readonly=True)
        if status != "OK":
            raise imaplib.IMAP4.error(f"no folder {self._config.folder}: {answer!r}")
        validity, following = _number(imap, "UIDVALIDITY"), _number(imap, "UIDNEXT")
        if self.position is None or self.position.uid_validity != validity:
            # numbers were given anew: what lies there now was read before, or is none of ours
            self.position = Position(uid_validity=validity, last_uid=following - 1)

    def _read_new(self, imap: imaplib.IMAP4) -> None:
        assert self.position is not None, "the folder is open"
        last = self.position.last_uid
        _, found = imap.uid("SEARCH", f"UID {last + 1}:*")
        for uid in sorted(int(word) for word in (found[0] or b"").split()):
            if uid <= last:  # `n:*` names the last mail even when its number is below n
                continue
            raw = self._fetch(imap, uid)
            if raw is not None and self._is_ours(raw):
                self._keep(raw)
            self.position = Position(uid_validity=self.position.uid_validity, last_uid=uid)

    def _fetch(self, imap: imaplib.IMAP4, uid: int) -> bytes | None:
        """The mail; None when it is too large or was deleted meanwhile."""
        _, sizes = imap.uid("FETCH", str(uid), "(RFC822.SIZE)")
        size = re.search(rb"RFC822\.SIZE (\d+)", sizes[0] or b"") if sizes else None
        if size is None or int(size[1]) > self._config.max_message_bytes:
            return None
        _, parts = imap.uid("FETCH", str(uid), "(BODY.PEEK[])")
        return next((bytes(part[1]) for part in parts if isinstance(part, tuple)), None)

    def _wait(self, imap: imaplib.IMAP4, stopping: threading.Event, seconds: float) -> None:
        """Wait for news by IDLE, which imaplib of Python 3.11 lacks; poll where the server does.

        Read from the socket itself: a line of news behind the server's `+` would else lie in
        imaplib's buffer, where nobody waits for it.
        """
        imap.sock.sendall(b"mg1 IDLE\r\n")
        said = _receive(imap, b"+", b"mg1 ")
        if b"mg1 " in said:
            stopping.wait(seconds)
            return
        held = imap.sock.pending() if isinstance(imap.sock, ssl.SSLSocket) else 0
        if not held and not re.search(rb"^\* \d+ EXISTS", said, re.MULTILINE):
            select.select([imap.sock], [], [], seconds)
        imap.sock.sendall(b"DONE\r\n")
        _receive(imap, b"mg1 ")


def _receive(imap: imaplib.IMAP4, *beginnings: bytes) -> bytes:
    """What the server says, up to a whole line that begins so."""
    said = b""
    while not any(line.startswith(beginnings) for line in said.split(b"\n")[:-1]):
        more = imap.sock.recv(65536)
        if not more:
            raise imaplib.IMAP4.abort("the server closed the connection")
        said += more
    return said


def _number(imap: imaplib.IMAP4, name: str) -> int:
    _, values = imap.response(name)
    found = values[0] if values else None
    if not isinstance(found, bytes) or not found.isdigit():
        raise imaplib.IMAP4.error(f"the server does not tell {name}")
    return int(found)
