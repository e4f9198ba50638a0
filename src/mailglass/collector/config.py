"""What a collector is told at its start; every limit has its unit and its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

__all__ = ["Certificate", "Config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate chain and its key; which hosts it is for stands in the certificate."""

    chain_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The collector's settings."""

    journal_directory: Path
    attachment_directory: Path
    keys: tuple[bytes, ...]  # in the order of their making; all verify
    read_keys: Callable[[], tuple[bytes, ...]] | None = None  # them again, at a reload
    host: str = "127.0.0.1"
    port: int = 8080  # plain HTTP; 0 lets the system choose
    tls_port: int | None = None  # HTTPS, when there are certificates
    certificates: tuple[Certificate, ...] = ()  # the first serves clients that name no known host
    hosts: tuple[str, ...] = ()  # tracking host names; junk for other names is not kept; () = any
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()  # whose X-Forwarded-For counts
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None  # private: /healthz, /readyz, /metrics; 0 = system's choice
    kill_switch_file: Path | None = None  # see `switch`

    segment_bytes: int = 64 << 20  # the journal's segments: about 160,000 hits
    backlog_bytes: int = 16 << 20  # hits kept in memory while the disk fails; then shed, counted
    patience_seconds: float = 5.0  # how long a reader waits for a disk that does not answer

    max_connections: int = 20_000  # above it the ones idle for longest are closed
    head_seconds: float = 10.0  # for a request to arrive whole
    idle_seconds: float = 60.0  # between requests; nginx keeps 75
    stall_seconds: float = 60.0  # a download that takes no byte
    drain_seconds: float = 10.0  # for requests in flight when told to stop
    hits_a_second: float = 2000.0  # per address, of valid tokens: a mail proxy comes from few
    junk_a_second: float = 20.0  # per address, of invalid tokens
