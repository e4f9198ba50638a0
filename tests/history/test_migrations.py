"""The schema: what the steps lead to is what the tables say, and what is not ours is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from mailglass.history import History, HistoryOutdated, schema
from mailglass.history.migrations.run import configuration, upgrade
from mailglass.history.store import open_engine
from mailglass.history.versions import Step, migrate, pending_steps, steps


def shape(engine: sa.Engine) -> dict[str, object]:
    """Tables with their columns, keys and indices, as the database tells them."""
    inspector = sa.inspect(engine)
    found: dict[str, object] = {}
    for name in sorted(inspector.get_table_names()):
        columns = {
            c["name"]: (str(c["type"]), c["nullable"], c["default"])
            for c in inspector.get_columns(name)
        }
        indices = [
            (
                str(i["name"]),
                tuple(i["column_names"]),
                bool(i["unique"]),
                {name: str(value) for name, value in i.get("dialect_options", {}).items()},
            )
            for i in sorted(inspector.get_indexes(name), key=lambda i: str(i["name"]))
        ]
        keys = sorted(
            (tuple(k["constrained_columns"]), k["referred_table"])
            for k in inspector.get_foreign_keys(name)
        )
        primary = tuple(inspector.get_pk_constraint(name)["constrained_columns"])
        found[name] = (columns, indices, keys, primary)
    return found


def without_rowid(engine: sa.Engine) -> set[str]:
    if engine.dialect.name != "sqlite":
        return set()
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("PRAGMA table_list").all()
    return {row.name for row in rows if row.wr}


def test_the_steps_lead_to_what_the_tables_say(history_address: str, tmp_path: Path) -> None:
    """If this fails after a change of a table: it wants a further step beside the others."""
    migrated = open_engine(history_address)
    upgrade(migrated, steps()[-1])
    by_steps, rows_by_steps = shape(migrated), without_rowid(migrated)
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, schema.metadata) == []
    with migrated.begin() as connection:
        schema.metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
    migrated.dispose()
    History(history_address).close()
    made = open_engine(history_address)
    assert shape(made) == by_steps
    assert without_rowid(made) == rows_by_steps
    made.dispose()


def test_a_history_of_the_first_step_is_migrated_and_works(history_address: str) -> None:
    engine = open_engine(history_address)
    upgrade(engine, steps()[0])
    with pytest.raises(HistoryOutdated, match="doctor-db --migrate"):
        History(history_address)
    assert migrate(engine, "pre") == steps()[1:]
    engine.dispose()
    history = History(history_address)
    now = datetime.now(UTC)
    with history.transaction() as db:
        db.add_failed_sign_in("ann", "192.0.2.1", now)
        assert db.has_failed_sign_ins("ann", now)
    history.close()


def test_alembic_knows_where_a_fresh_history_stands(history_address: str) -> None:
    History(history_address).close()
    engine = open_engine(history_address)
    assert pending_steps(engine) == []
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_heads() == (steps()[-1].revision,)
    assert migrate(engine, "all") == []
    engine.dispose()


def test_the_steps_stand_in_one_line() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(configuration())
    line = [revision.revision for revision in script.walk_revisions()][::-1]
    assert line == [step.revision for step in steps()]
    assert [step.number for step in steps()] == list(range(1, len(line) + 1))


def note(engine: sa.Engine, *made: Step) -> None:
    with engine.begin() as connection:
        connection.execute(
            schema.schema_step.insert(),
            [{"number": s.number, "phase": s.phase, "at": 0.0} for s in made],
        )


def test_what_a_newer_release_only_added_to_is_worked_on(history_address: str) -> None:
    History(history_address).close()
    engine = open_engine(history_address)
    note(engine, Step(1001, "pre"))
    History(history_address).close()
    note(engine, Step(1002, "post"))
    with pytest.raises(HistoryOutdated, match="newer Mailglass"):
        History(history_address)
    engine.dispose()


def test_an_old_schema_is_refused_by_the_command_that_migrates_it(
    history_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    History(history_address).close()
    more = [*steps(), Step(1001, "pre"), Step(1002, "post")]
    monkeypatch.setattr("mailglass.history.versions.steps", lambda: more)
    with pytest.raises(HistoryOutdated, match="run `mailglass doctor-db --migrate`"):
        History(history_address)
    engine = open_engine(history_address)
    assert pending_steps(engine) == more[-2:]
    with pytest.raises(HistoryOutdated, match="pre steps come first"):
        migrate(engine, "post")
    note(engine, Step(1001, "pre"))
    History(history_address).close()
    assert pending_steps(engine) == more[-1:]
    engine.dispose()


def test_a_skipped_release_is_not_migrated_beside_running_programs(
    history_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    History(history_address).close()
    more = [*steps(), Step(1001, "post"), Step(1002, "pre")]
    monkeypatch.setattr("mailglass.history.versions.steps", lambda: more)
    engine = open_engine(history_address)
    with pytest.raises(HistoryOutdated, match="stop every Mailglass process"):
        migrate(engine, "pre")
    engine.dispose()


def test_a_database_without_versions_is_refused(history_address: str) -> None:
    engine = open_engine(history_address)
    schema.metadata.create_all(engine, tables=[schema.account])
    with pytest.raises(HistoryOutdated, match="before its schema had versions"):
        History(history_address)
    engine.dispose()


def test_every_word_of_the_model_has_a_number_of_its_own() -> None:
    from mailglass.history.schema.base import CODES

    for kind, codes in CODES.items():
        assert set(codes) == set(kind)
        assert len(set(codes.values())) == len(codes)
