"""Opens the database and holds every statement that is ever put to it: a table of named statements.

A transaction is one unit: ingest moves its cursor in the one that writes what it read, so each
record of the journal counts once. `synchronous=FULL` on SQLite: what ingest has committed is on
disk, so that the spool may forget it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import ConfigurationError, StorageUnavailable
from ..model import (
    Delivery,
    Event,
    EventType,
    Evidence,
    Hit,
    Target,
    TargetKind,
    Verdict,
    VerdictLevel,
)
from . import schema
from .records import Account, StoredDelivery, StoredEvent, StoredHit, StoredMessage, User
from .returns import ReturnStatements

__all__ = ["History", "Transaction"]

# SQLite takes 32,766 parameters in a statement; far fewer keep its parser quick.
_CHUNK = 500

_PENDING = Verdict(
    level=VerdictLevel.PENDING, probability=0.0, evidence=(), is_final=False, rules_version=""
)


class History:
    """The database. Safe to use from several threads; each transaction has its own connection."""

    def __init__(self, address: str) -> None:
        """`address` as SQLAlchemy writes it: sqlite:///file or postgresql+psycopg://…

        Raises ConfigurationError for an address that cannot be understood or whose driver is
        not installed, StorageUnavailable when the database does not answer.
        """
        try:
            self._engine = sa.create_engine(address)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
            raise ConfigurationError(f"history.url cannot be understood: {error}") from error
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"history.url needs {error.name}; install it with `pip install mailglass[postgres]`"
            ) from error
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
        with self._translated():
            schema.metadata.create_all(self._engine)

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All of it or nothing; raises StorageUnavailable, and then it was nothing."""
        with self._translated(), self._engine.begin() as connection:
            yield Transaction(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StorageUnavailable(f"the history cannot be used: {error.orig}") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:  # a driver's connection
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=30000")  # another role's transaction takes milliseconds
    cursor.close()


class Transaction(ReturnStatements):
    """The named statements, inside one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._db = connection

    # accounts and who may use them

    def add_account(self, name: str, at: datetime) -> Account:
        """A new account."""
        row = self._db.execute(
            schema.account.insert().values(name=name, created_at=at.timestamp())
        ).inserted_primary_key
        assert row is not None
        return Account(id=row[0], name=name)

    def add_user(self, account_id: int, name: str, password_hash: str, at: datetime) -> User:
        """A new user of an account."""
        row = self._db.execute(
            schema.user.insert().values(
                account_id=account_id,
                name=name,
                password_hash=password_hash,
                created_at=at.timestamp(),
            )
        ).inserted_primary_key
        assert row is not None
        return User(id=row[0], account_id=account_id, name=name, password_hash=password_hash)

    def user_named(self, name: str) -> User | None:
        """The user of that name."""
        u = schema.user.c
        row = self._db.execute(
            sa.select(u.id, u.account_id, u.name, u.password_hash).where(u.name == name)
        ).one_or_none()
        return User(**row._mapping) if row else None

    def set_password(self, user_id: int, password_hash: str) -> None:
        """Another password for a user."""
        self._db.execute(
            schema.user.update()
            .where(schema.user.c.id == user_id)
            .values(password_hash=password_hash)
        )

    def add_login_link(self, token_hash: bytes, user_id: int, expires_at: datetime) -> None:
        """A link that signs its user in once."""
        self._db.execute(
            schema.login_link.insert().values(
                token_hash=token_hash, user_id=user_id, expires_at=expires_at.timestamp()
            )
        )

    def use_login_link(self, token_hash: bytes, now: datetime) -> int | None:
        """The user of a link that is still good; the link is gone afterwards."""
        c = schema.login_link.c
        row = self._db.execute(
            schema.login_link.delete()
            .where(c.token_hash == token_hash)
            .returning(c.user_id, c.expires_at)
        ).one_or_none()
        return row.user_id if row and row.expires_at > now.timestamp() else None

    def add_session(self, token_hash: bytes, user_id: int, expires_at: datetime) -> None:
        """A browser that is signed in."""
        self._db.execute(
            schema.session.insert().values(
                token_hash=token_hash, user_id=user_id, expires_at=expires_at.timestamp()
            )
        )

    def user_of_session(self, token_hash: bytes, now: datetime) -> User | None:
        """Who is signed in there."""
        u, s = schema.user.c, schema.session.c
        row = self._db.execute(
            sa.select(u.id, u.account_id, u.name, u.password_hash)
            .join(schema.session, s.user_id == u.id)
            .where(s.token_hash == token_hash, s.expires_at > now.timestamp())
        ).one_or_none()
        return User(**row._mapping) if row else None

    def end_session(self, token_hash: bytes) -> None:
        """Sign a browser out."""
        self._db.execute(schema.session.delete().where(schema.session.c.token_hash == token_hash))

    # what ingest writes

    def cursor(self, name: str) -> str | None:
        """Where a reader stopped."""
        return self._db.execute(
            sa.select(schema.cursor.c.value).where(schema.cursor.c.name == name)
        ).scalar()

    def set_cursor(self, name: str, value: str) -> None:
        """Where a reader stops now."""
        done = self._db.execute(
            schema.cursor.update().where(schema.cursor.c.name == name).values(value=value)
        )
        if not done.rowcount:
            self._db.execute(schema.cursor.insert().values(name=name, value=value))

    def add_message(self, message: StoredMessage, deliveries: Sequence[Delivery]) -> None:
        """A message with its targets and deliveries."""
        values = {
            name: getattr(message, name)
            for name in (
                "id",
                "account_id",
                "return_path",
                "author",
                "subject",
                "message_id_field",
                "tag",
                "campaign",
            )
        }
        self._db.execute(
            schema.message.insert().values(accepted_at=message.accepted_at.timestamp(), **values)
        )
        if message.targets:
            self._db.execute(
                schema.target.insert(),
                [_target_row(t, message.id) for t in message.targets],
            )
        self._db.execute(
            schema.delivery.insert(), [_new_delivery(d, message.id) for d in deliveries]
        )

    def set_delivered(self, delivery_id: int, at: datetime) -> None:
        """When the receiving server took it."""
        self._db.execute(
            schema.delivery.update()
            .where(schema.delivery.c.id == delivery_id)
            .values(delivered_at=at.timestamp())
        )

    def add_hits(self, hits: Sequence[StoredHit]) -> None:
        """Hits as they were seen."""
        if hits:
            self._db.execute(
                schema.hit.insert(),
                [
                    {
                        "id": h.id,
                        "delivery_id": h.delivery_id,
                        "at": h.hit.at.timestamp(),
                        "facts": _hit_text(h.hit),
                    }
                    for h in hits
                ],
            )

    def add_events(self, events: Sequence[StoredEvent]) -> None:
        """Events, judged or told."""
        if events:
            self._db.execute(schema.event.insert(), [_event_row(e) for e in events])

    def forget_judged_events(self, delivery_ids: Iterable[int]) -> None:
        """Drop the events that were judged from hits, before they are judged again."""
        c = schema.event.c
        for some in _chunks(delivery_ids):
            self._db.execute(
                schema.event.delete().where(c.delivery_id.in_(some), c.hit_id.is_not(None))
            )

    def set_verdicts(
        self, verdicts: Mapping[int, Verdict], last_event_at: Mapping[int, datetime]
    ) -> None:
        """What the events of each delivery mean now, and when the last of them was."""
        if verdicts:
            c = schema.delivery.c
            self._db.execute(
                schema.delivery.update()
                .where(c.id == sa.bindparam("delivery_id"))
                .values(
                    level=sa.bindparam("v_level"),
                    probability=sa.bindparam("v_probability"),
                    verdict_evidence=sa.bindparam("v_evidence"),
                    is_final=sa.bindparam("v_is_final"),
                    rules_version=sa.bindparam("v_rules_version"),
                    last_event_at=sa.bindparam("v_last_event_at"),
                ),
                [
                    {
                        "delivery_id": i,
                        "v_last_event_at": last_event_at[i].timestamp(),
                        **_verdict_values(verdict, "v_"),
                    }
                    for i, verdict in verdicts.items()
                ],
            )

    def add_poison(self, place: str, at: datetime, reason: str, raw: bytes) -> None:
        """Set a record aside that could not be used."""
        self._db.execute(
            schema.poison.insert().values(id=place, at=at.timestamp(), reason=reason, raw=raw)
        )

    # what is shown

    def messages(
        self, account_id: int | None, *, before: int | None = None, limit: int = 50
    ) -> list[StoredMessage]:
        """The newest messages of an account (of all with None), older than the id `before`."""
        query = sa.select(schema.message).order_by(schema.message.c.id.desc()).limit(limit)
        if account_id is not None:
            query = query.where(schema.message.c.account_id == account_id)
        if before is not None:
            query = query.where(schema.message.c.id < before)
        return [_message(row) for row in self._db.execute(query)]

    def message(self, account_id: int | None, name: str) -> StoredMessage | None:
        """A message by our number, by a delivery's number or by its Message-ID."""
        m, d = schema.message.c, schema.delivery.c
        if name.isdecimal() and int(name) < 2**63:
            number = int(name)
            owner = sa.select(d.message_id).where(d.id == number).scalar_subquery()
            wanted = sa.or_(m.id == number, m.id == owner)
        else:
            wanted = m.message_id_field.in_((name, f"<{name.strip('<>')}>"))
        query = sa.select(schema.message).where(wanted).order_by(m.id.desc()).limit(1)
        if account_id is not None:
            query = query.where(m.account_id == account_id)
        row = self._db.execute(query).one_or_none()
        return _message(row, self._targets(row.id)) if row else None

    def _targets(self, message_id: int) -> tuple[Target, ...]:
        c = schema.target.c
        rows = self._db.execute(
            sa.select(schema.target).where(c.message_id == message_id).order_by(c.number)
        )
        return tuple(_target(row) for row in rows)

    def targets_of(self, message_ids: Iterable[int]) -> dict[int, tuple[Target, ...]]:
        """The targets of several messages."""
        found: dict[int, list[Target]] = {}
        c = schema.target.c
        for some in _chunks(message_ids):
            query = sa.select(schema.target).where(c.message_id.in_(some)).order_by(c.number)
            for row in self._db.execute(query):
                found.setdefault(row.message_id, []).append(_target(row))
        return {message_id: tuple(targets) for message_id, targets in found.items()}

    def deliveries_of(self, message_ids: Iterable[int]) -> list[StoredDelivery]:
        """All copies of some messages, in the order in which they were given numbers."""
        return self._deliveries(schema.delivery.c.message_id, message_ids)

    def deliveries(self, delivery_ids: Iterable[int]) -> list[StoredDelivery]:
        """Deliveries by number; those that do not exist are left out."""
        return self._deliveries(schema.delivery.c.id, delivery_ids)

    def _deliveries(self, column: Any, values: Iterable[int]) -> list[StoredDelivery]:
        found = []
        for some in _chunks(values):
            query = sa.select(schema.delivery).where(column.in_(some))
            found += [_delivery(row) for row in self._db.execute(query)]
        return sorted(found, key=lambda d: d.id)

    def hits_of(self, delivery_ids: Iterable[int]) -> list[StoredHit]:
        """The hits of deliveries, by time."""
        c, found = schema.hit.c, []
        for some in _chunks(delivery_ids):
            query = sa.select(schema.hit).where(c.delivery_id.in_(some))
            found += [_stored_hit(row) for row in self._db.execute(query)]
        return sorted(found, key=lambda h: (h.hit.at, h.id))

    def events_of(
        self, delivery_ids: Iterable[int], *, told_only: bool = False
    ) -> list[StoredEvent]:
        """The events of deliveries, by time; without the judged ones when `told_only`."""
        c, found = schema.event.c, []
        for some in _chunks(delivery_ids):
            query = sa.select(schema.event).where(c.delivery_id.in_(some))
            if told_only:
                query = query.where(c.hit_id.is_(None))
            found += [_event(row) for row in self._db.execute(query.order_by(c.at, c.id))]
        return sorted(found, key=lambda e: e.event.at)

    def poison(self) -> list[Mapping[str, Any]]:
        """What was set aside."""
        return [dict(row._mapping) for row in self._db.execute(sa.select(schema.poison))]

    def hits_since(self, at: datetime, limit: int) -> list[StoredHit]:
        """The latest hits since then that mean a delivery of ours, by time, at most `limit`."""
        c = schema.hit.c
        query = (
            sa.select(schema.hit)
            .where(c.at >= at.timestamp(), c.delivery_id.is_not(None))
            .order_by(c.at.desc())
            .limit(limit)
        )
        return [_stored_hit(row) for row in self._db.execute(query)][::-1]

    def unsettled(self, before: datetime, limit: int) -> list[int]:
        """Deliveries whose verdict is provisional although their last event was before then."""
        c = schema.delivery.c
        query = (
            sa.select(c.id)
            .where(
                c.is_final.is_(False),
                c.last_event_at <= before.timestamp(),
                c.level != VerdictLevel.PENDING.value,
            )
            .order_by(c.last_event_at)
            .limit(limit)
        )
        return list(self._db.execute(query).scalars())


def _chunks(values: Iterable[int]) -> Iterator[list[int]]:
    ordered = sorted(set(values))
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _new_delivery(delivery: Delivery, message_id: int) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "message_id": message_id,
        "recipient": delivery.recipient,
        "recipient_domain": delivery.recipient.rpartition("@")[2].lower(),
        "delivered_at": None,
        **_verdict_values(_PENDING, ""),
    }


def _target_row(target: Target, message_id: int) -> dict[str, Any]:
    return {**asdict(target), "message_id": message_id, "kind": target.kind.value}


def _verdict_values(verdict: Verdict, prefix: str) -> dict[str, Any]:
    evidence_name = "evidence" if prefix else "verdict_evidence"
    return {
        f"{prefix}level": verdict.level.value,
        f"{prefix}probability": verdict.probability,
        f"{prefix}{evidence_name}": _text([asdict(e) for e in verdict.evidence]),
        f"{prefix}is_final": verdict.is_final,
        f"{prefix}rules_version": verdict.rules_version,
    }


def _event_row(stored: StoredEvent) -> dict[str, Any]:
    return {
        "delivery_id": stored.delivery_id,
        "hit_id": stored.hit_id,
        "type": stored.event.type.value,
        "at": stored.event.at.timestamp(),
        "evidence": _text([asdict(e) for e in stored.event.evidence]),
        "raw": _text(dict(stored.event.raw)),
    }


def _hit_text(hit: Hit) -> str:
    return _text({**asdict(hit), "at": hit.at.isoformat()})


def _stored_hit(row: Any) -> StoredHit:  # a row of a select, which SQLAlchemy types as Any
    facts = orjson.loads(row.facts)
    hit = Hit(**{**facts, "at": datetime.fromisoformat(facts["at"])})
    return StoredHit(id=row.id, delivery_id=row.delivery_id, hit=hit)


def _evidence(text: str) -> tuple[Evidence, ...]:
    return tuple(Evidence(**item) for item in orjson.loads(text))


def _event(row: Any) -> StoredEvent:  # as above
    return StoredEvent(
        delivery_id=row.delivery_id,
        hit_id=row.hit_id,
        event=Event(
            type=EventType(row.type),
            at=_time(row.at),
            evidence=_evidence(row.evidence),
            raw=orjson.loads(row.raw),
        ),
    )


def _target(row: Any) -> Target:  # as above
    return Target(
        number=row.number,
        kind=TargetKind(row.kind),
        url=row.url,
        name=row.name,
        digest=row.digest,
        size_bytes=row.size_bytes,
    )


def _message(row: Any, targets: tuple[Target, ...] = ()) -> StoredMessage:  # as above
    values = {**row._mapping, "accepted_at": _time(row.accepted_at)}
    return StoredMessage(targets=targets, **values)


def _delivery(row: Any) -> StoredDelivery:  # as above
    return StoredDelivery(
        id=row.id,
        message_id=row.message_id,
        recipient=row.recipient,
        recipient_domain=row.recipient_domain,
        delivered_at=None if row.delivered_at is None else _time(row.delivered_at),
        verdict=Verdict(
            level=VerdictLevel(row.level),
            probability=row.probability,
            evidence=_evidence(row.verdict_evidence),
            is_final=row.is_final,
            rules_version=row.rules_version,
        ),
    )
