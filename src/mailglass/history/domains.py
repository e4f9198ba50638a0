"""The named statements about the domains that an account sends from, and tracks under."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from . import schema
from .statements import Statements, moment

__all__ = ["Domain", "DomainKind", "DomainState", "DomainStatements"]


class DomainKind(StrEnum):
    """What a domain is for."""

    SENDING = "sending"  # stands in From
    TRACKING = "tracking"  # stands in beacons and links


class DomainState(StrEnum):
    """What the last check said."""

    NEW = "new"  # not checked yet
    VERIFIED = "verified"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain of an account."""

    id: int
    account_id: int
    kind: DomainKind
    name: str  # lower case, A-labels
    state: DomainState
    challenge: str | None  # of a sending domain: what a TXT record must hold
    created_at: datetime
    verified_at: datetime | None
    checked_at: datetime | None


class DomainStatements(Statements):
    """What a transaction can do with domains."""

    def add_domain(self, account_id: int, kind: DomainKind, name: str, at: datetime) -> Domain:
        """A new domain, whose control is still to be proved."""
        values: dict[str, Any] = {
            "account_id": account_id,
            "name": name,
            "state": DomainState.NEW.value,
            "created_at": at.timestamp(),
        }
        if kind is DomainKind.SENDING:
            values["challenge"] = secrets.token_hex(16)
        row = self._db.execute(_table(kind).insert().values(values)).inserted_primary_key
        assert row is not None
        found = self.domain(account_id, kind, row[0])
        assert found is not None
        return found

    def domains(self, account_id: int, kind: DomainKind) -> list[Domain]:
        """The domains of an account, by name."""
        c = _table(kind).c
        query = sa.select(_table(kind)).where(c.account_id == account_id).order_by(c.name)
        return [_domain(row, kind) for row in self._db.execute(query)]

    def domain(self, account_id: int, kind: DomainKind, number: int) -> Domain | None:
        """A domain of an account."""
        c = _table(kind).c
        row = self._db.execute(
            sa.select(_table(kind)).where(c.account_id == account_id, c.id == number)
        ).one_or_none()
        return _domain(row, kind) if row else None

    def is_domain_taken(self, account_id: int, kind: DomainKind, name: str) -> bool:
        """Whether it is there: a sending domain in the account, a tracking domain in any."""
        c = _table(kind).c
        query = sa.select(c.id).where(c.name == name)
        if kind is DomainKind.SENDING:
            query = query.where(c.account_id == account_id)
        return self._db.execute(query.limit(1)).first() is not None

    def set_domain_checked(self, domain: Domain, *, is_verified: bool, at: datetime) -> None:
        """What a check said."""
        state = DomainState.VERIFIED if is_verified else DomainState.FAILING
        values: dict[str, Any] = {"state": state.value, "checked_at": at.timestamp()}
        if is_verified and domain.verified_at is None:
            values["verified_at"] = at.timestamp()
        table = _table(domain.kind)
        self._db.execute(table.update().where(table.c.id == domain.id).values(values))

    def remove_domain(self, account_id: int, kind: DomainKind, number: int) -> bool:
        """Forget a domain; False when the account has none of that number."""
        c = _table(kind).c
        done = self._db.execute(
            _table(kind).delete().where(c.account_id == account_id, c.id == number)
        )
        return bool(done.rowcount)


def _table(kind: DomainKind) -> sa.Table:
    return schema.sending_domain if kind is DomainKind.SENDING else schema.tracking_domain


def _domain(row: Any, kind: DomainKind) -> Domain:  # a row of a select, typed as Any
    return Domain(
        id=row.id,
        account_id=row.account_id,
        kind=kind,
        name=row.name,
        state=DomainState(row.state),
        challenge=row.challenge if kind is DomainKind.SENDING else None,
        created_at=moment(row.created_at),
        verified_at=None if row.verified_at is None else moment(row.verified_at),
        checked_at=None if row.checked_at is None else moment(row.checked_at),
    )
