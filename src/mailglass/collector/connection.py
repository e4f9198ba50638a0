"""One client's connection: bytes to requests, answers to bytes (HTTP/1.1, RFC 9112).

httptools (llhttp) parses; this module bounds what a client may send and how long it may take, keeps
the answers of pipelined requests in order, and streams attachments no faster than they are taken.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from .answer import Answers
from .commit import Waiter
from .endpoints import Answer, Download
from .metrics import Counters
from .request import Fields, Head, Request
from .wire import Wire

__all__ = ["AnswerBeacon", "Connection", "Site"]

log = logging.getLogger("mailglass.collector")

_MAX_URL_BYTES = 8192  # nginx's limit too; a link's destination has to fit in
_MAX_HEAD_BYTES = 32768  # nginx: four buffers of 8 KiB; a hit's image is worth some cookies
_MAX_BODY_BYTES = 16384  # a form with one button takes 30
_MAX_PIPELINED = 32  # requests waiting on one connection; then no more are read for a while
_CHUNK_BYTES = 65536
_LOOK_AGAIN_SECONDS = 0.01  # whether the end of a download was taken; TLS does not tell
_LINGER_SECONDS = 2.0  # for a refused client to read its answer (RFC 9112 section 9.6)
_MAX_KNOWN = 4096  # heads that are remembered, of
_MAX_KNOWN_BYTES = 2048  # each: 8 MiB in all
_PLAIN_GET = re.compile(rb"GET (/[\w/.~%%?=&:+-]{0,%d})(?= HTTP/1\.)" % (_MAX_URL_BYTES - 1), re.A)
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")


class AnswerBeacon(Protocol):
    """What `Endpoints.answer_beacon` is."""

    def __call__(
        self, token: bytes, head: Head, peer: str, is_tls: bool
    ) -> tuple[bytes, bytes] | None: ...


class Submit(Protocol):
    """What `Commits.submit` is."""

    def __call__(
        self,
        line: bytes,
        waiter: Waiter,
        answer: bytes,
        otherwise: bytes | None = None,
        keep: Callable[[], None] | None = None,
    ) -> None: ...


@dataclass(slots=True)
class Site:
    """What the connections of one listening port share."""

    answer: Callable[[Request], Answer]
    answer_beacon: AnswerBeacon
    submit: Submit
    answers: Answers
    counters: Counters
    head_seconds: float
    idle_seconds: float
    stall_seconds: float
    max_connections: int
    connections: dict[Connection, None] = field(default_factory=dict)
    heads: dict[bytes, Head] = field(default_factory=dict)  # see `Connection._remember`
    is_draining: bool = False

    def tick(self, now: float) -> None:
        """Every second: close what takes too long."""
        for connection in [c for c in self.connections if c.deadline < now]:
            connection.expire()

    def make_room(self) -> None:
        """Close a hundredth of the connections: of those without a whole request the next due."""
        without = sorted((c for c in self.connections if c.wants_more), key=lambda c: c.deadline)
        for connection in without[: max(self.max_connections // 100, 1)]:
            self.counters.closed["room"] += 1
            connection.abort()

    def drain(self) -> None:
        """Take no further request: idle connections close, the others after their answer."""
        self.is_draining = True
        for connection in [c for c in self.connections if c.is_idle]:
            connection.abort()


@dataclass(slots=True)
class _Arriving:
    """A request that is being read."""

    at_ms: int
    url: bytes = b""
    fields: Fields = field(default_factory=Fields)
    head_bytes: int = 0  # of the headers that were parsed
    raw_bytes: int = 0  # fed to the parser before the head was whole
    has_head: bool = False
    body: bytes = b""


class _Refused(Exception):
    """A request that is not read to its end; `status` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    """The protocol of one connection; also the receiver of the parser's callbacks."""

    # Defaults of the class: most connections bring one plain request and never set the others.
    deadline = 0.0  # on the monotonic clock; what takes longer is closed
    _transport: asyncio.Transport | Wire | None = None
    _parser: httptools.HttpRequestParser | None = None
    _arriving: _Arriving | None = None  # the request that is being read
    _current: Head | None = None  # of the one that is answered
    _waiting: deque[Request] | None = None  # pipelined behind it
    _sending: _Sending | None = None
    _is_last = False  # nothing more is read; the last answer that is owed ends the connection
    _is_refused = False  # what still arrives is thrown away
    _last_head: Head | None = None  # of the request that was parsed last

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def wants_more(self) -> bool:
        """Whether it is open and no request is being answered."""
        return self._current is None and self._transport is not None

    @property
    def is_idle(self) -> bool:
        """Whether no request is being read or answered."""
        return self._arriving is None and self._current is None

    def reply(self, answer: bytes) -> None:
        """Send the answer, or the rest of it, of the current request; then see to the next."""
        current, self._current = self._current, None
        transport = self._transport
        if transport is None or current is None:
            return
        is_last = self._is_last and not self._waiting
        if is_last or not current.keep_alive or self._site.is_draining:
            if isinstance(transport, Wire):
                transport.finish(answer)
            else:
                transport.write(answer)
                transport.close()
            return
        transport.write(answer)
        if self._waiting:
            self._current = self._waiting[0].head  # nothing that arrives may pass it
            asyncio.get_running_loop().call_soon(self._begin_next)
        else:
            self.deadline = time.monotonic() + self._site.idle_seconds
            transport.resume_reading()

    def expire(self) -> None:
        """The deadline has passed."""
        if self._arriving is not None and self._current is None and not self._is_refused:
            self._site.counters.closed["slow"] += 1
            self._refuse(408)
        else:
            self._site.counters.closed["stalled" if self._sending else "idle"] += 1
            self.abort()

    def abort(self) -> None:
        """Close at once, without waiting for the client."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        is_tls = transport.get_extra_info("sslcontext") is not None
        self.connect(cast(asyncio.Transport, transport), peer[0], is_tls=is_tls)

    def connect(self, transport: asyncio.Transport | Wire, peer: str, *, is_tls: bool) -> None:
        """Take over a connection that was accepted."""
        site = self._site
        self._transport = transport
        self._peer = peer.removeprefix("::ffff:") if "." in peer else peer
        self._is_tls = is_tls
        self.deadline = time.monotonic() + site.head_seconds
        if len(site.connections) >= site.max_connections:
            site.make_room()
        site.connections[self] = None

    def connection_lost(self, error: Exception | None) -> None:
        self._site.connections.pop(self, None)
        self._transport = None
        self._parser = None
        if self._sending is not None:
            self._sending.stop()
            self._sending = None

    def eof_received(self) -> bool:
        """A client may close its half after the request; it still gets the answer."""
        if self._current is None or self._is_tls:
            return False
        self._is_last = True
        return True

    def pause_writing(self) -> None:
        if self._sending is not None:
            self._sending.is_paused = True

    def resume_writing(self) -> None:
        if self._sending is not None:
            self._sending.is_paused = False
            self._sending.go_on()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._current is None and self._arriving is None:
            if data[36:40] == b".gif" and data[:7] == b"GET /o/" and self._took_beacon(data):
                return
            match = _PLAIN_GET.match(data)
            head = self._site.heads.get(data[match.end() :]) if match else None
            if match is not None and head is not None:  # nothing that the parser would add
                at_ms = int(time.time() * 1000)
                self._begin(Request(at_ms, self._peer, self._is_tls, match[1], head))
                return
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        if self._arriving is None and not data.isascii():
            data = _quote_target(data)
        self._last_head = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request was taken; we speak nothing else, and its answer ends the connection
        except httptools.HttpParserCallbackError as error:
            self._refuse_because(error.__context__)
        except httptools.HttpParserError:
            if self._arriving is not None or self._current is None:
                self._refuse(400)
            else:  # bytes behind a request that said it was the last
                self._is_last = self._is_refused = True
        else:
            self._remember(data)
            self._bound_head(len(data))

    def _took_beacon(self, data: bytes) -> bool:
        """Whether it was a beacon of ours with a head that is known, and is under way."""
        site = self._site
        head = site.heads.get(data[40:])
        if head is None:
            return False
        try:
            found = site.answer_beacon(data[7:36], head, self._peer, self._is_tls)
        except Exception as error:  # as in `_begin`
            self._refuse_because(error)
            return True
        if found is None:
            return False
        self._current = head
        self.deadline = math.inf
        answer, line = found
        site.submit(line, self, answer)
        return True

    def _bound_head(self, more_bytes: int) -> None:
        """Refuse a head that does not end: the parser keeps an unfinished header to itself."""
        arriving = self._arriving
        if arriving is not None and not arriving.has_head:
            arriving.raw_bytes += more_bytes
            if arriving.raw_bytes > _MAX_URL_BYTES + _MAX_HEAD_BYTES:
                self._refuse(431)

    def _remember(self, data: bytes) -> None:
        """Keep the head when `data` was one whole request of the plain kind.

        The bytes behind the target decide all that the parser says of it, so the same bytes need
        not be parsed again: mail proxies send the same ones with each of their requests.
        """
        match = _PLAIN_GET.match(data)
        rest = data[match.end() :] if match else b""
        if self._last_head is None or not rest.endswith(b"\r\n\r\n"):
            return
        if rest.count(b"\r\n\r\n") == 1 and len(rest) <= _MAX_KNOWN_BYTES:
            heads = self._site.heads
            if len(heads) >= _MAX_KNOWN:
                heads.clear()
            heads[rest] = self._last_head

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._arriving = _Arriving(int(time.time() * 1000))
        if self._current is None:
            self.deadline = time.monotonic() + self._site.head_seconds

    def on_url(self, url: bytes) -> None:
        arriving = cast(_Arriving, self._arriving)
        arriving.url += url
        if len(arriving.url) > _MAX_URL_BYTES:
            raise _Refused(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        arriving = cast(_Arriving, self._arriving)
        arriving.head_bytes += len(name) + len(value)
        if arriving.head_bytes > _MAX_HEAD_BYTES:
            raise _Refused(431)
        arriving.fields.add(name, value)

    def on_headers_complete(self) -> None:
        arriving, parser = cast(_Arriving, self._arriving), self._parser
        assert parser is not None
        arriving.has_head = True
        expected = arriving.fields.control.get("expect", "").lower()
        is_asked = expected == "100-continue" and parser.get_http_version() != "1.0"
        if is_asked and self._current is None and self._transport:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        arriving = cast(_Arriving, self._arriving)
        arriving.body += body
        if len(arriving.body) > _MAX_BODY_BYTES:
            raise _Refused(413)

    def on_message_complete(self) -> None:
        arriving, parser = self._arriving, self._parser
        assert arriving is not None
        assert parser is not None
        self._arriving = None
        head = arriving.fields.head(
            parser.get_method().decode("ascii"),
            parser.get_http_version(),
            keep_alive=parser.should_keep_alive() and not parser.should_upgrade(),
        )
        if "expect" not in head.control:
            self._last_head = head
        request = Request(
            arriving.at_ms, self._peer, self._is_tls, arriving.url, head, arriving.body
        )
        if self._current is None:
            self._begin(request)
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(request)
        if len(self._waiting) == _MAX_PIPELINED and self._transport is not None:
            self._transport.pause_reading()

    def _begin(self, request: Request) -> None:
        self._current = request.head
        self.deadline = math.inf  # the commit has a patience of its own
        try:
            answer = self._site.answer(request)
        except Exception as error:  # a fault of ours; the client is told, and the rest goes on
            self._current = None
            self._refuse_because(error)
            return
        if answer.download is not None:
            self._sending = _Sending(self, answer.download, answer.data)
            self._sending.go_on()
        elif answer.line is None:
            self.reply(answer.data)
        else:
            self._site.submit(answer.line, self, answer.data, answer.otherwise, answer.keep)

    def _begin_next(self) -> None:
        if self._waiting and self._transport is not None:
            self._begin(self._waiting.popleft())

    def _refuse_because(self, cause: BaseException | None) -> None:
        if isinstance(cause, _Refused):
            self._refuse(cause.status)
            return
        log.error("a request could not be answered", exc_info=cause, extra={"action": "fault"})
        self._refuse(500)

    def _refuse(self, status: int) -> None:
        """Answer a request that we do not read, and close when the client has had time to see it.

        With bytes left unread the system would reset the connection and the answer be lost.
        """
        self._site.counters.refused[str(status)] += 1
        self._is_refused = True
        self._arriving = None
        if self._transport is None:
            return
        if self._current is not None:
            self._is_last = True  # after the answers that are owed
            return
        head = Fields().head("GET", "1.1", keep_alive=False)
        fields = (("Content-Type", "text/plain"),)
        text = f"{status} {HTTPStatus(status).phrase}\n".encode()
        self._transport.write(self._site.answers.make(head, self._is_tls, status, fields, text))
        if self._is_tls:
            self._transport.close()
        else:
            self._transport.write_eof()
            self.deadline = time.monotonic() + _LINGER_SECONDS


class _Sending:
    """A download on its way out: read as fast as the client takes it.

    The last byte waits until the hit is on stable storage, so that whoever got a whole answer is in
    the journal; until then nothing was answered, and a crash loses an attempt, not a hit.
    """

    def __init__(self, connection: Connection, download: Download, head: bytes) -> None:
        self._connection = connection
        self._download = download
        self._offset = download.part.start
        self._ahead = head  # written before the next chunk
        self._taken = 0  # bytes of the body that the system took
        self.is_paused = False
        transport = connection._transport
        assert transport is not None
        self._transport = transport

    def go_on(self) -> None:
        """Send until the client is slower than we are, or all but the last byte is out."""
        part = self._download.part
        self._connection.deadline = time.monotonic() + self._connection._site.stall_seconds
        while not self.is_paused and self._connection._sending is self:
            unsent = self._transport.get_write_buffer_size()
            self._taken = max(self._offset - part.start - unsent, 0)
            size = min(_CHUNK_BYTES, part.stop - 1 - self._offset)
            if size <= 0 and not self._ahead:
                self._end(unsent)
                return
            chunk = os.pread(self._download.file.fileno(), size, self._offset)
            if len(chunk) < size:  # the file was cut under our hands
                self._transport.abort()
                return
            self._offset += size
            data, self._ahead = self._ahead + chunk, b""
            self._transport.write(data)

    def stop(self) -> None:
        """The client has gone before the end: record how far it came."""
        self._download.file.close()
        line = self._download.line(self._taken)
        self._connection._site.submit(line, self._connection, b"")

    def _end(self, unsent: int) -> None:
        if unsent:
            asyncio.get_running_loop().call_later(_LOOK_AGAIN_SECONDS, self.go_on)
            return
        part, file = self._download.part, self._download.file
        last = os.pread(file.fileno(), 1, part.stop - 1)
        file.close()
        connection = self._connection
        connection._sending = None
        connection.deadline = math.inf
        connection._site.submit(self._download.line(part.length), connection, last)


def _quote_target(data: bytes) -> bytes:
    """Percent-encode 8-bit bytes of the request line: some clients send a target as raw UTF-8."""
    line, end, rest = data.partition(b"\r\n")
    return _EIGHT_BIT.sub(lambda m: b"%%%02X" % ord(m[0]), line) + end + rest
