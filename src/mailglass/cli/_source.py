"""What the command line said about settings, read only by the commands that need them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from ..settings import Origin, Settings, load_settings

__all__ = ["SettingsSource", "settings_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsSource:
    """The options before the command's name."""

    file: Path | None
    overrides: tuple[str, ...]

    def load(self) -> tuple[Settings, list[Origin]]:
        """The settings and their origins; raises ConfigurationError with every fault."""
        return load_settings(file=self.file, environment=os.environ, overrides=self.overrides)

    def arguments(self) -> list[str]:
        """The same options again, for a process that is to see the same settings."""
        file = ["--settings", str(self.file)] if self.file else []
        return file + [word for item in self.overrides for word in ("--set", item)]


def settings_of(ctx: click.Context) -> Settings:
    """The settings for this call."""
    source: SettingsSource = ctx.obj
    return source.load()[0]
