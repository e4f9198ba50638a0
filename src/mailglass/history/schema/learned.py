"""What was learned of recipient domains: counts that go on, and the versions made of them."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, Table, Text

from .base import metadata

__all__ = ["learned", "learned_count"]

learned_count = Table(
    "learned_count",
    metadata,
    Column("domain_id", ForeignKey("recipient_domain.id"), primary_key=True),
    Column("kind", Text, primary_key=True),  # open, click, download
    Column("people", Float, nullable=False),  # hits; older ones weigh less
    Column("machines", Float, nullable=False),
    sqlite_with_rowid=False,
)

learned = Table(
    "learned",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("rules_version", Text, nullable=False),  # by which the hits were judged
    Column("shares", Text, nullable=False),  # JSON: [domain, kind, people, machines] each
)
