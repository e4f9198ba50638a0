"""The collector: answers beacons and links, and keeps each hit before it answers."""

from __future__ import annotations

from ... import collector
from ...settings import Settings
from ..first_run import read_keys
from .process import Port, say_ready

__all__ = ["ports", "run"]


def ports(settings: Settings) -> list[Port]:
    """Where readers ask, and where the machine's own monitoring does."""
    return [
        Port("collector.port", settings.collector_host, settings.collector_port),
        Port("collector.private-port", "127.0.0.1", settings.collector_private_port),
    ]


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    certificates = tuple(
        collector.Certificate(chain_file=chain, key_file=key)
        for chain, key in zip(
            settings.collector_certificate, settings.collector_private_key, strict=True
        )
    )
    collector.run(
        collector.Config(
            host=settings.collector_host,
            port=settings.collector_port,
            tls_port=settings.collector_tls_port if certificates else None,
            certificates=certificates,
            hosts=settings.collector_hosts,
            metrics_port=settings.collector_private_port,
            journal_directory=settings.data_directory / "journal",
            attachment_directory=settings.data_directory / "attachments",
            keys=read_keys(settings.data_directory),
            read_keys=lambda: read_keys(settings.data_directory),
            trusted_proxies=settings.collector_trusted_proxies,
            kill_switch_file=settings.data_directory / "kill-switch",
        ),
        on_ready=lambda: say_ready(f"http://{settings.collector_host}:{settings.collector_port}"),
    )
