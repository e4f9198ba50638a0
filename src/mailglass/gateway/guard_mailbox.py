"""Cleans a folder of a mailbox over IMAP (RFC 9051), keeps the originals, and can put them back.

For each message that has something to take out:

1. the clean copy is appended to the folder, with the original's flags and internal date, and with
   a field that names the original (`X-Mailglass-Original`: SHA-256, number and size);
2. the original moves to the folder of originals.

The connection or the program may break off anywhere. Before the first step nothing was done;
between the two both copies lie in the folder, and the next run finds the clean one by the
original's name and goes on with the second step. The number in the name (UIDVALIDITY and UID) keeps
apart messages of the same bytes. How a message moves stands in `mail_moving`.

Putting back is the same in the other direction; of originals of the same bytes, each copy gets one.
A message that was put back is marked with the keyword `MailglassKeep` and is not cleaned again; the
reader can set it by hand as well.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from ..errors import ConfigurationError, RetryLater
from ..guard import Clean
from ..lookup import tls_context
from .mail_moving import MOVING, Stored, expunge, fetch, identical, move, select, settable

__all__ = ["KEEP", "ORIGINAL", "Account", "Done", "GuardedFolder"]

_log = logging.getLogger("mailglass.gateway.guard_mailbox")

KEEP = "MailglassKeep"
ORIGINAL = "X-Mailglass-Original"
_NAMED = re.compile(
    rb"^X-Mailglass-Original:\s*sha256=([0-9a-f]{64});\s*(?:uid=[\d.]{3,21};\s*)?size=(\d{1,12})",
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
            earlier = set(imap.search())
            criteria = ["HEADER", ORIGINAL, "sha256="]
            if message_id is not None:
                criteria += ["HEADER", "Message-ID", message_id]
            done = Done()
            for uid in imap.search(criteria):
                done += self._put_back_one(imap, uid, earlier)
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
        select(imap, account.folder)

    def _clean_new(self, imap: IMAPClient) -> Done:
        validity = select(imap, self._account.folder)
        last = self._done_to[1] if self._done_to[0] == validity else 0
        uids = [uid for uid in imap.search(["UID", f"{last + 1}:*"]) if uid > last]
        done = Done()
        for start in range(0, len(uids), _BATCH):
            batch = uids[start : start + _BATCH]
            for uid in self._worth_reading(imap, batch):
                done += self._clean_one(imap, uid, validity)
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

    def _clean_one(self, imap: IMAPClient, uid: int, validity: int) -> Done:
        stored = fetch(imap, uid)
        if stored is None:
            return Done()
        # The number stands inside: a search finds parts, and `uid=1.2` is one of `uid=1.23`.
        name = f"sha256={stored.digest}; uid={validity}.{uid}; size={len(stored.data)}"
        is_deleted = _DELETED in {flag.lower() for flag in stored.flags}
        if is_deleted and self._find_copy(imap, name) is None:
            return Done()  # by the reader; else by us, and the connection broke off right then
        cleaned = self._clean(stored.data, (f"{ORIGINAL}: {name}",))
        if cleaned is None:
            return Done()
        try:
            self._replace(imap, stored, name, cleaned.data)
        except IMAPClient.Error as error:
            if isinstance(error, IMAPClient.AbortError):
                raise
            # Such as no space left: this one stays as it is, and the next may be smaller.
            _log.error("message %d stays as it is: %s", uid, _text(error))
            return Done(failed=1)
        _log.info("cleaned message %d", uid, extra={"action": "guard-cleaned"})
        return Done(changed=1)

    def _replace(self, imap: IMAPClient, stored: Stored, name: str, clean: bytes) -> None:
        folder = self._account.folder
        copy = self._find_copy(imap, name)
        if copy is None:
            imap.append(folder, clean, settable(stored.flags), stored.date)
            copy = self._find_copy(imap, name)
        now = imap.fetch([stored.uid], ["FLAGS"]).get(stored.uid)
        if now is None:  # the reader deleted or moved it meanwhile: the copy would bring it back
            if copy is not None:
                expunge(imap, copy)
            return
        if copy is None:
            raise IMAPClientError("the clean copy cannot be found after it was appended")
        if set(settable(now[b"FLAGS"])) != set(settable(stored.flags)):
            imap.set_flags([copy], settable(now[b"FLAGS"]), silent=True)
        move(imap, stored, folder, self._account.originals)

    def _find_copy(self, imap: IMAPClient, name: str) -> int | None:
        """The clean copy of the original of this name, in the open folder."""
        imap.noop()  # a server tells of what was appended when it is asked for anything
        for uid in reversed(imap.search(["HEADER", ORIGINAL, name])):
            return int(uid)
        return None

    def _put_back_one(self, imap: IMAPClient, uid: int, earlier: set[int]) -> Done:
        """`earlier` are the messages that lay in the folder before this run put anything back."""
        account = self._account
        copy = fetch(imap, uid)
        named = None if copy is None else _NAMED.search(copy.data.partition(b"\r\n\r\n")[0])
        if copy is None or named is None:
            return Done()
        size_bytes, digest = int(named[2]), named[1].decode().lower()
        select(imap, account.originals)
        original = _likeliest(identical(imap, size_bytes, digest), copy)
        if original is not None:
            _mark(imap, original, settable(copy.flags))
            move(imap, original, account.originals, account.folder)
        select(imap, account.folder)
        if original is None:
            # An earlier run that broke off may have moved it; what this run moved is another's.
            before = (o.uid for o in identical(imap, size_bytes, digest) if o.uid in earlier)
            if (found := next(before, None)) is None:
                _log.error("message %d: its original is not in %s", uid, account.originals)
                return Done(seen=1, failed=1)
            earlier.discard(found)
        expunge(imap, uid)
        return Done(seen=1, changed=1)


def _likeliest(originals: Iterable[Stored], copy: Stored) -> Stored | None:
    """Of originals of the same bytes the one whose move was begun, or that is of the same date."""
    return max(originals, key=lambda o: (o.is_moving, o.date == copy.date), default=None)


def _mark(imap: IMAPClient, stored: Stored, flags: Iterable[bytes]) -> None:
    """These flags, and that the message is to be kept as it is."""
    moving = (MOVING,) if stored.is_moving else ()
    try:
        imap.set_flags([stored.uid], [*flags, KEEP.encode(), *moving], silent=True)
    except IMAPClient.AbortError:
        raise
    except IMAPClient.Error:
        _log.warning("the server keeps no keywords: what is put back will be cleaned again")
        imap.set_flags([stored.uid], list(flags), silent=True)


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
