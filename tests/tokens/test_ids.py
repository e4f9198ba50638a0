"""Numbers are unique, ordered, and tell their time."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.tokens import Ids, id_time

NOON_MS = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)


@given(st.lists(st.integers(-5_000, 5_000), min_size=2, max_size=50))
def test_numbers_rise_whatever_the_clock_does(steps: list[int]) -> None:
    times = (NOON_MS + step for step in steps)
    ids = Ids(3, lambda: next(times))
    numbers = [ids.next() for _ in steps]
    assert all(a < b for a, b in itertools.pairwise(numbers))
    assert all(0 < n < 2**63 for n in numbers)


def test_a_standing_clock_gives_more_numbers_than_its_sequence_holds() -> None:
    ids = Ids(0, lambda: NOON_MS)
    numbers = [ids.next() for _ in range(40_000)]
    assert len(set(numbers)) == 40_000


def test_threads_get_different_numbers() -> None:
    ids = Ids(0)
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: ids.next(), range(10_000)))
    assert len(set(numbers)) == 10_000


def test_two_nodes_never_give_the_same_number() -> None:
    one, other = Ids(1, lambda: NOON_MS), Ids(2, lambda: NOON_MS)
    assert not {one.next() for _ in range(9_000)} & {other.next() for _ in range(9_000)}


def test_a_number_tells_its_time() -> None:
    assert id_time(Ids(7, lambda: NOON_MS).next()) == datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_node_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="node 256"):
        Ids(256)
