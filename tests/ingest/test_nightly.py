"""The nightly task, with time turned by hand: what is old goes, what was made of it stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, time, timedelta

import pytest
import sqlalchemy as sa

from mailglass.errors import InputError
from mailglass.history import KINDS, Dimension, History, StoredMessage, schema
from mailglass.ingest import NIGHTLY, Nightly
from mailglass.model import Delivery, EventType, Hit, Target, TargetKind, VerdictLevel
from mailglass.settings import Settings

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
KEPT = {"full-addresses": 30, "addresses": 180, "hits": 395}


class House:
    """A history in which every message was opened once, at a time of its own."""

    def __init__(self, address: str) -> None:
        self.history = History(address)
        self.now = NOW
        with self.history.transaction() as t:
            self.account_id = t.add_account("default", NOW).id

    def nightly(self, **days: int) -> Nightly:
        wanted = {k.replace("_", "-"): n for k, n in days.items()} or KEPT
        return Nightly(history=self.history, days=wanted, at=time(3, 15), clock=lambda: self.now)

    def opened(self, number: int, days_ago: float, account_id: int | None = None) -> None:
        from mailglass.history import JudgedDelivery, JudgedHit, Who
        from mailglass.model import Verdict

        at = NOW - timedelta(days=days_ago)
        message = StoredMessage(
            id=number,
            account_id=account_id or self.account_id,
            accepted_at=at,
            return_path="me@home.test",
            author="me@home.test",
            subject="x",
            message_id_field=f"<{number}@home.test>",
            campaign="spring",
            tags=("t",),
            targets=(Target(number=0, kind=TargetKind.BEACON),),
        )
        hit = Hit(
            at=at,
            path_kind="o",
            method="GET",
            token="a" * 29,
            delivery_id=number * 100,
            target=0,
            address="2001:db8:1:2::77" if number % 2 else "192.0.2.77",
            http_version="1.1",
            headers={"user-agent": f"agent {number}"},
        )
        verdict = Verdict(
            level=VerdictLevel.OPENED,
            probability=0.9,
            evidence=(),
            is_final=True,
            rules_version="1",
        )
        with self.history.transaction() as t:
            t.add_message(
                message,
                [Delivery(id=number * 100, message_id=number, recipient=f"r{number}@x.test")],
            )
            (stored,) = t.add_hits([(number * 100, hit)])
            (delivery,) = t.deliveries([number * 100])
            seen = JudgedHit(stored=stored, type=EventType.OPENED, who=Who.HUMAN, judgement=None)
            t.set_judged(
                [JudgedDelivery(delivery=delivery, hits=[seen], verdict=verdict, last_event_at=at)]
            )

    def addresses(self) -> dict[int, str]:
        with self.history.reading() as t:
            ids = [d.id for d in t.deliveries_of(range(1, 20))]
            return {(s.delivery_id or 0) // 100: s.hit.address for s in t.hits_of(ids)}

    def count(self, dimension: Dimension) -> int:
        with self.history.reading() as t:
            return sum(c["opened"] for c in t.counts(self.account_id, dimension))


@pytest.fixture
def house(history_address: str) -> Iterator[House]:
    house = House(history_address)
    yield house
    house.history.close()


def test_addresses_are_cut_then_dropped_and_old_hits_go(house: House) -> None:
    for number, days_ago in ((1, 400), (2, 200), (3, 100), (4, 31), (5, 29)):
        house.opened(number, days_ago)
    report = house.nightly().run()
    assert house.addresses() == {2: "", 3: "2001:db8:1::", 4: "192.0.2.0", 5: "2001:db8:1:2::77"}
    assert report.result["removed"]["hits"] == 1
    assert report.result["removed"]["addresses"] == 2
    assert report.result["removed"]["full-addresses"] == 4
    assert report.result["removed"]["headers nobody sends any more"] == 1
    with house.history.reading() as t:
        assert t.reports(NIGHTLY) == [report]
        assert [e.event.type for e in t.events_of([100])] == [EventType.OPENED]
    assert house.count(Dimension.MESSAGE) == 5


def test_a_second_run_finds_nothing_and_what_grows_old_meanwhile_goes_then(house: House) -> None:
    house.opened(1, 29)
    house.opened(2, 40)  # older than the one before it: told late
    house.nightly().run()
    assert house.addresses()[1] == "2001:db8:1:2::77"
    house.now += timedelta(days=2)
    assert house.nightly().run().result["removed"]["full-addresses"] == 2
    assert house.addresses() == {1: "2001:db8:1::", 2: "192.0.2.0"}
    assert house.nightly().run().result["removed"]["full-addresses"] == 0


def test_nothing_goes_that_is_kept_for_ever(house: House) -> None:
    house.opened(1, 4000)
    house.nightly(hits=0, messages=0).run()
    assert house.addresses() == {1: "2001:db8:1:2::77"}


def test_an_account_may_keep_its_own_number_of_days(house: House) -> None:
    with house.history.transaction() as t:
        other = t.add_account("other", NOW).id
        t.set_retention(other, "hits", 10)
        t.set_retention(house.account_id, "addresses", 0)
    house.opened(1, 300)
    house.opened(2, 300, account_id=other)
    house.nightly().run()
    assert house.addresses() == {1: "2001:db8:1::"}


def test_old_messages_go_whole_and_the_sums_stay(house: House) -> None:
    house.opened(1, 800)
    house.opened(2, 10)
    report = house.nightly(messages=700).run()
    assert report.result["removed"]["messages"] == 1
    with house.history.reading() as t:
        assert t.message(None, "1") is None
        assert t.message(None, "2") is not None
    assert house.count(Dimension.MESSAGE) == 1
    assert house.count(Dimension.CAMPAIGN) == house.count(Dimension.ACCOUNT) == 2
    with house.history._engine.connect() as connection:
        for table in (schema.hit, schema.event, schema.delivery, schema.message_tag):
            rows = connection.execute(sa.select(sa.func.count()).select_from(table))
            assert rows.scalar() == 1, table.name


def test_it_is_due_once_a_day_at_its_time(house: House) -> None:
    nightly = house.nightly()
    assert nightly.is_due()
    nightly.run()
    assert not nightly.is_due()
    house.now = datetime(2026, 11, 29, 3, 14, tzinfo=UTC)
    assert not nightly.is_due()
    house.now = datetime(2026, 11, 29, 3, 15, tzinfo=UTC)
    assert nightly.is_due()
    assert house.nightly().is_due()  # of another process too


def test_the_role_does_it_beside_its_work(house: House) -> None:
    house.opened(1, 400)
    stopping = asyncio.Event()

    async def until_done() -> None:
        running = asyncio.create_task(house.nightly().run_daily(stopping))
        while house.addresses():
            await asyncio.sleep(0)
        stopping.set()
        await running

    asyncio.run(until_done())
    with house.history.reading() as t:
        assert len(t.reports(NIGHTLY)) <= 1


def test_every_kind_of_data_has_its_setting() -> None:
    names = {f.metadata["name"] for f in fields(Settings)}
    assert {f"retention.{kind}" for kind in KINDS} | {"retention.at"} == {
        n for n in names if n.startswith("retention.")
    }
    assert set(Settings().retention_days) == set(KINDS)


def test_a_number_of_days_before_the_calendar_stops_nobody_elses_letting_go(house: House) -> None:
    with house.history.transaction() as t:
        other = t.add_account("other", NOW).id
    with pytest.raises(InputError), house.history.transaction() as t:
        t.set_retention(other, "hits", 999_999)
    with house.history.transaction() as t:  # as an earlier release wrote it
        row = {"account_id": other, "kind": "hits", "days": 999_999}
        t._db.execute(schema.retention.insert().values(row))
    house.opened(1, 400)
    house.opened(2, 400, other)
    assert house.nightly().run().result["removed"]["hits"] == 1
