"""What a submitter may ask for of one message: once, later, tagged, tracked otherwise, unsent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailglass.addresses import canonical_address
from mailglass.errors import StorageUnavailable
from mailglass.gateway import (
    Intake,
    KeyReused,
    Permissions,
    Receipt,
    Submitter,
    TrackingDefaults,
    Wishes,
)
from mailglass.ids import Ids
from mailglass.instrument import restore
from mailglass.model import EventType, TrackingPolicy
from mailglass.spool import ONCE_SECONDS, Once, Spool
from mailglass.tokens import Kind, Ring

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
RAW = (
    b"From: me@home.test\r\nSubject: hello\r\nContent-Type: text/html\r\n\r\n"
    b'<p><a href="https://example.org/">x</a></p>\r\n'
)
POLICIES = {"off@x.test": TrackingPolicy.OFF, "crowd@x.test": TrackingPolicy.ANONYMOUS}
US = Submitter(account_id=7, name="key ops")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Desk:
    """An intake over a spool, with a clock that is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.is_history_down = False
        self.asked: tuple[object, ...] = ()
        self.spool = Spool(folder / "spool.db")
        self.intake = Intake(
            spool=self.spool,
            ids=Ids(),
            ring=Ring([b"k" * 32]),
            store=lambda content, name: "digest",
            tracking=TrackingDefaults(
                base_url="https://t.test",
                opens=True,
                links=True,
                attachments="keep",
                text_links=False,
            ),
            hostname="glass.test",
            permissions=self.permissions,
            clock=self.clock,
        )

    def permissions(
        self, account_id: int, author_domain: str, campaign: str | None, recipients: tuple[str, ...]
    ) -> Permissions:
        if self.is_history_down:
            raise StorageUnavailable("the history cannot be used")
        self.asked = account_id, author_domain, campaign
        return Permissions(
            suppressed={
                canonical_address(r): "complaint" for r in recipients if "no@" in r.lower()
            },
            policies={r: POLICIES[r] for r in recipients if r in POLICIES},
        )

    def accept(self, *recipients: str, **wishes: Any) -> Receipt:
        return self.intake.accept(
            RAW,
            return_path="me@home.test",
            recipients=recipients or ("a@x.test",),
            submitter=US,
            wishes=Wishes(**wishes),
        )

    def told(self) -> list[tuple[EventType, Mapping[str, Any]]]:
        return [(e.type, e.body) for e in self.spool.events(0, 100)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def once(key: str = "k", fingerprint: str = "f", account_id: int = 7) -> Once:
    return Once(account_id=account_id, key=key, fingerprint=fingerprint)


def test_a_submission_under_a_known_key_is_taken_once(desk: Desk) -> None:
    first = desk.accept("a@x.test", "b@x.test", once=once())
    again = desk.accept("a@x.test", "b@x.test", once=once())
    assert (again.message_id, again.deliveries) == (first.message_id, first.deliveries)
    assert (first.is_repeated, again.is_repeated) == (False, True)
    assert desk.spool.counts()["message"] == 1
    assert len(desk.told()) == 1


def test_another_message_under_the_same_key_is_refused(desk: Desk) -> None:
    desk.accept(once=once())
    with pytest.raises(KeyReused, match="'k'"):
        desk.accept(once=once(fingerprint="other"))


def test_keys_of_different_accounts_and_old_ones_are_different_keys(desk: Desk) -> None:
    desk.accept(once=once())
    assert not desk.accept(once=once(account_id=8)).is_repeated
    desk.clock.now += timedelta(seconds=ONCE_SECONDS + 1)
    assert not desk.accept(once=once()).is_repeated


def test_a_message_for_later_is_not_due_before_its_time(desk: Desk) -> None:
    later = NOW + timedelta(days=2)
    desk.accept(send_at=later)
    again = Spool(desk.spool._path)  # whoever opens it after a crash
    assert again.due(later - timedelta(seconds=1), 10) == []
    (job,) = again.due(later, 10)
    assert job.due_since == later
    assert desk.told()[0][1]["send_at"] == later.isoformat()


def test_a_time_that_has_passed_means_now(desk: Desk) -> None:
    desk.accept(send_at=NOW - timedelta(days=1))
    (job,) = desk.spool.due(NOW, 10)
    assert job.due_since == NOW


def test_what_waits_can_be_withdrawn_and_what_is_due_cannot(desk: Desk) -> None:
    waiting = desk.accept("a@x.test", "b@x.test", send_at=NOW + timedelta(days=1))
    due = desk.accept()
    assert desk.intake.withdraw(waiting.message_id) == 2
    assert desk.intake.withdraw(due.message_id) == 0
    assert desk.intake.withdraw(12345) == 0
    assert desk.spool.counts()["message"] == 1
    assert [type_ for type_, _ in desk.told()].count(EventType.REJECTED) == 2


def test_tag_campaign_and_tracking_are_the_submitters(desk: Desk) -> None:
    desk.accept(tags=("t", "u"), campaign="c", tracking={"opens": False, "links": False})
    ((_, body),) = desk.told()
    assert (body["tags"], body["campaign"], body["targets"]) == (["t", "u"], "c", [])
    (job,) = desk.spool.due(NOW, 1)
    assert not job.tracking["opens"]


def test_nobody_learns_who_got_a_blind_copy(desk: Desk) -> None:
    desk.intake.accept(
        b"From: me@home.test\r\nBcc: quiet@x.test,\r\n other@x.test\r\nSubject: x\r\n\r\nhi\r\n",
        return_path="me@home.test",
        recipients=("a@x.test", "quiet@x.test"),
        submitter=US,
    )
    for job in desk.spool.due(NOW, 2):
        raw = desk.spool.raw(job.delivery.message_id)
        assert b"quiet" not in raw
        assert b"other@" not in raw
        assert b"Subject: x\r\n" in raw


def test_the_receipt_names_who_is_suppressed(desk: Desk) -> None:
    receipt = desk.accept("no@x.test", "a@x.test")
    assert list(receipt.suppressed.values()) == ["complaint"]


def test_fillings_go_with_their_deliveries(desk: Desk) -> None:
    filling = {"to": "a@x.test", "values": {"name": "王"}}
    desk.accept("a@x.test", "b@x.test", fillings={"a@x.test": filling})
    jobs = {j.delivery.recipient: j.filling for j in desk.spool.due(NOW, 10)}
    assert jobs == {"a@x.test": filling, "b@x.test": None}


@pytest.mark.parametrize("register", [True, False])
def test_instrumented_copies_are_handed_back_and_never_sent(desk: Desk, register: bool) -> None:
    made = desk.intake.instrument(
        RAW, recipients=("a@x.test", "b@x.test"), submitter=US, register=register
    )
    assert [d.recipient for d, _, _ in made.copies] == ["a@x.test", "b@x.test"]
    for _, copy, plan in made.copies:
        assert b"https://t.test/c/" in copy
        assert restore(copy, plan) == RAW
    assert made.copies[0][1] != made.copies[1][1]
    assert desk.spool.counts()["delivery"] == 0
    assert [type_ for type_, _ in desk.told()] == ([EventType.QUEUED] if register else [])


def test_a_spool_of_an_earlier_version_is_carried_on(tmp_path: Path) -> None:
    import sqlite3

    old = sqlite3.connect(tmp_path / "spool.db")
    old.executescript(
        "CREATE TABLE message (id INTEGER PRIMARY KEY, accepted_at REAL NOT NULL,"
        " return_path TEXT NOT NULL, tracking TEXT NOT NULL, raw BLOB NOT NULL);"
        "CREATE TABLE delivery (id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL,"
        " recipient TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
        " next_attempt_at REAL NOT NULL);"
        "INSERT INTO message VALUES (1, 0, 'me@x.test', '{}', x'00');"
        "INSERT INTO delivery VALUES (2, 1, 'a@x.test', 0, 0);"
    )
    old.commit()
    old.close()
    desk = Desk(tmp_path)
    desk.accept(send_at=NOW)
    assert [j.delivery.recipient for j in desk.spool.due(NOW, 10)] == ["a@x.test", "a@x.test"]


def test_each_recipients_policy_is_asked_for_and_frozen_with_the_message(desk: Desk) -> None:
    desk.accept("a@x.test", "crowd@x.test", "off@x.test", campaign="spring")
    assert desk.asked == (7, "home.test", "spring")
    assert [job.policy for job in desk.spool.due(NOW, 10)] == [
        TrackingPolicy.IDENTIFIED,
        TrackingPolicy.ANONYMOUS,
        TrackingPolicy.OFF,
    ]
    ((_, body),) = desk.told()
    assert sorted(body["policies"].values()) == ["anonymous", "off"]


def test_mail_is_taken_and_held_while_nobody_can_be_asked(desk: Desk) -> None:
    desk.is_history_down = True
    receipt = desk.accept("a@x.test")
    assert desk.spool.due(NOW, 10) == []
    (waiting,) = desk.spool.waiting()
    assert (waiting.delivery, waiting.is_held) == (receipt.deliveries[0], True)


def test_one_domain_in_two_spellings_is_one_recipient_and_has_its_refusal(desk: Desk) -> None:
    receipt = desk.accept("no@例子.cn", "no@xn--fsqu00a.cn", "NO@例子.cn")
    assert [d.recipient for d in receipt.deliveries] == ["no@例子.cn", "NO@例子.cn"]
    assert list(receipt.suppressed.values()) == ["complaint", "complaint"]


@pytest.mark.parametrize("own", ["me@home.test", "ME@home.test", "bounces@home.test"])
def test_the_authors_own_copy_carries_nothing_also_when_it_was_held(desk: Desk, own: str) -> None:
    for desk.is_history_down in (False, True):
        receipt = desk.intake.accept(
            RAW,
            return_path="bounces@home.test",
            recipients=[own, "you@x.test"],
            submitter=US,
        )
        desk.spool.release(receipt.message_id, NOW, policies={}, suppressed={})
        policies = {
            w.delivery.recipient: w.policy
            for w in desk.spool.waiting()
            if w.delivery.message_id == receipt.message_id
        }
        assert policies == {own: TrackingPolicy.OFF, "you@x.test": TrackingPolicy.IDENTIFIED}


def test_only_the_neighbourhood_of_the_submitters_address_is_kept(desk: Desk) -> None:
    submitter = replace(US, address="198.51.100.77")
    desk.intake.accept(RAW, return_path="", recipients=["you@x.test"], submitter=submitter)
    (queued,) = (e for e in desk.spool.events(0, 9) if e.type is EventType.QUEUED)
    assert queued.body["submitter_network"] == "198.51.100.0/24"
    assert "198.51.100.77" not in repr(queued.body)


def test_copies_that_are_handed_back_keep_to_each_recipients_policy(desk: Desk) -> None:
    handed = desk.intake.instrument(
        RAW, recipients=("a@x.test", *POLICIES), submitter=US, register=False
    )
    ring = Ring([b"k" * 32])
    by_name = {d.recipient: copy for d, copy, _ in handed.copies}
    beacons = {
        name: [ring.read(t.decode(), Kind.OPEN) for t in re.findall(rb"/o/(\w+)\.gif", copy)]
        for name, copy in by_name.items()
    }
    assert [t.anonymous for t in beacons["a@x.test"]] == [False]
    assert [t[1:] for t in beacons["crowd@x.test"]] == [(handed.receipt.message_id, 0, True)]
    assert by_name["off@x.test"] == RAW
    for _, copy, plan in handed.copies:
        assert restore(copy, plan) == RAW
