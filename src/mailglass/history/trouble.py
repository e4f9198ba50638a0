"""What a database's own error means for whoever runs Mailglass, and the way out of it.

Whatever it is, nothing of the transaction was kept, and nothing is lost: the journal and the spool
keep what ingest has not taken, and ingest tries again by itself.
"""

from __future__ import annotations

from ..errors import StorageUnavailable

__all__ = ["HistoryDamaged", "HistoryFull", "unavailable"]


class HistoryFull(StorageUnavailable):
    """The disk of the history takes no more; once there is room, everything goes on by itself."""

    id = "history-full"


class HistoryDamaged(StorageUnavailable):
    """The file of the history is spoiled; a backup of it must take its place."""

    id = "history-damaged"


# PostgreSQL's codes (its manual, appendix A) and SQLite's words (sqlite.org/rescode.html).
_FULL = ("53100", "disk is full", "no space left")
_DAMAGED = ("XX001", "XX002", "disk image is malformed", "file is not a database")


def unavailable(error: BaseException) -> StorageUnavailable:
    """The error to raise for one of a database driver, with what to do about it."""
    told = f"{getattr(error, 'sqlstate', None) or ''} {error}"
    text = " ".join(str(error).split())
    if any(word in told for word in _FULL):
        return HistoryFull(
            f"the disk of the history is full ({text}); make room, and everything goes on by itself"
        )
    if any(word in told for word in _DAMAGED):
        return HistoryDamaged(
            f"the history is damaged ({text}); stop Mailglass, put the last backup in its place "
            "(`mailglass restore`), and start it again: the journal and the spool hold what came "
            "since"
        )
    return StorageUnavailable(f"the history cannot be used: {text}")
