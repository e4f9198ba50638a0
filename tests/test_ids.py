"""Numbers for deliveries: unique, growing, and telling their time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.errors import ConfigurationError
from mailglass.ids import Ids, delivery_time, first_id_at

T0 = datetime(2026, 11, 22, 8, 0, 0, 250_000, tzinfo=UTC)


def test_an_id_tells_when_it_was_allocated() -> None:
    assert delivery_time(Ids(node=255, clock=T0.timestamp).next()) == T0


@given(st.lists(st.floats(1.74e9, 3.9e9), min_size=2, max_size=200), st.integers(0, 255))
def test_ids_grow_whatever_the_clock_does(times: list[float], node: int) -> None:
    clock = iter(times)
    ids = Ids(node=node, clock=lambda: next(clock))
    given_out = [ids.next() for _ in times]
    assert given_out == sorted(set(given_out))
    assert all(0 < number < 1 << 63 for number in given_out)


def test_a_used_up_millisecond_borrows_from_the_next() -> None:
    ids = Ids(clock=T0.timestamp)
    given_out = [ids.next() for _ in range(40_000)]
    assert len(set(given_out)) == 40_000
    assert (delivery_time(given_out[-1]) - T0).total_seconds() == pytest.approx(0.002)


def test_a_start_after_the_clock_stepped_back_goes_on_behind_the_largest_id() -> None:
    largest = Ids(clock=T0.timestamp).next()
    assert Ids(after=largest, clock=lambda: T0.timestamp() - 3600).next() > largest


def test_nodes_never_give_the_same_id() -> None:
    first, second = Ids(node=1, clock=T0.timestamp), Ids(node=2, clock=T0.timestamp)
    assert not {first.next() for _ in range(1000)} & {second.next() for _ in range(1000)}


def test_threads_share_an_allocator() -> None:
    ids, given_out = Ids(), []
    threads = [
        threading.Thread(target=lambda: given_out.extend([ids.next() for _ in range(2000)]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given_out)) == 8000


def test_a_range_of_times_is_a_range_of_ids() -> None:
    number = Ids(node=7, clock=T0.timestamp).next()
    assert first_id_at(T0) <= number < first_id_at(delivery_time(number + (1 << 22)))


def test_a_node_outside_its_bits_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="node 256 is outside 0 to 255"):
        Ids(node=256)
