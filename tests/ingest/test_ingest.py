"""Ingest: each record of the journal and the spool counts once, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailglass.errors import StorageUnavailable
from mailglass.evidence import BadRules, Rules, load_rules
from mailglass.history import History, Suppression, Timeline, timeline
from mailglass.ingest import Ingest
from mailglass.journal import Writer, encode
from mailglass.model import Delivery, EventType, Hit, VerdictLevel
from mailglass.spool import Spool, Submission
from postgres import PostgresServer

DELIVERED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@pytest.fixture(scope="session")
def rules() -> Rules:
    return load_rules()


class House:
    """A spool, a journal and a history with an ingest between them."""

    def __init__(self, folder: Path, rules: Rules, address: str | None = None) -> None:
        self.folder, self.rules = folder, rules
        self.now = DELIVERED_AT + timedelta(days=1)
        (folder / "journal").mkdir(exist_ok=True)
        self.spool = Spool(folder / "spool.db")
        self.history = History(address or f"sqlite:///{folder / 'history.db'}")
        with self.history.transaction() as t:
            self.account_id = t.add_account("default", DELIVERED_AT).id
        self.writer = Writer(folder / "journal")
        self.restart()

    def restart(self) -> None:
        self.ingest = Ingest(
            history=self.history,
            spool=self.spool,
            journal_directory=self.folder / "journal",
            rules=self.rules,
            clock=lambda: self.now,
        )

    def submit(
        self, message_id: int, *recipients: str, deliver: bool = True, is_held: bool = False
    ) -> None:
        deliveries = tuple(
            Delivery(id=message_id * 100 + n, message_id=message_id, recipient=r)
            for n, r in enumerate(recipients)
        )
        self.spool.accept(
            Submission(
                message_id=message_id,
                accepted_at=DELIVERED_AT - timedelta(seconds=1),
                return_path="me@home.test",
                raw=b"Subject: x\r\n\r\n",
                deliveries=deliveries,
                tracking={},
                is_held=is_held,
                facts={
                    "account_id": self.account_id,
                    "submitter": "me",
                    "author": "me@home.test",
                    "subject": "x",
                    "message_id_field": f"<{message_id}@home.test>",
                    "tag": None,
                    "campaign": None,
                    "targets": [
                        {"number": 0, "kind": "beacon"},
                        {"number": 1, "kind": "link", "url": "https://example.org/"},
                    ],
                },
            )
        )
        if deliver:
            for one in deliveries:
                self.spool.end(one, EventType.DELIVERED, DELIVERED_AT, {"reply_code": 250})

    def see(self, *hits: Hit) -> None:
        self.writer.commit([encode(hit) for hit in hits])

    def story(self, name: str) -> Timeline:
        with self.history.transaction() as t:
            found = timeline(t, None, name)
        assert found is not None
        return found

    def types(self, name: str) -> list[EventType]:
        return [e.event.type for e in self.story(name).deliveries[0].events]


def hit(delivery_id: int | None, minutes: float = 60, **facts: object) -> Hit:
    values: dict[str, object] = {
        "at": DELIVERED_AT + timedelta(minutes=minutes),
        "path_kind": "o",
        "method": "GET",
        "token": "a" * 29,
        "delivery_id": delivery_id,
        "target": None if delivery_id is None else 0,  # what does not verify names no target
        "address": "66.249.84.1",
        "http_version": "1.1",
        "headers": {"user-agent": GMAIL},
    }
    return Hit(**{**values, **facts})  # type: ignore[arg-type]


@pytest.fixture
def house(tmp_path: Path, rules: Rules, history_address: str) -> Iterator[House]:
    house = House(tmp_path, rules, history_address)
    yield house
    house.history.close()


def test_the_story_of_a_message_is_told_in_order(house: House) -> None:
    house.submit(1, "a@gmail.com")
    house.see(hit(100))
    assert house.ingest.step() == 3
    assert house.types("1") == [EventType.QUEUED, EventType.DELIVERED, EventType.OPENED]
    (copy,) = house.story("1").deliveries
    assert copy.delivery.verdict.level is VerdictLevel.OPENED
    assert copy.events[2].event.evidence
    assert house.ingest.step() == 0


def test_a_message_is_found_by_its_number_its_delivery_and_its_message_id(house: House) -> None:
    house.submit(1, "a@gmail.com")
    house.ingest.step()
    assert {house.story(n).message.id for n in ("1", "100", "<1@home.test>", "1@home.test")} == {1}


def test_a_rolled_back_step_is_repeated_whole(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history fails after everything was written, before the commit."""
    house.submit(1, "a@gmail.com")
    house.see(hit(100))

    def fail(*_: object, **__: object) -> None:
        raise StorageUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("mailglass.ingest.follow.judge_again", fail)
        with pytest.raises(StorageUnavailable):
            house.ingest.step()
    house.restart()
    house.ingest.step()
    assert house.types("1") == [EventType.QUEUED, EventType.DELIVERED, EventType.OPENED]


def test_a_crash_between_the_commit_and_forgetting_counts_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.submit(1, "a@gmail.com")
    with monkeypatch.context() as patched:
        patched.setattr(house.spool, "forget_events", lambda up_to: None)
        house.ingest.step()
    house.restart()
    assert house.ingest.step() == 0
    assert house.types("1") == [EventType.QUEUED, EventType.DELIVERED]


def test_a_later_hit_changes_what_an_earlier_one_means(house: House) -> None:
    """A click from a data centre looks odd; ten links in a second make it a scanner's."""
    house.submit(1, "a@corp.test")
    browser = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36"}
    clicks = [
        hit(100, 30 + n / 600, path_kind="c", target=1 + n, address="198.51.100.7", headers=browser)
        for n in range(10)
    ]
    house.see(clicks[0])
    house.ingest.step()
    before = house.story("1").deliveries[0].events[-1].event.raw["probability_human"]
    house.see(*clicks[1:])
    house.ingest.step()
    events = [e for e in house.story("1").deliveries[0].events if e.hit_id]
    assert len(events) == 10
    after = events[0].event.raw["probability_human"]
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert after < before


def test_a_spoiled_record_is_set_aside_and_the_rest_goes_on(house: House) -> None:
    house.submit(1, "a@gmail.com")
    house.see(hit(100, 60), hit(100, 120))
    segment = next((house.folder / "journal").glob("*"))
    for segment in sorted((house.folder / "journal").iterdir()):
        data = segment.read_bytes()
        if b"GoogleImageProxy" in data:
            segment.write_bytes(data.replace(b"GoogleImageProxy", b"GoogleImageProxX", 1))
    house.ingest.step()
    assert house.types("1").count(EventType.OPENED) == 1
    with house.history.transaction() as t:
        (poison,) = t.poison()
    assert b"GoogleImageProxX" in poison["raw"]


def test_a_record_that_nobody_expected_is_set_aside_and_the_rest_goes_on(house: House) -> None:
    house.spool.accept(
        Submission(
            message_id=9,
            accepted_at=DELIVERED_AT,
            return_path="me@home.test",
            raw=b"",
            deliveries=(Delivery(id=900, message_id=9, recipient="x@x.test"),),
            tracking={},
            facts={"account_id": 1},  # without a subject and all else
        )
    )
    house.submit(1, "a@gmail.com")
    house.see(hit(100))
    while house.ingest.step():
        pass
    assert house.types("1") == [EventType.QUEUED, EventType.DELIVERED, EventType.OPENED]
    with house.history.transaction() as t:
        (poison,) = t.poison()
    assert poison["id"].startswith("spool:")
    assert "KeyError" in poison["reason"]


def test_a_delivery_that_cannot_be_judged_keeps_its_facts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.submit(1, "a@gmail.com")
    house.see(hit(100))

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("mailglass.ingest.judging.judge_delivery", fail)
        house.ingest.step()
    with house.history.transaction() as t:
        assert len(t.hits_of([100])) == 1
        assert t.poison() == []
    house.see(hit(100, 120))
    house.ingest.step()
    assert house.types("1").count(EventType.OPENED) == 2


def test_hits_that_mean_no_delivery_of_ours_are_kept_apart(house: House) -> None:
    house.submit(1, "a@gmail.com")
    house.see(hit(None, token="forged"), hit(999))
    house.ingest.step()
    assert house.types("1") == [EventType.QUEUED, EventType.DELIVERED]
    with house.history.transaction() as t:
        assert t.hits_of([100, 999]) == []


def test_a_verdict_becomes_final_when_nothing_more_happens(house: House) -> None:
    house.now = DELIVERED_AT + timedelta(minutes=61)
    house.submit(1, "a@gmail.com")
    house.see(hit(100, 60))
    house.ingest.step()
    assert not house.story("1").deliveries[0].delivery.verdict.is_final
    house.now += timedelta(days=1)
    house.ingest.settle()
    assert house.story("1").deliveries[0].delivery.verdict.is_final


def test_a_restart_knows_its_neighbours_again(house: House) -> None:
    """A burst over many recipients stays one after the process was started anew."""
    names = [f"u{n}@corp.test" for n in range(20)]
    house.submit(1, *names)
    browser = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36"}
    house.now = DELIVERED_AT + timedelta(minutes=31)
    house.see(
        *(
            hit(100 + n, 30 + n / 600, address="198.51.100.7", headers=browser)
            for n in range(len(names))
        )
    )
    house.ingest.step()

    def chances() -> list[object]:
        return [
            e.event.raw["probability_human"]
            for copy in house.story("1").deliveries
            for e in copy.events
            if e.hit_id
        ]

    house.ingest.settle()
    house.now += timedelta(minutes=30)
    house.ingest.settle()
    before = chances()
    with house.history.transaction() as t:
        t.unsettle(range(100, 120))
    house.restart()
    house.ingest.settle()
    assert chances() == before


def test_reports_of_ours_are_not_in_the_history(house: House) -> None:
    house.spool.accept(
        Submission(
            message_id=5,
            accepted_at=DELIVERED_AT,
            return_path="",
            raw=b"Subject: report\r\n\r\n",
            deliveries=(Delivery(id=500, message_id=5, recipient="me@home.test"),),
            tracking={},
            facts={"report_about": 100, "subject": "report"},
        )
    )
    delivery = Delivery(id=500, message_id=5, recipient="me@home.test")
    house.spool.end(delivery, EventType.DELIVERED, DELIVERED_AT, {})
    assert house.ingest.step() == 2
    with house.history.transaction() as t:
        assert t.messages(None) == []


def test_a_server_that_goes_down_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL falls while ingest runs; it goes on by itself when the server returns."""
    if PostgresServer.missing():
        pytest.skip("PostgreSQL 15 is not installed; tests/install-servers does it")
    server = PostgresServer()
    server.start()
    house = House(tmp_path, rules, server.new_database())
    server.stop()
    house.submit(1, "a@gmail.com")
    house.see(hit(100))
    monkeypatch.setattr("mailglass.ingest.follow._REST_SECONDS", (0.01, 0.01))

    async def follow() -> None:
        stopping = asyncio.Event()
        running = asyncio.create_task(house.ingest.run(stopping))
        await asyncio.to_thread(server.start)
        while house.ingest._has_news():
            await asyncio.sleep(0)
        stopping.set()
        await running

    asyncio.run(follow())
    assert house.types("1") == [EventType.QUEUED, EventType.DELIVERED, EventType.OPENED]
    house.history.close()
    server.remove()


def test_it_waits_while_the_history_is_down_and_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.submit(1, "a@gmail.com")
    stopping, calls = asyncio.Event(), []
    step = house.ingest.step

    def flaky() -> int:
        calls.append(1)
        if len(calls) < 2:
            raise StorageUnavailable("no server")
        taken = step()
        stopping.set()
        return taken

    monkeypatch.setattr(house.ingest, "step", flaky)
    monkeypatch.setattr("mailglass.ingest.follow._REST_SECONDS", (0.0, 0.0))
    asyncio.run(house.ingest.run(stopping))
    assert house.types("1") == [EventType.QUEUED, EventType.DELIVERED]


def test_a_message_that_was_held_is_let_go_without_its_suppressed_recipients(house: House) -> None:
    complained = Suppression(
        account_id=house.account_id,
        recipient="b@x.test",
        reason="complaint",
        evidence="",
        since=DELIVERED_AT,
    )
    with house.history.transaction() as t:
        t.suppress(complained)
    house.submit(1, "a@x.test", "B@x.test", deliver=False, is_held=True)
    assert house.spool.due(house.now, 10) == []
    while house.ingest.step():
        pass
    assert [job.delivery.recipient for job in house.spool.due(house.now, 10)] == ["a@x.test"]
    first, second = house.story("1").deliveries
    assert [e.event.type for e in first.events] == [EventType.QUEUED]
    assert [e.event.type for e in second.events] == [EventType.QUEUED, EventType.SUPPRESSED]


def drain(house: House) -> None:
    while house.ingest.step():
        pass


def suppressed(house: House) -> dict[str, str]:
    with house.history.transaction() as t:
        return {entry.recipient: entry.reason for entry in t.suppressions(house.now)}


def test_who_confirms_to_unsubscribe_gets_no_more(house: House) -> None:
    house.submit(1, "a@example.org", "b@example.org")
    house.see(
        hit(100, path_kind="u", method="GET"),
        hit(101, path_kind="u", method="POST", action="unsubscribe"),
    )
    drain(house)
    assert suppressed(house) == {"b@example.org": "unsubscribed"}


def test_a_lifted_suppression_is_not_brought_back_by_judging_again(house: House) -> None:
    house.submit(1, "a@example.org")
    house.see(hit(100, path_kind="u", method="POST", action="unsubscribe"))
    drain(house)
    with house.history.transaction() as t:
        t.unsuppress(house.account_id, "a@example.org")
    house.see(hit(100))
    drain(house)
    assert suppressed(house) == {}


def test_rules_are_read_anew_each_day_and_when_asked_and_a_bad_file_changes_nothing(
    house: House, rules: Rules
) -> None:
    versions = ["2", "", "3"]

    def read_rules() -> Rules:
        version = versions.pop(0)
        if not version:
            raise BadRules("site.toml line 1: no")
        return replace(rules, version=version)

    house.ingest = Ingest(
        history=house.history,
        spool=house.spool,
        journal_directory=house.folder / "journal",
        rules=rules,
        read_rules=read_rules,
        clock=lambda: house.now,
    )
    seen = []
    for hours, asked in ((0, False), (25, False), (1, False), (0, True), (0, True)):
        house.now += timedelta(hours=hours)
        if asked:
            house.ingest.renew_rules()
        house.ingest._look_back()
        house.submit(len(seen) + 1, "a@gmail.com")
        house.ingest.step()
        seen.append(house.story(str(len(seen) + 1)).deliveries[0].delivery.verdict.rules_version)
    assert seen == [rules.version, "2", "2", "2", "3"]


def test_a_journal_that_is_older_than_the_history_is_said_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.submit(1, "a@gmail.com")
    house.see(hit(100), hit(100, minutes=61))
    house.ingest.step()
    assert "journal-older" not in {getattr(r, "action", "") for r in caplog.records}
    house.writer.close()
    (house.folder / "journal").rename(house.folder / "aside")
    (house.folder / "journal").mkdir()
    for _ in range(3):
        house.ingest.step()
    (said,) = (r for r in caplog.records if getattr(r, "action", "") == "journal-older")
    assert "from the same backup" in said.getMessage()
    house.submit(2, "b@gmail.com")
    assert house.ingest.step() > 0  # the spool goes on
    (house.folder / "journal").rmdir()
    (house.folder / "aside").rename(house.folder / "journal")
    house.writer = Writer(house.folder / "journal")
    house.see(hit(100, minutes=62))
    assert house.ingest.step() == 1
