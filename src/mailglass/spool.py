"""The spool: accepted messages and the deliveries still to be made, on stable storage.

A message is in the spool before its submitter gets the 250, and stays until every one of its
deliveries has ended. What happens to a delivery is written beside its new state in one
transaction, as a row of `event`, which ingest reads in order and later lets go: so the history can
be down for a day and still learns everything, once.

SQLite in WAL mode with `synchronous=FULL`: a committed transaction has been synced when `commit`
returns (sqlite.org/pragma.html#pragma_synchronous). One file, one writer at a time, many readers;
several processes may have it open.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from .errors import StorageUnavailable
from .model import Delivery, EventType

__all__ = ["Job", "Spool", "SpoolEvent", "Submission"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    accepted_at REAL NOT NULL,
    return_path TEXT NOT NULL,
    tracking TEXT NOT NULL,
    raw BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL REFERENCES message,
    recipient TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (next_attempt_at);
CREATE INDEX IF NOT EXISTS delivery_message ON delivery (message_id);
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    at REAL NOT NULL,
    message_id INTEGER NOT NULL,
    delivery_id INTEGER,
    body TEXT NOT NULL
);
"""

# How long a writer waits for another process's transaction; each takes milliseconds.
_BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message as it is handed to the spool."""

    message_id: int
    accepted_at: datetime
    return_path: str  # MAIL FROM; empty for a report
    raw: bytes  # as submitted, before any edit
    deliveries: tuple[Delivery, ...]
    tracking: Mapping[str, Any]  # the frozen options that the courier instruments with
    facts: Mapping[str, Any] = field(default_factory=dict)  # what the history shows of it
    suppressed: Mapping[int, str] = field(default_factory=dict)  # deliveries not to be made: reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A delivery that is due."""

    delivery: Delivery
    return_path: str
    tracking: Mapping[str, Any]
    attempts: int  # made so far
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolEvent:
    """Something that happened to a message or delivery, in the order of `seq`."""

    seq: int
    type: EventType
    at: datetime
    message_id: int
    delivery_id: int | None  # None for `queued`, which is about the whole message
    body: Mapping[str, Any]


class Spool:
    """One process's handle on the spool. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or make the spool at `path`; raises StorageUnavailable."""
        self._lock = threading.Lock()
        with _translated(path):
            self._db = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        self._path = path

    def close(self) -> None:
        """Let go of the file; everything committed is already on it."""
        self._db.close()

    def accept(self, submission: Submission) -> None:
        """Take responsibility for a message: durable when this returns.

        Raises StorageUnavailable, and then nothing of it was kept.
        """
        with self._transaction() as db:
            _insert(db, submission)

    def due(self, now: datetime, limit: int, without: Sequence[int] = ()) -> list[Job]:
        """Up to `limit` deliveries whose time has come, oldest first, except the ids `without`."""
        with self._transaction(write=False) as db:
            rows = db.execute(
                "SELECT d.id, d.message_id, d.recipient, d.attempts, m.return_path, m.tracking,"
                " m.accepted_at FROM delivery d JOIN message m ON m.id = d.message_id"
                " WHERE d.next_attempt_at <= ? AND d.id NOT IN (SELECT value FROM json_each(?))"
                " ORDER BY d.next_attempt_at, d.id LIMIT ?",
                (now.timestamp(), _dump(list(without)), limit),
            ).fetchall()
        return [
            Job(
                delivery=Delivery(id=row[0], message_id=row[1], recipient=row[2]),
                attempts=row[3],
                return_path=row[4],
                tracking=orjson.loads(row[5]),
                accepted_at=_time(row[6]),
            )
            for row in rows
        ]

    def raw(self, message_id: int) -> bytes:
        """The message as it was submitted; raises KeyError when every delivery of it has ended."""
        with self._transaction(write=False) as db:
            row = db.execute("SELECT raw FROM message WHERE id = ?", (message_id,)).fetchone()
        if row is None:
            raise KeyError(message_id)
        raw: bytes = row[0]
        return raw

    def end(
        self,
        delivery: Delivery,
        type_: EventType,
        at: datetime,
        body: Mapping[str, Any],
        report: Submission | None = None,
    ) -> None:
        """Nothing more will be tried; the message goes with its last delivery.

        `report` is a delivery report to its author, accepted in the same transaction, so that a
        failure is reported once whatever happens.
        """
        with self._transaction() as db:
            db.execute("DELETE FROM delivery WHERE id = ?", (delivery.id,))
            db.execute(
                "DELETE FROM message WHERE id = ?1"
                " AND NOT EXISTS (SELECT 1 FROM delivery WHERE message_id = ?1)",
                (delivery.message_id,),
            )
            _add_event(db, type_, at, delivery.message_id, body, delivery.id)
            if report:
                _insert(db, report)

    def defer(
        self, delivery: Delivery, at: datetime, next_attempt_at: datetime, body: Mapping[str, Any]
    ) -> None:
        """It will be tried again at `next_attempt_at`."""
        with self._transaction() as db:
            db.execute(
                "UPDATE delivery SET attempts = attempts + 1, next_attempt_at = ? WHERE id = ?",
                (next_attempt_at.timestamp(), delivery.id),
            )
            body = {**body, "next_attempt_at": next_attempt_at.isoformat()}
            _add_event(db, EventType.DEFERRED, at, delivery.message_id, body, delivery.id)

    def events(self, after: int, limit: int) -> list[SpoolEvent]:
        """Up to `limit` events whose `seq` is above `after`, in order."""
        with self._transaction(write=False) as db:
            rows = db.execute(
                "SELECT seq, type, at, message_id, delivery_id, body FROM event"
                " WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, limit),
            ).fetchall()
        return [
            SpoolEvent(
                seq=row[0],
                type=EventType(row[1]),
                at=_time(row[2]),
                message_id=row[3],
                delivery_id=row[4],
                body=orjson.loads(row[5]),
            )
            for row in rows
        ]

    def forget_events(self, up_to: int) -> None:
        """Drop the events that the history has; AUTOINCREMENT never gives their numbers again."""
        with self._transaction() as db:
            db.execute("DELETE FROM event WHERE seq <= ?", (up_to,))

    def counts(self) -> dict[str, int]:
        """How many messages and deliveries wait here, and events that ingest has not taken."""
        with self._transaction(write=False) as db:
            return {
                table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("message", "delivery", "event")
            }

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self._path):
            if not write:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _insert(db: sqlite3.Connection, submission: Submission) -> None:
    at = submission.accepted_at.timestamp()
    tracking = _dump(submission.tracking)
    wanted = [d for d in submission.deliveries if d.id not in submission.suppressed]
    if wanted:
        db.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
            (submission.message_id, at, submission.return_path, tracking, submission.raw),
        )
    db.executemany(
        "INSERT INTO delivery VALUES (?, ?, ?, 0, ?)",
        [(d.id, d.message_id, d.recipient, at) for d in wanted],
    )
    body = {
        **submission.facts,
        "return_path": submission.return_path,
        "deliveries": [(d.id, d.recipient) for d in submission.deliveries],
    }
    now, message_id = submission.accepted_at, submission.message_id
    _add_event(db, EventType.QUEUED, now, message_id, body)
    for delivery_id, reason in submission.suppressed.items():
        _add_event(db, EventType.SUPPRESSED, now, message_id, {"reason": reason}, delivery_id)


def _add_event(
    db: sqlite3.Connection,
    type_: EventType,
    at: datetime,
    message_id: int,
    body: Mapping[str, Any],
    delivery_id: int | None = None,
) -> None:
    db.execute(
        "INSERT INTO event (type, at, message_id, delivery_id, body) VALUES (?, ?, ?, ?, ?)",
        (type_, at.timestamp(), message_id, delivery_id, _dump(body)),
    )


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageUnavailable(f"the spool {path} cannot be used: {error}") from error
