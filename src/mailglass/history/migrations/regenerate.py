"""Writes the first step anew from the tables, as long as no release carries it.

`python -m mailglass.history.migrations.regenerate`
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command

from .run import configuration

FIRST = Path(__file__).parent / "steps" / "s0001_pre.py"


def main() -> None:
    """Replace the file of the first step."""
    FIRST.unlink(missing_ok=True)
    with sa.create_engine("sqlite://").connect() as connection:
        command.revision(
            configuration(connection=connection),
            message="The tables of the first release.",
            rev_id=FIRST.stem,
            autogenerate=True,
        )
    for made in FIRST.parent.glob(f"{FIRST.stem}_*.py"):
        made.replace(FIRST)
    lines = FIRST.read_text().splitlines(keepends=True)
    FIRST.write_text("".join(line for line in lines if "###" not in line))
    for words in (["format", "--quiet"], ["check", "--fix", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *words, FIRST], check=True)


if __name__ == "__main__":
    main()
