"""Delivery: hands what is in the spool to the smarthost."""

from __future__ import annotations

import asyncio
import ssl

from ...delivery import Courier, Delivering, Returns, Schedule, Smarthost
from ...ids import Ids
from ...settings import Settings
from ...spool import Spool
from .process import run_async, say_ready
from .returns import return_domain
from .ring import new_ring, renew_ring

__all__ = ["run"]

_NODE = 1  # each role that gives numbers has a node of its own


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    smarthost = Smarthost(
        host=settings.smarthost_host,
        port=settings.smarthost_port,
        security=settings.smarthost_security,
        username=settings.smarthost_username,
        password=settings.smarthost_password,
        timeout_seconds=settings.delivery_timeout_seconds,
    )
    context = ssl.create_default_context()
    if settings.smarthost_security == "opportunistic":  # RFC 7435: better than in the clear
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    ring = new_ring(settings)
    delivering = Delivering(
        spool=Spool(settings.data_directory / "spool.db"),
        ring=ring,
        ids=Ids(node=_NODE),
        schedule=Schedule(
            retry_seconds=settings.delivery_retry_seconds,
            lifetime_seconds=settings.delivery_lifetime_seconds,
        ),
        new_courier=lambda: Courier(
            smarthost,
            hostname=settings.gateway_hostname,
            most_messages=settings.delivery_messages_per_connection,
            context=context,
        ),
        connections=settings.delivery_connections,
        hostname=settings.gateway_hostname,
        returns=_returns(settings),
    )

    async def main(stopping: asyncio.Event) -> None:
        if settings.smarthost_host:
            say_ready(f"hands mail to {smarthost.host}:{smarthost.port}")
            await delivering.run(stopping)
        else:
            say_ready("no smarthost is set; nothing is sent")
            await stopping.wait()

    run_async(main, name="delivery", on_hangup=lambda: renew_ring(ring, settings))


def _returns(settings: Settings) -> Returns | None:
    domain = return_domain(settings)
    return Returns(domain=domain, notify=settings.returns_notify) if domain else None
