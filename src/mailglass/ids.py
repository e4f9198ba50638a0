"""Numbers for deliveries and messages: 63 bits, unique without a database, ordered by time.

    41 bits   milliseconds since 2025-01-01T00:00Z, good until 2094
     8 bits   node: 0 to 255, one for each process that allocates
    14 bits   sequence within the millisecond: 16 million ids a second and node

The time stands in the number so that the notice page can say since when a message is tracked while
the database is down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from .errors import ConfigurationError

__all__ = ["Ids", "delivery_time", "first_id_at"]

_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_EPOCH_MS = int(_EPOCH.timestamp() * 1000)
_NODE_BITS = 8
_SEQUENCE_BITS = 14
_TIME_SHIFT = _NODE_BITS + _SEQUENCE_BITS
_SEQUENCE_END = 1 << _SEQUENCE_BITS


class Ids:
    """Allocates ids; safe to share between threads.

    When the clock steps back it goes on from its own last millisecond; when a millisecond's
    sequence is used up it borrows from the next one. So ids of one allocator always grow.
    """

    def __init__(
        self, *, node: int = 0, after: int = 0, clock: Callable[[], float] = time.time
    ) -> None:
        """`after`: the largest id known to be taken, for a start after the clock stepped back.

        Raises ConfigurationError when `node` is outside 0 to 255.
        """
        if not 0 <= node < 1 << _NODE_BITS:
            raise ConfigurationError(f"node {node} is outside 0 to {(1 << _NODE_BITS) - 1}")
        self._node = node
        self._clock = clock
        self._lock = threading.Lock()
        self._ms = after >> _TIME_SHIFT
        self._sequence = _SEQUENCE_END if after else -1

    def next(self) -> int:
        """An id greater than all that this allocator gave before."""
        now_ms = int(self._clock() * 1000) - _EPOCH_MS
        with self._lock:
            if now_ms > self._ms:
                self._ms, self._sequence = now_ms, 0
            elif self._sequence + 1 < _SEQUENCE_END:
                self._sequence += 1
            else:
                self._ms, self._sequence = self._ms + 1, 0
            return self._ms << _TIME_SHIFT | self._node << _SEQUENCE_BITS | self._sequence


def delivery_time(number: int) -> datetime:
    """When an id was allocated, UTC, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=number >> _TIME_SHIFT)


def first_id_at(at: datetime) -> int:
    """The smallest id that a time can have given: turns a range of times into one of ids."""
    return max(int((at - _EPOCH) / timedelta(milliseconds=1)), 0) << _TIME_SHIFT
