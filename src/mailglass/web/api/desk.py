"""What the routes work with: handed in when the application is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ...gateway import Intake
from ...history import History
from ...lookup import Resolver, SystemResolver
from .limits import RateLimit
from .stream import Following

__all__ = ["Desk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts behind the API."""

    history: History
    intake: Intake
    following: Following  # who streams events
    refusal: Callable[[], str | None] = lambda: None  # why nothing can be sent now
    resolver: Resolver = field(default_factory=SystemResolver)  # for checks of domains
    tracking_host: str = "localhost"  # what tracking domains must lead to
    max_message_bytes: int = 26_214_400
    max_recipients: int = 1_000
    key_limit: RateLimit = field(default_factory=lambda: RateLimit("key", quota=600))
    # whoever has no good key: enough to correct a mistake, too few to guess
    address_limit: RateLimit = field(default_factory=lambda: RateLimit("address", quota=60))
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
