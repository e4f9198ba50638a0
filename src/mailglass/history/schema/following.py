"""How far ingest has read, what it set aside, and the mail that came back."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, LargeBinary, Table, Text

from .base import AutoId, metadata

__all__ = ["counter", "cursor", "poison", "returned"]

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),  # the last number given
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
    Column("id", AutoId, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),  # the same mail fetched twice counts once
    Column("at", Float, nullable=False),
    Column("envelope_recipient", Text, nullable=False),  # empty when it was imported
    Column("raw", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),  # new, taken, apart
    Column("kind", Text),
    Column("trust", Text),  # by which candidate the delivery was found
    Column("delivery_id", ForeignKey("delivery.id"), index=True),
    Index(None, "state", "id"),
)
