"""The guard as a milter: Postfix or Sendmail shows it each message before it is queued.

The mail server keeps the message and makes the changes itself: header fields go and come, the body
is replaced. Whatever goes wrong here, the message is accepted untouched; when the milter is down,
`milter_default_action = accept` of Postfix does the same.

The message is put together again as the mail server will write it, so that DKIM can be checked.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..guard import Clean
from ..mime import walk
from .cleaning import Cleaner
from .milter_protocol import (
    ACCEPT,
    CONTINUE,
    MAX_PACKET_BYTES,
    Action,
    BadPacket,
    Offer,
    Step,
    change_header,
    insert_header,
    packet,
    read_offer,
    replace_body,
    strings,
)

__all__ = ["Milter"]

_log = logging.getLogger("mailglass.gateway.milter")

_ACTIONS = Action.ADD_HEADERS | Action.CHANGE_BODY | Action.CHANGE_HEADERS
_UNASKED = Step.NO_CONNECT | Step.NO_HELO | Step.NO_UNKNOWN | Step.NO_DATA
_UNANSWERED = (
    Step.NO_ANSWER_MAIL
    | Step.NO_ANSWER_RECIPIENT
    | Step.NO_ANSWER_HEADER
    | Step.NO_ANSWER_END_OF_HEADER
    | Step.NO_ANSWER_BODY
)
# Commands that get no answer when the mail server agreed to do without.
_SILENT = {
    b"M": Step.NO_ANSWER_MAIL,
    b"R": Step.NO_ANSWER_RECIPIENT,
    b"L": Step.NO_ANSWER_HEADER,
    b"N": Step.NO_ANSWER_END_OF_HEADER,
    b"B": Step.NO_ANSWER_BODY,
}
# A connection serves one SMTP session; a session idle for longer is gone (smtpd_timeout is 300 s).
_IDLE_SECONDS = 7200
_LINE_BREAK = re.compile(rb"\r?\n")


class Milter:
    """Listens for a mail server."""

    def __init__(self, cleaner: Cleaner, *, max_bytes: int = 50_000_000) -> None:
        """A message of more than `max_bytes` is accepted unread."""
        self._cleaner = cleaner
        self._max_bytes = max_bytes
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses when `port` is 0."""
        self._server = await asyncio.start_server(self._serve, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def start_unix(self, path: Path) -> None:
        """Listen on a socket file; everybody who may enter its folder may connect."""
        self._server = await asyncio.start_unix_server(self._serve, str(path))
        os.chmod(path, 0o666)

    async def stop(self) -> None:
        """Stop listening, and end what is under way."""
        if self._server is None:
            return
        self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a callback of a server runs in a task"
        self._sessions.add(task)
        try:
            await _Session(self._cleaner, self._max_bytes, writer).run(reader)
        except (BadPacket, asyncio.IncompleteReadError, TimeoutError, OSError) as error:
            if not isinstance(error, asyncio.IncompleteReadError) or error.partial:
                _log.warning("a milter session broke off: %s", error)
        finally:
            self._sessions.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@dataclass(slots=True)
class _Mail:
    """One message as far as it was shown."""

    recipients: list[str] = field(default_factory=list)
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)  # name and value, as folded
    body: list[bytes] = field(default_factory=list)
    size_bytes: int = 0


class _Session:
    """One connection: the messages of one SMTP session, one after the other."""

    def __init__(self, cleaner: Cleaner, max_bytes: int, writer: asyncio.StreamWriter) -> None:
        self._cleaner, self._max_bytes, self._writer = cleaner, max_bytes, writer
        self._steps = Step(0)
        self._may_change = False
        self._mail = _Mail()

    async def run(self, reader: asyncio.StreamReader) -> None:
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                (length,) = struct.unpack("!I", await reader.readexactly(4))
                if not 0 < length <= MAX_PACKET_BYTES:
                    raise BadPacket(f"a packet of {length} bytes")
                data = await reader.readexactly(length)
            command = data[:1]
            if command == b"Q":
                return
            for answer in await self._answers(command, data[1:]):
                self._writer.write(answer)
            await self._writer.drain()

    async def _answers(self, command: bytes, data: bytes) -> list[bytes]:
        if command == b"O":
            return [self._negotiate(read_offer(data))]
        if command in b"DAK":  # macros, abort, and a new session on this connection
            if command != b"D":
                self._mail = _Mail()
            return []
        if command == b"E":
            if data:
                self._body(data)
            return await self._end()
        if command == b"L":
            self._field(data)
        elif command == b"B":
            return self._body(data)
        elif command == b"R":
            self._mail.recipients.append(_address(data))
        elif command == b"M":
            self._mail = _Mail()
        return self._go_on(command)

    def _negotiate(self, offer: Offer) -> bytes:
        wanted = _UNASKED | _UNANSWERED | Step.SKIP | Step.LEADING_SPACE
        self._steps = Step(offer.steps & wanted)
        self._may_change = offer.actions & _ACTIONS == _ACTIONS
        if not self._may_change:
            _log.warning("the mail server lets no filter change messages, so none is cleaned")
        return offer.answer(_ACTIONS if self._may_change else Action(0), wanted)

    def _go_on(self, command: bytes) -> list[bytes]:
        silent = _SILENT.get(command)
        return [] if silent is not None and silent in self._steps else [CONTINUE]

    def _field(self, data: bytes) -> None:
        try:
            name, value = strings(data)[:2]
        except ValueError as error:
            raise BadPacket("a header field without a value") from error
        if Step.LEADING_SPACE not in self._steps:
            value = b" " + value
        self._mail.size_bytes += len(name) + len(value)
        if self._mail.size_bytes <= self._max_bytes:
            self._mail.fields.append((name, value))

    def _body(self, data: bytes) -> list[bytes]:
        mail = self._mail
        mail.size_bytes += len(data)
        if mail.size_bytes <= self._max_bytes:
            mail.body.append(data)
        elif Step.SKIP in self._steps and Step.NO_ANSWER_BODY not in self._steps:
            return [packet(b"s")]
        return self._go_on(b"B")

    async def _end(self) -> list[bytes]:
        """All that there is was shown: the changes, and that the message is accepted."""
        mail, self._mail = self._mail, _Mail()
        if mail.size_bytes > self._max_bytes or not self._may_change:
            return [ACCEPT]
        raw = _put_together(mail)
        done = await self._cleaner.clean(raw, mail.recipients)
        return [*_changes(raw, done), ACCEPT] if done is not None else [ACCEPT]


def _address(data: bytes) -> str:
    first = strings(data)[:1] or [b""]
    return first[0].decode("utf-8", "surrogateescape").strip("<>")


def _put_together(mail: _Mail) -> bytes:
    lines = [name + b":" + _LINE_BREAK.sub(b"\r\n", value) + b"\r\n" for name, value in mail.fields]
    return b"".join((*lines, b"\r\n", *mail.body))


def _changes(raw: bytes, done: Clean) -> list[bytes]:
    """The packets that make the clean copy of the message that the mail server holds."""
    before, after = (walk(data, max_parts=1) for data in (raw, done.data))  # of the header only
    head = [edit for edit in done.edits if edit.offset < before.root.body_start]
    gone = {edit.offset for edit in head if edit.old}
    answers = []
    seen: dict[str, int] = {}
    removed: list[tuple[bytes, int]] = []
    for one in before.root.fields:
        seen[one.name] = seen.get(one.name, 0) + 1
        if one.start in gone:
            removed.append((raw[one.start : one.start + len(one.name)], seen[one.name]))
    # From the last on: Postfix counts what is still there, Sendmail what there was.
    answers += [change_header(name, number) for name, number in reversed(removed)]
    new = b"".join(edit.new for edit in head)
    for line in reversed(_LINE_BREAK.split(new.rstrip(b"\r\n")) if new else []):
        name, _, value = line.partition(b":")
        answers.append(insert_header(0, name, value))
    body = done.data[after.root.body_start :]
    if body != raw[before.root.body_start :]:
        answers += replace_body(body)
    return answers
