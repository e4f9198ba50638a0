"""The history: accounts, messages, deliveries, hits, events and verdicts, in one database.

One schema and one set of named statements on SQLite (WAL) and PostgreSQL. It is written by ingest
and read by everybody who shows something; the collector and the courier never touch it.
"""

from .belongings import REFUSALS, Belongings, Conflict, LastOwner
from .browsing import MessageSearch
from .checking import Miscount, Orphans
from .copying import HistoryCopy, database_file, pinned_database, restore_history, save_database
from .counting import PERIODS, Counts
from .credentials import (
    ADMINISTRATOR,
    PasswordCheck,
    add_administrator,
    change_password,
    check_password,
    end_session,
    new_login_link,
    new_user,
    session_user,
    set_second_factor,
    sign_in,
    sign_in_with_password,
)
from .domains import Domain, DomainKind, DomainState
from .feed import ToldEvent, told_events
from .keys import USUAL_SCOPES, ApiKey, Scope, is_use_stale
from .learning import JudgedEvents
from .listing import DeliveryFilters
from .persons import Erased, Withdrawn
from .records import (
    Account,
    Copies,
    JudgedDelivery,
    JudgedHit,
    KnownFacts,
    Returned,
    Role,
    SeenHit,
    StoredDelivery,
    StoredEvent,
    StoredHit,
    StoredMessage,
    Suppression,
    User,
)
from .retention import KINDS, MOST_DAYS, OF_ACCOUNTS, TaskReport, truncated
from .rights import Consent, ConsentState, OnWithdrawal, Policy, PolicyScope
from .schema.base import Dimension, Period, Who
from .store import History, Transaction, open_engine
from .timeline import (
    EVENTS_OF_COPY,
    SENTENCES,
    DeliveryTimeline,
    Timeline,
    further_hits,
    reply_words,
    timeline,
)
from .unnamed import SMALLEST_CROWD, UnnamedHit
from .versions import HistoryOutdated, Step, migrate, pending_steps
from .visits import Visit, Whereabouts
from .webhooks import Attempt, Endpoint, EndpointState, Filters, Notice, NoticeState, Secret

__all__ = [
    "ADMINISTRATOR",
    "EVENTS_OF_COPY",
    "KINDS",
    "MOST_DAYS",
    "OF_ACCOUNTS",
    "PERIODS",
    "REFUSALS",
    "SENTENCES",
    "SMALLEST_CROWD",
    "USUAL_SCOPES",
    "Account",
    "ApiKey",
    "Attempt",
    "Belongings",
    "Conflict",
    "Consent",
    "ConsentState",
    "Copies",
    "Counts",
    "DeliveryFilters",
    "DeliveryTimeline",
    "Dimension",
    "Domain",
    "DomainKind",
    "DomainState",
    "Endpoint",
    "EndpointState",
    "Erased",
    "Filters",
    "History",
    "HistoryCopy",
    "HistoryOutdated",
    "JudgedDelivery",
    "JudgedEvents",
    "JudgedHit",
    "KnownFacts",
    "LastOwner",
    "MessageSearch",
    "Miscount",
    "Notice",
    "NoticeState",
    "OnWithdrawal",
    "Orphans",
    "PasswordCheck",
    "Period",
    "Policy",
    "PolicyScope",
    "Returned",
    "Role",
    "Scope",
    "Secret",
    "SeenHit",
    "Step",
    "StoredDelivery",
    "StoredEvent",
    "StoredHit",
    "StoredMessage",
    "Suppression",
    "TaskReport",
    "Timeline",
    "ToldEvent",
    "Transaction",
    "UnnamedHit",
    "User",
    "Visit",
    "Whereabouts",
    "Who",
    "Withdrawn",
    "add_administrator",
    "change_password",
    "check_password",
    "database_file",
    "end_session",
    "further_hits",
    "is_use_stale",
    "migrate",
    "new_login_link",
    "new_user",
    "open_engine",
    "pending_steps",
    "pinned_database",
    "reply_words",
    "restore_history",
    "save_database",
    "session_user",
    "set_second_factor",
    "sign_in",
    "sign_in_with_password",
    "timeline",
    "told_events",
    "truncated",
]
