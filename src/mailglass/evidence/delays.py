"""Delays after delivery: how people tell them, and the steps by which they are judged."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

__all__ = ["duration", "step_of"]

# Below a bound a delay is told in whole units: (bound, unit, its name), in seconds.
_UNITS = ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h"))
_DAY = 86_400


def duration(seconds: float) -> str:
    """A delay in the unit that people would use."""
    for bound, size, unit in _UNITS:
        if seconds < bound:
            return f"{max(seconds, 0) // size:.0f} {unit}"
    return f"{seconds // _DAY:.0f} days"


def step_of(seconds: float, steps: Sequence[float]) -> float:
    """The last step that a delay has reached, of `steps` that begin with minus infinity."""
    return steps[bisect_right(steps, seconds) - 1]
