"""Kill it at any instant: what was answered is in the journal once, nothing twice, nothing torn."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from collector.running import RING, receive, request_bytes
from mailglass.journal import START, Poison, read
from mailglass.model import Hit
from mailglass.tokens import Kind, beacon_url
from product import PROJECT, environment

CLIENTS = 6


class Crowd:
    """Clients that ask until the collector is gone, and remember what was answered."""

    def __init__(self) -> None:
        self.answered: list[int] = []
        self._next = iter(range(1, 1 << 60))
        self._lock = threading.Lock()

    def ask(self, port: int, enough: int, pid: int) -> None:
        """Ask on many connections; kill `pid` after `enough` answers, unless it dies before."""
        goal = len(self.answered) + enough
        threads = [
            threading.Thread(target=self._client, args=(port, goal, pid)) for _ in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, port: int, goal: int, pid: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                with self._lock:
                    number = next(self._next)
                with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                    keep = "keep-alive" if number % 2 else "close"
                    url = beacon_url("", RING.mint(Kind.OPEN, number))
                    connection.sendall(request_bytes(url, Connection=keep))
                    assert len(receive(connection).body) == 43
                self.answered.append(number)
                if len(self.answered) >= goal:
                    os.kill(pid, signal.SIGKILL)
                    return


def crash(directory: Path, rounds: int, seed: int) -> tuple[Crowd, Counter[str]]:
    """Let a collector die `rounds` times, half of them at a call into the disk."""
    generator = random.Random(seed)
    crowd, ends = Crowd(), Counter[str]()
    path = os.pathsep.join([environment().get("PYTHONPATH", ""), str(PROJECT / "tests")])
    with subprocess.Popen(
        [sys.executable, "-m", "collector.crashing", str(directory)],
        env={**environment(), "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for number in range(rounds):
            at_call = generator.randrange(1, 120) if number % 2 else 0
            print(at_call, file=program.stdin, flush=True)
            pid, port = map(int, program.stdout.readline().split())
            crowd.ask(port, 10_000 if at_call else generator.randrange(1, 150), pid)
            assert program.stdout.readline() == "over\n"
            ends["at a call into the disk" if at_call else "from outside"] += 1
        program.stdin.close()
    return crowd, ends


@pytest.mark.parametrize(
    "rounds", [30, pytest.param(200, marks=pytest.mark.soak)], ids=["short", "long"]
)
def test_a_crash_at_any_instant_loses_and_doubles_nothing(
    tmp_path: Path, rounds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    crowd, ends = crash(tmp_path, rounds, seed=20261122)
    from mailglass.journal import Writer

    Writer(tmp_path).close()  # the last round's tail
    items = [item for _, item in read(tmp_path, START, 10_000_000)]
    recorded = Counter(item.delivery_id for item in items if isinstance(item, Hit))
    torn = list(tmp_path.glob("torn-*"))
    with capsys.disabled():
        print(
            f"\n{rounds} rounds ({dict(ends)}): {len(crowd.answered)} answered, "
            f"{len(recorded)} recorded, {len(torn)} tails cut, "
            f"{len(list(tmp_path.glob('*.log')))} segments"
        )
    assert [item for item in items if isinstance(item, Poison)] == []
    assert set(crowd.answered) - set(recorded) == set()
    assert max(recorded.values()) == 1
    assert len(crowd.answered) > rounds
    assert torn
