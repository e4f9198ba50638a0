"""What the process of any role does: be the only one, end with its parent, say that it is ready."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from ...errors import ConfigurationError
from ..supervisor import READY_FD

__all__ = ["Port", "check_ports", "end_with_parent", "only_one", "run_async", "say_ready"]

_log = logging.getLogger("mailglass.serve")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Port(NamedTuple):
    """Where a role listens."""

    setting: str  # that says so
    host: str
    number: int


def end_with_parent() -> None:
    """A role that was started by the supervisor drains when the supervisor is killed."""
    if READY_FD in os.environ:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def only_one(path: Path, role: str) -> Iterator[IO[str]]:
    """Two collectors would write one journal; the lock goes with the process, however it ends."""
    try:
        opened = path.open("a")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"{role} is running already on {path.parent}; choose another data.directory"
            ) from None
        yield file


def check_ports(ports: Iterable[Port]) -> None:
    """A port that cannot be listened on is a fault of the settings, and is named as one."""
    for name, host, port in ports:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            raise ConfigurationError(
                f"{name} {port} on {host} cannot be listened on: {error.strerror}"
            ) from error


def say_ready(where: str) -> None:
    """Tell the supervisor, or the log when there is none."""
    number = os.environ.pop(READY_FD, None)
    if number is None:
        _log.info("ready: %s", where, extra={"action": "role-ready"})
        return
    with os.fdopen(int(number), "w") as pipe:
        pipe.write(where + "\n")


def run_async(
    main: Callable[[asyncio.Event], object],
    *,
    name: str,
    on_hangup: Callable[[], None] | None = None,
) -> None:
    """Run a coroutine function with an event that SIGTERM and SIGINT set; SIGHUP reloads."""

    async def run() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        if on_hangup is not None:
            loop.add_signal_handler(signal.SIGHUP, on_hangup)
        await main(stopping)  # type: ignore[misc]  # a coroutine function, whatever it returns

    asyncio.run(run())
    _log.info("%s ended", name, extra={"action": "role-ended"})
