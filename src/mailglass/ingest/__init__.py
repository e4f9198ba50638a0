"""Follows the journal and the spool, judges, and writes the history: each record counts once."""

from .follow import Ingest
from .nightly import NIGHTLY, Nightly
from .rejudging import Rejudged, Rejudging, rejudge

__all__ = ["NIGHTLY", "Ingest", "Nightly", "Rejudged", "Rejudging", "rejudge"]
