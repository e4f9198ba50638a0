"""The filter's side of an SMTP session (RFC 5321): an envelope is taken as it is said.

A filter between two mail servers judges no address: what the first one took goes to the second word
for word, with the options of RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8) and RFC 3461 (DSN). A `555`
for an option, or a `553` for a name that only its own provider allows, would bounce mail that both
servers can deliver.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

__all__ = ["FilterSession", "options_for"]

_PATH = re.compile(r"\s*(?:<((?:\"(?:[^\"\\]|\\.)*+\"|[^<>\"])*+)>|([^\s<>]+))((?:\s.*)?)\Z")
# Which extension of the next server's an option needs. SIZE is left out, since a clean copy has
# another; AUTH (RFC 4954 section 5), which is not offered, was the first server's business.
_OPTIONS = {
    "BODY": "8bitmime",
    "SMTPUTF8": "smtputf8",
    "RET": "dsn",
    "ENVID": "dsn",
    "NOTIFY": "dsn",
    "ORCPT": "dsn",
}


def options_for(extensions: frozenset[str], options: Iterable[str]) -> list[str]:
    """The options that a server with these extensions (lower case) understands."""
    return [o for o in options if _OPTIONS.get(o.partition("=")[0].upper()) in extensions]


class FilterSession(SMTP):
    """One connection. `envelope.rcpt_options` holds the options of each recipient in one string."""

    # RFC 5321 section 4.5.3.1.6 allows 1,000 bytes, and Postfix takes and gives what is longer; a
    # line that is refused here is a message that is bounced.
    line_length_limit = 10 * 1024 * 1024
    # ORCPT has up to 500 characters (RFC 3461 section 4.2), ENVID 100, an address 254.
    command_size_limit = 2048

    def __init__(self, handler: Any, **options: Any) -> None:
        # Any: aiosmtpd's handlers have no type, its keyword arguments are passed on as they are
        # Its own are one object for all sessions, and grow with each greeting.
        self.command_size_limits = defaultdict(lambda: self.command_size_limit)
        super().__init__(handler, **options)

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
            self.envelope.mail_from, self.envelope.mail_options = found
            self.envelope.smtp_utf8 = any(o.upper() == "SMTPUTF8" for o in found[1])
            await self.push("250 2.1.0 Ok")

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
            self.envelope.rcpt_tos.append(found[0])
            self.envelope.rcpt_options.append(" ".join(found[1]))
            await self.push("250 2.1.5 Ok")


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
        """DSN and enhanced codes beside what aiosmtpd offers."""
        session.host_name = hostname
        offered = [line for line in responses[:-1] if not line.startswith("250-AUTH")]
        return [*offered, "250-DSN", "250 ENHANCEDSTATUSCODES"]


def _read(arg: str | None, keyword: str) -> tuple[str, list[str]] | None:
    """The path, without brackets, and the options."""
    if arg is None or not arg.upper().startswith(keyword):
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
