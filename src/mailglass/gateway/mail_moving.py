"""One message of an IMAP folder, and its move to another folder, which may break off anywhere.

Two messages of the same bytes are two messages, so that a message is known by its number (UID) and
not by its content. MOVE (RFC 6851) is one step for the server. Where it is missing, a message is
marked, copied with its mark, looked for by it in the other folder, and only then expunged by its
own number (UIDPLUS, RFC 4315): the mark tells the copy from a twin that lay there before. A server
that keeps no keywords (RFC 9051 section 2.3.2) may have two copies in the other folder when the
connection broke off between the steps; none is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

__all__ = ["MOVING", "Stored", "expunge", "fetch", "identical", "move", "select", "settable"]

MOVING = b"MailglassMoving"  # a keyword
_SERVERS_OWN = b"\\recent"  # RFC 3501 section 2.3.2


@dataclass(frozen=True, slots=True)
class Stored:
    """One message of a folder."""

    uid: int
    data: bytes
    flags: tuple[bytes, ...]
    date: datetime

    @property
    def digest(self) -> str:
        """SHA-256 of the message, in lower-case hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def is_moving(self) -> bool:
        """Whether a move of it was begun, here or in the folder that it was copied from."""
        return MOVING.lower() in {flag.lower() for flag in self.flags}


def select(imap: IMAPClient, folder: str) -> int:
    """Open a folder; its UIDVALIDITY."""
    return int(imap.select_folder(folder)[b"UIDVALIDITY"])


def fetch(imap: IMAPClient, uid: int) -> Stored | None:
    """The message; None when it is gone."""
    one = imap.fetch([uid], ["BODY.PEEK[]", "FLAGS", "INTERNALDATE"]).get(uid)
    if one is None or b"BODY[]" not in one:
        return None
    return Stored(uid, one[b"BODY[]"], tuple(one[b"FLAGS"]), one[b"INTERNALDATE"])


def identical(imap: IMAPClient, size_bytes: int, digest: str) -> Iterator[Stored]:
    """The messages of the open folder that have exactly these bytes."""
    for uid in imap.search(["LARGER", str(size_bytes - 1), "SMALLER", str(size_bytes + 1)]):
        if (stored := fetch(imap, uid)) is not None and stored.digest == digest.lower():
            yield stored


def settable(flags: Any) -> tuple[bytes, ...]:  # Any: the library has no types for its answers
    """The flags that go with a message: neither the server's own nor our mark."""
    return tuple(flag for flag in flags if flag.lower() not in (_SERVERS_OWN, MOVING.lower()))


def expunge(imap: IMAPClient, uid: int) -> None:
    """Remove one message for good, and no other that happens to be marked as deleted."""
    imap.add_flags([uid], [b"\\Deleted"], silent=True)
    imap.uid_expunge([uid])


def move(imap: IMAPClient, stored: Stored, source: str, target: str) -> None:
    """Move a message of the folder `source`, which is open before and after."""
    if imap.has_capability("MOVE"):
        imap.move([stored.uid], target)
        return
    copied = _begun(imap, stored, target)
    select(imap, source)
    if not copied:
        copied = _copy(imap, stored, source, target)
    expunge(imap, stored.uid)
    select(imap, target)
    imap.remove_flags(sorted(copied), [MOVING], silent=True)
    select(imap, source)


def _begun(imap: IMAPClient, stored: Stored, target: str) -> set[int]:
    """The copy that was made before the connection broke off, if there is one."""
    select(imap, target)
    marked = {one.uid for one in _twins(imap, stored) if one.is_moving}
    if stored.is_moving or not marked:
        return marked
    imap.remove_flags(sorted(marked), [MOVING], silent=True)  # of a twin, whose move is at its end
    return set()


def _copy(imap: IMAPClient, stored: Stored, source: str, target: str) -> set[int]:
    """Copy with the mark; the open folder is `source` before and after."""
    if not stored.is_moving:
        _mark(imap, stored.uid)
    select(imap, target)
    before = {one.uid for one in _twins(imap, stored)}
    select(imap, source)
    imap.copy([stored.uid], target)
    select(imap, target)
    copied = {one.uid for one in _twins(imap, stored)} - before
    select(imap, source)
    if not copied:
        raise IMAPClientError("the copied message cannot be found")
    return copied


def _twins(imap: IMAPClient, stored: Stored) -> Iterator[Stored]:
    return identical(imap, len(stored.data), stored.digest)


def _mark(imap: IMAPClient, uid: int) -> None:
    try:
        imap.add_flags([uid], [MOVING], silent=True)
    except IMAPClient.AbortError:
        raise
    except IMAPClient.Error:
        pass  # no keywords are kept: see above
