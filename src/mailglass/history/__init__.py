"""The history: accounts, messages, deliveries, hits, events and verdicts, in one database.

One schema and one set of named statements on SQLite (WAL) and PostgreSQL. It is written by ingest
and read by everybody who shows something; the collector and the courier never touch it.
"""

from .store import Account, History, Transaction, User

__all__ = ["Account", "History", "Transaction", "User"]
