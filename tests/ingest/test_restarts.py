"""A restart of ingest changes no judgement: what judging reads is in the history."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailglass.evidence import Rules, load_rules
from mailglass.history import History
from mailglass.ingest import Ingest, Rejudging, rejudge
from mailglass.journal import Writer, encode
from mailglass.model import Delivery, EventType, Hit, VerdictLevel
from mailglass.spool import Spool, Submission

BEGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
AGENTS = (BROWSER, "curl/8.0", "Mozilla/5.0 (Windows NT 10.0) Chrome/150.0.0.0 Safari/537.36", "")
# of one network, of one provider's data centres, and of three unrelated ones
ADDRESSES = (
    *(f"203.0.113.{n}" for n in range(1, 5)),
    *("198.51.100.7", "66.249.84.1", "3.5.140.2", "20.36.0.9", "34.80.0.3", "2001:db8::1"),
)
KINDS = (("beacon", 0, "o"), ("link", 1, "c"), ("unsubscribe", 2, "u"), ("honeypot", 3, "c"))


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


class House:
    """Spool, journal, history and an ingest whose clock is turned by hand."""

    def __init__(self, folder: Path, rules: Rules) -> None:
        folder.mkdir()
        (folder / "journal").mkdir()
        self.folder, self.rules, self.now = folder, rules, BEGIN
        self.spool = Spool(folder / "spool.db")
        self.history = History(f"sqlite:///{folder / 'history.db'}")
        with self.history.transaction() as t:
            self.account_id = t.add_account("default", BEGIN).id
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

    def send(self, message_id: int, *recipients: str) -> None:
        copies = tuple(
            Delivery(id=message_id * 100 + n, message_id=message_id, recipient=r)
            for n, r in enumerate(recipients)
        )
        facts = {
            "account_id": self.account_id,
            "submitter": "me",
            "author": "me@home.test",
            "subject": "x",
            "message_id_field": f"<{message_id}@home.test>",
            "tag": None,
            "campaign": None,
            "targets": [
                {"number": number, "kind": kind, "url": "https://example.org/"}
                for kind, number, _ in KINDS
            ],
        }
        self.spool.accept(
            Submission(
                message_id=message_id,
                accepted_at=BEGIN - timedelta(seconds=1),
                return_path="me@home.test",
                raw=b"Subject: x\r\n\r\n",
                deliveries=copies,
                tracking={},
                facts=facts,
            )
        )
        for one in copies:
            self.spool.end(one, EventType.DELIVERED, BEGIN, {"reply_code": 250})

    def take(self, hits: list[Hit]) -> None:
        self.writer.commit([encode(hit) for hit in hits])
        while self.ingest.step():
            pass

    def made_of_it(self, messages: int) -> dict[int, Any]:
        """Every verdict with its reasons, and every hit's judgement."""
        with self.history.reading() as t:
            found = t.deliveries(d.id for d in t.deliveries_of(range(1, messages + 1)))
            return {
                d.id: (
                    d.verdict,
                    [
                        (e.event.type, e.event.evidence, e.event.raw)
                        for e in t.events_of([d.id])
                        if e.hit_id is not None
                    ],
                )
                for d in found
            }

    def would_change(self) -> int:
        done = Rejudging()
        list(rejudge(self.history, self.rules, self.now, dry_run=True, so_far=done))
        return done.hits_changed

    def close(self) -> None:
        self.writer.close()
        self.history.close()


def hit(delivery_id: int | None, at: datetime, **facts: Any) -> Hit:
    values: dict[str, Any] = {
        "at": at,
        "path_kind": "o",
        "method": "GET",
        "token": "a" * 29,
        "delivery_id": delivery_id,
        "target": None if delivery_id is None else 0,
        "address": "203.0.113.9",
        "http_version": "1.1",
        "headers": {"user-agent": BROWSER},
    }
    return Hit(**{**values, **facts})


def test_an_altered_token_is_remembered_over_a_restart(tmp_path: Path, rules: Rules) -> None:
    house = House(tmp_path / "h", rules)
    house.send(1, "a@corp.test")
    house.take([])
    seen = BEGIN + timedelta(hours=1)
    house.take([hit(100, seen), hit(None, seen + timedelta(seconds=9), token="a" * 28 + "%")])
    house.restart()
    house.now = seen + timedelta(minutes=11)
    house.ingest.settle()
    with house.history.reading() as t:
        (copy,) = t.deliveries([100])
    assert copy.verdict.level is VerdictLevel.MACHINE_ONLY
    assert copy.verdict.is_final
    assert house.would_change() == 0
    house.close()


@pytest.mark.parametrize("restart", [False, True])
def test_what_a_hits_neighbours_were_is_known_when_they_are_long_gone(
    tmp_path: Path, rules: Rules, restart: bool
) -> None:
    """A scanner gave itself away by an altered token; days later somebody opens the message."""
    house = House(tmp_path / "h", rules)
    house.send(1, "a@corp.test")
    house.take([])
    seen = BEGIN + timedelta(hours=1)
    house.take([hit(None, seen, token="a" * 28 + "%"), hit(100, seen + timedelta(seconds=9))])
    with house.history.reading() as t:
        scanned = [e.event for e in t.events_of([100]) if e.hit_id]
    for day in range(1, 4):  # other hits of that address, by which an index in memory moves on
        for hour in range(8):
            at = seen + timedelta(days=day, hours=hour)
            house.take([hit(None, at, token=f"b{hour}%")])
    if restart:
        house.restart()
    house.take([hit(100, seen + timedelta(days=4), address="192.0.2.44")])
    with house.history.reading() as t:
        events = [e.event for e in t.events_of([100]) if e.hit_id]
    assert events[0] == scanned[0]
    assert "behaviour.altered_token" in {e.signal for e in events[0].evidence}
    house.close()


def test_a_hit_that_means_no_delivery_of_ours_is_no_altered_token(
    tmp_path: Path, rules: Rules
) -> None:
    """A purged message's beacon, which verifies, beside a look at another message."""
    house = House(tmp_path / "h", rules)
    house.send(1, "a@corp.test")
    house.take([])
    seen = BEGIN + timedelta(hours=1)
    house.take([hit(100, seen)])
    before = house.made_of_it(1)
    house.take([hit(99_900, seen + timedelta(seconds=9))])
    house.restart()
    house.take([hit(99_900, seen + timedelta(seconds=12))])
    house.now = seen + timedelta(minutes=2)
    assert house.would_change() == 0
    assert house.made_of_it(1) == before
    house.close()


def _batches(chance: random.Random) -> list[list[Hit]]:
    """Hits of some hours, in the order of their times, in batches of any size."""
    at, batches = BEGIN - timedelta(seconds=20), []
    for _ in range(chance.randrange(10, 30)):
        batch = []
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            at += timedelta(seconds=chance.choice((0, 0.4, 1, 5, 20, 20, 60, 900, 6000)))
            batch.append(_any_hit(chance, at))
        batches.append(batch)
    return batches


def _any_hit(chance: random.Random, at: datetime) -> Hit:
    address = chance.choice(ADDRESSES)
    headers = {"user-agent": chance.choice(AGENTS)}
    what = chance.random()
    if what < 0.08:
        token = f"altered{chance.randrange(9)}%"
        return hit(None, at, token=token, address=address, headers=headers)
    if what < 0.12:
        return hit(99_900, at, address=address, headers=headers)  # none of ours
    delivery_id = chance.randrange(1, 5) * 100 + chance.randrange(6)
    _, target, path = chance.choice(KINDS)
    facts: dict[str, Any] = {"path_kind": path, "target": target}
    if what < 0.16:
        facts |= {"path_kind": "n", "target": 0}
        if what < 0.13:
            facts |= {"action": "object", "method": "POST"}
    elif what < 0.2:
        number = delivery_id // 100
        return hit(number, at, anonymous=True, address=address, headers=headers)
    return hit(delivery_id, at, address=address, headers=headers, **facts)


@pytest.mark.parametrize("seed", range(6))
def test_restarts_anywhere_change_nothing(tmp_path: Path, rules: Rules, seed: int) -> None:
    chance = random.Random(seed)
    batches = _batches(chance)
    restarts = {i for i in range(len(batches)) if chance.random() < 0.4}
    settles = {i for i in range(len(batches)) if chance.random() < 0.3}
    made = []
    for name, stops in (("never", set()), ("often", restarts)):
        house = House(tmp_path / name, rules)
        for number in range(1, 5):
            house.send(number, *(f"r{n}@d{n % 2}.test" for n in range(6)))
        house.take([])
        for i, batch in enumerate(batches):
            if i in stops:
                house.restart()
            house.now = batch[-1].at + timedelta(seconds=1)
            house.take(batch)
            if i in settles:
                house.now += timedelta(minutes=11)
                house.ingest.settle()
        house.now += timedelta(days=1)
        if stops:
            house.restart()
        house.ingest.settle()
        made.append(house.made_of_it(4))
        house.close()
    assert made[0] == made[1]
