"""The spool keeps what it accepted, tells what happened in order, and forgets only when told."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailglass.errors import StorageUnavailable
from mailglass.model import Delivery, EventType
from mailglass.spool import Spool, Submission
from product import environment

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def submission(number: int = 1, recipients: tuple[str, ...] = ("a@x.test",)) -> Submission:
    deliveries = tuple(
        Delivery(id=number * 100 + i, message_id=number, recipient=r)
        for i, r in enumerate(recipients)
    )
    return Submission(
        message_id=number,
        accepted_at=NOW,
        return_path="me@y.test",
        raw=b"Subject: \xff\r\n\r\nbody\r\n",
        deliveries=deliveries,
        tracking={"opens": True},
        facts={"subject": "s"},
    )


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool.db")


def test_an_accepted_message_is_due_at_once_with_its_bytes(spool: Spool) -> None:
    spool.accept(submission())
    (job,) = spool.due(NOW, 10)
    assert job.delivery == Delivery(id=100, message_id=1, recipient="a@x.test")
    assert job.tracking == {"opens": True}
    assert spool.raw(1) == b"Subject: \xff\r\n\r\nbody\r\n"


def test_deliveries_under_way_are_left_out(spool: Spool) -> None:
    spool.accept(submission(1, ("a@x.test", "b@x.test")))
    assert [j.delivery.id for j in spool.due(NOW, 10, without=[100])] == [101]


def test_a_deferred_delivery_waits_for_its_time(spool: Spool) -> None:
    spool.accept(submission())
    (job,) = spool.due(NOW, 10)
    later = NOW + timedelta(minutes=5)
    spool.defer(job.delivery, NOW, later, {"reply_code": 451})
    assert spool.due(later - timedelta(seconds=1), 10) == []
    assert spool.due(later, 10)[0].attempts == 1


def test_a_message_goes_with_its_last_delivery(spool: Spool) -> None:
    spool.accept(submission(1, ("a@x.test", "b@x.test")))
    first, second = spool.due(NOW, 10)
    spool.end(first.delivery, EventType.DELIVERED, NOW, {})
    assert spool.raw(1)
    spool.end(second.delivery, EventType.DELIVERED, NOW, {})
    with pytest.raises(KeyError):
        spool.raw(1)
    assert spool.counts() == {"message": 0, "delivery": 0, "event": 3}


def test_events_come_in_order_and_their_numbers_never_come_again(spool: Spool) -> None:
    spool.accept(submission())
    (job,) = spool.due(NOW, 10)
    spool.end(job.delivery, EventType.DELIVERED, NOW, {"reply_code": 250})
    events = spool.events(0, 10)
    assert [e.type for e in events] == [EventType.QUEUED, EventType.DELIVERED]
    assert events[0].body["deliveries"] == [[100, "a@x.test"]]
    spool.forget_events(events[-1].seq)
    spool.accept(submission(2))
    assert spool.events(0, 10)[0].seq > events[-1].seq


def test_a_report_is_accepted_in_the_transaction_that_ends_its_delivery(spool: Spool) -> None:
    spool.accept(submission())
    (job,) = spool.due(NOW, 10)
    spool.end(job.delivery, EventType.BOUNCED, NOW, {}, report=submission(2, ("me@y.test",)))
    assert [j.delivery.recipient for j in spool.due(NOW, 10)] == ["me@y.test"]


def test_what_cannot_be_kept_is_not_kept_in_part(spool: Spool, tmp_path: Path) -> None:
    spool.accept(submission())
    with pytest.raises(StorageUnavailable):
        spool.accept(submission())  # the same number again
    assert spool.counts() == {"message": 1, "delivery": 1, "event": 1}


def test_a_full_disk_is_said_and_keeps_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    with sqlite3.connect(tmp_path / "spool.db") as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    spool._db.execute(f"PRAGMA max_page_count = {pages + 2}")  # the database's own full disk
    big = submission()
    object.__setattr__(big, "raw", b"x" * 100_000)
    with pytest.raises(StorageUnavailable, match="full"):
        spool.accept(big)
    assert spool.counts() == {"message": 0, "delivery": 0, "event": 0}


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match=r"nowhere"):
        Spool(tmp_path / "nowhere" / "spool.db")


WRITER = """
import sys
from test_spool import submission
from mailglass.spool import Spool
from pathlib import Path
spool = Spool(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    spool.accept(submission(number))
    print(number, flush=True)
"""


def test_what_was_accepted_survives_a_kill(tmp_path: Path) -> None:
    """After kill -9 in the middle of a stream, everything reported as accepted is there, once."""
    path = tmp_path / "spool.db"
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent), str(Path(__file__).parent.parent), env.get("PYTHONPATH", "")]
    )
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env=env
    ) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().split()]
    spool = Spool(path)
    kept = [job.delivery.message_id for job in spool.due(NOW, 100_000)]
    assert len(kept) == len(set(kept))
    assert set(told) <= set(kept)


def test_a_suppressed_recipient_gets_nothing_and_an_event_says_why(spool: Spool) -> None:
    accepted = submission(recipients=("a@x.test", "b@x.test"))
    spool.accept(replace(accepted, suppressed={100: "complaint"}))
    assert [job.delivery.recipient for job in spool.due(NOW, 10)] == ["b@x.test"]
    told = [(e.type, e.delivery_id, e.body.get("reason")) for e in spool.events(0, 10)]
    assert told == [(EventType.QUEUED, None, None), (EventType.SUPPRESSED, 100, "complaint")]


def test_a_message_to_suppressed_recipients_alone_is_not_kept(spool: Spool) -> None:
    spool.accept(replace(submission(), suppressed={100: "unsubscribed"}))
    assert spool.due(NOW, 10) == []
    with pytest.raises(KeyError):
        spool.raw(1)
