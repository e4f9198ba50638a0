"""The named statements about messages, their targets, campaigns and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from ..addresses import canonical_address, domain_of
from ..model import Delivery, Target, TargetKind, TrackingPolicy, VerdictLevel
from . import schema
from .counting import CountingStatements, Place
from .records import StoredMessage
from .schema.base import CODES
from .schema.rollups import LEVEL_COUNTERS
from .statements import add_many, among, chunks, moment, plain

__all__ = ["MessageStatements", "NewMessage", "message_of", "select_messages"]

_NAMESAKES = 1_000  # messages with one Message-ID, which a careless or hostile sender repeats

# A message, its deliveries, and how closely those are tracked that are not tracked by name.
NewMessage = tuple[StoredMessage, Sequence[Delivery], Mapping[int, TrackingPolicy]]


class MessageStatements(CountingStatements):
    """What a transaction can do with messages."""

    def add_message(
        self,
        message: StoredMessage,
        deliveries: Sequence[Delivery],
        policies: Mapping[int, TrackingPolicy] = MappingProxyType({}),
    ) -> None:
        """A message with its targets and deliveries, and how closely each is tracked."""
        self.add_messages([(message, deliveries, policies)])

    def add_messages(self, messages: Sequence[NewMessage]) -> None:
        """Messages as `add_message` takes one."""
        names = {plain(d.recipient) for _, deliveries, _ in messages for d in deliveries}
        domains = self._domain_numbers({domain_of(name) for name in names})
        rows, targets, tags = [], [], []
        copies: list[tuple[Any, ...]] = []  # Any: values of several types
        for message, deliveries, policies in messages:
            campaign_id, tag_ids = self._names_of(message)
            rows.append(_message_row(message, campaign_id, len(deliveries)))
            targets += [_target_row(target, message.id) for target in message.targets]
            tags += [(number, message.id) for number in tag_ids]
            for one in deliveries:
                recipient = plain(one.recipient)
                place = Place(
                    account_id=message.account_id,
                    message_id=message.id,
                    domain_id=domains[domain_of(recipient)],
                    campaign_id=campaign_id,
                    tag_ids=tag_ids,
                    accepted_hour=int(message.accepted_at.timestamp() // 3600),
                    has_copies=len(deliveries) > 1,
                )
                self._places[one.id] = place
                self._count(place, place.accepted_hour, LEVEL_COUNTERS[VerdictLevel.PENDING], 1)
                copies.append(_delivery_row(one.id, recipient, place, policies.get(one.id)))
        add_many(self._db, schema.message, _MESSAGE_COLUMNS, rows)
        add_many(self._db, schema.target, _TARGET_COLUMNS, targets)
        add_many(self._db, schema.message_tag, ("tag_id", "message_id"), tags)
        add_many(self._db, schema.delivery, _DELIVERY_COLUMNS, copies)

    def _names_of(self, message: StoredMessage) -> tuple[int | None, tuple[int, ...]]:
        """The numbers of a message's campaign and tags."""
        account_id, campaign = message.account_id, message.campaign
        tags = dict.fromkeys(message.tags)
        return (
            self._campaign_number(account_id, plain(campaign)) if campaign else None,
            tuple(self._tag_number(account_id, plain(name)) for name in tags),
        )

    def messages(
        self,
        account_id: int | None,
        *,
        before: int | None = None,
        campaign: str | None = None,
        tag: str | None = None,
        limit: int = 50,
    ) -> list[StoredMessage]:
        """The newest messages of an account (of all with None), older than the id `before`."""
        m = schema.message.c
        query = select_messages().order_by(m.id.desc()).limit(limit)
        if campaign is not None:
            # by its number, which is of one account, so that the index of campaigns is taken
            query = query.where(m.campaign_id.in_(self._campaigns_named(account_id, campaign)))
        elif account_id is not None:
            query = query.where(m.account_id == account_id)
        if before is not None:
            query = query.where(m.id < before)
        if tag is not None:
            tagged = sa.select(schema.message_tag.c.message_id).join(schema.tag)
            query = query.where(m.id.in_(tagged.where(schema.tag.c.name == tag)))
        rows = self._db.execute(query).all()
        tags = self._tags_of(row.id for row in rows)
        return [message_of(row, tags.get(row.id, ())) for row in rows]

    def _campaigns_named(self, account_id: int | None, name: str) -> list[int]:
        c = schema.campaign.c
        query = sa.select(c.id).where(c.name == name)
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        return list(self._db.execute(query).scalars())

    def message(self, account_id: int | None, name: str) -> StoredMessage | None:
        """A message by our number, by a delivery's number or by its Message-ID."""
        m, d = schema.message.c, schema.delivery.c
        if name.isdecimal() and int(name) < 2**63:
            number = int(name)
            owner = self._db.execute(sa.select(d.message_id).where(d.id == number)).scalar()
            wanted = m.id.in_((number, owner or number))
        else:
            wanted = m.message_id_field.in_((name, f"<{name.strip('<>')}>"))
        # Neither account nor order stand in the statement: SQLite would walk through the account's
        # messages in that order instead of finding the few that are meant by their index.
        rows = self._db.execute(select_messages().where(wanted).limit(_NAMESAKES)).all()
        mine = [row for row in rows if account_id in (None, row.account_id)]
        if not mine:
            return None
        row = max(mine, key=lambda row: int(row.id))
        targets = self.targets_of([row.id]).get(row.id, ())
        return message_of(row, self._tags_of([row.id]).get(row.id, ()), targets)

    def targets_of(self, message_ids: Iterable[int]) -> dict[int, tuple[Target, ...]]:
        """The targets of several messages; those of a message never change."""
        found: dict[int, tuple[Target, ...]] = {}
        missing = []
        for number in set(message_ids):
            known = self._memory.value_of("targets", number)
            if known is None:
                missing.append(number)
            else:
                found[number] = known
        c = schema.target.c
        for some in chunks(missing):
            read: dict[int, list[Target]] = {number: [] for number in some}
            query = sa.select(schema.target).where(c.message_id.in_(some)).order_by(c.number)
            for row in self._db.execute(query):
                read[row.message_id].append(_target(row))
            for number, targets in read.items():
                if targets:
                    found[number] = tuple(targets)
                    self._memory.learn_value("targets", number, found[number])
        return found

    def target_kinds(self, message_ids: Iterable[int]) -> dict[int, Mapping[int, TargetKind]]:
        """For each message the kinds of its targets by number."""
        wanted = set(message_ids)
        found: dict[int, Mapping[int, TargetKind]] = {}
        for number in wanted:
            known = self._memory.value_of("target-kinds", number)
            if known is not None:
                found[number] = known
        missing = wanted - found.keys()
        if missing:
            condition, values = among(self._db, missing)
            rows = self._db.exec_driver_sql(
                f"SELECT message_id, number, kind FROM target WHERE message_id {condition}"
                " ORDER BY message_id, number",
                (values,),
            )
            kinds: dict[int, list[tuple[int, str]]] = {number: [] for number in missing}
            for message_id, number, kind in rows:
                kinds[message_id].append((number, kind))
            for message_id, some in kinds.items():
                found[message_id] = _kinds(tuple(some))
                self._memory.learn_value("target-kinds", message_id, found[message_id])
        return found

    def _tags_of(self, message_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        link, tag = schema.message_tag.c, schema.tag.c
        for some in chunks(message_ids):
            query = sa.select(link.message_id, tag.name).join(schema.tag, tag.id == link.tag_id)
            for row in self._db.execute(query.where(link.message_id.in_(some)).order_by(tag.name)):
                found[row.message_id] = (*found.get(row.message_id, ()), row.name)
        return found


def select_messages() -> sa.Select[Any]:  # Any: columns of several types
    """Messages with their campaign's name."""
    m = schema.message.c
    return sa.select(schema.message, schema.campaign.c.name.label("campaign")).join(
        schema.campaign, m.campaign_id == schema.campaign.c.id, isouter=True
    )


def message_of(
    row: Any, tags: tuple[str, ...], targets: tuple[Target, ...] = ()
) -> StoredMessage:  # a row of a select, which SQLAlchemy types as Any
    """The message of a row of `select_messages`."""
    return StoredMessage(
        id=row.id,
        account_id=row.account_id,
        accepted_at=moment(row.accepted_at),
        return_path=row.return_path,
        author=row.author,
        subject=row.subject,
        message_id_field=row.message_id_field,
        tags=tags,
        campaign=row.campaign,
        submitter=row.submitter,
        copies=row.copies,
        targets=targets,
    )


def _kept(policy: TrackingPolicy | None) -> str | None:
    return None if policy in (None, TrackingPolicy.IDENTIFIED) else policy.value


_MESSAGE_COLUMNS = (
    "id",
    "account_id",
    "accepted_at",
    "return_path",
    "author",
    "subject",
    "message_id_field",
    "campaign_id",
    "copies",
    "submitter",
)
_TARGET_COLUMNS = ("message_id", "number", "kind", "url", "name", "digest", "size_bytes")
_DELIVERY_COLUMNS = (
    "id",
    "message_id",
    "account_id",
    "recipient",
    "person",
    "domain_id",
    "level",
    "probability",
    "verdict_evidence",
    "is_final",
    "rules_version",
    "policy",
)


def _message_row(
    message: StoredMessage, campaign_id: int | None, copies: int
) -> tuple[Any, ...]:  # Any: values of several types, here and below
    return (
        message.id,
        message.account_id,
        message.accepted_at.timestamp(),
        plain(message.return_path),
        plain(message.author),
        plain(message.subject),
        plain(message.message_id_field),
        campaign_id,
        copies,
        message.submitter,
    )


def _delivery_row(
    number: int, recipient: str, place: Place, policy: TrackingPolicy | None
) -> tuple[Any, ...]:
    return (
        number,
        place.message_id,
        place.account_id,
        recipient,
        canonical_address(recipient),
        place.domain_id,
        CODES[VerdictLevel][VerdictLevel.PENDING],
        0.0,
        "[]",
        False,
        "",
        _kept(policy),
    )


@lru_cache(1024)
def _kinds(kinds: tuple[tuple[int, str], ...]) -> Mapping[int, TargetKind]:
    """One mapping for all messages whose targets are of the same kinds."""
    return {number: TargetKind(kind) for number, kind in kinds}


def _target_row(target: Target, message_id: int) -> tuple[Any, ...]:
    return (
        message_id,
        target.number,
        target.kind.value,
        target.url,
        target.name,
        target.digest,
        target.size_bytes,
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
