"""How many requests a key may make, told in the headers of the IETF's draft.

draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy: "key";q=600;w=60` says the quota and
its window in seconds, `RateLimit: "key";r=599;t=60` what is left of it and for how long. A window
begins with the first request in it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

__all__ = ["Allowance", "RateLimit"]

_MOST_WINDOWS = 10_000  # remembered; the oldest go, which grants their owners a new window


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left to somebody after a request."""

    policy: str
    quota: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    is_granted: bool

    def headers(self) -> dict[str, str]:
        """As the draft writes it."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.quota};w={self.window_seconds}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.reset_seconds}',
        }


class RateLimit:
    """Counts requests by their owner in this process; safe to share between threads."""

    def __init__(
        self,
        policy: str,
        *,
        quota: int,
        window_seconds: int = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._quota = quota
        self._window = window_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[Hashable, tuple[float, int]] = {}  # begin and count

    def take(self, owner: Hashable) -> Allowance:
        """Count a request."""
        now = self._clock()
        with self._lock:
            begin, count = self._windows.get(owner, (now, 0))
            if now - begin >= self._window:
                begin, count = now, 0
            is_granted = count < self._quota
            self._windows.pop(owner, None)  # to the end of the order
            self._windows[owner] = begin, count + is_granted
            while len(self._windows) > _MOST_WINDOWS:
                del self._windows[next(iter(self._windows))]
        return Allowance(
            policy=self._policy,
            quota=self._quota,
            window_seconds=self._window,
            remaining=max(0, self._quota - count - 1),
            reset_seconds=max(1, math.ceil(begin + self._window - now)),
            is_granted=is_granted,
        )
