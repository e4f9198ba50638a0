"""Opens the database; a transaction holds every statement that is ever put to it.

A transaction is one unit: ingest moves its cursor in the one that writes what it read, so each
record of the journal counts once. `synchronous=FULL` on SQLite: what ingest has committed is on
disk, so that the spool may forget it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import ConfigurationError, StorageUnavailable
from .attempts import AttemptStatements
from .checking import CheckingStatements
from .counting import Place
from .domains import DomainStatements
from .drafts import DraftStatements
from .keys import KeyStatements
from .learning import LearningStatements
from .listing import ListingStatements
from .memory import Memory
from .own import OwnStatements
from .persons import PersonStatements
from .recounting import RecountStatements
from .retention import RetentionStatements
from .sessions import SessionStatements
from .trouble import unavailable
from .versions import make_or_refuse
from .visits import VisitStatements

__all__ = ["History", "Transaction"]


class Transaction(
    CheckingStatements,
    SessionStatements,
    AttemptStatements,
    ListingStatements,
    PersonStatements,
    RetentionStatements,
    DraftStatements,
    OwnStatements,
    LearningStatements,
    VisitStatements,
    KeyStatements,
    DomainStatements,
    RecountStatements,
):
    """The named statements, inside one transaction."""

    def __init__(self, connection: sa.Connection, memory: Memory) -> None:
        self._db = connection
        self._memory = memory
        self._places: dict[int, Place] = {}
        self._counted: dict[tuple[int, int, int], dict[str, int]] = {}
        self._counted_at: dict[tuple[int, int, int], Place] = {}
        self._targets_counted: dict[tuple[int, int], dict[str, int]] = {}

    def _flush(self) -> None:
        self._write_counts()


class History:
    """The database. Safe to use from several threads; each transaction has its own connection."""

    def __init__(self, address: str, *, patient: bool = False) -> None:
        """`address` as SQLAlchemy writes it: sqlite:///file or postgresql+psycopg://…

        An empty database gets the schema. Raises ConfigurationError for an address that cannot be
        understood or whose driver is not installed, HistoryOutdated when the schema is not that
        of this program, StorageUnavailable when the database does not answer. A `patient` one is
        made all the same: its transactions raise StorageUnavailable until the database answers.
        """
        self._engine = open_engine(address)
        self._memory = Memory()
        self._is_ready = False
        try:
            self._make_ready()
        except StorageUnavailable:
            if not patient:
                self._engine.dispose()
                raise
        except BaseException:
            self._engine.dispose()
            raise

    def _make_ready(self) -> None:
        if not self._is_ready:
            with self._translated():
                make_or_refuse(self._engine)
            self._is_ready = True

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All of it or nothing; raises StorageUnavailable, and then it was nothing.

        On SQLite there is one at a time: what only reads takes `reading` instead.
        """
        self._make_ready()
        memory = Memory(self._memory)
        with self._translated():
            with self._engine.begin() as connection:
                t = Transaction(connection, memory)
                yield t
                t._flush()
            self._memory.keep(memory)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One state of the database, to be read only; never waits for a writer."""
        self._make_ready()
        memory = Memory(self._memory)
        with self._translated():
            with self._engine.connect() as connection:
                connection.execution_options(**_READING)
                connection.begin()
                yield Transaction(connection, memory)
            self._memory.keep(memory)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise unavailable(error.orig or error) from error
        except sa.exc.TimeoutError as error:  # every connection is in use, or hangs
            raise unavailable(error) from error
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise unavailable(error) from error


_READING = {"mailglass_reading": True}


def open_engine(address: str) -> sa.Engine:
    """An engine whose transactions are what `History` promises; see there for what it raises."""
    try:
        engine = sa.create_engine(address)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        raise ConfigurationError(f"history.url cannot be understood: {error}") from error
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"history.url needs {error.name}; install it with `pip install mailglass[postgres]`"
        ) from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    else:
        sa.event.listen(engine, "begin", _begin_postgresql)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:  # a driver's connection
    connection.isolation_level = None  # we say when a transaction begins; the driver guesses
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=30000")  # another role's transaction takes milliseconds
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads and then writes cannot wait when another wrote in between (SQLite
    # answers "database is locked" at once), so whoever may write says so from the beginning.
    reads = connection.get_execution_options().get("mailglass_reading")
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reads else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("mailglass_reading"):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
