"""Each record counts once, wherever ingest is cut off and in whichever order things come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from test_ingest import DELIVERED_AT, House, hit

from mailglass.errors import StorageUnavailable
from mailglass.evidence import Rules, load_rules
from mailglass.history import Dimension, History
from mailglass.model import Delivery, EventType


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


@pytest.fixture
def house(tmp_path: Path, rules: Rules) -> Iterator[House]:
    house = House(tmp_path, rules)
    yield house
    house.history.close()


def fill(house: House) -> None:
    """Two messages, one of them bounced in part, and hits on both, one of nobody's."""
    house.submit(1, "a@gmail.com", "b@corp.test")
    house.submit(2, "c@gmail.com", deliver=False)
    delivery = Delivery(id=200, message_id=2, recipient="c@gmail.com")
    house.spool.end(delivery, EventType.BOUNCED, DELIVERED_AT, {"reply_code": 550})
    forged = hit(None, token="forged", address="203.0.113.9")
    house.see(hit(100, 5), hit(101, 6), hit(100, 90), forged, hit(101, 6.01))


def told(house: House) -> object:
    """All that the history says, without the numbers that it gave."""
    with house.history.transaction() as t:
        assert t.recount() == 0
        events = [
            (e.delivery_id, e.event.type, e.event.at, dict(e.event.raw), e.event.evidence)
            for e in t.events_of([100, 101, 200])
        ]
        deliveries = [(d.id, d.verdict, d.hits, d.delivered_at) for d in t.deliveries([100, 101])]
        counts = [
            {**row.counts, "key": row.key}
            for dimension in (Dimension.ACCOUNT, Dimension.MESSAGE)
            for row in t.counts(1, dimension)
        ]
        hits = t._db.execute(sa.text("SELECT count(*) FROM hit")).scalar_one()
    return events, deliveries, counts, hits


def finish(house: House) -> None:
    while house.ingest.step():
        pass


def test_cut_off_at_any_statement_it_ends_as_if_nothing_had_happened(
    tmp_path: Path, rules: Rules
) -> None:
    whole = House(_folder(tmp_path, "whole"), rules)
    fill(whole)
    finish(whole)
    expected = told(whole)
    whole.history.close()
    house = House(_folder(tmp_path, "cut"), rules)
    fill(house)
    cuts, before = 0, 0
    while True:
        statements = _fail_at(house.history, before)
        house.restart()
        try:
            finish(house)
        except StorageUnavailable:
            cuts += 1
        finally:
            sa.event.remove(house.history._engine, "before_cursor_execute", statements)
        if cuts <= before:
            break
        before += 1
    assert cuts > 20
    assert told(house) == expected
    house.history.close()


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def _fail_at(history: History, number: int) -> object:
    seen = iter(range(100_000))

    def count(*_: object) -> None:
        if next(seen) == number:
            raise StorageUnavailable("cut off here")

    sa.event.listen(history._engine, "before_cursor_execute", count)
    return count


def test_one_by_one_it_says_what_it_says_at_once(
    tmp_path: Path, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = House(_folder(tmp_path, "at-once"), rules)
    fill(at_once)
    finish(at_once)
    singly = House(_folder(tmp_path, "singly"), rules)
    fill(singly)
    monkeypatch.setattr("mailglass.ingest.follow._BATCH", 1)
    while singly.ingest.step():
        singly.restart()
    with at_once.history.transaction() as a, singly.history.transaction() as b:
        for number in (100, 101, 200):
            one, other = a.events_of([number]), b.events_of([number])
            assert [e.event.type for e in one] == [e.event.type for e in other]
        assert a.counts(1)[0] == b.counts(1)[0]
        assert b.recount() == 0
    at_once.history.close()
    singly.history.close()


def test_a_hit_before_the_250_is_judged_again_when_the_250_is_told(house: House) -> None:
    house.submit(1, "a@gmail.com", deliver=False)
    house.see(hit(100, 60))
    finish(house)
    (before,) = [e for e in house.story("1").deliveries[0].events if e.hit_id]
    assert not [item for item in before.event.evidence if item.signal.startswith("timing.")]
    delivery = Delivery(id=100, message_id=1, recipient="a@gmail.com")
    house.spool.end(delivery, EventType.DELIVERED, DELIVERED_AT, {"reply_code": 250})
    finish(house)
    (after,) = [e for e in house.story("1").deliveries[0].events if e.hit_id]
    assert [item for item in after.event.evidence if item.signal.startswith("timing.")]
    with house.history.transaction() as t:
        assert t.recount() == 0


def test_late_hits_of_long_ago_stand_where_they_belong(house: House) -> None:
    house.submit(1, "a@gmail.com")
    house.see(hit(100, 600))
    finish(house)
    house.see(hit(100, 30))
    finish(house)
    times = [e.event.at for e in house.story("1").deliveries[0].events if e.hit_id]
    assert times == sorted(times)
    with house.history.transaction() as t:
        assert t.recount() == 0


def test_accounts_are_kept_apart(house: House) -> None:
    with house.history.transaction() as t:
        other = t.add_account("other", DELIVERED_AT).id
    house.submit(1, "a@gmail.com")
    house.account_id = other
    house.submit(2, "a@gmail.com")
    house.see(hit(100), hit(200), hit(200, 61))
    finish(house)
    with house.history.transaction() as t:
        assert t.counts(1)[0]["opened"] == 1
        assert t.counts(other)[0]["opened"] == 2
        assert {e.account_id for e in t.events_after(other, 0)} == {other}


def test_it_reads_no_more_at_once_than_a_batch(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailglass.ingest.follow._BATCH", 3)
    house.submit(1, "a@gmail.com")
    finish(house)
    house.see(*(hit(100, 5 + n) for n in range(8)))
    assert [house.ingest.step() for _ in range(4)] == [3, 3, 2, 0]
