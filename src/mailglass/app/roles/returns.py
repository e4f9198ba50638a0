"""The address that mail goes out with, for what comes back."""

from __future__ import annotations

from ...addresses import canonical_domain
from ...settings import Settings

__all__ = ["return_domain"]


def return_domain(settings: Settings) -> str | None:
    """The domain of signed addresses; others of `returns.domains` are taken and not written."""
    return canonical_domain(settings.returns_domains[0]) if settings.returns_domains else None
