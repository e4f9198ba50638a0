"""Copies a history as it is at one moment, while others go on writing, and fills an empty one.

On SQLite the copy is a database of its own, made page by page by SQLite's online backup
(sqlite.org/backup.html) from a reader that is pinned to one state. On PostgreSQL every table comes
out by COPY inside one REPEATABLE READ transaction, so that no tool of a matching version is needed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import InputError, StorageUnavailable
from . import schema
from .store import open_engine
from .versions import make_or_refuse

__all__ = ["HistoryCopy", "database_file", "pinned_database", "restore_history", "save_database"]

_PAGES = 2000  # of 4 KiB between two looks of SQLite at whether somebody else wants the file
_BUSY_SECONDS = 30.0
_COLUMNS = "columns.json"
_BLOCK_BYTES = 1 << 20
# What the new database says of itself already.
_OWN = {"schema_step"}


class HistoryCopy:
    """One state of a history, to be saved."""

    def __init__(self, dialect: str, connection: Any) -> None:
        """`connection` is a driver's, pinned."""
        self.dialect = dialect
        self._connection = connection

    @classmethod
    @contextmanager
    def pinned(cls, address: str) -> Iterator[HistoryCopy]:
        """The history as it is now; raises StorageUnavailable when it does not answer."""
        file = database_file(address)
        if file is not None:
            with pinned_database(file) as database:
                yield cls("sqlite", database)
            return
        engine = open_engine(address)
        try:
            with engine.connect().execution_options(
                isolation_level="REPEATABLE READ", mailglass_reading=True
            ) as connection:
                connection.execute(sa.select(sa.literal(1)))
                driver = connection.connection.driver_connection
                yield cls("postgresql", driver)
        except DBAPIError as error:
            raise StorageUnavailable(f"the history cannot be copied: {error.orig}") from error
        finally:
            engine.dispose()

    def save(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """Write the state into files of `folder`; yields each with its name, to be taken away."""
        if self.dialect == "sqlite":
            save_database(self._connection, folder / "history.db")
            yield "history.db", folder / "history.db"
            return
        columns = {}
        for table in schema.metadata.sorted_tables:
            if table.name in _OWN:
                continue
            names = [str(c.name) for c in table.columns]
            columns[str(table.name)] = names
            path = folder / table.name
            wanted = f"COPY {table.name} ({_listed(names)}) TO STDOUT"
            with (
                path.open("wb") as file,
                self._connection.cursor() as cursor,
                cursor.copy(wanted) as copy,
            ):
                file.writelines(copy)
            yield f"history/{table.name}", path
        (folder / _COLUMNS).write_bytes(orjson.dumps(columns))
        yield f"history/{_COLUMNS}", folder / _COLUMNS


def database_file(address: str) -> Path | None:
    """The file of a history on SQLite; None on another database."""
    url = sa.make_url(address)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


@contextmanager
def pinned_database(path: Path) -> Iterator[sqlite3.Connection]:
    """A reader of a SQLite database that goes on seeing it as it is now."""
    if not path.exists():
        raise InputError(f"there is no database at {path}; --data names the data directory")
    database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield database
    finally:
        database.close()


def save_database(source: sqlite3.Connection, to: Path) -> None:
    """Write what a pinned reader sees into a database of its own."""
    copy = sqlite3.connect(to, isolation_level=None)
    try:
        source.backup(copy, pages=_PAGES)
    finally:
        copy.close()


def restore_history(address: str, folder: Path) -> None:
    """Fill the empty database at `address` from the files that `HistoryCopy.save` wrote.

    All of it or nothing. Columns that this program has and the copy has not get their defaults.
    Raises InputError when the database holds an account already.
    """
    engine = open_engine(address)
    try:
        make_or_refuse(engine)
        columns = orjson.loads((folder / _COLUMNS).read_bytes())
        with engine.begin() as connection:
            if connection.execute(sa.select(schema.account.c.id).limit(1)).first():
                raise InputError("the database is not empty; name a new one with history.url")
            driver = connection.connection.driver_connection
            assert driver is not None
            for table in schema.metadata.sorted_tables:
                if table.name in columns:
                    _fill(driver, table.name, columns[table.name], folder / table.name)
                    _continue_numbers(connection, table)
    except DBAPIError as error:
        raise StorageUnavailable(f"the history cannot be restored: {error.orig}") from error
    finally:
        engine.dispose()


def _fill(driver: Any, table: str, columns: list[str], file: Path) -> None:  # Any: a driver's
    wanted = f"COPY {table} ({_listed(columns)}) FROM STDIN"
    with file.open("rb") as source, driver.cursor() as cursor, cursor.copy(wanted) as copy:
        while block := source.read(_BLOCK_BYTES):
            copy.write(block)


def _continue_numbers(connection: sa.Connection, table: sa.Table) -> None:
    """Numbers that the database gives itself go on behind those that were restored."""
    column = table.autoincrement_column
    if column is None:
        return
    connection.execute(
        sa.text(
            f"SELECT setval(s, (SELECT max({column.name}) FROM {table.name}))"
            f" FROM pg_get_serial_sequence('{table.name}', '{column.name}') AS s"
            f" WHERE s IS NOT NULL AND EXISTS (SELECT 1 FROM {table.name})"
        )
    )


def _listed(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
