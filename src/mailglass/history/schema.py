"""The tables. Times are seconds since 1970 UTC as floating point: both databases order and subtract
them alike, and no driver can lose their zone. Lists and mappings are JSON texts that no query looks
into.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

__all__ = [
    "account",
    "cursor",
    "delivery",
    "event",
    "hit",
    "login_link",
    "message",
    "metadata",
    "poison",
    "returned",
    "session",
    "suppression",
    "target",
    "user",
]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A number that SQLite gives itself; BIGINT there would be a column beside the row number.
_AutoId = BigInteger().with_variant(Integer, "sqlite")

account = Table(
    "account",
    metadata,
    Column("id", _AutoId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
)

user = Table(
    "user_",  # `user` is a reserved word in PostgreSQL
    metadata,
    Column("id", _AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),  # argon2id, with its parameters
    Column("created_at", Float, nullable=False),
)

login_link = Table(
    "login_link",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", ForeignKey("user_.id"), nullable=False),
    Column("expires_at", Float, nullable=False),
)

session = Table(
    "session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", ForeignKey("user_.id"), nullable=False),
    Column("expires_at", Float, nullable=False),
)

message = Table(
    "message",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("accepted_at", Float, nullable=False),
    Column("return_path", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("message_id_field", Text, nullable=False),  # Message-ID as the header has it
    Column("tag", Text),
    Column("campaign", Text),
    Index(None, "account_id", "id"),
    Index(None, "message_id_field"),
)

target = Table(
    "target",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("url", Text),
    Column("name", Text),
    Column("digest", Text),
    Column("size_bytes", BigInteger),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", ForeignKey("message.id"), nullable=False, index=True),
    Column("recipient", Text, nullable=False),
    Column("recipient_domain", Text, nullable=False),
    Column("delivered_at", Float),  # the receiving server's 250
    Column("last_event_at", Float),
    Column("level", Text, nullable=False),
    Column("probability", Float, nullable=False),
    Column("verdict_evidence", Text, nullable=False),
    Column("is_final", Boolean, nullable=False),
    Column("rules_version", Text, nullable=False),
    Index(None, "is_final", "last_event_at"),
)

hit = Table(
    "hit",
    metadata,
    Column("id", Text, primary_key=True),  # its place in the journal
    Column("delivery_id", ForeignKey("delivery.id")),  # NULL when no delivery of ours is meant
    Column("at", Float, nullable=False),
    Column("facts", Text, nullable=False),  # the whole hit, as the journal has it
    Index(None, "delivery_id", "at"),
    Index(None, "at"),
)

event = Table(
    "event",
    metadata,
    Column("id", _AutoId, primary_key=True),
    Column("delivery_id", ForeignKey("delivery.id"), nullable=False),
    Column("hit_id", Text),  # the hit it was judged from
    Column("type", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Index(None, "delivery_id", "at"),
)

cursor = Table(
    "cursor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

poison = Table(
    "poison",
    metadata,
    Column("id", Text, primary_key=True),  # where it stood
    Column("at", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
)

returned = Table(
    "returned",
    metadata,
    Column("id", _AutoId, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),  # the same mail fetched twice counts once
    Column("at", Float, nullable=False),
    Column("envelope_recipient", Text, nullable=False),  # empty when it was imported
    Column("raw", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),  # new, taken, apart
    Column("kind", Text),
    Column("trust", Text),  # by which candidate the delivery was found
    Column("delivery_id", ForeignKey("delivery.id")),
    Index(None, "state", "id"),
)

suppression = Table(
    "suppression",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("recipient", Text, primary_key=True),  # lower case
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),  # the words that were the cause
    Column("since", Float, nullable=False),
    Column("expires_at", Float),
)
