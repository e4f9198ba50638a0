"""Numbers for messages and deliveries: unique without asking anybody, ordered by time.

63 bits, so that every database has a type for them: 41 of milliseconds since 2025 (to 2094), 8 of
the node that gave the number, 14 of a sequence. The time can be read back, which is how the notice
page says since when without a database.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["Ids", "id_time"]

_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_EPOCH_MS = int(_EPOCH.timestamp() * 1000)
_NODE_BITS = 8
_SEQUENCE_BITS = 14
_TIME_SHIFT = _NODE_BITS + _SEQUENCE_BITS
_TIME_BITS = 41


class Ids:
    """Gives numbers. Safe to use from several threads; each process needs a node of its own."""

    def __init__(
        self, node: int, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        """`node` is 0 to 255; `clock_ms` is milliseconds since 1970."""
        if not 0 <= node < 1 << _NODE_BITS:
            raise ValueError(f"node {node} is outside 0 to {(1 << _NODE_BITS) - 1}")
        self._node = node
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._ms = 0
        self._sequence = 0

    def next(self) -> int:
        """A number above every one given before, also when the clock steps back.

        More than 16,384 in a millisecond borrow from the next one.
        """
        with self._lock:
            now = self._clock_ms() - _EPOCH_MS
            if now > self._ms:
                self._ms = now
                # a random beginning keeps a restart with a clock set back from repeating numbers
                self._sequence = secrets.randbelow(1 << (_SEQUENCE_BITS - 1))
            elif self._sequence + 1 < 1 << _SEQUENCE_BITS:
                self._sequence += 1
            else:
                self._ms, self._sequence = self._ms + 1, 0
            return self._ms << _TIME_SHIFT | self._node << _SEQUENCE_BITS | self._sequence


def id_time(number: int) -> datetime:
    """When a number was given, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=number >> _TIME_SHIFT & (1 << _TIME_BITS) - 1)
