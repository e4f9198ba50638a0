"""Messages, their copies and targets, and the names that many of them share."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ...model import VerdictLevel
from .base import AutoId, Word, metadata

__all__ = [
    "HIT_COUNTERS",
    "campaign",
    "delivery",
    "message",
    "message_tag",
    "recipient_domain",
    "tag",
    "target",
]

# What a hit was on, and who was behind it: the counters of a delivery and of every roll-up.
HIT_COUNTERS = tuple(
    f"{what}_{who}"
    for what in ("beacon", "link", "attachment", "page")
    for who in ("human", "machine", "undetermined")
)

campaign = Table(
    "campaign",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("account_id", "name"),
)

tag = Table(
    "tag",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("account_id", "name"),
)

recipient_domain = Table(
    "recipient_domain",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),  # in the form for comparing
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
    Column("campaign_id", ForeignKey("campaign.id")),
    Column("copies", Integer, nullable=False),  # deliveries
    Column("submitter", Text),  # the user or key that handed it in
    Index(None, "account_id", "id"),
    Index(None, "campaign_id", "id"),
    Index(None, "message_id_field"),
)

message_tag = Table(
    "message_tag",
    metadata,
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
    Column("message_id", ForeignKey("message.id"), primary_key=True),
    Index(None, "message_id"),
    sqlite_with_rowid=False,
)

target = Table(
    "target",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("url", Text),
    Column("name", Text),
    Column("digest", Text),
    Column("size_bytes", BigInteger),
    sqlite_with_rowid=False,
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Column("account_id", ForeignKey("account.id"), nullable=False),  # of the message
    Column("recipient", Text, nullable=False),  # empty: erased, or the crowd of the message
    Column("person", Text, nullable=False, index=True),  # the same in the form for comparing
    Column("domain_id", ForeignKey("recipient_domain.id"), nullable=False),
    Column("policy", Text),  # how closely it is tracked now; NULL: identified
    Column("delivered_at", Float),  # the receiving server's 250
    Column("last_event_at", Float),
    Column("level", Word(VerdictLevel), nullable=False),
    Column("probability", Float, nullable=False),
    Column("verdict_evidence", Text, nullable=False),  # JSON: [signal, weight, sentence] each
    Column("is_final", Boolean, nullable=False),
    Column("rules_version", Text, nullable=False),
    *(Column(name, Integer, nullable=False, server_default="0") for name in HIT_COUNTERS),
    Index(None, "message_id", "id"),
    Index(None, "account_id", "id"),
    Index(
        "ix_delivery_unsettled",
        "last_event_at",
        sqlite_where=text("is_final = 0"),
        postgresql_where=text("NOT is_final"),
    ),
)
