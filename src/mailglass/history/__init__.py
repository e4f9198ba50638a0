"""The history: accounts, messages, deliveries, hits, events and verdicts, in one database.

One schema and one set of named statements on SQLite (WAL) and PostgreSQL. It is written by ingest
and read by everybody who shows something; the collector and the courier never touch it.
"""

from .credentials import (
    ADMINISTRATOR,
    add_administrator,
    check_password,
    end_session,
    new_login_link,
    new_user,
    session_user,
    sign_in,
    sign_in_with_password,
)
from .records import (
    Account,
    Returned,
    StoredDelivery,
    StoredEvent,
    StoredHit,
    StoredMessage,
    Suppression,
    User,
)
from .store import History, Transaction
from .timeline import DeliveryTimeline, Timeline, timeline

__all__ = [
    "ADMINISTRATOR",
    "Account",
    "DeliveryTimeline",
    "History",
    "Returned",
    "StoredDelivery",
    "StoredEvent",
    "StoredHit",
    "StoredMessage",
    "Suppression",
    "Timeline",
    "Transaction",
    "User",
    "add_administrator",
    "check_password",
    "end_session",
    "new_login_link",
    "new_user",
    "session_user",
    "sign_in",
    "sign_in_with_password",
    "timeline",
]
