"""The gateway: SMTP submission in, and what comes back by SMTP, LMTP or from mailboxes."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

from ...addresses import canonical_domain
from ...errors import ConfigurationError
from ...gateway import Config, ReturnServer, ReturnServerConfig, SubmissionServer
from ...history import History, PasswordCheck, check_password
from ...settings import Settings
from ..mailboxes import follow_mailboxes
from .intake import new_intake
from .process import Port, run_async, say_ready
from .ring import new_ring, renew_ring

__all__ = ["ports", "run"]

_NODE = 0  # each role that gives numbers has a node of its own


def ports(settings: Settings) -> list[Port]:
    """Where mail is handed in, and where it comes back."""
    submission = Port("gateway.port", settings.gateway_host, settings.gateway_port)
    returns = Port("returns.port", settings.returns_host, settings.returns_port)
    return [submission, returns] if settings.returns_domains else [submission]


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    history = History(settings.history_address, patient=True)
    ring = new_ring(settings)
    intake = new_intake(settings, history, ring, _NODE)

    async def authenticate(name: str, password: str, address: str) -> PasswordCheck:
        return await asyncio.to_thread(check_password, history, name, password, address=address)

    def refusal() -> str | None:
        if settings.smarthost_host:
            return None
        return "451 4.3.5 No smarthost is set yet, so nothing can be sent; see smarthost.host"

    server = SubmissionServer(
        Config(
            host=settings.gateway_host,
            port=settings.gateway_port,
            hostname=settings.gateway_hostname,
            max_message_bytes=settings.gateway_max_message_bytes,
            max_recipients=settings.gateway_max_recipients,
            max_connections=settings.gateway_max_connections,
            tls=_server_context(settings.gateway_certificate, settings.gateway_private_key),
        ),
        intake=intake,
        authenticate=authenticate,
        refusal=refusal,
    )

    returns = _return_server(settings, history) if settings.returns_domains else None

    async def main(stopping: asyncio.Event) -> None:
        await server.start()
        if returns is not None:
            await returns.start()
        mailboxes = follow_mailboxes(
            settings.returns_mailboxes,
            poll_seconds=settings.returns_poll_seconds,
            history=history,
            ring=ring,
        )
        say_ready(f"{settings.gateway_host}:{settings.gateway_port}")
        await stopping.wait()
        mailboxes.set()
        if returns is not None:
            await returns.stop()
        await server.stop()

    run_async(main, name="gateway", on_hangup=lambda: renew_ring(ring, settings))


def _return_server(settings: Settings, history: History) -> ReturnServer:
    """Takes the mail that comes back into the history, where ingest reads it."""

    def keep(recipient: str, raw: bytes) -> None:
        with history.transaction() as t:
            t.add_returned(datetime.now(UTC), recipient, raw)

    async def keep_in_thread(recipient: str, raw: bytes) -> None:
        await asyncio.to_thread(keep, recipient, raw)

    return ReturnServer(
        ReturnServerConfig(
            host=settings.returns_host,
            port=settings.returns_port,
            hostname=settings.gateway_hostname,
            domains=frozenset(map(canonical_domain, settings.returns_domains)),
            lmtp=settings.returns_protocol == "lmtp",
            tls=_server_context(settings.gateway_certificate, settings.gateway_private_key),
        ),
        keep=keep_in_thread,
    )


def _server_context(chain: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if chain is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(chain, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"gateway.certificate {chain} cannot be used: {error}") from error
    return context
