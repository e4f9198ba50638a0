"""The mailbox test: one mail to each seed mailbox, and where it came to lie.

The self-hosted form of what providers show their own large senders: inbox, spam folder or missing,
after how long, and what the receiver's own authentication said (RFC 8601).
A seed mailbox that nobody reads teaches its provider nothing; results are a sample, not a rate.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from typing import Protocol

from ..errors import RetryLater
from ..lookup import FoundMessage
from ..mime import walk

__all__ = [
    "Placement",
    "Seed",
    "SeedMailbox",
    "Where",
    "authentication_results",
    "place",
    "prepare",
]


class Where(StrEnum):
    """Where a test message came to lie."""

    INBOX = "inbox"
    SPAM = "spam"
    MISSING = "missing"  # accepted by our server and not found in time
    REFUSED = "refused"  # our server did not take it
    UNKNOWN = "unknown"  # the mailbox could not be looked into


class SeedMailbox(Protocol):
    """A mailbox that can be searched."""

    async def find(self, message_id: str) -> FoundMessage | None:
        """The message, when it has arrived."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One mailbox of ours at a provider."""

    provider: str
    address: str
    mailbox: SeedMailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What became of one test message."""

    provider: str
    address: str
    where: Where
    delay_seconds: float | None  # from handing it in to seeing it; at most one pause too long
    folder: str = ""
    authentication: tuple[str, ...] = ()  # such as spf=pass, dkim=fail
    detail: str = ""


Send = Callable[[bytes, str, str], Awaitable[str]]


def prepare(raw: bytes | None, sender: str, recipient: str, now: datetime) -> tuple[bytes, str]:
    """The message for one seed, and its own Message-ID.

    Without `raw` a short plain one is written. A given message keeps its bytes except for the
    Message-ID, which is replaced or added: providers count copies with the same one together.
    """
    message_id = f"<mailglass-test.{secrets.token_hex(8)}@{sender.rpartition('@')[2]}>"
    if raw is None:
        message = EmailMessage()
        message["From"], message["To"] = sender, recipient
        message["Subject"] = f"Where does this arrive? {now:%Y-%m-%d %H:%M}"
        message["Date"], message["Message-ID"] = format_datetime(now), message_id
        message.set_content("A test message of Mailglass to a mailbox of our own.\n")
        return message.as_bytes(), message_id
    parsed = walk(raw)
    line = b"Message-ID: " + message_id.encode() + parsed.line_end
    old = parsed.root.field("message-id")
    start, end = (old.start, old.end) if old else (parsed.root.start, parsed.root.start)
    return raw[:start] + line + raw[end:], message_id


async def place(
    seeds: Sequence[Seed],
    send: Send,
    *,
    sender: str,
    raw: bytes | None = None,
    now: datetime,
    clock: Callable[[], float],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    wait_seconds: float = 300.0,
    pause_seconds: float = 10.0,
) -> list[Placement]:
    """Send to every seed at once and look until it is found or `wait_seconds` have passed."""
    runs = (
        _one(seed, send, sender, raw, now, _Watch(clock, pause, wait_seconds, pause_seconds))
        for seed in seeds
    )
    return list(await asyncio.gather(*runs))


@dataclass(frozen=True, slots=True)
class _Watch:
    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    wait_seconds: float
    pause_seconds: float


async def _one(
    seed: Seed, send: Send, sender: str, raw: bytes | None, now: datetime, watch: _Watch
) -> Placement:
    message, message_id = prepare(raw, sender, seed.address, now)
    try:
        answer = await send(message, sender, seed.address)
    except RetryLater as error:
        return _placement(seed, Where.REFUSED, detail=str(error))
    begin = watch.clock()
    while True:
        try:
            found, fault = await seed.mailbox.find(message_id), ""
        except RetryLater as error:
            found, fault = None, str(error)
        passed = watch.clock() - begin
        if found:
            where = Where.SPAM if found.is_spam else Where.INBOX
            return _placement(seed, where, passed, found)
        if passed >= watch.wait_seconds:
            where = Where.UNKNOWN if fault else Where.MISSING
            return _placement(seed, where, detail=fault or f"our server said: {answer}")
        await watch.pause(watch.pause_seconds)


def _placement(
    seed: Seed,
    where: Where,
    delay_seconds: float | None = None,
    found: FoundMessage | None = None,
    detail: str = "",
) -> Placement:
    return Placement(
        provider=seed.provider,
        address=seed.address,
        where=where,
        delay_seconds=delay_seconds,
        folder=found.folder.strip('"') if found else "",
        authentication=authentication_results(found.header) if found else (),
        detail=detail,
    )


_METHOD = re.compile(r"(?:\A|;)\s*(spf|dkim|dmarc|arc|bimi)\s*=\s*([a-z]+)", re.IGNORECASE)


def authentication_results(header: bytes) -> tuple[str, ...]:
    """What the topmost Authentication-Results says, the receiver's own (RFC 8601 section 5)."""
    if not header.strip():
        return ()
    value = walk(header).value("authentication-results") or ""
    without_comments = re.sub(r"\([^()]*\)", "", value)
    found = _METHOD.findall(without_comments)
    return tuple(f"{method.lower()}={result.lower()}" for method, result in found)
