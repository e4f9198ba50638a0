"""Runs Alembic without a file of its own: the steps lie beside this module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from .. import schema
from ..versions import Step

__all__ = ["configuration", "upgrade"]

_HERE = Path(__file__).parent


def configuration(**attributes: Any) -> Config:  # Any: as Alembic takes them
    """Alembic's settings; `attributes` reach `env.py`."""
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / "steps"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(attributes, metadata=schema.metadata)
    return config


def upgrade(engine: sa.Engine, to: Step) -> None:
    """Make all steps up to one, each in a transaction of its own."""
    with engine.connect() as connection:
        command.upgrade(configuration(connection=connection), to.revision)
