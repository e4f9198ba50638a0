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
    if not any(value is not None for value in values):
        return [0] * len(times)
    held: dict[tuple[Hashable, Hashable], int] = {}
    distinct: dict[Hashable, int] = {}
    result, low, high = [], 0, 0
    for i, time in enumerate(times):
        while high < len(times) and times[high] <= time + radius:
            if values[high] is not None:
                pair = (groups[high], values[high])
                held[pair] = held.get(pair, 0) + 1
                if held[pair] == 1:
                    distinct[groups[high]] = distinct.get(groups[high], 0) + 1
            high += 1
        while times[low] < time - radius:
            if values[low] is not None:
                pair = (groups[low], values[low])
                held[pair] -= 1
                if not held[pair]:
                    del held[pair]
                    distinct[groups[low]] -= 1
            low += 1
        result.append(distinct.get(groups[i], 0))
    return result


def count_near(
    times: Sequence[float],
    groups: Sequence[Hashable],
    values: Sequence[Hashable | None],
    radius: float,
) -> list[int]:
    """As `distinct_near`, but every value counts for itself, also when it repeats."""
    each = [None if value is None else i for i, value in enumerate(values)]
    return distinct_near(times, groups, each, radius)
