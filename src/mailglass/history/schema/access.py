"""Accounts and who may come in: users, sessions, keys."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, LargeBinary, Table, Text

from .base import AutoId, metadata

__all__ = ["account", "api_key", "failed_sign_in", "login_link", "session", "user"]

account = Table(
    "account",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("closed_at", Float),  # nothing is sent or shown any more
)

user = Table(
    "user_",  # `user` is a reserved word in PostgreSQL
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),  # argon2id, with its parameters
    Column("role", Text, nullable=False, server_default="owner"),  # owner, member, read-only
    Column("totp_secret", Text),  # base32 (RFC 6238); NULL without a second factor
    Column("totp_used_step", AutoId),  # the last time step that was accepted: a code counts once
    Column("created_at", Float, nullable=False),
    Column("disabled_at", Float),
)

failed_sign_in = Table(
    "failed_sign_in",
    metadata,
    Column("name", Text, nullable=False),  # as it was given; there need not be such a user
    Column("network", Text, nullable=False),  # a known one of theirs; empty for all others
    Column("at", Float, nullable=False, index=True),
    Index(None, "name", "at"),
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
    Column("user_id", ForeignKey("user_.id"), nullable=False, index=True),
    Column("expires_at", Float, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),  # its first characters, by which people know it
    Column("key_hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of 256 random bits
    Column("scopes", Text, nullable=False),  # JSON list
    Column("created_by", ForeignKey("user_.id")),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Index(None, "account_id", "id"),
)
