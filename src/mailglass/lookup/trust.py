"""Whom we trust in TLS: the authorities of certifi, of SSL_CERT_FILE, or of a named file."""

from __future__ import annotations

import ssl
from functools import lru_cache

import httpx

__all__ = ["tls_context"]


@lru_cache(maxsize=8)  # reading the authorities costs 15 ms each time
def tls_context(certificates: str | None, verify: bool) -> ssl.SSLContext:
    """A client's context; without `verify` any certificate is taken, to be shown and judged."""
    if certificates:
        context = ssl.create_default_context(cafile=certificates)
    else:
        context = httpx.create_ssl_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
