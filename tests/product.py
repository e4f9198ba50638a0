"""Where the product under test is, and the environment in which it runs."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SOURCE = PROJECT / "src"


def environment() -> dict[str, str]:
    """The environment for a process of ours: the source tree when it is there, else the wheel."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAILGLASS_")}
    env["LC_ALL"] = "C.UTF-8"  # whatever language the machine speaks
    # nothing that the machine itself keeps for a Mailglass is read by a test that names no place
    env["MAILGLASS_DATA_DIRECTORY"] = "/nonexistent/mailglass"
    if SOURCE.is_dir():
        env["PYTHONPATH"] = str(SOURCE)
    return env
