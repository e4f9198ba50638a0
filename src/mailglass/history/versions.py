"""Which schema a database has, whether this program can work on it, and the steps that lead there.

A release changes the schema in two phases. Its `pre` steps only add, so that the programs of the
release before go on beside it: run them first, then restart everything with the new release. Its
`post` steps take away what nobody uses any more: run them when no old program is left. The steps
stand in `migrations/steps` in one line, each in a transaction of its own, so that a migration that
was cut off goes on where it stopped.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import sqlalchemy as sa

from ..errors import ConfigurationError
from . import schema

__all__ = ["HistoryOutdated", "Step", "make_or_refuse", "migrate", "pending_steps", "steps"]

_STEP = re.compile(r"s(\d{4})_(pre|post)\.py")
_LOCK = 0x6D61696C  # an arbitrary number that two makers of a schema on PostgreSQL share
_COMMAND = "`mailglass doctor-db --migrate`"


class HistoryOutdated(ConfigurationError):
    """The database has a schema that this program cannot work on; the message says what to run."""

    id = "history-outdated"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One migration."""

    number: int
    phase: Literal["pre", "post"]

    @property
    def revision(self) -> str:
        """The name of its file, by which Alembic knows it."""
        return f"s{self.number:04}_{self.phase}"


def steps() -> list[Step]:
    """The steps of this program, in their order."""
    names = (f.name for f in (files(__package__) / "migrations" / "steps").iterdir())
    matches = filter(None, map(_STEP.fullmatch, names))
    return sorted(Step(int(m[1]), "pre" if m[2] == "pre" else "post") for m in matches)


def make_or_refuse(engine: sa.Engine) -> None:
    """Give an empty database the schema; raises HistoryOutdated when one is there that is not ours.

    A database whose `post` steps are not made yet, or that a newer release has only added to, is
    good to work on.
    """
    with engine.connect() as connection:
        done = _done(connection)
    if done is None:
        with engine.begin() as connection:
            _make(connection)
        return
    _refuse(done)


def _done(connection: sa.Connection) -> list[Step] | None:
    """The steps that a database has been through, None when it has no schema at all."""
    tables = sa.inspect(connection).get_table_names()
    if schema.schema_step.name in tables:
        c = schema.schema_step.c
        rows = connection.execute(sa.select(c.number, c.phase).order_by(c.number))
        return [Step(row.number, row.phase) for row in rows]
    return [] if schema.account.name in tables else None


def _make(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if _done(connection) is not None:
        return  # another process was faster
    schema.metadata.create_all(connection)
    known = steps()
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.execute(
        sa.text("INSERT INTO alembic_version VALUES (:name)"), {"name": known[-1].revision}
    )
    note_steps(connection, known)


def note_steps(connection: sa.Connection, made: Iterable[Step]) -> None:
    """Write down that steps were made."""
    rows = [{"number": s.number, "phase": s.phase, "at": time.time()} for s in made]
    connection.execute(schema.schema_step.insert(), rows)


def _refuse(done: list[Step]) -> None:
    known = steps()
    if not done:
        raise HistoryOutdated(
            "the history was made before its schema had versions, by a program that was never "
            "released; move it aside and start anew"
        )
    if any(step.phase == "post" and step.number > known[-1].number for step in done):
        raise HistoryOutdated(
            "the history was migrated by a newer Mailglass, which took away what this one needs; "
            "start that one"
        )
    missing = [step for step in known if step.phase == "pre" and step not in done]
    if missing:
        raise HistoryOutdated(
            f"the history has the schema of an older Mailglass ({len(missing)} steps missing); "
            f"run {_COMMAND}"
        )


def pending_steps(engine: sa.Engine) -> list[Step]:
    """The steps that are still to be made, in their order."""
    with engine.connect() as connection:
        done = _done(connection) or []
    return [step for step in steps() if step not in done]


def migrate(engine: sa.Engine, phase: Literal["pre", "post", "all"]) -> list[Step]:
    """Make the steps of a phase that are missing, and return them; `all` when nothing else runs.

    Raises HistoryOutdated when the schema has no versions, or when a release was skipped: its
    `post` steps stand before the wanted `pre` steps, and only `all` makes both.
    """
    with engine.connect() as connection:
        done = _done(connection)
    if done is None:
        make_or_refuse(engine)
        return steps()
    if not done:
        _refuse(done)
    wanted = _wanted(pending_steps(engine), phase)
    if wanted:
        from .migrations.run import upgrade  # Alembic takes a third of a second to import

        upgrade(engine, wanted[-1])
    return wanted


def _wanted(pending: list[Step], phase: Literal["pre", "post", "all"]) -> list[Step]:
    last_pre = max((i for i, s in enumerate(pending) if s.phase == "pre"), default=-1)
    if phase == "pre":
        wanted = pending[: last_pre + 1]
        if any(step.phase == "post" for step in wanted):
            raise HistoryOutdated(
                "a release was skipped: stop every Mailglass process of this history, then run "
                f"{_COMMAND} all"
            )
        return wanted
    if phase == "post" and last_pre >= 0:
        raise HistoryOutdated(
            f"the pre steps come first: run {_COMMAND} pre, restart every process, then post"
        )
    return pending
