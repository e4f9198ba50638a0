"""A conversation in SMTP up to RCPT (RFC 5321), with what was said on both sides.

It never sends a message, and it names a recipient only when it is given one; the caller sees to it
that this is a real one, for servers count invented ones as an attack (Microsoft: namespace mining).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from ..lookup import Dialler, TlsSession, Wire, WireError
from ..model import Reply

__all__ = ["Conversation", "Step", "converse"]

_MAX_LINES = 100  # of one reply; servers send about twenty to EHLO
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|\Z)")


class Step(StrEnum):
    """The steps of a delivery attempt, in their order."""

    DNS = "dns"
    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    MAIL = "mail"
    RCPT = "rcpt"


@dataclass(slots=True, kw_only=True)
class Conversation:
    """What happened between us and one host."""

    host: str
    address: str
    port: int
    transcript: list[str] = field(default_factory=list)  # `C: ` ours, `S: ` theirs, `* ` events
    passed: list[Step] = field(default_factory=list)
    failed: Step | None = None
    reason: str = ""  # of WireError, or `reply` when the server said no
    detail: str = ""
    reply: Reply | None = None  # the last one
    extensions: tuple[str, ...] = ()  # of the last EHLO, upper case keywords
    tls: TlsSession | None = None
    certificate_fault: str = ""  # why the certificate is not accepted


class _RefusedError(Exception):
    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.reply_text)
        self.reply = reply


async def converse(
    dialler: Dialler,
    host: str,
    address: str,
    port: int,
    *,
    helo: str,
    mail_from: str | None = None,
    recipient: str | None = None,
) -> Conversation:
    """Greet, go over to TLS when it is offered, and name sender and recipient when given.

    A certificate that is not acceptable is noted and the conversation repeated without checking
    it, as most servers deliver. Never raises for what the peer does.
    """
    talk = _Talk(dialler, Conversation(host=host, address=address, port=port), helo)
    await talk.run(mail_from, recipient, verify=True)
    fault = talk.result
    if fault.failed is Step.STARTTLS and fault.reason == "certificate":
        again = Conversation(host=host, address=address, port=port)
        again.certificate_fault = fault.detail
        again.transcript = [*fault.transcript, "* once more, whatever the certificate"]
        talk = _Talk(dialler, again, helo)
        await talk.run(mail_from, recipient, verify=False)
    return talk.result


class _Talk:
    def __init__(self, dialler: Dialler, result: Conversation, helo: str) -> None:
        self._dialler = dialler
        self._helo = helo
        self.result = result
        self._step = Step.CONNECT

    async def run(self, mail_from: str | None, recipient: str | None, *, verify: bool) -> None:
        result = self.result
        wire: Wire | None = None
        try:
            wire, _ = await self._dialler.dial(result.address, result.port)
            self._done(f"connected to {result.host} [{result.address}]:{result.port}")
            await self._greet(wire, verify)
            await self._envelope(wire, mail_from, recipient)
        except WireError as error:
            result.failed, result.reason, result.detail = self._step, error.reason, str(error)
        except _RefusedError as refusal:
            result.failed, result.reason = self._step, "reply"
            result.detail = f"{refusal.reply.reply_code} {refusal.reply.reply_text}"
        if result.failed:
            result.transcript.append(f"* failed at {result.failed}: {result.detail}")
        if wire:
            await self._leave(wire)

    async def _greet(self, wire: Wire, verify: bool) -> None:
        self._step = Step.BANNER
        await self._expect(wire, None)
        self._done()
        self._step = Step.EHLO
        await self._hello(wire)
        self._done()
        if "STARTTLS" not in self.result.extensions:
            return
        self._step = Step.STARTTLS
        await self._expect(wire, "STARTTLS")
        self.result.tls = await wire.start_tls(self.result.host, verify=verify)
        self._done(f"{self.result.tls.version}, {self.result.tls.cipher}")
        self._step = Step.EHLO
        await self._hello(wire)

    async def _hello(self, wire: Wire) -> None:
        reply = await self._expect(wire, f"EHLO {self._helo}")
        lines = reply.reply_text.split("\n")[1:]
        self.result.extensions = tuple(line.split(" ")[0].upper() for line in lines if line)

    async def _envelope(self, wire: Wire, mail_from: str | None, recipient: str | None) -> None:
        if mail_from is None:
            return
        self._step = Step.MAIL
        await self._expect(wire, f"MAIL FROM:<{mail_from}>")
        self._done()
        if recipient is None:
            return
        self._step = Step.RCPT
        await self._expect(wire, f"RCPT TO:<{recipient}>")
        self._done()

    def _done(self, event: str = "") -> None:
        self.result.passed.append(self._step)
        if event:
            self.result.transcript.append(f"* {event}")

    async def _expect(self, wire: Wire, command: str | None) -> Reply:
        """Send a command and take a reply of class 2; raises _RefusedError for another."""
        if command is not None:
            self.result.transcript.append(f"C: {command}")
            await wire.write(command.encode() + b"\r\n")
        reply = self.result.reply = await self._reply(wire)
        if not 200 <= reply.reply_code < 300:
            raise _RefusedError(reply)
        return reply

    async def _reply(self, wire: Wire) -> Reply:
        texts: list[str] = []
        for _ in range(_MAX_LINES):
            raw = await wire.read_line()
            # What a stranger says may reach a terminal: control characters stay behind.
            line = "".join(filter(str.isprintable, raw.decode("utf-8", "replace")))
            self.result.transcript.append(f"S: {line[:1000]}")
            if not re.match(r"[2-5]\d\d(?:[ \-]|\Z)", line):
                raise WireError("garbage", f"no SMTP reply: {line[:80]!r}")
            texts.append(line[4:])
            if line[3:4] != "-":
                break
        else:
            raise WireError("garbage", f"a reply of more than {_MAX_LINES} lines")
        status = _STATUS.match(texts[0])
        return Reply(
            reply_code=int(line[:3]),
            reply_text="\n".join(texts),
            enhanced_status=status[1] if status else None,
        )

    async def _leave(self, wire: Wire) -> None:
        try:
            if self.result.reason in ("", "reply"):
                self.result.transcript.append("C: QUIT")
                await wire.write(b"QUIT\r\n")
        except WireError:
            pass  # it is gone already
        await wire.close()
