"""Counts kept beside the facts, so that no page has to scan hits.

A row counts the events of one account, message, campaign, tag or recipient domain in one stretch of
time; `level_…` counts deliveries by their verdict, under the time at which their message was
accepted. Hits are counted by what they were on and who was behind them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, text

from ...model import EventType, VerdictLevel
from .base import CODES, Dimension, Period, Word, metadata
from .mail import HIT_COUNTERS

__all__ = ["COUNTERS", "LEVEL_COUNTERS", "rollup", "target_rollup"]

LEVEL_COUNTERS = {level: f"level_{level.value}" for level in VerdictLevel}
COUNTERS = (*(type_.value for type_ in EventType), *HIT_COUNTERS, *LEVEL_COUNTERS.values())

_TOTAL = f"period = {CODES[Period][Period.TOTAL]}"

rollup = Table(
    "rollup",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("dimension", Word(Dimension), primary_key=True),
    Column("period", Word(Period), primary_key=True),
    Column("key", BigInteger, primary_key=True),
    Column("start", BigInteger, primary_key=True),  # seconds since 1970; 0 for a total
    *(Column(name, Integer, nullable=False, server_default="0") for name in COUNTERS),
    Index(
        "ix_rollup_largest",
        "account_id",
        "dimension",
        "queued",
        sqlite_where=text(_TOTAL),
        postgresql_where=text(_TOTAL),
    ),
    sqlite_with_rowid=False,
)

target_rollup = Table(
    "target_rollup",
    metadata,
    Column("message_id", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("human", Integer, nullable=False, server_default="0"),
    Column("machine", Integer, nullable=False, server_default="0"),
    Column("undetermined", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
