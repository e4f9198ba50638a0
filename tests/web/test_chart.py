"""The days of a chart are those of whoever looks at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from web_site import CONFIG, NOW, Browser, send

from mailglass.history import Counts, History, Period, add_administrator
from mailglass.model import EventType
from mailglass.web.chart import bars_of, beginning, period_of

NEW_YORK, SEOUL, KOLKATA = map(ZoneInfo, ("America/New_York", "Asia/Seoul", "Asia/Kolkata"))
LATE = datetime(2026, 11, 28, 23, 30, tzinfo=UTC)


def hour(at: datetime, people: int = 1) -> Counts:
    return Counts(key=0, start=at, counts={"beacon_human": people})


@pytest.mark.parametrize(
    ("zone", "today"),
    [(ZoneInfo("UTC"), 28), (NEW_YORK, 28), (SEOUL, 29), (KOLKATA, 29)],
)
def test_today_is_the_last_bar_wherever_one_is(zone: ZoneInfo, today: int) -> None:
    bars = list(bars_of([hour(LATE.replace(minute=0))], 7, LATE, zone))
    assert len(bars) == 7
    assert bars[-1].start.astimezone(zone).day == today
    assert {bar.start.astimezone(zone).hour for bar in bars} == {0}


def test_an_hour_counts_for_the_day_that_it_is_in_for_the_reader() -> None:
    counts = [hour(datetime(2026, 11, 28, h, tzinfo=UTC), 1 << n) for n, h in enumerate((4, 5, 14))]

    def people(zone: ZoneInfo) -> list[int]:
        return [bar.human for bar in bars_of(counts, 7, LATE, zone)][-3:]

    assert people(NEW_YORK) == [0, 1, 2 + 4]  # five hours behind
    assert people(SEOUL) == [0, 1 + 2 + 4, 0]  # nine hours ahead
    assert people(ZoneInfo("UTC")) == [0, 0, 1 + 2 + 4]


@pytest.mark.parametrize(("month", "hours"), [(3, 23), (11, 25)])
def test_a_day_of_23_or_25_hours_is_one_day(month: int, hours: int) -> None:
    now = datetime(2026, month, 10, 12, tzinfo=UTC)
    bars = list(bars_of([], 30, now, NEW_YORK))
    lengths = [b.start - a.start for a, b in pairwise(bars)]
    assert len(bars) == 30
    assert lengths.count(timedelta(hours=hours)) == 1
    assert set(lengths) == {timedelta(hours=hours), timedelta(hours=24)}


def test_the_days_of_utc_are_read_as_they_are_kept() -> None:
    assert period_of(90, LATE, ZoneInfo("UTC")) is Period.DAY
    assert period_of(90, LATE, SEOUL) is Period.HOUR
    assert period_of(1, LATE, ZoneInfo("UTC")) is Period.HOUR
    # in summer an hour ahead, whatever it is now
    assert (
        period_of(90, datetime(2026, 11, 1, tzinfo=UTC), ZoneInfo("Europe/London")) is Period.HOUR
    )


def test_a_day_has_its_last_24_hours() -> None:
    assert beginning(1, LATE, SEOUL) == datetime(2026, 11, 28, 0, tzinfo=UTC)
    assert len(list(bars_of([], 1, LATE, SEOUL))) == 24


def test_what_lies_ahead_of_the_clock_is_shown_too() -> None:
    ahead = hour(LATE.replace(minute=0) + timedelta(days=2))
    assert [bar.human for bar in bars_of([ahead], 7, LATE, SEOUL)][-1] == 1


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_what_happened_just_now_is_on_the_page_in_every_zone(tmp_path: Path, zone: str) -> None:
    history = History(f"sqlite:///{tmp_path / 'history.db'}")
    made = add_administrator(history, CONFIG.url)
    assert made is not None
    browser = Browser(history)
    browser.post(made[1].removeprefix(CONFIG.url))
    browser.cookies.set("mailglass-zone", zone)
    send(history, 1, 100, EventType.QUEUED)
    for days in (1, 7, 30, 90):
        page = browser.get(f"/?days={days}").text
        assert "<b>1</b>sent" in page, (zone, days, NOW)
