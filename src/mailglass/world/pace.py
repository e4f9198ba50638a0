"""How fast a story's time passes in ours.

An even pace shrinks a day to seconds and, with it, the tenth of a second between two links of a
scan to less than a network needs: what a judge reads from short times is lost. A slowing pace keeps
the relative precision of every time: seconds stay seconds, hours pass ever faster. Whoever judges
what happened in such a world asks `told_at` for the time that it stands for.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from datetime import datetime, timedelta

__all__ = ["EvenPace", "Pace", "SlowingPace"]

_BEFORE_SPEED = 100.0  # scans before a delivery hold up who delivers; their pace shows nowhere


class Pace(ABC):
    """A one-to-one map between a story's seconds since delivery and ours; it keeps order."""

    @abstractmethod
    def real(self, story_seconds: float) -> float:
        """When it happens here, in seconds since delivery."""

    @abstractmethod
    def story(self, real_seconds: float) -> float:
        """What a time here stands for, in seconds since delivery."""

    def told_at(self, delivered_at: datetime, at: datetime) -> datetime:
        """The moment that `at` stands for, of a delivery accepted at `delivered_at`."""
        return delivered_at + timedelta(seconds=self.story((at - delivered_at).total_seconds()))


class EvenPace(Pace):
    """`speed` seconds of a story in each of ours."""

    def __init__(self, speed: float) -> None:
        self._speed = speed

    def real(self, story_seconds: float) -> float:
        """As in `Pace`."""
        return story_seconds / self._speed

    def story(self, real_seconds: float) -> float:
        """As in `Pace`."""
        return real_seconds * self._speed


class SlowingPace(Pace):
    """A story's `story_seconds` pass in `real_seconds`, its first ones about as fast as ours.

    Logarithmic: with two days in 25 s, the tenth second comes after 5 s, the first hour after 17 s.
    """

    def __init__(self, *, story_seconds: float = 172_800.0, real_seconds: float = 25.0) -> None:
        self._real_seconds = real_seconds
        self._scale = real_seconds / math.log1p(story_seconds)

    def real(self, story_seconds: float) -> float:
        """As in `Pace`; before delivery 100 times faster than ours."""
        if story_seconds < 0:
            return story_seconds / _BEFORE_SPEED
        at = self._scale * math.log1p(story_seconds)
        if at <= self._real_seconds:
            return at
        return self._real_seconds + story_seconds - math.expm1(self._real_seconds / self._scale)

    def story(self, real_seconds: float) -> float:
        """As in `Pace`."""
        if real_seconds < 0:
            return real_seconds * _BEFORE_SPEED
        late = max(0.0, real_seconds - self._real_seconds)  # after the end time is real again
        return math.expm1((real_seconds - late) / self._scale) + late
