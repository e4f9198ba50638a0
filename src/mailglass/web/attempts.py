"""Slows down whoever guesses passwords: after some failures a name must wait.

Kept in memory: a restart forgets it, which costs a guesser ten tries more.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

__all__ = ["Attempts"]

_FREE = 10  # failures before anybody waits: a person with several passwords finds theirs
_WAIT = timedelta(minutes=15)
_NAMES = 10_000  # bounded, since names come from outside; the oldest is forgotten


class Attempts:
    """Failed sign-ins by name. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, name: str) -> int:
        """How long nobody is asked about this name; 0 when they may try."""
        with self._lock:
            recent = self._recent(name)
            if len(recent) < _FREE:
                return 0
            return max(1, round((recent[-_FREE] + _WAIT - self._clock()).total_seconds()))

    def failed(self, name: str) -> None:
        """Count a failure."""
        with self._lock:
            self._failures[name] = [*self._recent(name), self._clock()]
            self._failures.move_to_end(name)
            while len(self._failures) > _NAMES:
                self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Forget the failures of a name."""
        with self._lock:
            self._failures.pop(name, None)

    def _recent(self, name: str) -> list[datetime]:
        start = self._clock() - _WAIT
        return [at for at in self._failures.get(name, ()) if at > start]
