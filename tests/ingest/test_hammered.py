"""A delivery whose beacon is fetched again and again: everything counts, and costs what it adds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from test_ingest import DELIVERED_AT, House, hit

from mailglass.evidence import Rules, load_rules
from mailglass.history import JudgedDelivery, Period, Transaction, further_hits, timeline
from mailglass.history.hammered import EDGE, IN_DETAIL
from mailglass.history.schema.base import Dimension
from mailglass.model import Event, EventType, Hit, VerdictLevel

SCANNER = {"user-agent": "python-requests/2.31.0"}
BROWSER = {
    "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/130.0.0.0 Safari/537.36"
}


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


@pytest.fixture
def house(tmp_path: Path, rules: Rules, history_address: str) -> Iterator[House]:
    house = House(tmp_path, rules, history_address)
    house.submit(1, "a@example.org", "b@example.org")
    house.ingest.step()
    yield house
    house.history.close()


def hammer(house: House, number: int, first: int = 0) -> None:
    """That many fetches by a program, one a second, in one batch."""
    house.see(*[by_program(first + n) for n in range(number)])
    while house.ingest.step():
        pass


def by_program(second: int) -> Hit:
    return hit(100, 10 + second / 60, address="203.0.113.9", headers=SCANNER)


def click(second: int) -> Hit:
    return hit(
        100,
        10 + second / 60,
        path_kind="c",
        target=1,
        to="https://example.org/",
        address="198.51.100.77",
        headers=BROWSER,
    )


def analyse(house: House) -> None:
    """What a running database does by itself."""
    with house.history.transaction() as t:
        t._db.exec_driver_sql("ANALYZE")


class Reading:
    """Counts what the database reads while a batch is judged: steps of SQLite's machine, or rows
    that PostgreSQL fetched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads: list[int] = []
        self.steps = 0
        known_facts, set_judged = Transaction.known_facts, Transaction.set_judged

        def begin(t: Transaction, *args: Any, **kwargs: Any) -> Any:
            self.begin(t)
            return known_facts(t, *args, **kwargs)

        def end(t: Transaction, judged: list[JudgedDelivery]) -> None:
            set_judged(t, judged)
            self.reads.append(self.so_far(t))

        monkeypatch.setattr(Transaction, "known_facts", begin)
        monkeypatch.setattr(Transaction, "set_judged", end)

    def begin(self, t: Transaction) -> None:
        self.steps = 0
        if t._db.dialect.name == "sqlite":
            t._db.connection.driver_connection.set_progress_handler(self.step, 20)  # type: ignore[union-attr]
        else:
            self.steps = -self.so_far(t)

    def step(self) -> int:
        self.steps += 1
        return 0

    def so_far(self, t: Transaction) -> int:
        if t._db.dialect.name == "sqlite":
            t._db.connection.driver_connection.set_progress_handler(None, 0)  # type: ignore[union-attr]
            return self.steps
        query = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))"
        query += " FROM pg_stat_xact_user_tables WHERE relname = 'event'"
        rows = t._db.exec_driver_sql(query)
        return self.steps + int(rows.scalar_one())


def test_a_further_hit_costs_the_same_however_many_came_before(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hammer(house, 1_000)
    analyse(house)
    reading = Reading(monkeypatch)
    hammer(house, 1, first=2_000)
    hammer(house, 3_000, first=3_000)
    analyse(house)
    hammer(house, 1, first=10_000)
    few, *_, many = reading.reads
    assert 0 < many < 1.3 * few


def test_no_judgement_is_begun_anew_beyond_the_bound(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hammer(house, IN_DETAIL + 1)
    judged: list[int] = []
    set_judged = Transaction.set_judged

    def count(t: Transaction, works: list[JudgedDelivery]) -> None:
        judged.append(sum(len(one.hits) for one in works))
        set_judged(t, works)

    monkeypatch.setattr(Transaction, "set_judged", count)
    hammer(house, 3, first=2_000)
    assert [n for n in judged if n] == [3]


def test_every_hit_is_kept_and_counted(house: House) -> None:
    hammer(house, 900)
    for second in range(1_000, 1_020, 4):
        hammer(house, 4, first=second)
    with house.history.transaction() as t:
        assert len(t.hits_of([100])) == 920
        assert len([e for e in t.events_of([100]) if e.hit_id]) == 920
        (delivery,) = t.deliveries([100])
        (total,) = t.counts(house.account_id, Dimension.MESSAGE, Period.TOTAL, keys=[1])
        assert sum(delivery.hits.values()) == 920 == total["beacon_machine"]
        assert t.recount() == 0
        assert list(t.miscounts()) == []
    assert delivery.verdict.level is VerdictLevel.MACHINE_ONLY
    (told,) = [e for e in delivery.verdict.evidence if e.signal == "further_hits"]
    assert told.text.startswith(f"{920 - 2 * EDGE - 4} further hits")


def test_a_persons_click_is_not_drowned(house: House) -> None:
    """Whoever hammers the beacon before and after hides nothing."""
    hammer(house, 600)
    look = hit(100, 80, address="198.51.100.77", headers=BROWSER)
    house.see(look, click(5_000))
    house.ingest.step()
    assert house.story("100").deliveries[0].delivery.verdict.level is VerdictLevel.ENGAGED
    for start in range(10_000, 40_000, 10_000):
        hammer(house, 300, first=start)
    with house.history.transaction() as t:
        (delivery,) = t.deliveries([100])
        assert t.recount() == 0
    assert delivery.verdict.level is VerdictLevel.ENGAGED
    house.now = DELIVERED_AT + timedelta(days=60)
    house.ingest.settle()
    with house.history.transaction() as t:
        (delivery,) = t.deliveries([100])
    assert delivery.verdict.is_final
    assert delivery.verdict.level is VerdictLevel.ENGAGED


def test_up_to_the_bound_the_answer_is_that_of_all_hits_together(
    house: House, tmp_path: Path, rules: Rules
) -> None:
    hits = [by_program(n * 7) for n in range(IN_DETAIL - 1)]
    hits[200:200] = [click(1_400)]
    (tmp_path / "other").mkdir()
    at_once = House(tmp_path / "other", rules)
    at_once.submit(1, "a@example.org", "b@example.org")
    at_once.see(*hits)
    at_once.ingest.step()
    for start in range(0, len(hits), 80):
        house.see(*hits[start : start + 80])
        house.ingest.step()
    one, other = (events_of(h) for h in (house, at_once))
    assert one == other
    assert house.story("100").deliveries[0].delivery.verdict == (
        at_once.story("100").deliveries[0].delivery.verdict
    )
    at_once.history.close()


def events_of(house: House) -> list[Event]:
    with house.history.transaction() as t:
        return [e.event for e in t.events_of([100])]


def test_a_story_tells_the_first_events_and_how_many_more_there_are(house: House) -> None:
    hammer(house, 1_500)
    with house.history.reading() as t:
        events = t.events_of([100, 101], most=500)
        story = timeline(t, None, "100")
        everything = t.events_of([100])
    assert story is not None
    (copy,) = story.deliveries
    own = [e for e in events if e.delivery_id == 100]
    assert [e.id for e in own] == [e.id for e in everything[:500]]
    assert [e.event.type for e in own[:2]] == [EventType.QUEUED, EventType.DELIVERED]
    assert [e.event.type for e in events if e.delivery_id == 101] == [
        EventType.QUEUED,
        EventType.DELIVERED,
    ]
    assert len(copy.events) == 500
    assert copy.further_hits == 1_500 - 498 == further_hits(copy.delivery, copy.events)
