"""Keeps one process a role: starts them, says when they are ready, restarts what dies, drains.

A crash of one role stops no other; the collector in particular answers whatever else happens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

__all__ = ["READY_FD", "Supervisor"]

_log = logging.getLogger("mailglass.serve")

READY_FD = "MAILGLASS_READY_FD"  # the variable that tells a role where to write that it is ready

_FIRST_WAIT_SECONDS = 0.2  # after a role died; doubles with each death
_LONGEST_WAIT_SECONDS = 30.0
_STEADY_SECONDS = 60.0  # a role that ran this long starts again at the first wait
_DRAIN_SECONDS = 30.0  # what is still running after this is killed


class Supervisor:
    """The processes of `mailglass serve`."""

    def __init__(
        self,
        roles: Sequence[str],
        command: Callable[[str], Sequence[str]],
        on_ready: Callable[[], None],
    ) -> None:
        """`command` gives a role's command line; `on_ready` is called when all are up once."""
        self._roles = roles
        self._command = command
        self._on_ready = on_ready
        self._waiting_for = set(roles)
        self._stopping = asyncio.Event()
        self._failed: list[str] = []
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def run(self) -> bool:
        """Run until SIGTERM or SIGINT; returns whether every role ended as it should."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        await asyncio.gather(*(self._keep(role) for role in self._roles))
        return not self._failed

    def _reload(self) -> None:
        """Tell every role to read keys, certificates and rules again; those without any ignore it.

        The collector first, so that it knows a key before mail that was signed with it can be read.
        """
        for role in sorted(self._processes, key=lambda role: role != "collector"):
            self._processes[role].send_signal(signal.SIGHUP)

    async def _keep(self, role: str) -> None:
        wait = _FIRST_WAIT_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._run_once(role)
            if self._stopping.is_set():
                if status:
                    self._failed.append(role)
                return
            if status == 78 and role in self._waiting_for:  # EX_CONFIG: a restart mends nothing
                self._failed.append(role)
                self._stopping.set()
                return
            if time.monotonic() - began > _STEADY_SECONDS:
                wait = _FIRST_WAIT_SECONDS
            _log.error(
                "%s died (%s); starting it again in %.1f s",
                role,
                _how(status),
                wait,
                extra={"action": "role-died", "role": role},
            )
            await _until(self._stopping, wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    async def _run_once(self, role: str) -> int:
        """Start a role, wait for its end, return its status; negative for a signal."""
        reading, writing = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *self._command(role),
            stdin=subprocess.DEVNULL,
            pass_fds=(writing,),
            env={**os.environ, READY_FD: str(writing)},
            process_group=0,  # Ctrl-C reaches us alone, and we drain them in order
        )
        os.close(writing)
        self._processes[role] = process
        announcing = asyncio.create_task(self._announce(role, reading, process.pid))
        ending = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((ending, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ending.done():
            await _drain(role, process, ending)
        await announcing
        del self._processes[role]
        return await ending

    async def _announce(self, role: str, reading: int, pid: int) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        pipe = os.fdopen(reading, "rb")
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        line = await reader.readline()
        transport.close()
        if not line:
            return  # it died first; `_keep` says so
        _log.info(
            "%s is ready: %s",
            role,
            line.decode().strip(),
            extra={"action": "role-ready", "role": role, "pid": pid},
        )
        if role in self._waiting_for:
            self._waiting_for.discard(role)
            if not self._waiting_for:
                self._on_ready()


async def _drain(role: str, process: asyncio.subprocess.Process, ending: asyncio.Task[int]) -> None:
    process.terminate()
    await asyncio.wait((ending,), timeout=_DRAIN_SECONDS)
    if not ending.done():
        _log.error("%s does not end; killing it", role, extra={"action": "role-killed"})
        process.kill()


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


async def _until(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
