"""Cleans a folder of a mailbox over IMAP (RFC 9051), keeps the originals, and can put them back.

For each message that has something to take out:

1. the clean copy is appended to the folder, with the original's flags and internal date, and with
   a field that names the original (`X-Mailglass-Original`: SHA-256 and size);
2. the original moves to the folder of originals.

The connection or the program may break off anywhere. Before the first step nothing was done;
between the two both copies lie in the folder, and the next run finds the clean one by the
original's name and goes on with the second step. MOVE (RFC 6851) is one step for the server; where
it is missing, the original is copied, looked for in the other folder, and only then expunged by its
own number (UIDPLUS, RFC 4315).

Putting back is the same in the other direction. A message that was put back is marked with the
keyword `MailglassKeep` and is not cleaned again; the reader can set it by hand as well.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from ..errors import ConfigurationError, RetryLater
from ..guard import Clean
from ..lookup import tls_context

__all__ = ["KEEP", "ORIGINAL", "Account", "Done", "GuardedFolder"]

_log = logging.getLogger("mailglass.gateway.guard_mailbox")

KEEP = "MailglassKeep"
ORIGINAL = "X-Mailglass-Original"
_NAMED = re.compile(
    rb"^X-Mailglass-Original:\s*sha256=([0-9a-f]{64});\s*size=(\d{1,12})",
    re.IGNORECASE | re.MULTILINE,
)
# IDLE must be renewed within 29 minutes (RFC 2177); this is also how long a message can wait whose
# news came with the answer to another command.
_IDLE_SECONDS = 30
_POLL_SECONDS = 60  # where the server has no IDLE
_LOOK_SECONDS = 1  # how soon the wish to stop is seen
_DELETED = b"\\deleted"
_BATCH = 200  # messages asked about at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where the mailbox is, and which of its folders."""

    host: str
    port: int = 993
    security: Literal["tls", "starttls", "none"] = "tls"
    user: str
    password: str
    folder: str = "INBOX"
    originals: str = "Originals"
    certificates: str | None = None  # a PEM file of authorities instead of the usual ones
    timeout_seconds: float = 60.0
    max_message_bytes: int = 50_000_000  # larger messages stay as they are


@dataclass(frozen=True, slots=True)
class Done:
    """What was done with a folder."""

    seen: int = 0
    changed: int = 0
    failed: int = 0

    def __add__(self, other: Done) -> Done:
        return Done(
            self.seen + other.seen, self.changed + other.changed, self.failed + other.failed
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    """One message of a folder."""

    uid: int
    data: bytes
    flags: tuple[bytes, ...]
    date: datetime

    @property
    def name(self) -> str:
        return f"sha256={hashlib.sha256(self.data).hexdigest()}; size={len(self.data)}"


class GuardedFolder:
    """One folder of one account. Its methods block: they are meant for a thread of their own."""

    def __init__(
        self, account: Account, clean: Callable[[bytes, tuple[str, ...]], Clean | None]
    ) -> None:
        """`clean` gives the clean copy with further header fields, or None when it is clean."""
        self._account = account
        self._clean = clean
        self._done_to = (0, 0)  # UIDVALIDITY and the last UID that was looked at

    def clean_once(self) -> Done:
        """Clean what lies in the folder; raises RetryLater when the server cannot be used."""
        with self._opened() as imap:
            return self._clean_new(imap)

    def follow(self, stopping: threading.Event) -> None:
        """Clean what lies there and what comes, until `stopping`.

        Raises RetryLater when the server cannot be used; called again it goes on.
        """
        with self._opened() as imap:
            while not stopping.is_set():
                if self._clean_new(imap).seen == 0:  # the copies that it made are news as well
                    _wait_for_news(imap, stopping)

    def put_back(self, message_id: str | None = None) -> Done:
        """The originals in their old place, marked as to be kept; of one message, or of all.

        Raises RetryLater when the server cannot be used.
        """
        with self._opened() as imap:
            criteria = ["HEADER", ORIGINAL, "sha256="]
            if message_id is not None:
                criteria += ["HEADER", "Message-ID", message_id]
            done = Done()
            for uid in imap.search(criteria):
                done += self._put_back_one(imap, uid)
            return done

    @contextmanager
    def _opened(self) -> Iterator[IMAPClient]:
        account = self._account
        try:
            imap = IMAPClient(
                account.host,
                account.port,
                ssl=account.security == "tls",
                ssl_context=tls_context(account.certificates, True),
                timeout=account.timeout_seconds,
            )
        except (IMAPClient.Error, OSError, EOFError) as error:
            raise RetryLater(
                f"{account.host}:{account.port} cannot be reached: {_text(error)}"
            ) from error
        try:
            self._sign_in(imap)
            yield imap
        except (IMAPClient.Error, OSError, EOFError) as error:
            raise RetryLater(f"{account.user} at {account.host}: {_text(error)}") from error
        finally:
            _leave(imap)

    def _sign_in(self, imap: IMAPClient) -> None:
        account = self._account
        imap.normalise_times = False  # dates keep their zone
        if account.security == "starttls":
            imap.starttls(tls_context(account.certificates, True))
        _log_in(imap, account)
        if imap.has_capability("ID"):
            # NetEase opens no folder to a client that has not named itself (RFC 2971).
            imap.id_({"name": "mailglass"})
        if not imap.has_capability("MOVE") and not imap.has_capability("UIDPLUS"):
            raise ConfigurationError(
                f"{account.host} has neither MOVE nor UIDPLUS, so no single message can be moved"
                " safely; use the content filter, the milter or the pipe instead"
            )
        self._account = replace(account, originals=_full_name(imap, account.originals))
        if self._account.originals == account.folder:
            raise ConfigurationError("the folder of originals is the folder that is cleaned")
        if not imap.folder_exists(self._account.originals):
            imap.create_folder(self._account.originals)
            imap.subscribe_folder(self._account.originals)
        self._select(imap, account.folder)

    def _select(self, imap: IMAPClient, folder: str) -> int:
        return int(imap.select_folder(folder)[b"UIDVALIDITY"])

    def _clean_new(self, imap: IMAPClient) -> Done:
        validity = self._select(imap, self._account.folder)
        last = self._done_to[1] if self._done_to[0] == validity else 0
        uids = [uid for uid in imap.search(["UID", f"{last + 1}:*"]) if uid > last]
        done = Done()
        for start in range(0, len(uids), _BATCH):
            batch = uids[start : start + _BATCH]
            for uid in self._worth_reading(imap, batch):
                done += self._clean_one(imap, uid)
            done += Done(seen=len(batch))
            self._done_to = (validity, batch[-1])
        return done

    def _worth_reading(self, imap: IMAPClient, uids: list[int]) -> list[int]:
        """Those that are neither to be kept, nor deleted, nor too large."""
        told = imap.fetch(uids, ["FLAGS", "RFC822.SIZE"])
        skipped = {KEEP.lower().encode()}
        if imap.has_capability("MOVE"):
            skipped.add(_DELETED)
        return [
            uid
            for uid, one in sorted(told.items())
            if not skipped & {flag.lower() for flag in one[b"FLAGS"]}
            and one[b"RFC822.SIZE"] <= self._account.max_message_bytes
        ]

    def _clean_one(self, imap: IMAPClient, uid: int) -> Done:
        stored = _fetch(imap, uid)
        if stored is None:
            return Done()
        is_deleted = _DELETED in {flag.lower() for flag in stored.flags}
        if is_deleted and self._find_copy(imap, stored.name) is None:
            return Done()  # by the reader; else by us, and the connection broke off right then
        cleaned = self._clean(stored.data, (f"{ORIGINAL}: {stored.name}",))
        if cleaned is None:
            return Done()
        try:
            self._replace(imap, stored, cleaned.data)
        except IMAPClient.Error as error:
            if isinstance(error, IMAPClient.AbortError):
                raise
            # Such as no space left: this one stays as it is, and the next may be smaller.
            _log.error("message %d stays as it is: %s", uid, _text(error))
            return Done(failed=1)
        _log.info("cleaned message %d", uid, extra={"action": "guard-cleaned"})
        return Done(changed=1)

    def _replace(self, imap: IMAPClient, stored: _Stored, clean: bytes) -> None:
        folder = self._account.folder
        copy = self._find_copy(imap, stored.name)
        if copy is None:
            imap.append(folder, clean, _settable(stored.flags), stored.date)
            copy = self._find_copy(imap, stored.name)
        now = imap.fetch([stored.uid], ["FLAGS"]).get(stored.uid)
        if now is None:  # the reader deleted or moved it meanwhile: the copy would bring it back
            if copy is not None:
                _expunge(imap, copy)
            return
        if copy is None:
            raise IMAPClientError("the clean copy cannot be found after it was appended")
        if set(_settable(now[b"FLAGS"])) != set(_settable(stored.flags)):
            imap.set_flags([copy], _settable(now[b"FLAGS"]), silent=True)
        self._move(imap, stored, self._account.originals)

    def _find_copy(self, imap: IMAPClient, name: str) -> int | None:
        """The clean copy of the original of this name, in the open folder."""
        imap.noop()  # a server tells of what was appended when it is asked for anything
        for uid in reversed(imap.search(["HEADER", ORIGINAL, name])):
            return int(uid)
        return None

    def _move(self, imap: IMAPClient, stored: _Stored, folder: str) -> None:
        """Move a message of the open folder; there it is never twice."""
        if imap.has_capability("MOVE"):
            imap.move([stored.uid], folder)
            return
        account = self._account
        open_folder = account.originals if folder == account.folder else account.folder
        if self._find_same(imap, folder, stored.data) is None:
            self._select(imap, open_folder)
            imap.copy([stored.uid], folder)
            if self._find_same(imap, folder, stored.data) is None:
                raise IMAPClientError("the copied message cannot be found")
        self._select(imap, open_folder)
        _expunge(imap, stored.uid)

    def _find_same(self, imap: IMAPClient, folder: str, data: bytes) -> int | None:
        """A message of exactly these bytes in a folder, which is open from then on."""
        self._select(imap, folder)
        for stored in _of_size(imap, len(data)):
            if stored.data == data:
                return stored.uid
        return None

    def _put_back_one(self, imap: IMAPClient, uid: int) -> Done:
        account = self._account
        copy = _fetch(imap, uid)
        named = None if copy is None else _NAMED.search(copy.data.partition(b"\r\n\r\n")[0])
        if copy is None or named is None:
            return Done()
        original = self._find_original(imap, named)
        if original is not None:
            _mark(imap, original.uid, _settable(copy.flags))
            self._move(imap, original, account.folder)
            self._select(imap, account.folder)
        elif self._find_named(imap, account.folder, named) is None:
            _log.error("message %d: its original is not in %s", uid, account.originals)
            return Done(seen=1, failed=1)
        _expunge(imap, uid)
        return Done(seen=1, changed=1)

    def _find_original(self, imap: IMAPClient, named: re.Match[bytes]) -> _Stored | None:
        """The original in its folder, which is open from then on."""
        uid = self._find_named(imap, self._account.originals, named)
        return None if uid is None else _fetch(imap, uid)

    def _find_named(self, imap: IMAPClient, folder: str, named: re.Match[bytes]) -> int | None:
        self._select(imap, folder)
        for stored in _of_size(imap, int(named[2])):
            if hashlib.sha256(stored.data).hexdigest() == named[1].decode().lower():
                return stored.uid
        return None


def _fetch(imap: IMAPClient, uid: int) -> _Stored | None:
    """The message; None when it is gone."""
    one = imap.fetch([uid], ["BODY.PEEK[]", "FLAGS", "INTERNALDATE"]).get(uid)
    if one is None or b"BODY[]" not in one:
        return None
    return _Stored(uid, one[b"BODY[]"], tuple(one[b"FLAGS"]), one[b"INTERNALDATE"])


def _of_size(imap: IMAPClient, size_bytes: int) -> Iterator[_Stored]:
    """The messages of the open folder that have exactly this size."""
    for uid in imap.search(["LARGER", str(size_bytes - 1), "SMALLER", str(size_bytes + 1)]):
        if (stored := _fetch(imap, uid)) is not None:
            yield stored


def _mark(imap: IMAPClient, uid: int, flags: Iterable[bytes]) -> None:
    """These flags and no others, and that the message is to be kept as it is."""
    try:
        imap.set_flags([uid], [*flags, KEEP.encode()], silent=True)
    except IMAPClient.AbortError:
        raise
    except IMAPClient.Error:
        _log.warning("the server keeps no keywords: what is put back will be cleaned again")
        imap.set_flags([uid], list(flags), silent=True)


def _leave(imap: IMAPClient) -> None:
    try:
        imap.logout()
    except (IMAPClient.Error, OSError, EOFError):
        with suppress(IMAPClient.Error, OSError):
            imap.shutdown()


def _log_in(imap: IMAPClient, account: Account) -> None:
    try:
        imap.login(account.user, account.password)
    except LoginError as error:
        is_lost = isinstance(error.__context__, IMAPClient.AbortError)
        if is_lost or "UNAVAILABLE" in str(error):  # RFC 5530: the fault is the server's
            raise
        raise ConfigurationError(
            f"{account.host} refuses the user {account.user} or the password: {_text(error)}"
        ) from error


def _settable(flags: Any) -> tuple[bytes, ...]:  # Any: the library has no types for its answers
    """The flags that a client may set: \\Recent is the server's (RFC 3501 section 2.3.2)."""
    return tuple(flag for flag in flags if flag.lower() != b"\\recent")


def _expunge(imap: IMAPClient, uid: int) -> None:
    """Remove one message for good, and no other that happens to be marked as deleted."""
    imap.add_flags([uid], [b"\\Deleted"], silent=True)
    imap.uid_expunge([uid])


def _wait_for_news(imap: IMAPClient, stopping: threading.Event) -> None:
    if not imap.has_capability("IDLE"):
        stopping.wait(_POLL_SECONDS)
        return
    imap.idle()
    try:
        for _ in range(_IDLE_SECONDS // _LOOK_SECONDS):
            news = imap.idle_check(timeout=_LOOK_SECONDS)
            if stopping.is_set() or any(one[1:2] == (b"EXISTS",) for one in news):
                return
            if any(one[0] == b"BYE" for one in news):
                raise IMAPClientError("the server said goodbye")
    finally:
        imap.idle_done()


def _full_name(imap: IMAPClient, folder: str) -> str:
    """The folder's name where the server keeps personal folders below a prefix (RFC 2342)."""
    if not imap.has_capability("NAMESPACE") or not imap.namespace().personal:
        return folder
    prefix = str(imap.namespace().personal[0][0])
    if not prefix or folder.startswith(prefix):
        return folder
    return prefix + folder


def _text(error: BaseException) -> str:
    return str(error).removeprefix("b'").removesuffix("'") or type(error).__name__
