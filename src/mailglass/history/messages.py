"""The named statements about messages, their targets, campaigns and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from ..model import Delivery, Target, TargetKind, TrackingPolicy, VerdictLevel
from . import schema
from .counting import CountingStatements, Place
from .records import StoredMessage
from .schema.rollups import LEVEL_COUNTERS
from .statements import chunks, moment, plain

__all__ = ["MessageStatements", "message_of", "select_messages"]


class MessageStatements(CountingStatements):
    """What a transaction can do with messages."""

    def add_message(
        self,
        message: StoredMessage,
        deliveries: Sequence[Delivery],
        policies: Mapping[int, TrackingPolicy] = MappingProxyType({}),
    ) -> None:
        """A message with its targets and deliveries, and how closely each is tracked."""
        account_id = message.account_id
        campaign_id = message.campaign and self._campaign_number(account_id, message.campaign)
        tags = {name: self._tag_number(account_id, name) for name in dict.fromkeys(message.tags)}
        self._db.execute(
            schema.message.insert().values(
                id=message.id,
                account_id=account_id,
                accepted_at=message.accepted_at.timestamp(),
                return_path=plain(message.return_path),
                author=plain(message.author),
                subject=plain(message.subject),
                message_id_field=plain(message.message_id_field),
                campaign_id=campaign_id or None,
                submitter=message.submitter,
            )
        )
        if tags:
            rows = [{"message_id": message.id, "tag_id": number} for number in tags.values()]
            self._db.execute(schema.message_tag.insert(), rows)
        if message.targets:
            self._db.execute(
                schema.target.insert(), [_target_row(t, message.id) for t in message.targets]
            )
        ids = tuple(tags.values())
        self._add_deliveries(message, campaign_id or None, ids, deliveries, policies)

    def _add_deliveries(
        self,
        message: StoredMessage,
        campaign_id: int | None,
        tag_ids: tuple[int, ...],
        deliveries: Sequence[Delivery],
        policies: Mapping[int, TrackingPolicy],
    ) -> None:
        names = {d.id: plain(d.recipient).rpartition("@")[2].lower() for d in deliveries}
        domains = self._domain_numbers(names.values())
        rows = []
        for one in deliveries:
            place = Place(
                account_id=message.account_id,
                message_id=message.id,
                domain_id=domains[names[one.id]],
                campaign_id=campaign_id,
                tag_ids=tag_ids,
                accepted_hour=int(message.accepted_at.timestamp() // 3600),
            )
            self._places[one.id] = place
            self._count(place, place.accepted_hour, LEVEL_COUNTERS[VerdictLevel.PENDING], 1)
            rows.append({**_new_delivery(one, place), "policy": _kept(policies.get(one.id))})
        self._db.execute(schema.delivery.insert(), rows)

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
        if account_id is not None:
            query = query.where(m.account_id == account_id)
        if before is not None:
            query = query.where(m.id < before)
        if campaign is not None:
            query = query.where(schema.campaign.c.name == campaign)
        if tag is not None:
            tagged = sa.select(schema.message_tag.c.message_id).join(schema.tag)
            query = query.where(m.id.in_(tagged.where(schema.tag.c.name == tag)))
        rows = self._db.execute(query).all()
        tags = self._tags_of(row.id for row in rows)
        return [message_of(row, tags.get(row.id, ())) for row in rows]

    def message(self, account_id: int | None, name: str) -> StoredMessage | None:
        """A message by our number, by a delivery's number or by its Message-ID."""
        m, d = schema.message.c, schema.delivery.c
        if name.isdecimal() and int(name) < 2**63:
            number = int(name)
            owner = sa.select(d.message_id).where(d.id == number).scalar_subquery()
            wanted = sa.or_(m.id == number, m.id == owner)
        else:
            wanted = m.message_id_field.in_((name, f"<{name.strip('<>')}>"))
        query = select_messages().where(wanted).order_by(m.id.desc()).limit(1)
        if account_id is not None:
            query = query.where(m.account_id == account_id)
        row = self._db.execute(query).one_or_none()
        if row is None:
            return None
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
        targets=targets,
    )


def _kept(policy: TrackingPolicy | None) -> str | None:
    return None if policy in (None, TrackingPolicy.IDENTIFIED) else policy.value


def _new_delivery(delivery: Delivery, place: Place) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "message_id": place.message_id,
        "account_id": place.account_id,
        "recipient": plain(delivery.recipient),
        "person": plain(delivery.recipient).lower(),
        "domain_id": place.domain_id,
        "level": VerdictLevel.PENDING,
        "probability": 0.0,
        "verdict_evidence": "[]",
        "is_final": False,
        "rules_version": "",
    }


def _target_row(target: Target, message_id: int) -> dict[str, Any]:
    return {**asdict(target), "message_id": message_id, "kind": target.kind.value}


def _target(row: Any) -> Target:  # as above
    return Target(
        number=row.number,
        kind=TargetKind(row.kind),
        url=row.url,
        name=row.name,
        digest=row.digest,
        size_bytes=row.size_bytes,
    )
