"""Follows the log of a local Postfix: what the next server said, while Postfix still tries.

The place that was reached is stored in the transaction that writes what was read, so that each line
counts once, whatever crashes. The log may be renamed or emptied by whoever rotates it; what was
renamed is read to its end first. A log that was compressed before we read its end is lost to us,
which is said; logrotate's `delaycompress`, the usual, gives a day.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from ..addresses import canonical_address
from ..history import StoredDelivery, StoredEvent, Transaction
from ..inbound import LogEntry, PostfixLog, delivery_of_address
from ..model import Event, EventType, Evidence
from ..tokens import Ring
from .effects import EVENT_OF_ACTION, facts_of, suppress

__all__ = ["RelayLog"]

_log = logging.getLogger("mailglass.ingest")

_CHUNK_BYTES = 1 << 20  # read in one transaction: some 4,000 lines
# Bytes before the place that was reached, which tell a file from another in its stead: some lines,
# each with its time.
_MARK_BYTES = 1024
_MOST_UNDER_WAY = 5_000  # queue ids kept over a restart, some 250 KB


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """How far the log was read."""

    inode: int
    offset: int
    mark: str  # digest of the bytes before the offset


class RelayLog:
    """One log file and those that it is renamed to."""

    def __init__(self, path: Path, ring: Ring) -> None:
        """`ring` reads the senders' addresses."""
        self._path = path
        self._ring = ring
        self._cursor = f"relay-log:{path}"
        self._seen: tuple[int, int] | None = None  # inode and size when it was last read to the end
        self._is_missing = False

    def has_news(self) -> bool:
        """Whether the file grew or was replaced since it was read to its end: one small look."""
        return _identity(self._path) != self._seen

    def read(self, t: Transaction) -> bytes:
        """The next whole lines; nothing is taken yet. Empty at the end of the log."""
        self._state = _load(t.cursor(self._cursor))
        self._next, lines = self._advance(self._state[0])
        return lines

    def take(self, t: Transaction, lines: bytes, now: datetime) -> set[int]:
        """Write what the lines that `read` gave say; returns the deliveries with news."""
        touched: set[int] = set()
        log = PostfixLog(self._state[1])
        for line in lines.replace(b"\0", b"").decode("utf-8", "replace").split("\n"):
            entry = log.read(line, now)
            delivery = self._delivery(t, entry) if entry is not None else None
            if entry is not None and delivery is not None:
                _take(t, entry, delivery, now)
                touched.add(delivery.id)
        if self._next is not None and self._next != self._state[0]:
            t.set_cursor(self._cursor, _dump(self._next, log))
        return touched

    def _advance(self, place: _Place | None) -> tuple[_Place | None, bytes]:
        """Where the next lines end, and they."""
        seen = _identity(self._path)
        for path, start in self._files(place):
            try:
                with path.open("rb") as file:
                    found = _lines_behind(file, start)
                self._is_missing = False
            except OSError as error:
                self._say_missing(error)
                return place, b""
            if found is not None:
                return found
        self._seen = seen
        return place, b""

    def _files(self, place: _Place | None) -> Iterator[tuple[Path, _Place | None]]:
        """What to read, in order: the file that was being read, then those that came after it."""
        if place is None:
            yield self._path, None
            return
        known = _rotated(self._path)
        names = [path for path, _ in known]
        at = _find(known, place)
        if at is not None:
            yield names[at], place
            yield from ((path, None) for path in names[at + 1 :])
            return
        if names:
            _log.warning(
                "%s was emptied or rotated away before its end was read; lines may be missing",
                self._path,
                extra={"action": "log-rotated-away"},
            )
            yield self._path, None

    def _say_missing(self, error: OSError) -> None:
        if not self._is_missing:  # once, not ten times a second
            _log.error(
                "the log %s cannot be read: %s",
                self._path,
                error.strerror,
                extra={"action": "log-unreadable"},
            )
        self._is_missing = True
        self._seen = _identity(self._path)

    def _delivery(self, t: Transaction, entry: LogEntry) -> StoredDelivery | None:
        """The delivery that a line is about.

        A signed sender names it. A Message-ID is whatever somebody wrote who may send by this
        Postfix, so it counts only for a mail that left with the return path that it was given.
        """
        number = delivery_of_address(entry.sender, self._ring) if entry.sender else None
        if number is not None:
            found = t.deliveries([number])
            return found[0] if found else None
        message = t.message(None, entry.message_id) if entry.message_id else None
        if message is None or not entry.sender:
            return None
        if canonical_address(entry.sender) != canonical_address(message.return_path):
            return None
        names = {canonical_address(n or "") for n in (entry.record.recipient, _original(entry))}
        mine = [d for d in t.deliveries_of([message.id]) if canonical_address(d.recipient) in names]
        return mine[0] if len(mine) == 1 else None


def _original(entry: LogEntry) -> str | None:
    return entry.record.original_recipient


def _take(t: Transaction, entry: LogEntry, delivery: StoredDelivery, now: datetime) -> None:
    record = entry.record
    assert record.action is not None, "every line of a recipient has a status"
    kind, at = EVENT_OF_ACTION[record.action], min(entry.at or now, now)
    text = f"By the log of the local Postfix, {record.action}: {record.diagnostic}"
    event = Event(
        type=kind,
        at=at,
        evidence=(Evidence(signal="relay-log", weight=0.0, text=text[:500]),),
        raw={"out_of_band": True, "relay": "postfix", "queue_id": entry.queue_id}
        | dict(facts_of(record)),
    )
    t.add_events([StoredEvent(delivery_id=delivery.id, event=event)])
    if kind is EventType.DELIVERED:
        t.set_delivered({delivery.id: at})
    message = t.message(None, str(delivery.message_id)) if record.suppress else None
    if message is not None:
        evidence = f"relay log: {record.diagnostic}"
        suppress(
            t,
            message.account_id,
            delivery.recipient,
            reason=str(record.class_),
            evidence=evidence,
            now=now,
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size


def _rotated(path: Path) -> list[tuple[Path, int]]:
    """The log and what it was renamed to, with their inodes, oldest first."""
    found = []
    for one in path.parent.glob(path.name + "*"):
        if one.suffix not in (".gz", ".xz", ".bz2", ".zst") and one.is_file():
            status = one.stat()
            found.append((one == path, status.st_mtime_ns, one, status.st_ino))
    return [(one, inode) for _, _, one, inode in sorted(found)]


def _find(files: list[tuple[Path, int]], place: _Place) -> int | None:
    """Which file was being read: the same file, else a copy of it (logrotate's `copytruncate`)."""
    fitting = [n for n, (path, _) in enumerate(files) if _holds(path, place)]
    same = [n for n in fitting if files[n][1] == place.inode]
    return next(iter(same or fitting), None)


def _holds(path: Path, place: _Place) -> bool:
    """Whether what stood before the place stands there still."""
    try:
        with path.open("rb") as file:
            return _mark(file, place.offset) == place.mark
    except OSError:
        return False


def _mark(file: BinaryIO, offset: int) -> str:
    start = max(0, offset - _MARK_BYTES)
    file.seek(start)
    return hashlib.sha256(file.read(offset - start)).hexdigest()[:16]


def _lines_behind(file: BinaryIO, start: _Place | None) -> tuple[_Place, bytes] | None:
    """The whole lines behind a place, or from the beginning; None when there are none."""
    offset = start.offset if start else 0
    file.seek(offset)
    chunk = file.read(_CHUNK_BYTES)
    end = chunk.rfind(b"\n") + 1
    if not end and len(chunk) == _CHUNK_BYTES:
        end = len(chunk)  # no line of a log is that long; go past it
    if not end:
        return None
    inode = os.fstat(file.fileno()).st_ino
    place = _Place(inode=inode, offset=offset + end, mark=_mark(file, offset + end))
    return place, chunk[:end]


def _load(cursor: str | None) -> tuple[_Place | None, dict[str, Any]]:  # Any: JSON
    if cursor is None:
        return None, {}
    told = orjson.loads(cursor)
    place = _Place(inode=told["inode"], offset=told["offset"], mark=told["mark"])
    return place, {name: tuple(value) for name, value in told["under_way"].items()}


def _dump(place: _Place, log: PostfixLog) -> str:
    return orjson.dumps(
        {
            "inode": place.inode,
            "offset": place.offset,
            "mark": place.mark,
            "under_way": log.under_way(_MOST_UNDER_WAY),
        }
    ).decode()
