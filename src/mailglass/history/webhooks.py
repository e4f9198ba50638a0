"""The named statements about webhooks: endpoints, the notices they are owed, and each attempt.

A notice is one event for one endpoint. Its number is made of both, so that it is owed once however
often the events are looked through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa

from ..model import EventType
from . import schema
from .records import StoredDelivery
from .statements import Statements, chunks, insert_new, json_text, moment, seconds

__all__ = [
    "Attempt",
    "Endpoint",
    "EndpointState",
    "Filters",
    "Notice",
    "NoticeState",
    "Retold",
    "Secret",
    "WebhookStatements",
]


_CHUNK = 400  # names in a statement
_NOBODYS = ("path_kind", "target", "who")  # of a hit's facts, those that tell nobody apart


class EndpointState(StrEnum):
    """Whether an endpoint is sent anything."""

    ENABLED = "enabled"
    PAUSED = "paused"  # what happens meanwhile is kept for it
    DISABLED = "disabled"  # what happens meanwhile is not


class NoticeState(StrEnum):
    """What became of a notice."""

    WAITING = "waiting"
    TAKEN = "taken"  # the endpoint said that it has it
    DEAD = "dead"  # given up; it can be replayed


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What signatures are made with; an old one goes on signing until it ends."""

    text: str
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What an endpoint wants to hear of; an empty list means everything."""

    types: tuple[EventType, ...] = ()
    campaigns: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def wants(self, type_: EventType, campaign: str | None, tags: Iterable[str]) -> bool:
        """Whether an event passes every list."""
        return (
            (not self.types or type_ in self.types)
            and (not self.campaigns or campaign in self.campaigns)
            and (not self.tags or not set(self.tags).isdisjoint(tags))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an account's notices go."""

    id: int
    account_id: int
    url: str
    secrets: tuple[Secret, ...]  # the newest first
    filters: Filters
    state: EndpointState
    description: str
    last_event_id: int  # up to which it has its notices
    created_at: datetime

    def signing_secrets(self, now: datetime) -> tuple[str, ...]:
        """The secrets that sign an attempt now, the newest first."""
        return tuple(s.text for s in self.secrets if s.ends_at is None or s.ends_at > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One event for one endpoint."""

    id: str  # the `webhook-id` of every attempt
    endpoint_id: int
    event_id: int
    body: str
    state: NoticeState
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to an endpoint."""

    at: datetime
    seconds: float
    status_code: int | None  # None when there was no answer
    problem: str | None  # None when it was taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    """What a notice of a hit may still say, once nobody is to know whose it was."""

    delivery_id: int  # to which its event belongs now
    is_named: bool  # whether that is the recipient's own: they asked for something
    at: datetime


class WebhookStatements(Statements):
    """What a transaction can do with webhooks."""

    def add_endpoint(
        self,
        account_id: int,
        url: str,
        secret: str,
        *,
        filters: Filters,
        description: str,
        last_event_id: int,
        at: datetime,
    ) -> Endpoint:
        """A new endpoint, which hears of events above `last_event_id`."""
        row = self._db.execute(
            schema.webhook_endpoint.insert().values(
                account_id=account_id,
                url=url,
                secrets=_secrets_text((Secret(text=secret),)),
                filters=_filters_text(filters),
                state=EndpointState.ENABLED.value,
                description=description,
                last_event_id=last_event_id,
                created_at=at.timestamp(),
            )
        ).inserted_primary_key
        assert row is not None
        found = self.endpoint(account_id, row[0])
        assert found is not None
        return found

    def endpoint(self, account_id: int, number: int) -> Endpoint | None:
        """An endpoint of an account."""
        c = schema.webhook_endpoint.c
        row = self._db.execute(
            sa.select(schema.webhook_endpoint).where(c.id == number, c.account_id == account_id)
        ).one_or_none()
        return _endpoint(row) if row else None

    def endpoints(
        self, account_id: int | None, *, after: int = 0, limit: int | None = None
    ) -> list[Endpoint]:
        """The endpoints of an account (of all with None) above the number `after`, in order."""
        c = schema.webhook_endpoint.c
        query = sa.select(schema.webhook_endpoint).where(c.id > after).order_by(c.id).limit(limit)
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        return [_endpoint(row) for row in self._db.execute(query)]

    def change_endpoint(
        self,
        number: int,
        *,
        url: str | None = None,
        filters: Filters | None = None,
        state: EndpointState | None = None,
        description: str | None = None,
        secrets: Sequence[Secret] | None = None,
        last_event_id: int | None = None,
    ) -> None:
        """Change what is given."""
        values = {
            "url": url,
            "filters": None if filters is None else _filters_text(filters),
            "state": None if state is None else state.value,
            "description": description,
            "secrets": None if secrets is None else _secrets_text(secrets),
            "last_event_id": last_event_id,
        }
        given = {name: value for name, value in values.items() if value is not None}
        if given:
            c = schema.webhook_endpoint.c
            self._db.execute(schema.webhook_endpoint.update().where(c.id == number).values(**given))

    def remove_endpoint(self, number: int) -> None:
        """Forget an endpoint with all that it was sent."""
        notice, attempt = schema.webhook_notice.c, schema.webhook_attempt.c
        of_it = sa.select(notice.id).where(notice.endpoint_id == number)
        self._db.execute(schema.webhook_attempt.delete().where(attempt.notice_id.in_(of_it)))
        self._db.execute(schema.webhook_notice.delete().where(notice.endpoint_id == number))
        c = schema.webhook_endpoint.c
        self._db.execute(schema.webhook_endpoint.delete().where(c.id == number))

    def add_notices(
        self, endpoint_id: int, bodies: Sequence[tuple[int, str]], at: datetime
    ) -> None:
        """Owe an endpoint notices: event number and body of each; one that is known stays."""
        if bodies:
            self._db.execute(
                insert_new(self._db, schema.webhook_notice),
                [
                    {
                        "id": f"ntc_{endpoint_id}_{event_id}",
                        "endpoint_id": endpoint_id,
                        "event_id": event_id,
                        "body": body,
                        "state": NoticeState.WAITING.value,
                        "attempts": 0,
                        "created_at": at.timestamp(),
                        "next_attempt_at": at.timestamp(),
                    }
                    for event_id, body in bodies
                ],
            )

    def endpoints_owed(self, now: datetime) -> list[Endpoint]:
        """The enabled endpoints that a notice is due for."""
        n, e = schema.webhook_notice.c, schema.webhook_endpoint.c
        due = sa.exists().where(
            n.endpoint_id == e.id,
            n.state == NoticeState.WAITING.value,
            n.next_attempt_at <= now.timestamp(),
        )
        query = sa.select(schema.webhook_endpoint).where(
            e.state == EndpointState.ENABLED.value, due
        )
        return [_endpoint(row) for row in self._db.execute(query.order_by(e.id))]

    def due_notices(self, endpoint_id: int, now: datetime, limit: int) -> list[Notice]:
        """The notices of an endpoint whose time has come, the oldest events first."""
        n = schema.webhook_notice.c
        query = (
            sa.select(schema.webhook_notice)
            .where(
                n.endpoint_id == endpoint_id,
                n.state == NoticeState.WAITING.value,
                n.next_attempt_at <= now.timestamp(),
            )
            .order_by(n.created_at, n.event_id)
            .limit(limit)
        )
        return [_notice(row) for row in self._db.execute(query)]

    def settle_notice(
        self,
        notice: Notice,
        attempt: Attempt,
        state: NoticeState,
        next_attempt_at: datetime | None,
    ) -> None:
        """Record an attempt and what follows from it; a notice that is gone stays gone."""
        n = schema.webhook_notice.c
        done = self._db.execute(
            schema.webhook_notice.update()
            .where(n.id == notice.id)
            .values(
                state=state.value,
                attempts=n.attempts + 1,
                next_attempt_at=seconds(next_attempt_at),
            )
        )
        if done.rowcount:
            self._db.execute(
                schema.webhook_attempt.insert().values(
                    notice_id=notice.id,
                    at=attempt.at.timestamp(),
                    seconds=attempt.seconds,
                    status_code=attempt.status_code,
                    problem=attempt.problem,
                )
            )

    def give_up_notices(self, endpoint_id: int, created_before: datetime) -> int:
        """Make dead letters of an endpoint's waiting notices of before then; returns how many."""
        n = schema.webhook_notice.c
        done = self._db.execute(
            schema.webhook_notice.update()
            .where(
                n.endpoint_id == endpoint_id,
                n.state == NoticeState.WAITING.value,
                n.created_at < created_before.timestamp(),
            )
            .values(state=NoticeState.DEAD.value, next_attempt_at=None)
        )
        return int(done.rowcount)

    def give_up_all_notices(self) -> int:
        """Make dead letters of all that waits, whoever it is for; returns how many that was."""
        n = schema.webhook_notice.c
        done = self._db.execute(
            schema.webhook_notice.update()
            .where(n.state == NoticeState.WAITING.value)
            .values(state=NoticeState.DEAD.value, next_attempt_at=None)
        )
        return int(done.rowcount)

    def waiting_notices(self) -> int:
        """How many notices are still to be sent, of all endpoints."""
        n = schema.webhook_notice.c
        count = sa.select(sa.func.count()).where(n.state == NoticeState.WAITING.value)
        return int(self._db.execute(count).scalar_one())

    def notices(
        self,
        endpoint_id: int,
        *,
        state: NoticeState | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Notice]:
        """The notices of an endpoint, the newest event first, below the event number `before`."""
        n = schema.webhook_notice.c
        query = sa.select(schema.webhook_notice).where(n.endpoint_id == endpoint_id)
        if state is not None:
            query = query.where(n.state == state.value)
        if before is not None:
            query = query.where(n.event_id < before)
        rows = self._db.execute(query.order_by(n.event_id.desc()).limit(limit))
        return [_notice(row) for row in rows]

    def notice(self, endpoint_id: int, number: str) -> Notice | None:
        """A notice of an endpoint."""
        n = schema.webhook_notice.c
        row = self._db.execute(
            sa.select(schema.webhook_notice).where(n.id == number, n.endpoint_id == endpoint_id)
        ).one_or_none()
        return _notice(row) if row else None

    def attempts_of(self, notice_ids: Iterable[str]) -> Mapping[str, list[Attempt]]:
        """Every attempt of some notices, by time."""
        a = schema.webhook_attempt.c
        found: dict[str, list[Attempt]] = {number: [] for number in notice_ids}
        query = sa.select(schema.webhook_attempt).where(a.notice_id.in_(list(found)))
        for row in self._db.execute(query.order_by(a.at, a.id)):
            found[row.notice_id].append(
                Attempt(
                    at=moment(row.at),
                    seconds=row.seconds,
                    status_code=row.status_code,
                    problem=row.problem,
                )
            )
        return found

    def replay_notices(self, endpoint_id: int, at: datetime, *, number: str | None = None) -> int:
        """Send dead letters again, all of an endpoint or one notice; returns how many.

        Their numbers stay, so that a receiver knows what it has; their three days begin anew.
        """
        n = schema.webhook_notice.c
        change = schema.webhook_notice.update().where(n.endpoint_id == endpoint_id)
        if number is None:
            change = change.where(n.state == NoticeState.DEAD.value)
        else:
            change = change.where(n.id == number)
        done = self._db.execute(
            change.values(
                state=NoticeState.WAITING.value,
                attempts=0,
                created_at=at.timestamp(),
                next_attempt_at=at.timestamp(),
            )
        )
        return int(done.rowcount)

    # notices about a person

    def retell_notices(self, retold: Mapping[int, Retold]) -> None:
        """Take from notices, by event number, what says whose hit it was: address, user agent and
        the evidence drawn from them, and the recipient where the event is not theirs any more."""
        n = schema.webhook_notice.c
        change = (
            schema.webhook_notice.update()
            .where(n.id == sa.bindparam("notice"))
            .values(body=sa.bindparam("text"))
        )
        for some in chunks(retold):
            query = sa.select(n.id, n.event_id, n.body).where(n.event_id.in_(some))
            rows = self._db.execute(query).all()
            if rows:
                self._db.execute(
                    change,
                    [{"notice": r.id, "text": _retold(r.body, retold[r.event_id])} for r in rows],
                )

    def erase_notices(self, account_id: int, deliveries: Iterable[StoredDelivery]) -> int:
        """Remove what was or is to be told to an account's webhooks about deliveries."""
        found: set[str] = set()
        n, e = schema.webhook_notice.c, schema.event.c
        for some in chunks(d.id for d in deliveries):
            events = sa.select(e.id).where(e.delivery_id.in_(some))
            query = sa.select(n.id).where(n.event_id.in_(events))
            found |= set(self._db.execute(query).scalars())
        found |= {
            row.id
            for account, recipient in {(account_id, d.recipient) for d in deliveries}
            for row in self._notices_naming(account, recipient)
        }
        return self._remove_notices(found)

    def erase_notices_of_hits(
        self, deliveries: Iterable[StoredDelivery], *, but: Collection[int]
    ) -> None:
        """Remove notices of hits that name the recipients of deliveries, except of some events.

        Also of events that are gone: one that was judged otherwise came again under a new number.
        """
        ids = {str(d.id) for d in deliveries}
        found = [
            row.id
            for account_id, recipient in {(d.account_id, d.recipient) for d in deliveries}
            for row in self._notices_naming(account_id, recipient)
            if row.event_id not in but and _is_of_hit(row.body, ids)
        ]
        self._remove_notices(found)

    def _notices_naming(self, account_id: int, recipient: str) -> list[Any]:  # Any: rows
        """The notices of an account that say a recipient, as the body says it."""
        if not recipient:
            return []
        n, p = schema.webhook_notice.c, schema.webhook_endpoint.c
        query = sa.select(n.id, n.event_id, n.body).where(
            n.endpoint_id.in_(sa.select(p.id).where(p.account_id == account_id)),
            n.body.contains(f'"recipient":{json_text(recipient)}', autoescape=True),
        )
        return list(self._db.execute(query).all())

    def _remove_notices(self, numbers: Iterable[str]) -> int:
        n, a = schema.webhook_notice.c, schema.webhook_attempt.c
        ordered = sorted(numbers)
        for start in range(0, len(ordered), _CHUNK):
            some = ordered[start : start + _CHUNK]
            self._db.execute(schema.webhook_attempt.delete().where(a.notice_id.in_(some)))
            self._db.execute(schema.webhook_notice.delete().where(n.id.in_(some)))
        return len(ordered)

    def forget_notices(self, state: NoticeState, created_before: datetime, limit: int) -> int:
        """Remove notices in a state from before then with their attempts; returns how many."""
        n, a = schema.webhook_notice.c, schema.webhook_attempt.c
        query = sa.select(n.id).where(
            n.state == state.value, n.created_at < created_before.timestamp()
        )
        old = list(self._db.execute(query.limit(limit)).scalars())
        self._db.execute(schema.webhook_attempt.delete().where(a.notice_id.in_(old)))
        self._db.execute(schema.webhook_notice.delete().where(n.id.in_(old)))
        return len(old)


def _retold(body: str, retold: Retold) -> str:
    told = orjson.loads(body)
    data = told["data"]
    stamp = retold.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data |= {
        "at": stamp,
        "delivery_id": str(retold.delivery_id),
        "hit_id": None,
        "evidence": [],
        "raw": {name: data["raw"].get(name) for name in _NOBODYS},
    }
    if not retold.is_named:
        data["recipient"] = ""
    return json_text({**told, "timestamp": stamp, "data": data})


def _is_of_hit(body: str, delivery_ids: Collection[str]) -> bool:
    data = orjson.loads(body)["data"]
    return data["delivery_id"] in delivery_ids and "path_kind" in data["raw"]


def _secrets_text(secrets: Sequence[Secret]) -> str:
    return json_text([[s.text, seconds(s.ends_at)] for s in secrets])


def _filters_text(filters: Filters) -> str:
    return json_text(
        {
            "types": [type_.value for type_ in filters.types],
            "campaigns": filters.campaigns,
            "tags": filters.tags,
        }
    )


def _endpoint(row: Any) -> Endpoint:  # a row of a select, which SQLAlchemy types as Any
    filters = orjson.loads(row.filters)
    return Endpoint(
        id=row.id,
        account_id=row.account_id,
        url=row.url,
        secrets=tuple(
            Secret(text=text, ends_at=None if ends is None else moment(ends))
            for text, ends in orjson.loads(row.secrets)
        ),
        filters=Filters(
            types=tuple(EventType(word) for word in filters.get("types", ())),
            campaigns=tuple(filters.get("campaigns", ())),
            tags=tuple(filters.get("tags", ())),
        ),
        state=EndpointState(row.state),
        description=row.description,
        last_event_id=row.last_event_id,
        created_at=moment(row.created_at),
    )


def _notice(row: Any) -> Notice:  # as above
    return Notice(
        id=row.id,
        endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        body=row.body,
        state=NoticeState(row.state),
        attempts=row.attempts,
        created_at=moment(row.created_at),
        next_attempt_at=None if row.next_attempt_at is None else moment(row.next_attempt_at),
    )
