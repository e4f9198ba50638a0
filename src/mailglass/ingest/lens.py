"""Time as the history is told it: real time, or that of a simulated world that lives faster."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["TimeLens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLens:
    """Stretches what happened since `began_at` by `factor`.

    The demo's world lives a day in a minute; through the lens a person who looked an hour after
    delivery stands in the history an hour after it. The factor 1 changes nothing.
    """

    began_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    factor: float = 1.0

    def __call__(self, at: datetime) -> datetime:
        """The time to store for something that happened at `at`."""
        return at if self.factor == 1.0 else self.began_at + (at - self.began_at) * self.factor
