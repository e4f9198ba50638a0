"""What goes out beside mail, and what clients keep with us: webhooks, drafts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
)

from .base import AutoId, metadata

__all__ = [
    "draft",
    "own_device",
    "own_network",
    "webhook_attempt",
    "webhook_endpoint",
    "webhook_notice",
]

webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("secrets", Text, nullable=False),  # JSON list, the newest first; old ones until they end
    Column("filters", Text, nullable=False, server_default="{}"),  # JSON: types, campaigns, tags
    Column("state", Text, nullable=False),  # enabled, paused, disabled
    Column("description", Text, nullable=False, server_default=""),
    Column("last_event_id", BigInteger, nullable=False, server_default="0"),  # taken so far
    Column("created_at", Float, nullable=False),
)

webhook_notice = Table(
    "webhook_notice",
    metadata,
    Column("id", Text, primary_key=True),  # the `webhook-id` header, the same in every attempt
    Column("endpoint_id", ForeignKey("webhook_endpoint.id"), nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # frozen, so that its signature stays good
    Column("state", Text, nullable=False),  # waiting, taken, dead
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    Column("next_attempt_at", Float),
    Index(None, "state", "next_attempt_at"),
    Index(None, "endpoint_id", "state", "created_at"),
)

webhook_attempt = Table(
    "webhook_attempt",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("notice_id", ForeignKey("webhook_notice.id"), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("status_code", Integer),  # NULL when there was no answer
    Column("problem", Text),
)

draft = Table(
    "draft",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("user_id", ForeignKey("user_.id"), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("content", Text, nullable=False),  # JSON: the fields of the compose form
    Index(None, "account_id", "user_id", "changed_at"),
)

own_device = Table(
    "own_device",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("marked_by", ForeignKey("user_.id")),
    Column("marked_at", Float, nullable=False),  # "this is me"
)

own_network = Table(
    "own_network",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("network", Text, primary_key=True),  # as `evidence.network_key` writes it
    Column("marked_by", ForeignKey("user_.id")),
    Column("marked_at", Float, nullable=False),
)
