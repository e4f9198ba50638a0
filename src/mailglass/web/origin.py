"""From which address a request came.

uvicorn has read X-Forwarded-For already, and believes it of the machine itself only, or of what the
environment names in FORWARDED_ALLOW_IPS: nobody else says for somebody where they sit.
"""

from __future__ import annotations

from fastapi import Request

__all__ = ["address_of"]


def address_of(request: Request) -> str:
    """The client's address; empty when it is not known."""
    return request.client.host if request.client else ""
