"""Follows the journal and the spool, judges, and writes the history: each record counts once."""

from .follow import Ingest
from .rejudging import Rejudged, Rejudging, rejudge

__all__ = ["Ingest", "Rejudged", "Rejudging", "rejudge"]
