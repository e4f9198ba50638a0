"""What an operator can do with the queue, and an upgrade under waiting mail."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailglass.model import Delivery, EventType, TrackingPolicy
from mailglass.spool import Spool, Submission

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Cli = Callable[..., subprocess.CompletedProcess[bytes]]


def submission(number: int = 1, *recipients: str, **more: object) -> Submission:
    deliveries = tuple(
        Delivery(id=number * 100 + i, message_id=number, recipient=r)
        for i, r in enumerate(recipients or ("a@x.test",))
    )
    values = {
        "message_id": number,
        "accepted_at": NOW,
        "return_path": "me@y.test",
        "raw": b"Subject: s\r\n\r\nbody\r\n",
        "deliveries": deliveries,
        "tracking": {"base_url": "https://t.test"},
        "facts": {"account_id": 1},
    }
    return Submission(**{**values, **more})  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    spool = Spool(tmp_path / "spool.db")
    spool.accept(submission(1, "a@x.test", "B@x.test"))
    spool.accept(submission(2, "c@x.test"))
    (job,) = (j for j in spool.due(NOW, 10) if j.delivery.id == 200)
    said = {"reply_code": 451, "reply_text": "4.7.1 later\x1b[2J"}
    spool.defer(job.delivery, NOW, NOW + timedelta(days=900), said)
    spool.close()
    return tmp_path


def test_the_queue_shows_what_waits_and_why(run_cli: Cli, data: Path) -> None:
    shown = run_cli("--data", str(data), "queue", "list")
    lines = shown.stdout.decode().splitlines()
    assert lines[0].startswith("delivery  recipient  next attempt")
    assert "451 4.7.1 later\\x1b[2J" in lines[3]
    assert lines[-1] == "3 deliveries wait"
    told = [
        json.loads(line)
        for line in run_cli("--data", str(data), "queue", "list", "--json").stdout.splitlines()
    ]
    assert [t["delivery_id"] for t in told] == ["100", "101", "200"]
    assert told[2]["attempts"] == 1
    assert told[2]["policy"] == "identified"


def test_a_delivery_is_found_by_number_and_by_recipient(run_cli: Cli, data: Path) -> None:
    for name, ids in (("1", ["100", "101"]), ("101", ["101"]), ("b@X.test", ["101"])):
        shown = run_cli("--data", str(data), "queue", "show", name, "--json").stdout
        assert [json.loads(line)["delivery_id"] for line in shown.splitlines()] == ids
    missing = run_cli("--data", str(data), "queue", "show", "999")
    assert missing.returncode == 65
    assert b"999 is not in the queue; `mailglass queue list`" in missing.stderr


def test_a_retry_makes_a_delivery_due_at_once(run_cli: Cli, data: Path) -> None:
    done = run_cli("--data", str(data), "queue", "retry", "200", "--json")
    assert json.loads(done.stdout) == {"hastened": 1}
    spool = Spool(data / "spool.db")
    assert 200 in {job.delivery.id for job in spool.due(datetime.now(UTC), 10)}


def test_what_is_cancelled_is_not_sent_and_the_history_is_told(run_cli: Cli, data: Path) -> None:
    asked = run_cli("--data", str(data), "queue", "cancel", "1", stdin=b"n\n")
    assert asked.returncode == 1
    done = run_cli("--data", str(data), "queue", "cancel", "1", "--yes", "--reason", "mistake")
    assert done.stdout == b"2 cancelled\n"
    spool = Spool(data / "spool.db")
    assert [w.delivery.id for w in spool.waiting()] == [200]
    ended = [e for e in spool.events(0, 100) if e.type is EventType.REJECTED]
    assert [(e.delivery_id, e.body) for e in ended] == [
        (100, {"reason": "mistake"}),
        (101, {"reason": "mistake"}),
    ]
    with pytest.raises(KeyError):
        spool.raw(1)


def test_a_command_without_a_spool_names_the_option(run_cli: Cli, tmp_path: Path) -> None:
    shown = run_cli("--data", str(tmp_path), "queue", "list")
    assert shown.returncode == 65
    assert b"--data names the data directory" in shown.stderr


def test_a_spool_of_an_earlier_version_goes_on_with_its_mail(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "spool.db")
    db.executescript(
        "CREATE TABLE message (id INTEGER PRIMARY KEY, accepted_at REAL NOT NULL,"
        " return_path TEXT NOT NULL, tracking TEXT NOT NULL, raw BLOB NOT NULL);"
        "CREATE TABLE delivery (id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL,"
        " recipient TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
        " next_attempt_at REAL NOT NULL);"
        "INSERT INTO message VALUES (1, 5.0, 'me@y.test', '{}', x'00');"
        "INSERT INTO delivery VALUES (100, 1, 'a@x.test', 2, 6.0);"
    )
    db.close()
    (job,) = Spool(tmp_path / "spool.db").due(NOW, 10)
    assert (job.delivery.id, job.attempts) == (100, 2)
    assert job.policy is TrackingPolicy.IDENTIFIED


def test_a_held_message_waits_until_it_is_released(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.accept(submission(1, "a@x.test", "b@x.test", "c@x.test", is_held=True))
    assert spool.due(NOW, 10) == []
    assert all(w.is_held for w in spool.waiting())
    spool.release(1, NOW, policies={100: TrackingPolicy.OFF}, suppressed={101: "complaint"})
    policies = {job.delivery.id: job.policy for job in spool.due(NOW, 10)}
    assert policies == {100: TrackingPolicy.OFF, 102: TrackingPolicy.IDENTIFIED}
    assert [e.delivery_id for e in spool.events(0, 10) if e.type is EventType.SUPPRESSED] == [101]
    spool.release(1, NOW, policies={100: TrackingPolicy.IDENTIFIED}, suppressed={})
    assert spool.due(NOW, 10)[0].policy is TrackingPolicy.OFF


def test_a_withdrawal_tightens_what_still_waits_and_never_loosens(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.accept(submission(1, "A@x.test", "b@x.test"))
    assert spool.tighten("a@X.test", 1, TrackingPolicy.ANONYMOUS) == 1
    assert spool.tighten("a@x.test", 1, TrackingPolicy.IDENTIFIED) == 0
    assert spool.tighten("a@x.test", 2, TrackingPolicy.OFF) == 0
    assert [job.policy for job in spool.due(NOW, 10)] == [
        TrackingPolicy.ANONYMOUS,
        TrackingPolicy.IDENTIFIED,
    ]


def test_an_erased_recipient_is_neither_written_to_nor_named(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.accept(submission(1, "A@x.test", "b@x.test"))
    spool.accept(submission(2, "c@x.test"))
    (job,) = (j for j in spool.due(NOW, 10) if j.delivery.id == 101)
    spool.defer(job.delivery, NOW, NOW, {"problem": "no route for a@x.test either"})
    assert spool.forget_recipient("a@X.test", None, NOW) == 1
    assert [w.delivery.id for w in spool.waiting()] == [101, 200]
    told = spool.events(0, 100)
    assert "a@x.test" not in repr(told).lower()
    assert told[0].body["deliveries"] == [[100, ""], [101, "b@x.test"]]
    assert told[0].body["account_id"] == 1


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("x@例子.cn", "x@xn--fsqu00a.cn"),
        ("X@XN--FSQU00A.cn", "x@例子.cn"),
        ("Ä@x.test", "ä@x.test"),
    ],
)
def test_a_recipient_is_found_however_the_address_is_spelt(
    tmp_path: Path, sent: str, said: str
) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.accept(submission(1, sent, "b@x.test"))
    assert [w.delivery.id for w in spool.waiting(recipient=said)] == [100]
    assert spool.tighten(said, 1, TrackingPolicy.OFF) == 1
    assert spool.forget_recipient(said, None, NOW) == 1
    assert [w.delivery.id for w in spool.waiting()] == [101]
    assert spool.events(0, 9)[0].body["deliveries"] == [[100, ""], [101, "b@x.test"]]
