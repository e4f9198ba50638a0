"""Delays in the units in which people tell them, which are also those in which they are judged."""

from __future__ import annotations

__all__ = ["duration", "told_delay"]

# Below a bound a delay is told in whole units: (bound, unit, its name), in seconds.
_UNITS = ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h"))
_DAY = 86_400


def told_delay(seconds: float) -> float:
    """A delay as it is told and judged: in whole seconds, minutes, hours or days."""
    for bound, size, _ in _UNITS:
        if seconds < bound:
            return seconds // size * size
    return seconds // _DAY * _DAY


def duration(seconds: float) -> str:
    """A delay in the unit that people would use."""
    for bound, size, unit in _UNITS:
        if seconds < bound:
            return f"{max(seconds, 0) // size:.0f} {unit}"
    return f"{seconds // _DAY:.0f} days"
