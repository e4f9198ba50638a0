"""The only way out for the rooms that are otherwise pure: DNS, HTTP and lines of SMTP.

The records and protocols here are what those rooms see; `DnsResolver`, `WebFetcher` and
`SocketDialler` are what the command line and the application hand in.
A question to the network never raises: its outcome says how it ended, so that "the server was
silent" cannot be mistaken for "there is no such record".
Which questions are asked, and what the answers mean, is the business of the rooms that ask.
"""

from __future__ import annotations

from .addresses import SystemResolver, is_public
from .dialling import SocketDialler
from .dns import DnsResolver, parse_server
from .filters import FilterScore, ask_rspamd, ask_spamassassin
from .mailboxes import FoundMessage, ImapMailbox, MailboxError, Submission
from .network import Network, domain_name, network, own_name, registered_name
from .outcomes import (
    Answer,
    Dialler,
    Fetcher,
    FetchOutcome,
    Memo,
    Outcome,
    Page,
    Resolver,
    TlsSession,
    Wire,
    WireError,
)
from .trust import tls_context
from .web import WebFetcher

__all__ = [
    "Answer",
    "Dialler",
    "DnsResolver",
    "FetchOutcome",
    "Fetcher",
    "FilterScore",
    "FoundMessage",
    "ImapMailbox",
    "MailboxError",
    "Memo",
    "Network",
    "Outcome",
    "Page",
    "Resolver",
    "SocketDialler",
    "Submission",
    "SystemResolver",
    "TlsSession",
    "WebFetcher",
    "Wire",
    "WireError",
    "ask_rspamd",
    "ask_spamassassin",
    "domain_name",
    "is_public",
    "network",
    "own_name",
    "parse_server",
    "registered_name",
    "tls_context",
]
