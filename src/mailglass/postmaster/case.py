"""What a check is given: the domain under examination and the ways to ask about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from ..lookup import Answer, Dialler, Fetcher, Resolver
from ..model import Finding, FindingStatus
from .blocklists import ZONES, Zone

__all__ = ["Case", "Check", "why_unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One examination; nothing in it changes while the checks run."""

    domain: str  # of MAIL FROM
    author_domain: str  # of From
    resolver: Resolver
    fetcher: Fetcher
    dialler: Dialler
    now: datetime
    ips: tuple[str, ...] = ()  # the addresses that send
    selectors: tuple[str, ...] = ()
    tracking_host: str | None = None
    servers: tuple[str, ...] = ()  # the addresses of the DNS servers asked
    zones: tuple[Zone, ...] = ZONES
    helo: str = "localhost"  # how we greet the MX hosts
    smtp_port: int = 25


Check = Callable[[Case], Awaitable[list[Finding]]]


def why_unknown(answer: Answer) -> str:
    """One sentence on a question that got no answer."""
    return f"{answer.kind} of {answer.name}: {answer.outcome}; {answer.detail or 'no details'}"


OK, INFO, WARN, FAIL, UNKNOWN = (
    FindingStatus.OK,
    FindingStatus.INFO,
    FindingStatus.WARN,
    FindingStatus.FAIL,
    FindingStatus.UNKNOWN,
)
