"""The demo's installation, kept up, and Debian's Chromium signed in to its dashboard."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from product import environment

PATIENCE_SECONDS = 180  # for what takes half a minute: an upper bound, never a measurement


@dataclass(frozen=True)
class Demo:
    """Where the kept demo is."""

    dashboard: str
    sign_in: str
    collector: str


@contextlib.contextmanager
def kept_demo() -> Iterator[Demo]:
    """`mailglass demo --keep`, when its world has been played."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mailglass", "demo", "--keep"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    timer = threading.Timer(PATIENCE_SECONDS, process.kill)
    timer.start()
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "stays up until" in line:
                break
        timer.cancel()
        text = "".join(lines)
        found = {
            name: re.search(rf"^{name}\s+(\S+)$", text, re.MULTILINE)
            for name in ("Dashboard", "Sign in", "Collector")
        }
        assert all(found.values()), text
        dashboard, sign_in, collector = (m[1] for m in found.values() if m)
        yield Demo(dashboard=dashboard, sign_in=sign_in, collector=collector)
    finally:
        timer.cancel()
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        process.stdout.read()
        process.stdout.close()
        process.wait(PATIENCE_SECONDS)
