"""One examination of a domain: all checks at once, each within its time."""

from __future__ import annotations

import asyncio

from ..model import Finding
from .case import UNKNOWN, Case, Check
from .checks import CHECKS
from .findings import finding

__all__ = ["examine"]

# A person waits for the answer: whatever has not ended by then is `unknown`. The project's own goal
# is 15 s with silent servers; the rest is for starting up.
_LIMIT_SECONDS = 12.0


async def examine(case: Case, *, limit_seconds: float = _LIMIT_SECONDS) -> list[Finding]:
    """Every finding on a domain, in the order of the checks; takes at most `limit_seconds`."""
    runs = (_bounded(name, check, case, limit_seconds) for name, check in CHECKS.items())
    return [each for found in await asyncio.gather(*runs) for each in found]


async def _bounded(name: str, check: Check, case: Case, limit_seconds: float) -> list[Finding]:
    try:
        async with asyncio.timeout(limit_seconds):
            return await check(case)
    except TimeoutError:
        observed = f"{name} did not end within {limit_seconds:g} s"
        return [finding("check.unfinished", UNKNOWN, observed, fix="again")]
