"""The filter's side of an SMTP session (RFC 5321): an envelope is taken as it is said.

A filter between two mail servers judges no address: what the first one took goes to the second word
for word, with the options of RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8) and RFC 3461 (DSN). A `555`
for an option, or a `553` for a name that only its own provider allows, would bounce mail that both
servers can deliver. What it answers to a sender and to each recipient is the next hop's answer;
with PIPELINING (RFC 2920) commands wait in the connection until it is there.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from .next_hop import NextHop

__all__ = ["FilterHandler", "FilterSession"]

_log = logging.getLogger("mailglass.gateway.filter_session")

_PATH = re.compile(r"\s*(?:<((?:\"(?:[^\"\\]|\\.)*+\"|[^<>\"])*+)>|([^\s<>]+))((?:\s.*)?)\Z")
# No address and no option holds one, and the next hop could take a part for a command.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class FilterSession(SMTP):
    """One connection; its envelope holds the recipients that the next hop took."""

    # RFC 5321 section 4.5.3.1.6 allows 1,000 bytes, and Postfix takes and gives what is longer; a
    # line that is refused here is a message that is bounced.
    line_length_limit = 10 * 1024 * 1024
    # ORCPT has up to 500 characters (RFC 3461 section 4.2), ENVID 100, an address 254.
    command_size_limit = 2048

    def __init__(self, handler: Any, next_hop: NextHop, **options: Any) -> None:
        # Any: aiosmtpd's handlers have no type, its keyword arguments are passed on as they are
        # Its own are one object for all sessions, and grow with each greeting.
        self.command_size_limits = defaultdict(lambda: self.command_size_limit)
        self.next_hop = next_hop
        super().__init__(handler, **options)

    def connection_lost(self, error: Exception | None) -> None:
        """The sender is gone, and with it what was not handed on yet."""
        self.next_hop.drop()
        super().connection_lost(error)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802  # aiosmtpd finds it so
        if await self.check_helo_needed():
            return
        assert self.envelope is not None, "there is one from the greeting on"
        found = _read(arg, "FROM:")
        if found is None:
            await self.push("501 5.5.4 Syntax: MAIL FROM:<address>")
        elif self.envelope.mail_from is not None:
            await self.push("503 5.5.1 There is a sender already")
        elif _size(found[1]) > (self.data_size_limit or 0):
            await self.push("552 5.3.4 The message is larger than this filter takes")
        else:
            reply = await self.next_hop.begin(*found)
            if reply.is_taken:
                self.envelope.mail_from, self.envelope.mail_options = found
                self.envelope.smtp_utf8 = any(o.upper() == "SMTPUTF8" for o in found[1])
            await self.push(str(reply))

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        if await self.check_helo_needed():
            return
        assert self.envelope is not None, "there is one from the greeting on"
        found = _read(arg, "TO:")
        if self.envelope.mail_from is None:
            await self.push("503 5.5.1 A sender is needed first")
        elif found is None or not found[0]:
            await self.push("501 5.5.4 Syntax: RCPT TO:<address>")
        else:
            reply = await self.next_hop.add(*found)
            if reply.is_taken:
                self.envelope.rcpt_tos.append(found[0])
            await self.push(str(reply))

    async def smtp_RSET(self, arg: str | None) -> None:  # noqa: N802
        await self.next_hop.leave()
        await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg: str | None) -> None:  # noqa: N802
        await self.next_hop.leave()
        await super().smtp_QUIT(arg)


class FilterHandler:
    """What aiosmtpd asks at the greeting."""

    async def handle_EHLO(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """PIPELINING, DSN and enhanced codes beside what aiosmtpd offers."""
        session.host_name = hostname
        offered = [line for line in responses[:-1] if not line.startswith("250-AUTH")]
        return [*offered, "250-PIPELINING", "250-DSN", "250 ENHANCEDSTATUSCODES"]

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours must not bounce anybody's mail."""
        _log.error("a command could not be handled", exc_info=error)
        return "451 4.3.0 A fault in the filter; try again later"


def _read(arg: str | None, keyword: str) -> tuple[str, list[str]] | None:
    """The path, without brackets, and the options."""
    if arg is None or not arg.upper().startswith(keyword) or _CONTROL.search(arg):
        return None
    match = _PATH.match(arg[len(keyword) :])
    if match is None:
        return None
    bracketed, plain, options = match.groups()
    return (plain if bracketed is None else bracketed), options.split()


def _size(options: Iterable[str]) -> int:
    for option in options:
        name, _, value = option.partition("=")
        if name.upper() == "SIZE" and re.fullmatch(r"[0-9]{1,20}", value):
            return int(value)
    return 0
