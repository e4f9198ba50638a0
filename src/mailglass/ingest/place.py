"""Whether the place up to which the history has read the journal lies inside the journal."""

from __future__ import annotations

import logging
from pathlib import Path

from ..errors import CorruptRecord
from ..journal import Cursor, published_end

__all__ = ["JournalOlder", "JournalPlace"]

_log = logging.getLogger("mailglass.ingest")


class JournalOlder(CorruptRecord):
    """The journal ends before the place up to which the history has read it: it was replaced or
    shortened while the history stayed, and hits that come now may stay unread."""

    id = "journal-older"


class JournalPlace:
    """Says it once when the place lies beyond the end, and again only after it lay inside."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._was_said = False

    def look(self, place: Cursor) -> None:
        """Call it when there was nothing to read behind `place`, which was stored before now."""
        end = published_end(self._directory)
        if place <= end:
            self._was_said = False
        elif not self._was_said:
            self._was_said = True
            error = JournalOlder(
                f"the history has read the journal {self._directory} up to {place}, but it ends at"
                f" {end}: it was replaced or shortened, and new hits up to that place stay unread;"
                " stop every role and restore history and journal from the same backup"
                " (`mailglass doctor-db` shows both places)"
            )
            _log.error("%s", error, extra={"action": "journal-older", "error_id": error.id})
