"""The only place where the parts meet: settings become values, values become running roles."""

from .backup import Backup, BadBackup, make_backup, restore_backup
from .examination import (
    DATABASE_FINDINGS,
    examine_database,
    migrate_history,
    rebuild_counts,
)
from .first_run import FirstRun, add_key, own_link, prepare, read_keys
from .logs import start_logging
from .roles import run_role
from .supervisor import Supervisor
from .words import ready_text, welcome

__all__ = [
    "DATABASE_FINDINGS",
    "Backup",
    "BadBackup",
    "FirstRun",
    "Supervisor",
    "add_key",
    "examine_database",
    "make_backup",
    "migrate_history",
    "own_link",
    "prepare",
    "read_keys",
    "ready_text",
    "rebuild_counts",
    "restore_backup",
    "run_role",
    "start_logging",
    "welcome",
]
