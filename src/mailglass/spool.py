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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from .addresses import canonical_address, spellings
from .errors import StorageUnavailable
from .model import Delivery, EventType, TrackingPolicy

__all__ = [
    "ONCE_SECONDS",
    "Earlier",
    "Job",
    "Once",
    "Spool",
    "SpoolEvent",
    "Submission",
    "Waiting",
]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    accepted_at REAL NOT NULL,
    return_path TEXT NOT NULL,
    tracking TEXT NOT NULL,
    raw BLOB NOT NULL,
    send_at REAL
);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL REFERENCES message,
    recipient TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at REAL NOT NULL,
    filling TEXT
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
CREATE TABLE IF NOT EXISTS submitted_once (
    account_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    at REAL NOT NULL,
    message_id INTEGER NOT NULL,
    deliveries TEXT NOT NULL,
    PRIMARY KEY (account_id, key)
);
CREATE INDEX IF NOT EXISTS submitted_once_at ON submitted_once (at);
"""

# Columns that later versions need: added to a spool that an earlier one made, so that mail waiting
# in it goes on after an upgrade.
_ADDED = (
    ("message", "send_at", "REAL"),
    ("delivery", "filling", "TEXT"),
    ("message", "account_id", "INTEGER"),  # NULL for a delivery report of ours
    ("delivery", "policy", "TEXT NOT NULL DEFAULT 'identified'"),  # frozen at acceptance
    ("delivery", "held", "INTEGER NOT NULL DEFAULT 0"),  # until its policy can be looked up
    ("delivery", "said", "TEXT NOT NULL DEFAULT ''"),  # why the last attempt did not succeed
)

# How long a writer waits for another process's transaction; each takes milliseconds.
_BUSY_SECONDS = 30.0

# How long a submission's key is remembered: a client that lost the answer asks again within
# minutes; a day also covers one that was switched off over night.
ONCE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """The submitter's own name for a submission, under which it is taken only once."""

    account_id: int
    key: str
    fingerprint: str  # of everything that was asked for


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
    send_at: datetime | None = None  # not before then
    fillings: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  # a delivery's own text
    handed_over: bool = False  # to whoever submitted it: recorded, and never sent by us
    once: Once | None = None
    policies: Mapping[int, TrackingPolicy] = field(default_factory=dict)  # else identified
    is_held: bool = False  # nothing is sent until `Spool.release`


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What was taken before under the same key."""

    fingerprint: str
    message_id: int
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A delivery that is due."""

    delivery: Delivery
    return_path: str
    tracking: Mapping[str, Any]
    attempts: int  # made so far
    accepted_at: datetime
    policy: TrackingPolicy = TrackingPolicy.IDENTIFIED  # as it was when the message was accepted
    send_at: datetime | None = None
    filling: Mapping[str, Any] | None = None  # as `instrument.fill` reads it

    @property
    def due_since(self) -> datetime:
        """From when on it is tried: the time of a message that waits does not count."""
        return max(self.accepted_at, self.send_at) if self.send_at else self.accepted_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A delivery that is still to be made, for an operator's eyes."""

    delivery: Delivery
    return_path: str
    accepted_at: datetime
    next_attempt_at: datetime
    attempts: int
    policy: TrackingPolicy
    is_held: bool  # until the history can be asked about its recipient
    said: str  # why the last attempt did not succeed; empty before the first
    size_bytes: int  # of the message as it was submitted


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
            # SQLite's own lower() knows ASCII alone, and nothing of a domain's two spellings
            self._db.create_function("canonical", 1, canonical_address, deterministic=True)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            _add_columns(self._db)
        self._path = path

    @staticmethod
    def examine(path: Path) -> tuple[list[str], int]:
        """What SQLite finds wrong with a spool's file, and the number of its last event."""
        with _translated(path), closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as db:
            found = [str(row[0]) for row in db.execute("PRAGMA quick_check(20)")]
            damage = [text for text in found if text != "ok"]
            if damage:
                return damage, 0
            query = "SELECT seq FROM sqlite_sequence WHERE name = 'event'"
            row = db.execute(query).fetchone()
        return [], row[0] if row else 0

    def close(self) -> None:
        """Let go of the file; everything committed is already on it."""
        self._db.close()

    def accept(self, submission: Submission) -> Earlier | None:
        """Take responsibility for a message: durable when this returns.

        Returns what was taken before under its `once`, and then nothing is taken now. Raises
        StorageUnavailable, and then nothing of it was kept.
        """
        with self._transaction() as db:
            if submission.once and (earlier := _keep_once(db, submission, submission.once)):
                return earlier
            _insert(db, submission)
        return None

    def due(self, now: datetime, limit: int, without: Sequence[int] = ()) -> list[Job]:
        """Up to `limit` deliveries whose time has come, oldest first, except the ids `without`."""
        with self._transaction(write=False) as db:
            rows = db.execute(
                "SELECT d.id, d.message_id, d.recipient, d.attempts, m.return_path, m.tracking,"
                " m.accepted_at, m.send_at, d.filling, d.policy"
                " FROM delivery d JOIN message m ON m.id = d.message_id"
                " WHERE d.next_attempt_at <= ? AND NOT d.held"
                " AND d.id NOT IN (SELECT value FROM json_each(?))"
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
                send_at=None if row[7] is None else _time(row[7]),
                filling=None if row[8] is None else orjson.loads(row[8]),
                policy=TrackingPolicy(row[9]),
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
            _remove(db, delivery.id, delivery.message_id)
            _add_event(db, type_, at, delivery.message_id, body, delivery.id)
            if report:
                _insert(db, report)

    def withdraw(self, message_id: int, at: datetime, reason: str) -> int:
        """End the deliveries of a message whose time has not come; returns how many.

        What is due already is left: the courier may be handing it over.
        """
        with self._transaction() as db:
            waiting = db.execute(
                "DELETE FROM delivery WHERE message_id = ? AND attempts = 0"
                " AND next_attempt_at > ? RETURNING id",
                (message_id, at.timestamp()),
            ).fetchall()
            _forget_done(db, message_id)
            for (delivery_id,) in sorted(waiting):
                _add_event(db, EventType.REJECTED, at, message_id, {"reason": reason}, delivery_id)
        return len(waiting)

    def defer(
        self, delivery: Delivery, at: datetime, next_attempt_at: datetime, body: Mapping[str, Any]
    ) -> None:
        """It will be tried again at `next_attempt_at`."""
        with self._transaction() as db:
            db.execute(
                "UPDATE delivery SET attempts = attempts + 1, next_attempt_at = ?, said = ?"
                " WHERE id = ?",
                (next_attempt_at.timestamp(), _said(body), delivery.id),
            )
            body = {**body, "next_attempt_at": next_attempt_at.isoformat()}
            _add_event(db, EventType.DEFERRED, at, delivery.message_id, body, delivery.id)

    def waiting(
        self,
        *,
        number: int | None = None,
        recipient: str | None = None,
        account_id: int | None = None,
        limit: int | None = None,
    ) -> list[Waiting]:
        """The deliveries still to be made, the next ones first: all, or those of the message or
        delivery `number`, to `recipient` however it is spelt, of one account."""
        with self._transaction(write=False) as db:
            rows = db.execute(
                "SELECT d.id, d.message_id, d.recipient, m.return_path, m.accepted_at,"
                " d.next_attempt_at, d.attempts, d.policy, d.held, d.said, length(m.raw)"
                " FROM delivery d JOIN message m ON m.id = d.message_id"
                " WHERE (?1 IS NULL OR ?1 IN (d.id, d.message_id))"
                " AND (?2 IS NULL OR canonical(d.recipient) = ?2)"
                " AND (?3 IS NULL OR m.account_id = ?3)"
                " ORDER BY d.next_attempt_at, d.id LIMIT ?4",
                (
                    number,
                    recipient and canonical_address(recipient),
                    account_id,
                    -1 if limit is None else limit,
                ),
            ).fetchall()
        return [
            Waiting(
                delivery=Delivery(id=row[0], message_id=row[1], recipient=row[2]),
                return_path=row[3],
                accepted_at=_time(row[4]),
                next_attempt_at=_time(row[5]),
                attempts=row[6],
                policy=TrackingPolicy(row[7]),
                is_held=bool(row[8]),
                said=row[9],
                size_bytes=row[10],
            )
            for row in rows
        ]

    def hasten(self, delivery_ids: Iterable[int], at: datetime) -> int:
        """Make deliveries due at `at`; returns how many of them still wait."""
        with self._transaction() as db:
            return sum(
                db.execute(
                    "UPDATE delivery SET next_attempt_at = ? WHERE id = ?", (at.timestamp(), number)
                ).rowcount
                for number in delivery_ids
            )

    def cancel(self, delivery_ids: Iterable[int], at: datetime, reason: str) -> int:
        """Make no further attempt; returns how many of them still waited.

        An attempt that is under way in another process is seen through.
        """
        done = 0
        with self._transaction() as db:
            for number in delivery_ids:
                row = db.execute(
                    "SELECT message_id FROM delivery WHERE id = ?", (number,)
                ).fetchone()
                if row is not None:
                    _remove(db, number, row[0])
                    _add_event(db, EventType.REJECTED, at, row[0], {"reason": reason}, number)
                    done += 1
        return done

    def cancel_all(self, reason: str) -> int:
        """Make no further attempt at anything that waits; returns how many deliveries that was."""
        waiting = [w.delivery.id for w in self.waiting()]
        return self.cancel(waiting, datetime.now(UTC), reason)

    def release(
        self,
        message_id: int,
        at: datetime,
        *,
        policies: Mapping[int, TrackingPolicy],
        suppressed: Mapping[int, str],
    ) -> None:
        """Let a held message go, now that the history says how each recipient may be tracked and
        who gets nothing; a message that is not held any more is left as it is."""
        with self._transaction() as db:
            held = db.execute(
                "SELECT id FROM delivery WHERE message_id = ? AND held", (message_id,)
            ).fetchall()
            for (number,) in held:
                if number in suppressed:
                    _remove(db, number, message_id)
                    body = {"reason": suppressed[number]}
                    _add_event(db, EventType.SUPPRESSED, at, message_id, body, number)
                    continue
                policy = policies.get(number, TrackingPolicy.IDENTIFIED)
                db.execute(  # `off` from acceptance on is the author's own copy
                    "UPDATE delivery SET held = 0,"
                    " policy = CASE WHEN policy = ?1 THEN policy ELSE ?2 END WHERE id = ?3",
                    (TrackingPolicy.OFF.value, policy.value, number),
                )

    def tighten(self, recipient: str, account_id: int, policy: TrackingPolicy) -> int:
        """Track deliveries to a recipient that still wait no closer than `policy` says."""
        looser = [p.value for p in TrackingPolicy if p.strictness < policy.strictness]
        with self._transaction() as db:
            return db.execute(
                "UPDATE delivery SET policy = ?1 WHERE canonical(recipient) = ?2"
                " AND policy IN (SELECT value FROM json_each(?3))"
                " AND message_id IN (SELECT id FROM message WHERE account_id = ?4)",
                (policy.value, canonical_address(recipient), _dump(looser), account_id),
            ).rowcount

    def forget_recipient(self, recipient: str, account_id: int | None, at: datetime) -> int:
        """Erase a person: what waits for them is not sent, and no event names them any more.

        Of one account or of all. Returns how many deliveries were not made. A message that waits
        for other recipients keeps its text, which may show the address in To or Cc.
        """
        waiting = self.waiting(recipient=recipient, account_id=account_id)
        done = self.cancel((w.delivery.id for w in waiting), at, "the recipient was erased")
        wanted = canonical_address(recipient)
        with self._transaction() as db:
            for seq, type_, text in _naming(db, "SELECT seq, type, body FROM event", wanted):
                body = orjson.loads(text)
                if type_ != EventType.QUEUED:
                    body = {}
                elif account_id in (None, body.get("account_id")):
                    body["deliveries"] = _without(wanted, body["deliveries"])
                db.execute("UPDATE event SET body = ? WHERE seq = ?", (_dump(body), seq))
            query = "SELECT account_id, key, deliveries FROM submitted_once"
            for owner, key, text in _naming(db, query, wanted):
                if account_id not in (None, owner):
                    continue
                db.execute(
                    "UPDATE submitted_once SET deliveries = ? WHERE account_id = ? AND key = ?",
                    (_dump(_without(wanted, orjson.loads(text))), owner, key),
                )
        return done

    def events(self, after: int, limit: int) -> list[SpoolEvent]:
        """Up to `limit` events whose `seq` is above `after`, in order."""
        with self._transaction(write=False) as db:
            rows = db.execute(
                f"SELECT {_EVENT} FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
            ).fetchall()
        return [_event(row) for row in rows]

    def events_about(self, number: int) -> list[SpoolEvent]:
        """The events about a message, named by its number or by that of a delivery, in order: those
        that the history has not taken yet."""
        with self._transaction(write=False) as db:
            rows = db.execute(
                f"SELECT {_EVENT} FROM event WHERE message_id = ?1 OR message_id IN"
                " (SELECT message_id FROM delivery WHERE id = ?1"
                " UNION SELECT message_id FROM event WHERE delivery_id = ?1) ORDER BY seq",
                (number,),
            ).fetchall()
        return [_event(row) for row in rows]

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


def _add_columns(db: sqlite3.Connection) -> None:
    """Bring a spool of an earlier version up to this one; several processes may try at once."""

    def missing() -> list[tuple[str, str, str]]:
        have = {
            (table, row[1])
            for table in ("message", "delivery")
            for row in db.execute(f"PRAGMA table_info({table})")
        }
        return [column for column in _ADDED if column[:2] not in have]

    if not missing():
        return
    db.execute("BEGIN IMMEDIATE")
    for table, name, kind in missing():  # asked again: another process may have been faster
        db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
    db.execute("COMMIT")


def _keep_once(db: sqlite3.Connection, submission: Submission, once: Once) -> Earlier | None:
    now = submission.accepted_at.timestamp()
    db.execute("DELETE FROM submitted_once WHERE at < ?", (now - ONCE_SECONDS,))
    row = db.execute(
        "SELECT fingerprint, message_id, deliveries FROM submitted_once"
        " WHERE account_id = ? AND key = ?",
        (once.account_id, once.key),
    ).fetchone()
    if row is not None:
        known = orjson.loads(row[2])
        return Earlier(
            fingerprint=row[0],
            message_id=row[1],
            deliveries=tuple(Delivery(id=i, message_id=row[1], recipient=r) for i, r in known),
        )
    db.execute(
        "INSERT INTO submitted_once VALUES (?, ?, ?, ?, ?, ?)",
        (
            once.account_id,
            once.key,
            once.fingerprint,
            now,
            submission.message_id,
            _dump([(d.id, d.recipient) for d in submission.deliveries]),
        ),
    )
    return None


def _remove(db: sqlite3.Connection, delivery_id: int, message_id: int) -> None:
    db.execute("DELETE FROM delivery WHERE id = ?", (delivery_id,))
    _forget_done(db, message_id)


def _forget_done(db: sqlite3.Connection, message_id: int) -> None:
    """Let a message go with its last delivery."""
    db.execute(
        "DELETE FROM message WHERE id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM delivery WHERE message_id = ?1)",
        (message_id,),
    )


def _without(recipient: str, deliveries: list[list[Any]]) -> list[tuple[int, str]]:
    """Deliveries by number and recipient, of which one person is named no more."""
    return [(i, "" if canonical_address(r) == recipient else r) for i, r in deliveries]


def _naming(db: sqlite3.Connection, query: str, recipient: str) -> list[tuple[Any, ...]]:
    """The rows whose text, in the last column, names a person as they or a server may spell them.

    Who is spelt in yet another way stands among a message's deliveries, which are read.
    """
    forms = spellings(recipient)
    return [
        row
        for row in db.execute(query).fetchall()
        if any(form in row[-1].lower() for form in forms) or _is_listed(row[-1], recipient)
    ]


def _is_listed(text: str, recipient: str) -> bool:
    found = orjson.loads(text)
    deliveries = found.get("deliveries", ()) if isinstance(found, dict) else found
    return any(canonical_address(r) == recipient for _, r in deliveries)


def _said(body: Mapping[str, Any]) -> str:
    """Why an attempt did not succeed, from what its event tells."""
    if "reply_text" in body:
        return f"{body['reply_code']} {body['reply_text']}"
    return str(body.get("problem", ""))


def _insert(db: sqlite3.Connection, submission: Submission) -> None:
    at = submission.accepted_at.timestamp()
    wanted = [d for d in submission.deliveries if d.id not in submission.suppressed]
    if wanted and not submission.handed_over:
        _insert_work(db, submission, wanted, at)
    body = {
        **submission.facts,
        "return_path": submission.return_path,
        "deliveries": [(d.id, d.recipient) for d in submission.deliveries],
        "policies": {str(i): policy.value for i, policy in submission.policies.items()},
        "is_held": submission.is_held,
    }
    if submission.send_at:
        body["send_at"] = submission.send_at.isoformat()
    now, message_id = submission.accepted_at, submission.message_id
    _add_event(db, EventType.QUEUED, now, message_id, body)
    for delivery_id, reason in submission.suppressed.items():
        _add_event(db, EventType.SUPPRESSED, now, message_id, {"reason": reason}, delivery_id)


def _insert_work(
    db: sqlite3.Connection, submission: Submission, wanted: Sequence[Delivery], at: float
) -> None:
    send_at = submission.send_at.timestamp() if submission.send_at else None
    db.execute(
        "INSERT INTO message (id, accepted_at, return_path, tracking, raw, send_at, account_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            submission.message_id,
            at,
            submission.return_path,
            _dump(submission.tracking),
            submission.raw,
            send_at,
            submission.facts.get("account_id"),
        ),
    )
    fillings, policies = submission.fillings, submission.policies
    db.executemany(
        "INSERT INTO delivery (id, message_id, recipient, next_attempt_at, filling, policy, held)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                d.id,
                d.message_id,
                d.recipient,
                max(at, send_at or at),
                _dump(fillings[d.id]) if d.id in fillings else None,
                policies.get(d.id, TrackingPolicy.IDENTIFIED).value,
                submission.is_held,
            )
            for d in wanted
        ],
    )


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


_EVENT = "seq, type, at, message_id, delivery_id, body"


def _event(row: Sequence[Any]) -> SpoolEvent:
    return SpoolEvent(
        seq=row[0],
        type=EventType(row[1]),
        at=_time(row[2]),
        message_id=row[3],
        delivery_id=row[4],
        body=orjson.loads(row[5]),
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
