"""A running `mailglass serve` for tests: its ports, its credentials, its roles' process numbers."""

from __future__ import annotations

import json
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailglass.history import History, timeline
from mailglass.settings import ROLES
from product import environment

PATIENCE_SECONDS = 60  # for something that takes a second: an upper bound, never a measurement


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for one in held:
        one.close()
    return ports


class Running:
    """One installation that runs; made by `running`."""

    def __init__(self, directory: Path, overrides: dict[str, str]) -> None:
        self.directory = directory
        collector, private, tls, gateway, web = free_ports(5)
        self.tracking_url = f"http://127.0.0.1:{collector}"
        self.web_url = f"http://127.0.0.1:{web}"
        self.private_port = private
        self.gateway_port = gateway
        values = {
            "data.directory": str(directory),
            "collector.port": str(collector),
            "collector.private-port": str(private),
            "collector.tls-port": str(tls),
            "gateway.port": str(gateway),
            "web.port": str(web),
            "tracking.url": self.tracking_url,
            "delivery.retry-seconds": "1",
            "log.level": "debug",
            **overrides,
        }
        self.options = [w for k, v in values.items() for w in ("--set", f"{k}={v}")]
        self.history = f"sqlite:///{directory / 'history.db'}"
        self.pids: dict[str, int] = {}
        self.log: list[str] = []
        self._news = threading.Condition()

    def command(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run `mailglass` with this installation's settings."""
        return subprocess.run(
            [sys.executable, "-m", "mailglass", *self.options, *args],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=PATIENCE_SECONDS,
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mailglass", *self.options, "serve"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self._readers = [
            threading.Thread(target=self._follow, args=(stream,))
            for stream in (self.process.stdout, self.process.stderr)
        ]
        for reader in self._readers:
            reader.start()
        self.wait_for_log("Mailglass is ready.")
        # the log comes over another pipe, and may be behind
        self.wait_until(lambda: len(self.pids) == len(ROLES), lambda: str(self.pids))

    def _follow(self, stream: Any) -> None:
        for line in stream:
            with self._news:
                self.log.append(line.rstrip("\n"))
                if found := re.search(r"action=role-ready role=(\w+) pid=(\d+)", line):
                    self.pids[found[1]] = int(found[2])
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for_log(self, text: str, count: int = 1) -> None:
        """Until `count` lines hold the text."""
        self.wait_until(
            lambda: sum(text in line for line in self.log) >= count,
            lambda: f"no {text!r} in:\n" + "\n".join(self.log[-40:]),
        )

    def wait_until(self, is_so: Callable[[], bool], why_not: Callable[[], str]) -> None:
        """Until a condition on what the log said holds."""
        with self._news:
            if not self._news.wait_for(is_so, PATIENCE_SECONDS):
                raise AssertionError(why_not())

    def kill(self, role: str) -> None:
        """kill -9 a role and wait until another process has taken its place."""
        old = self.pids[role]
        os.kill(old, signal.SIGKILL)
        self.wait_until(lambda: self.pids[role] != old, lambda: "\n".join(self.log[-40:]))

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(timeout=PATIENCE_SECONDS)
        for reader in self._readers:
            reader.join()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def password(self) -> str:
        """A password for `admin`, as an operator gets one."""
        done = self.command("user", "add", "admin", "--json")
        assert done.returncode == 0, done.stderr
        password: str = json.loads(done.stdout)["password"]
        return password

    def client(self, password: str) -> smtplib.SMTP:
        """A client that has signed in to the gateway."""
        client = smtplib.SMTP("127.0.0.1", self.gateway_port, timeout=PATIENCE_SECONDS)
        client.login("admin", password)
        return client

    def story(self, name: str) -> dict[str, Any]:
        """The timeline of a message."""
        history = History(self.history)
        try:
            with history.transaction() as t:
                found = timeline(t, None, name)
                return dict(found.as_json()) if found else {}
        finally:
            history.close()

    def wait_for_story(
        self, name: str, is_told: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """The timeline of a message, when it tells what is waited for.

        Ingest logs each batch that it has written.
        """
        story: dict[str, Any] = {}

        def is_so() -> bool:
            nonlocal story
            story = self.story(name)
            return bool(story) and is_told(story)

        self.wait_for_news(is_so, lambda: str(story))
        return story

    def wait_for_news(
        self, is_so: Callable[[], bool], about: Callable[[], str] = lambda: ""
    ) -> None:
        """Until something holds that is asked again at each new line of the log."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with self._news:
                heard = len(self.log)
            if is_so():
                return
            with self._news:
                self._news.wait_for(lambda n=heard: len(self.log) > n, end - time.monotonic())
            assert time.monotonic() < end, about() + "\n" + "\n".join(self.log[-40:])


@contextmanager
def running(directory: Path, **overrides: str) -> Iterator[Running]:
    """`mailglass serve` on free ports; setting names with `_` for `.` and `__` for `-`."""
    values = {k.replace("__", "-").replace("_", ".", 1): v for k, v in overrides.items()}
    one = Running(directory, values)
    one.start()
    try:
        yield one
    finally:
        one.stop()
