"""When a notice is tried again, and when it is given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["DEFAULT_RETRY_SECONDS", "RetrySchedule"]

# 5 s to 20 h, 71.6 hours in all: the example of the Standard Webhooks specification, its last
# waits shortened so that the last attempt falls within three days.
DEFAULT_RETRY_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 72_000)

# A receiver may ask for more time (Retry-After), but not for more than a day of it.
_LONGEST_ASKED_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """The waits after each failed attempt; after the last of them a notice is a dead letter."""

    retry_seconds: tuple[int, ...] = DEFAULT_RETRY_SECONDS

    def next_attempt(
        self, now: datetime, attempts: int, jitter: float, asked_seconds: float | None = None
    ) -> datetime | None:
        """After `attempts` failed ones; None when that was the last.

        `jitter` of 0 to 1 spreads them by a tenth; `asked_seconds` is the receiver's Retry-After.
        """
        if attempts > len(self.retry_seconds):
            return None
        wait = self.retry_seconds[attempts - 1] * (0.95 + 0.1 * jitter)
        if asked_seconds is not None:
            wait = max(wait, min(asked_seconds, _LONGEST_ASKED_SECONDS))
        return now + timedelta(seconds=wait)
