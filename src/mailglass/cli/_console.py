"""Where tables and coloured lines go: as wide as a terminal, and uncut for files and programs."""

from __future__ import annotations

from rich.console import Console

__all__ = ["console"]

_NO_WIDTH = 100_000  # characters: no line of ours is longer


def console() -> Console:
    """Standard output for a person or, without a limit to its lines, for whatever else reads it."""
    found = Console()
    return found if found.is_terminal else Console(width=_NO_WIDTH)
