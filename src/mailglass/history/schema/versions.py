"""Which steps of migration a database has been through."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, Table, Text

from .base import metadata

__all__ = ["schema_step"]

schema_step = Table(
    "schema_step",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("phase", Text, nullable=False),  # pre, post
    Column("at", Float, nullable=False),
)
