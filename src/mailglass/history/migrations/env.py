"""What Alembic runs for each command: the open connection, and our own note of each step."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

from mailglass.history.schema.base import Word
from mailglass.history.versions import note_steps, steps


def _note(ctx: MigrationContext, step: MigrationInfo, *_: object, **__: object) -> None:
    if step.is_upgrade and ctx.connection is not None:
        note_steps(ctx.connection, [s for s in steps() if s.revision == step.up_revision_id])


def _render(kind: str, item: object, _: object) -> str | Literal[False]:
    """A word is a small number for a migration, which must not depend on the words of today."""
    return "sa.SmallInteger()" if kind == "type" and isinstance(item, Word) else False


def _run() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=context.config.attributes["metadata"],
        transaction_per_migration=True,
        transactional_ddl=True,  # on SQLite too: our transactions begin where we say
        render_item=_render,
        on_version_apply=_note,
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # as Alembic names it when it runs it
    _run()
