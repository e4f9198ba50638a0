"""A person's rights and an account's duties: policies, consents, suppressions, retention."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from .base import AutoId, metadata

__all__ = ["consent", "policy", "retention", "secret", "suppression", "task_report"]

suppression = Table(
    "suppression",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("recipient", Text, primary_key=True),  # in the form for comparing
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),  # the words that were the cause
    Column("since", Float, nullable=False),
    Column("expires_at", Float),
)

policy = Table(
    "policy",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("scope", Text, nullable=False),  # account, domain, campaign, recipient
    Column("subject", Text, nullable=False),  # its name, in that form; empty for the account
    Column("mode", Text, nullable=False),  # off, anonymous, identified
    Column("without_consent", Text),  # the mode for whoever has not consented; NULL: the same
    Column("on_withdrawal", Text),  # erase, anonymise: what becomes of earlier hits
    Column("set_at", Float, nullable=False),
    Column("set_by", Text, nullable=False),
    UniqueConstraint("account_id", "scope", "subject"),
)

consent = Table(
    "consent",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("recipient", Text, nullable=False),  # in the form for comparing
    Column("state", Text, nullable=False),  # given, refused, withdrawn
    Column("at", Float, nullable=False),
    Column("how", Text, nullable=False),  # form, notice page, mail, import, ...
    Column("shown", Text, nullable=False),  # the words that the person was shown
    Column("proof", Text, nullable=False, server_default="{}"),  # JSON: where it came from
    Index(None, "account_id", "recipient", "at"),
)

secret = Table(
    "secret",
    metadata,
    Column("name", Text, primary_key=True),  # veil: the key of digests of erased addresses
    Column("value", LargeBinary, nullable=False),
)

retention = Table(
    "retention",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("kind", Text, primary_key=True),  # hits, addresses, events, messages, ...
    Column("days", Integer, nullable=False),
)

task_report = Table(
    "task_report",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("began_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("result", Text, nullable=False, server_default="{}"),  # JSON
    Index(None, "name", "began_at"),
)
