"""Follows the journal and the spool, judges, and writes the history: each record counts once."""

from .accepted import Accepted, accepted
from .follow import Ingest
from .nightly import NIGHTLY, Nightly
from .rejudging import Rejudged, Rejudging, rejudge
from .relay_log import RelayLog
from .returned import is_about_ours

__all__ = [
    "NIGHTLY",
    "Accepted",
    "Ingest",
    "Nightly",
    "Rejudged",
    "Rejudging",
    "RelayLog",
    "accepted",
    "is_about_ours",
    "rejudge",
]
