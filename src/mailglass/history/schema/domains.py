"""Domains that an account sends from, and host names under which its targets stand."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Table, Text, UniqueConstraint, text

from .base import AutoId, metadata

__all__ = ["sending_domain", "tracking_domain"]

sending_domain = Table(
    "sending_domain",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("name", Text, nullable=False),  # lower case, A-labels
    Column("state", Text, nullable=False),  # new, verified, failing
    Column("challenge", Text, nullable=False),  # what a TXT record must hold to prove control
    Column("dkim_selector", Text),
    Column("created_at", Float, nullable=False),
    Column("verified_at", Float),
    Column("checked_at", Float),
    Column("findings", Text, nullable=False, server_default="[]"),  # JSON, of the last check
    UniqueConstraint("account_id", "name"),
)

tracking_domain = Table(
    "tracking_domain",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("name", Text, nullable=False, unique=True),  # one account each: its cookies and name
    Column("state", Text, nullable=False),  # new, verified, failing
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Float, nullable=False),
    Column("verified_at", Float),
    Column("checked_at", Float),
    Column("findings", Text, nullable=False, server_default="[]"),
)
