"""Hits and events, the tables that grow: what many rows say alike stands once, in a dictionary.

    wording     a request's method, version and headers, or its rarer parts, as one JSON text
    judgement   an actor, a probability and the reasons; the delay in a sentence is left open, so
                that hits which look alike share one

What a hit takes with all of it stands in bench/results/history.md.
No foreign keys here: two look-ups a row would cost a tenth of the time of a hit; `check` looks for
rows that lead nowhere.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from ...model import Actor, EventType
from .base import AutoId, Who, Word, metadata

__all__ = ["event", "hit", "judgement", "wording"]

wording = Table(
    "wording",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # BLAKE2b of the text, 16 bytes
    Column("text", Text, nullable=False),
    UniqueConstraint("digest"),
    sqlite_autoincrement=True,  # a number is never given twice, so readers may remember it
)

judgement = Table(
    "judgement",
    metadata,
    Column("id", AutoId, primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # BLAKE2b of all that follows, 16 bytes
    Column("actor", Word(Actor), nullable=False),
    Column("probability_human", Float, nullable=False),
    Column("rules_version", Text, nullable=False),
    Column("evidence", Text, nullable=False),  # JSON: [signal, weight, sentence] each
    UniqueConstraint("digest"),
    sqlite_autoincrement=True,  # a number is never given twice, so readers may remember it
)

hit = Table(
    "hit",
    metadata,
    Column("id", AutoId, primary_key=True, autoincrement=False),  # from `counter`, as taken
    Column("delivery_id", BigInteger),  # NULL when no delivery of ours is meant
    Column("at", Float, nullable=False),
    Column("path_kind", Text, nullable=False),
    Column("target", Integer),
    Column("address", Text, nullable=False),
    Column("head_id", Integer, nullable=False),  # of wording
    Column("rest_id", Integer),  # of wording; NULL when there is nothing rare about it
    Column("token", LargeBinary, nullable=False),  # base32 taken off, or as it stood
    Index(None, "at"),
)

event = Table(
    "event",
    metadata,
    Column("id", AutoId, primary_key=True, autoincrement=False),  # from `counter`: commits in order
    Column("account_id", Integer, nullable=False),
    Column("delivery_id", BigInteger, nullable=False),
    Column("type", Word(EventType), nullable=False),
    Column("at", Float, nullable=False),
    Column("hit_id", BigInteger),  # the hit it was judged from; NULL when told, or the hit is gone
    Column("path_kind", Text),  # of the hit, as are the next three
    Column("target", Integer),
    Column("who", Word(Who)),
    Column("judgement_id", Integer),
    Column("told", Text),  # JSON: evidence and raw of what was told; NULL for a hit's
    Column("crowd", Text),  # JSON: the fields of the hit's `Crowd` in order; NULL when it was alone
    Index(None, "delivery_id", "path_kind", "who", "at"),  # see `hammered`
)
