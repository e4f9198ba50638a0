"""Ingest: hits, mail that comes back and the spool's news become history, each judged once."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime, timedelta
from typing import Any

from ...evidence import Rules, load_rules
from ...history import History
from ...ingest import Ingest, Nightly, RelayLog
from ...settings import Settings
from ...spool import Spool
from .process import run_async, say_ready
from .ring import new_ring, renew_ring

__all__ = ["run"]


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    ring = new_ring(settings)
    history = History(settings.history_address, patient=True)
    nightly = Nightly(history=history, days=settings.retention_days, at=settings.retention_at)

    def rules() -> Rules:
        lists = settings.data_directory / "networks"
        return load_rules(settings.rules_file, lists=lists, now=datetime.now(UTC))

    ingest = Ingest(
        history=history,
        spool=Spool(settings.data_directory / "spool.db"),
        journal_directory=settings.data_directory / "journal",
        rules=rules(),
        read_rules=rules,
        keep=timedelta(days=settings.journal_keep_days),
        ring=ring,
        relay_log=RelayLog(log, ring) if (log := settings.returns_postfix_log) else None,
        **_simulated_time(settings),
    )

    # A batch makes hundreds of thousands of records that all go at its end: looking for rings among
    # them at the usual pace took a third of ingest's time (measured 2026-11-28).
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)

    def reload() -> None:
        ingest.renew_rules()
        renew_ring(ring, settings)

    async def main(stopping: asyncio.Event) -> None:
        say_ready("follows the journal and the spool")
        await asyncio.gather(ingest.run(stopping), nightly.run_daily(stopping))

    run_async(main, name="ingest", on_hangup=reload)


def _simulated_time(settings: Settings) -> dict[str, Any]:  # keyword arguments of Ingest
    """In the demo a hit stands in the history at the time that it stands for in the world.

    The world's own now lies ahead of ours, so that its verdicts settle while somebody looks.
    """
    if not settings.demo_pace:
        return {}
    from ...world import EvenPace, Pace, SlowingPace

    kind, *numbers = settings.demo_pace
    first, *others = (float(number) for number in numbers)
    pace: Pace = EvenPace(first)
    ahead = timedelta(minutes=first)
    if kind == "slowing":
        pace = SlowingPace(story_seconds=first, real_seconds=others[0])
        ahead = timedelta(seconds=first)
    return {"told_at": pace.told_at, "clock": lambda: datetime.now(UTC) + ahead}
