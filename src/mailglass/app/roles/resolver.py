"""Whom a role asks about names."""

from __future__ import annotations

from ...errors import ConfigurationError
from ...lookup import DnsResolver, Resolver, SystemResolver

__all__ = ["system_resolver"]


def system_resolver() -> Resolver:
    """The system's name servers; where none is configured, what the system finds by itself."""
    try:
        return DnsResolver.from_system()
    except ConfigurationError:
        return SystemResolver()
