"""Counting in a window that slides over times in order, in linear time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

__all__ = ["count_near", "distinct_near"]


def distinct_near(
    times: Sequence[float],
    groups: Sequence[Hashable],
    values: Sequence[Hashable | None],
    radius: float,
) -> list[int]:
    """For each place, how many different values its group has within `radius` before and after.

    `times` must be in order; None among the values is left out.
    """
    result = [0] * len(times)
    if values.count(None) == len(values):
        return result
    members: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    for places in members.values():
        if len(places) == 1:
            result[places[0]] = int(values[places[0]] is not None)
        else:
            _slide(places, times, values, radius, result)
    return result


def _slide(
    places: Sequence[int],
    times: Sequence[float],
    values: Sequence[Hashable | None],
    radius: float,
    result: list[int],
) -> None:
    """Fill in the counts of one group."""
    held: dict[Hashable, int] = {}  # how often each value stands in the window
    low = high = 0
    for place in places:
        latest, earliest = times[place] + radius, times[place] - radius
        while high < len(places) and times[places[high]] <= latest:
            value = values[places[high]]
            if value is not None:
                held[value] = held.get(value, 0) + 1
            high += 1
        while times[places[low]] < earliest:
            value = values[places[low]]
            if value is not None:
                held[value] -= 1
                if not held[value]:
                    del held[value]
            low += 1
        result[place] = len(held)


def count_near(
    times: Sequence[float],
    groups: Sequence[Hashable],
    values: Sequence[Hashable | None],
    radius: float,
) -> list[int]:
    """As `distinct_near`, but every value counts for itself, also when it repeats."""
    each = [None if value is None else i for i, value in enumerate(values)]
    return distinct_near(times, groups, each, radius)
