"""API keys: who made a request, for which account, and what they may do.

A key is 256 random bits, of which a plain hash is kept (a slow one guards only what people can
remember); it is shown once, at its making.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa

from . import schema
from .statements import Statements, json_text, moment, seconds

__all__ = ["USUAL_SCOPES", "ApiKey", "KeyStatements", "Scope", "is_use_stale"]

_BEGINNING = "mg_"  # by which people and secret scanners recognise a key
_SHOWN = 11  # characters by which a person tells keys apart: 48 of 256 bits

# How stale `last_used_at` may be, so that a busy key costs one write a minute.
_USED_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    """What a key may do."""

    MESSAGES_WRITE = "messages:write"  # submit, instrument, withdraw
    MESSAGES_READ = "messages:read"  # messages, deliveries, timelines, verdicts, events
    HITS_READ = "hits:read"  # raw hits: network addresses and user agents of people
    STATISTICS_READ = "statistics:read"
    SUPPRESSIONS_READ = "suppressions:read"
    SUPPRESSIONS_WRITE = "suppressions:write"
    CONSENTS_READ = "consents:read"
    CONSENTS_WRITE = "consents:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    DOMAINS_READ = "domains:read"
    DOMAINS_WRITE = "domains:write"
    ACCOUNT_READ = "account:read"
    ACCOUNT_WRITE = "account:write"
    KEYS_WRITE = "keys:write"  # make keys with at most its own scopes, revoke keys
    ACCOUNTS_WRITE = "accounts:write"  # an operator's: make further accounts


# What a key gets that is made without a word about scopes: not other people's addresses, and
# nothing that makes further keys.
USUAL_SCOPES = frozenset(Scope) - {
    Scope.HITS_READ,
    Scope.ACCOUNT_WRITE,
    Scope.KEYS_WRITE,
    Scope.ACCOUNTS_WRITE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is known after its making."""

    id: int
    account_id: int
    name: str
    prefix: str  # its first characters
    scopes: frozenset[Scope]
    created_at: datetime
    last_used_at: datetime | None = None  # to the minute
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class KeyStatements(Statements):
    """What a transaction can do with API keys."""

    def add_key(
        self,
        account_id: int,
        name: str,
        scopes: Iterable[Scope],
        at: datetime,
        *,
        expires_at: datetime | None = None,
        created_by: int | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key of an account, and its text, which is kept nowhere."""
        text = _BEGINNING + secrets.token_urlsafe(32)
        kept = frozenset(scopes)
        row = self._db.execute(
            schema.api_key.insert().values(
                account_id=account_id,
                name=name,
                prefix=text[:_SHOWN],
                key_hash=_hash(text),
                scopes=json_text(sorted(kept)),
                created_by=created_by,
                created_at=at.timestamp(),
                expires_at=seconds(expires_at),
            )
        ).inserted_primary_key
        assert row is not None
        key = ApiKey(
            id=row[0],
            account_id=account_id,
            name=name,
            prefix=text[:_SHOWN],
            scopes=kept,
            created_at=at,
            expires_at=expires_at,
        )
        return key, text

    def key_of(self, text: str, now: datetime) -> ApiKey | None:
        """The key that a text is, when it is good and its account is open."""
        k, a = schema.api_key.c, schema.account.c
        row = self._db.execute(
            sa.select(schema.api_key)
            .join(schema.account, a.id == k.account_id)
            .where(k.key_hash == _hash(text), a.closed_at.is_(None))
        ).one_or_none()
        if row is None:
            return None
        key = _key(row)
        return key if key.is_good(now) else None

    def set_key_used(self, key: ApiKey, now: datetime) -> None:
        """Note that a key was used."""
        self._db.execute(
            schema.api_key.update()
            .where(schema.api_key.c.id == key.id)
            .values(last_used_at=now.timestamp())
        )

    def keys(self, account_id: int, *, after: int = 0, limit: int | None = None) -> list[ApiKey]:
        """The keys of an account above the number `after`, also those that are no longer good."""
        k = schema.api_key.c
        query = sa.select(schema.api_key).where(k.account_id == account_id, k.id > after)
        return [_key(row) for row in self._db.execute(query.order_by(k.id).limit(limit))]

    def revoke_key(self, account_id: int, number: int, at: datetime) -> bool:
        """A key opens nothing from now on; False when the account has no such good key."""
        k = schema.api_key.c
        done = self._db.execute(
            schema.api_key.update()
            .where(k.id == number, k.account_id == account_id, k.revoked_at.is_(None))
            .values(revoked_at=at.timestamp())
        )
        return bool(done.rowcount)


def is_use_stale(key: ApiKey, now: datetime) -> bool:
    """Whether the last use is worth writing again."""
    return key.last_used_at is None or now - key.last_used_at >= _USED_EVERY


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _key(row: Any) -> ApiKey:  # a row of a select, which SQLAlchemy types as Any
    known = {scope.value for scope in Scope}
    return ApiKey(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        prefix=row.prefix,
        scopes=frozenset(Scope(word) for word in orjson.loads(row.scopes) if word in known),
        created_at=moment(row.created_at),
        last_used_at=None if row.last_used_at is None else moment(row.last_used_at),
        expires_at=None if row.expires_at is None else moment(row.expires_at),
        revoked_at=None if row.revoked_at is None else moment(row.revoked_at),
    )
