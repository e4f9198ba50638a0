"""The life of a collector: open, serve, reload, drain.

Everything it needs is in its configuration and on its disk, so that it answers when every other
part is down.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import uvloop

from ..errors import ConfigurationError
from ..journal import Attachments, Disk, Writer
from ..tokens import Ring
from .answer import Answers
from .client import WINDOW_SECONDS, Proxies
from .commit import Commits
from .config import Config
from .connection import AnswerBeacon, Connection, Site
from .endpoints import Answer, Endpoints
from .metrics import Counters, exposition
from .request import Head, Request
from .switch import KillSwitch
from .tls import Certificates
from .wire import Door, Watch

__all__ = ["Collector", "run"]

log = logging.getLogger("mailglass.collector")

# How long the journal's thread waits for a busy event loop to let it go on: by default 5 ms, which
# is ten commits. 1.08 of nginx instead of 0.98, p99 13 ms instead of 21 (keep-alive, 2026-11-28).
_SWITCH_SECONDS = 1e-4
_SPARE_FILES = 200  # descriptors for everything that is no client


class Collector:
    """One running endpoint; `start` and `stop` within an event loop."""

    def __init__(self, config: Config, *, disk: Disk | None = None) -> None:
        """Opens the journal, on `disk` if one is given, and reads keys, certificates, kill switch.

        Raises ConfigurationError or StorageUnavailable, before any socket is opened.
        """
        self._config = config
        self._ring = Ring(config.keys)
        self._switch = KillSwitch(
            config.kill_switch_file, config.journal_directory.parent / "objections"
        )
        if config.tls_port is not None and not config.certificates:
            raise ConfigurationError("tls_port is set, but there is no certificate")
        self._certificates = Certificates(config.certificates) if config.certificates else None
        self._writer = Writer(
            config.journal_directory, segment_bytes=config.segment_bytes, disk=disk
        )
        if self._writer.cut:
            cut = self._writer.cut
            log.warning(
                "cut %d bytes of an unfinished record, kept in %s",
                cut.raw_bytes,
                cut.kept_in,
                extra={"action": "journal-cut", "bytes": cut.raw_bytes},
            )
        self.counters = Counters()
        self._answers = Answers()
        self._doors: list[Door | asyncio.AbstractServer] = []
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; returns when the first request can be answered."""
        config = self._config
        self._commits = Commits(
            self._writer,
            asyncio.get_running_loop(),
            self.counters,
            backlog_bytes=config.backlog_bytes,
            patience_seconds=config.patience_seconds,
        )
        self._endpoints = Endpoints(
            ring=self._ring,
            attachments=Attachments(config.attachment_directory),
            switch=self._switch,
            proxies=Proxies(config.trusted_proxies),
            hits_a_second=config.hits_a_second,
            junk_a_second=config.junk_a_second,
            hosts=config.hosts,
            answers=self._answers,
            counters=self.counters,
            is_failing=lambda: self._commits.fault is not None,
        )
        self._watch = Watch(asyncio.get_running_loop())
        self._site = self._new_site(
            self._endpoints.answer, self._endpoints.answer_beacon, _allowed_connections(config)
        )
        self._private_site = self._new_site(self._private_answer, _no_beacon, 100)
        self.port = await self._serve(self._site, config.host, config.port)
        self.tls_port = self.metrics_port = 0
        if config.tls_port is not None and self._certificates:
            context = self._certificates.context
            self.tls_port = await self._serve(self._site, config.host, config.tls_port, context)
        if config.metrics_port is not None:
            self.metrics_port = await self._serve(
                self._private_site, config.metrics_host, config.metrics_port
            )
        self._ticker = asyncio.create_task(self._tick())
        log.info(
            "answering on %s port %d",
            config.host,
            self.port,
            extra={"action": "collector-started", "port": self.port},
        )

    async def stop(self) -> None:
        """Take no more connections, answer what is under way, write it, close."""
        for door in self._doors:
            door.close()
        self._site.drain()
        until = time.monotonic() + self._config.drain_seconds
        while self._site.connections and time.monotonic() < until:
            await asyncio.sleep(0.01)
        for site in (self._site, self._private_site):
            for connection in list(site.connections):
                connection.abort()
        self._watch.close()
        await asyncio.sleep(0)  # downloads that were cut record how far they came
        await self._commits.close(max(until - time.monotonic(), 1.0))
        if self._ticker:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker
        log.info("stopped", extra={"action": "collector-stopped"})

    def reload(self) -> None:
        """Read keys, certificates, kill switch again; what cannot be used leaves the old ones."""
        self._renew_keys()
        self._switch.reload()
        if self._certificates:
            self._certificates.reload()
        log.info("reloaded", extra={"action": "collector-reloaded"})

    def _renew_keys(self) -> None:
        if self._config.read_keys is None:
            return
        try:
            self._ring.renew(self._config.read_keys())
        except ConfigurationError as error:
            log.error("the token keys stay: %s", error, extra={"action": "token-keys-refused"})

    @property
    def is_ready(self) -> bool:
        """Whether hits reach stable storage and connections are taken."""
        return self._commits.fault is None and not self._site.is_draining

    def _new_site(
        self, answer: Callable[[Request], Answer], answer_beacon: AnswerBeacon, max_connections: int
    ) -> Site:
        config = self._config
        return Site(
            answer=answer,
            answer_beacon=answer_beacon,
            submit=self._commits.submit,
            answers=self._answers,
            counters=self.counters,
            head_seconds=config.head_seconds,
            idle_seconds=config.idle_seconds,
            stall_seconds=config.stall_seconds,
            max_connections=max_connections,
        )

    async def _serve(
        self, site: Site, host: str, port: int, context: ssl.SSLContext | None = None
    ) -> int:
        listening = _bind(host, port)
        bound: int = listening.getsockname()[1]
        loop = asyncio.get_running_loop()
        if context is None:
            self._doors.append(Door(loop, self._watch, listening, partial(Connection, site)))
        else:
            self._doors.append(
                await loop.create_server(partial(Connection, site), sock=listening, ssl=context)
            )
        return bound

    async def _tick(self) -> None:
        window_ends = 0.0
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            if now >= window_ends:
                window_ends = now + WINDOW_SECONDS
                self._endpoints.begin_window()
            self._answers.tick()
            self._commits.tick()
            self._site.tick(now)
            self._private_site.tick(now)

    def _private_answer(self, request: Request) -> Answer:
        path = request.url.partition(b"?")[0]
        if path == b"/metrics":
            body = exposition(self.counters, self._gauges)
            return self._plain(request, 200, body, "text/plain; version=0.0.4; charset=utf-8")
        if path == b"/healthz":
            return self._plain(request, 200, b"alive\n")
        if path == b"/readyz":
            if self.is_ready:
                return self._plain(request, 200, b"ready\n")
            return self._plain(request, 503, f"{self._commits.fault or 'stopping'}\n".encode())
        return self._plain(request, 404, b"/healthz, /readyz and /metrics are here\n")

    def _plain(
        self, request: Request, status: int, body: bytes, kind: str = "text/plain; charset=utf-8"
    ) -> Answer:
        return Answer(
            self._answers.make(request.head, False, status, (("Content-Type", kind),), body)
        )

    def _gauges(self) -> dict[str, tuple[float, str]]:
        return {
            "ready": (float(self.is_ready), "1 when hits reach stable storage."),
            "connections": (len(self._site.connections), "Open connections."),
            "backlog_bytes": (self._commits.backlog_bytes, "Hits not yet on stable storage."),
            "journal_segment": (self._writer.end.segment, "Number of the current segment."),
            "journal_offset": (self._writer.end.offset, "Bytes on stable storage in it."),
        }


def run(config: Config, on_ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT, which drain; SIGHUP reloads keys, certificates, kill switch.

    `on_ready` is called when it listens.
    Raises what `Collector` raises when it cannot start.
    """
    collector = Collector(config)
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what start-up made lives for ever; do not walk it again
    uvloop.run(_serve_until_told(collector, on_ready))


async def _serve_until_told(collector: Collector, on_ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    loop.add_signal_handler(signal.SIGHUP, collector.reload)
    await collector.start()
    on_ready()
    await told.wait()
    await collector.stop()


def _no_beacon(token: bytes, head: Head, peer: str, is_tls: bool) -> None:
    """The private port has none."""


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigurationError(f"cannot listen on {host} port {port}: {error}") from error
    bound.setblocking(False)
    return bound


def _allowed_connections(config: Config) -> int:
    """The configured number, or what the system's limit of open files leaves of it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.max_connections + _SPARE_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed - _SPARE_FILES
