"""The dashboard and the HTTP API."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from ...history import History
from ...settings import Settings
from ...web import Config, Desk, Following, RateLimit, serve
from ..first_run import own_link
from .intake import new_intake
from .process import Port, run_async, say_ready
from .resolver import system_resolver
from .ring import new_ring, renew_ring

__all__ = ["ports", "run"]

_NODE = 2  # each role that gives numbers has a node of its own


def ports(settings: Settings) -> list[Port]:
    """Where browsers and programs ask."""
    return [Port("web.port", settings.web_host, settings.web_port)]


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    ring = new_ring(settings)

    def refusal() -> str | None:
        if settings.smarthost_host:
            return None
        return "no smarthost is set yet, so nothing can be sent; see smarthost.host"

    async def main(stopping: asyncio.Event) -> None:
        history = History(settings.history_address, patient=True)
        await serve(
            Config(
                host=settings.web_host,
                port=settings.web_port,
                url=settings.dashboard_url,
                data_directory=settings.data_directory,
                tracking_host=urlsplit(settings.tracking_url).hostname,
                own_link=lambda user_id: own_link(settings, user_id),
            ),
            history=history,
            desk=Desk(
                history=history,
                intake=new_intake(settings, history, ring, _NODE),
                following=Following(history),
                refusal=refusal,
                resolver=system_resolver(),
                tracking_host=urlsplit(settings.tracking_url).hostname or "localhost",
                max_message_bytes=settings.gateway_max_message_bytes,
                max_recipients=settings.gateway_max_recipients,
                key_limit=RateLimit("key", quota=settings.api_requests_per_minute),
            ),
            stopping=stopping,
            on_ready=lambda: say_ready(settings.dashboard_url),
        )

    run_async(main, name="web", on_hangup=lambda: renew_ring(ring, settings))
