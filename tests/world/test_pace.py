"""Compressed time keeps the order of things, and can be told back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.world import EvenPace, Pace, SlowingPace

PACES = [EvenPace(3600), SlowingPace(), SlowingPace(story_seconds=86400, real_seconds=5)]
STORY = st.floats(-60, 172_800)


@pytest.mark.parametrize("pace", PACES)
@given(st.tuples(STORY, STORY))
def test_order_is_kept(pace: Pace, pair: tuple[float, float]) -> None:
    earlier, later = sorted(pair)
    assert pace.real(earlier) <= pace.real(later)


@pytest.mark.parametrize("pace", PACES)
@given(STORY)
def test_a_time_is_told_back_as_it_was(pace: Pace, seconds: float) -> None:
    assert pace.story(pace.real(seconds)) == pytest.approx(seconds, rel=1e-9, abs=1e-9)


def test_two_days_pass_in_the_time_that_was_given() -> None:
    pace = SlowingPace(story_seconds=172_800, real_seconds=30)
    assert pace.real(0) == 0
    assert pace.real(172_800) == pytest.approx(30)


@pytest.mark.parametrize("seconds", [0.3, 10.0, 600.0, 15_276.0])
def test_a_slowing_pace_loses_little_to_a_hundredth_of_a_second(seconds: float) -> None:
    pace = SlowingPace()
    told = pace.story(pace.real(seconds) + 0.01)
    assert told - seconds <= 0.01 * (seconds + 1)


def test_a_moment_stands_for_another() -> None:
    delivered = datetime(2026, 11, 2, tzinfo=UTC)
    told = EvenPace(60).told_at(delivered, delivered + timedelta(seconds=2))
    assert told == delivered + timedelta(minutes=2)
