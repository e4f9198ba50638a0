"""Reads what comes back to an ordinary mailbox, over IMAP (RFC 9051, IDLE of RFC 2177).

For people whose answers go where all their mail goes. The mailbox is opened read-only (EXAMINE,
BODY.PEEK): nothing is marked, moved or deleted, unless it is told to file what is ours into a
folder. Most of what lies there is none of our business, so a mail goes on only when `is_ours` says
so, and what was there before we first looked is never read.
"""

from __future__ import annotations

import base64
import imaplib
import logging
import re
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from ..errors import RetryLater

__all__ = ["Mailbox", "MailboxConfig", "Position"]

_log = logging.getLogger("mailglass.gateway")

# How far back a mailbox is read again; what came back is known for longer (retention.returned).
_AGAIN = timedelta(days=14)
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_REST_SECONDS = (5.0, 900.0)  # after the server could not be used; doubles
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxConfig:
    """Where the mailbox is and who may read it."""

    host: str
    port: int
    username: str
    password: str
    folder: str = "INBOX"
    security: str = "tls"  # tls, starttls, or none; the first two verify the certificate
    file_into: str | None = None  # a folder that gets what is ours; None: read-only
    timeout_seconds: float = 60.0
    max_message_bytes: int = 10 * 1024 * 1024  # larger mails are passed over, which is logged
    context: ssl.SSLContext | None = None  # None: the system's authorities

    @property
    def name(self) -> str:
        """What tells it from others, without its secret."""
        return f"{self.username} at {self.host}:{self.port}, {self.folder}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a mailbox was read; UIDs count within a UIDVALIDITY (RFC 9051 section 2.3.1.1)."""

    uid_validity: int
    last_uid: int
    since: date  # the day of the first look; what is older was there before

    def __str__(self) -> str:
        return f"{self.uid_validity}:{self.last_uid}:{self.since.isoformat()}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that `str` wrote."""
        validity, last, since = text.split(":")
        return cls(uid_validity=int(validity), last_uid=int(last), since=date.fromisoformat(since))


class Mailbox:
    """A mailbox that is followed. Blocking: meant for a thread of its own."""

    def __init__(
        self,
        config: MailboxConfig,
        *,
        keep: Callable[[bytes | None, Position], None],
        is_ours: Callable[[bytes], bool],
        position: Position | None = None,
    ) -> None:
        """`keep` puts a mail, and how far the mailbox is read with it, on stable storage at once;
        without a mail only the place. A mail that it has already it leaves as it is.

        Without a position reading starts with what comes after the first look.
        """
        self._config = config
        self._keep = keep
        self._is_ours = is_ours
        self._written = position
        self.position = position
        self._capabilities: frozenset[str] = frozenset()

    def run(self, stopping: threading.Event, wait_seconds: float = 60.0) -> None:
        """Follow until `stopping`, and begin again, later and later, when the server fails."""
        rest, most = _REST_SECONDS
        while not stopping.is_set():
            began = time.monotonic()
            try:
                self.follow(stopping, wait_seconds)
            except RetryLater as error:
                if time.monotonic() - began > rest:
                    rest = _REST_SECONDS[0]  # it worked for a while
                _log.error("%s; again in %.0f s", error, rest, extra={"action": "mailbox-waits"})
            except Exception:
                # a fault of ours with one mail must not end the reading for good
                _log.exception(
                    "reading the mailbox of %s failed",
                    self._config.name,
                    extra={"action": "mailbox-failed"},
                )
            stopping.wait(0 if stopping.is_set() else rest)
            rest = min(rest * 2, most)

    def follow(self, stopping: threading.Event, wait_seconds: float = 60.0) -> None:
        """Read what is new and wait for more, until `stopping`, which is looked at with each news
        and every `wait_seconds`.

        Raises RetryLater when the server cannot be used; `position` says how far it was read.
        """
        with self._opened() as imap:
            _log.info("reads the mailbox of %s", self._config.name, extra={"action": "mailbox"})
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
            with self._connected() as imap:
                _sign_in(imap, config.username, config.password)
                self._capabilities = frozenset(_capabilities(imap))
                self._open_folder(imap)
                yield imap
        except (OSError, imaplib.IMAP4.error) as error:
            raise RetryLater(f"the mailbox of {config.name} cannot be read: {error}") from error

    def _connected(self) -> imaplib.IMAP4:
        config = self._config
        context = config.context or ssl.create_default_context()
        if config.security == "tls":
            return imaplib.IMAP4_SSL(
                config.host, config.port, ssl_context=context, timeout=config.timeout_seconds
            )
        imap = imaplib.IMAP4(config.host, config.port, timeout=config.timeout_seconds)
        if config.security == "starttls":
            imap.starttls(context)
        return imap

    def _open_folder(self, imap: imaplib.IMAP4) -> None:
        readonly = self._config.file_into is None
        status, answer = imap.select(_folder(self._config.folder), readonly=readonly)
        if status != "OK":
            raise imaplib.IMAP4.error(f"no folder {self._config.folder}: {answer!r}")
        validity, following = _number(imap, "UIDVALIDITY"), _number(imap, "UIDNEXT")
        if self.position is None:
            today = datetime.now(UTC).date()
            self._remember(
                None, Position(uid_validity=validity, last_uid=following - 1, since=today)
            )
        elif self.position.uid_validity != validity:
            # Numbers were given anew (a restored or moved mailbox): all of the last days since
            # the first look is looked at again, and `keep` knows what it has.
            self.position = replace(self.position, uid_validity=validity, last_uid=0)

    def _read_new(self, imap: imaplib.IMAP4) -> None:
        assert self.position is not None, "the folder is open"
        last = self.position.last_uid
        wanted = f"UID {last + 1}:*"
        if last == 0:
            since = max(self.position.since, datetime.now(UTC).date() - _AGAIN)
            wanted = f"SINCE {since.day}-{_MONTHS[since.month - 1]}-{since.year} {wanted}"
        _, found = imap.uid("SEARCH", wanted)
        for uid in sorted(int(word) for word in (found[0] or b"").split()):
            if uid <= last:  # `n:*` names the last mail even when its number is below n
                continue
            self._take(imap, uid)
        if self.position != self._written:
            self._remember(None, self.position)

    def _take(self, imap: imaplib.IMAP4, uid: int) -> None:
        """Keep one mail when it is ours.

        When it is filed, the place is written after the move: after a crash in between the mail is
        met again, known, and moved.
        """
        assert self.position is not None, "the folder is open"
        raw = self._fetch(imap, uid)
        ours = raw is not None and self._is_ours(raw)
        here, behind = self.position, replace(self.position, last_uid=uid)
        if ours and self._config.file_into is not None:
            self._remember(raw, here)
            self._file(imap, uid, self._config.file_into)
            self._remember(None, behind)
        elif ours:
            self._remember(raw, behind)
        self.position = behind

    def _remember(self, raw: bytes | None, position: Position) -> None:
        self._keep(raw, position)
        self.position = self._written = position

    def _fetch(self, imap: imaplib.IMAP4, uid: int) -> bytes | None:
        """The mail; None when it is too large or was deleted meanwhile."""
        _, sizes = imap.uid("FETCH", str(uid), "(RFC822.SIZE)")
        told = sizes[0] if sizes else None
        size = re.search(rb"RFC822\.SIZE (\d+)", told) if isinstance(told, bytes) else None
        if size is None:
            return None
        if int(size[1]) > self._config.max_message_bytes:
            _log.warning(
                "passed over mail %d of %s: %s bytes",
                uid,
                self._config.name,
                size[1].decode(),
                extra={"action": "mailbox-too-large"},
            )
            return None
        _, parts = imap.uid("FETCH", str(uid), "(BODY.PEEK[])")
        return next((bytes(part[1]) for part in parts if isinstance(part, tuple)), None)

    def _file(self, imap: imaplib.IMAP4, uid: int, folder: str) -> None:
        """Move a mail (RFC 6851), or copy and delete it where the server cannot."""
        can_move = "MOVE" in self._capabilities
        status, answer = imap.uid("MOVE" if can_move else "COPY", str(uid), _folder(folder))
        if status != "OK":
            raise imaplib.IMAP4.error(
                f"mail {uid} cannot be filed into {folder}, which must exist: {answer!r}"
            )
        if not can_move:
            imap.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
            if "UIDPLUS" in self._capabilities:  # else it stays, marked: others' marks are theirs
                imap.uid("EXPUNGE", str(uid))

    def _wait(self, imap: imaplib.IMAP4, stopping: threading.Event, seconds: float) -> None:
        """Wait for news by IDLE, which imaplib of Python 3.11 lacks; poll where the server does.

        Read from the socket itself: a line of news behind the server's `+` would else lie in
        imaplib's buffer, where nobody waits for it.
        """
        if "IDLE" not in self._capabilities:
            stopping.wait(seconds)
            imap.noop()
            return
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


def _sign_in(imap: imaplib.IMAP4, username: str, password: str) -> None:
    """LOGIN can carry ASCII alone; the other way is SASL's (RFC 4616)."""
    if (username + password).isascii():
        imap.login(_quoted(username), password)
    else:
        secret = f"\0{username}\0{password}".encode()
        imap.authenticate("PLAIN", lambda _: secret)


def _capabilities(imap: imaplib.IMAP4) -> list[str]:
    """What the server can do for one who has signed in: more than it said before."""
    _, said = imap.capability()
    return said[0].decode("ascii", "replace").upper().split() if said and said[0] else []


def _folder(name: str) -> str:
    """A folder's name in its UTF-7 (RFC 3501 section 5.1.3)."""
    return _quoted(_BEYOND_ASCII.sub(lambda run: _shifted(run[0]), name.replace("&", "&-")))


def _quoted(name: str) -> str:
    """A quoted string (RFC 9051 section 4.3), which imaplib makes of passwords only."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _shifted(text: str) -> str:
    data = base64.b64encode(text.encode("utf-16-be")).decode("ascii")
    return "&" + data.rstrip("=").replace("/", ",") + "-"


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
