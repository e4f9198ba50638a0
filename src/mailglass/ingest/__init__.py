"""Follows the journal and the spool, judges, and writes the history: each record counts once."""

from .follow import Ingest
from .lens import TimeLens

__all__ = ["Ingest", "TimeLens"]
