"""Plain TCP without the event loop's transports: accept, read at once, answer, close.

Mail clients come with one request a connection. A transport of uvloop costs such a request 25 µs
(a static answer on one core: 59 µs with transports, 34 without, nginx 50; 2026-11-22), because each
connection is registered, wrapped and scheduled three times. Here a connection whose request came
with it is never registered at all, and the others stand in an epoll set of ours: the event loop
wakes us once for all that are ready, not once for each.

`Wire` has those methods of asyncio.Transport that `Connection` uses; TLS goes by uvloop's own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection

log = logging.getLogger("mailglass.collector")

__all__ = ["Door", "Watch", "Wire"]

_READ_BYTES = 16384
_READS_A_TURN = 512
_ACCEPTS_A_TURN = 64  # then what waits elsewhere has its turn
_REST_SECONDS = 0.1  # when the system has no descriptor for another connection
_BACKLOG = 4096  # connections that the system holds for us; Linux' own limit since 5.4
_DEFER_SECONDS = 1


class Wire:
    """One connected socket, by its descriptor."""

    __slots__ = (
        "_ahead",
        "_file",
        "_is_closing",
        "_is_corked",
        "_is_reading",
        "_loop",
        "_watch",
        "receiver",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, watch: Watch, file: int) -> None:
        self._loop = loop
        self._watch = watch
        self._file = file
        self._ahead = b""  # what the system has not taken yet
        self._is_reading = False
        self._is_closing = False
        self._is_corked = True  # since before it was accepted
        self.receiver: Connection | None = None

    def read(self) -> None:
        """Hand on what is there."""
        receiver = self.receiver
        if receiver is None:
            return
        try:
            data = os.read(self._file, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            receiver.data_received(data)
        elif receiver.eof_received():
            self.pause_reading()
        else:
            self.abort()

    def resume_reading(self) -> None:
        """Be woken when something is there."""
        if not self._is_reading and self.receiver is not None:
            self._is_reading = True
            self._watch.add(self._file, self)

    def pause_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._watch.remove(self._file)

    def finish(self, data: bytes) -> None:
        """Send the last bytes and close; both go in one segment, as the socket is still corked."""
        self._send(data)
        self.close()

    def write(self, data: bytes) -> None:
        """Send now what the system takes, the rest when it can."""
        if self.receiver is None:
            return
        if self._is_corked:
            self._is_corked = False
            with self._as_socket() as same:
                same.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        self._send(data)

    def _send(self, data: bytes) -> None:
        if self.receiver is None:
            return
        if not self._ahead:
            try:
                sent = os.write(self._file, data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            data = data[sent:]
            self._loop.add_writer(self._file, self._write_ahead)
        self._ahead += data
        self.receiver.pause_writing()

    def write_eof(self) -> None:
        """Tell the client that nothing more comes; it may still send."""
        with suppress(OSError), self._as_socket() as same:
            same.shutdown(socket.SHUT_WR)

    def _as_socket(self) -> socket.socket:
        return socket.socket(fileno=os.dup(self._file))

    def get_write_buffer_size(self) -> int:
        """Bytes that the system has not taken yet."""
        return len(self._ahead)

    def close(self) -> None:
        """Close when everything is sent."""
        if self._ahead:
            self._is_closing = True
            self.pause_reading()
        else:
            self._lose(None)

    def abort(self) -> None:
        """Close now."""
        self._lose(None)

    def _write_ahead(self) -> None:
        try:
            sent = os.write(self._file, self._ahead)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        self._ahead = self._ahead[sent:]
        if self._ahead:
            return
        self._loop.remove_writer(self._file)
        if self._is_closing:
            self._lose(None)
        elif self.receiver is not None:
            self.receiver.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is None:
            return
        if self._is_reading:
            self._watch.remove(self._file)
        if self._ahead:
            self._loop.remove_writer(self._file)
        os.close(self._file)
        receiver.connection_lost(error)


class Watch:
    """The sockets that wait for their client to send: one epoll set, looked through once a turn.

    A turn of the event loop reads all that are ready, so that their hits share a commit.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._wires: dict[int, Wire] = {}
        loop.add_reader(self._epoll.fileno(), self._read_ready)

    def add(self, file: int, wire: Wire) -> None:
        self._wires[file] = wire
        self._epoll.register(file, select.EPOLLIN)

    def remove(self, file: int) -> None:
        del self._wires[file]
        self._epoll.unregister(file)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _read_ready(self) -> None:
        wires = self._wires
        for file, _ in self._epoll.poll(0, _READS_A_TURN):
            wire = wires.get(file)  # None: what another one brought has closed it
            if wire is not None:
                wire.read()


class Door:
    """A listening socket; each connection that comes gets a receiver from `new_receiver`.

    TCP_DEFER_ACCEPT has the system wake us when a connection's first bytes are there; one that says
    nothing costs us nothing in its first second. TCP_NODELAY and TCP_CORK pass to the accepted
    sockets; corked, the answer waits for the end of the connection and goes in one segment with it
    (45 instead of 52 µs of CPU a request, 2026-11-28), uncorked at once.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        watch: Watch,
        listening: socket.socket,
        new_receiver: Callable[[], Connection],
    ) -> None:
        self._loop = loop
        self._watch = watch
        self._listening = listening
        self._new_receiver = new_receiver
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFER_SECONDS)
        listening.listen(_BACKLOG)
        self._open()

    def close(self) -> None:
        """Take no more connections."""
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _open(self) -> None:
        if self._listening.fileno() >= 0:
            self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        # socket.accept() would wrap each descriptor in an object that nothing here needs: 5 µs.
        accept = self._listening._accept  # type: ignore[attr-defined]
        for _ in range(_ACCEPTS_A_TURN):
            try:
                file, address = accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("cannot accept: %s", error, extra={"action": "accept-failed"})
                self._loop.remove_reader(self._listening)
                self._loop.call_later(_REST_SECONDS, self._open)
                return
            os.set_blocking(file, False)
            wire = Wire(self._loop, self._watch, file)
            receiver = wire.receiver = self._new_receiver()
            receiver.connect(wire, address[0], is_tls=False)
            wire.read()
            if receiver.wants_more:
                wire.resume_reading()
