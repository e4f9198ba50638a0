"""Follows the journal and the spool, judges, and writes the history: each record counts once."""

from .follow import Ingest

__all__ = ["Ingest"]
