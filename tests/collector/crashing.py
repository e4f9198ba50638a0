"""A collector that is killed in each round; a program of its own, told of rounds on stdin.

A line `CALL` begins a round: a fork serves and ends itself at that call into the disk (0: it waits
to be killed from outside). It writes `PID PORT` when it answers and `over` when it has died.
Forking from a loaded program makes a round take milliseconds instead of half a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import uvloop

from collector.running import KEYS
from journal.faults import KillingDisk
from mailglass.collector import Collector, Config


async def serve(directory: Path, kill_at: int) -> None:
    disk = KillingDisk(-1)
    config = Config(
        journal_directory=directory,
        attachment_directory=directory,
        keys=KEYS,
        port=0,
        segment_bytes=6000,  # about 18 hits, so that segments change all the time
    )
    collector = Collector(config, disk=disk)
    await collector.start()
    disk.at = disk.calls + kill_at if kill_at else -1
    print(os.getpid(), collector.port, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    directory = Path(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if not child:
            uvloop.run(serve(directory, int(line)))
        os.waitpid(child, 0)
        print("over", flush=True)


if __name__ == "__main__":
    main()
