"""The log of a local Postfix is followed: each line counts once, over rotations and restarts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailglass.evidence import Rules, load_rules
from mailglass.history import History
from mailglass.ingest import Ingest, RelayLog
from mailglass.model import Delivery, EventType
from mailglass.spool import Spool, Submission
from mailglass.tokens import Ring, return_address

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
RING = Ring([b"k" * 32])
FOREIGN = Ring([b"f" * 32])
PREFIX = "2026-11-22T09:00:00.000000+00:00 mx postfix"


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


class Relay:
    """An ingest that follows a log, which the test writes."""

    def __init__(self, folder: Path, rules: Rules, *, signed: bool = True) -> None:
        self.folder, self.rules = folder, rules
        self.log = folder / "mail.log"
        (folder / "journal").mkdir()
        self.spool = Spool(folder / "spool.db")
        self.history = History(f"sqlite:///{folder / 'history.db'}")
        with self.history.transaction() as t:
            self.account_id = t.add_account("default", NOW).id
        self._submit(signed=signed)
        self.restart()

    def restart(self) -> None:
        self.ingest = Ingest(
            history=self.history,
            spool=self.spool,
            journal_directory=self.folder / "journal",
            rules=self.rules,
            relay_log=RelayLog(self.log, RING),
            clock=lambda: NOW,
        )

    def _submit(self, *, signed: bool) -> None:
        names = ["one@example.net", "two@example.net"]
        deliveries = tuple(
            Delivery(id=11 + n, message_id=1, recipient=name) for n, name in enumerate(names)
        )
        facts = {
            "account_id": self.account_id,
            "author": "n@sender.example",
            "subject": "x",
            "message_id_field": "<m1@sender.example>",
            "tag": None,
            "campaign": None,
            "targets": [],
        }
        self.spool.accept(
            Submission(
                message_id=1,
                accepted_at=NOW,
                return_path="n@sender.example",
                raw=b"Subject: x\r\n\r\n",
                deliveries=deliveries,
                tracking={},
                facts=facts,
            )
        )
        body = {"signed_return_path": True} if signed else {}
        for one in deliveries:
            self.spool.end(one, EventType.DELIVERED, NOW, body)

    def write(self, *lines: str, end: str = "\n") -> None:
        with self.log.open("a") as file:
            file.write("\n".join(lines) + end)

    def take(self) -> None:
        while self.ingest.step():
            pass

    def events(self, delivery_id: int) -> list[EventType]:
        """What happened behind our own courier."""
        with self.history.transaction() as t:
            stored = t.events_of([delivery_id])
        return [e.event.type for e in stored if "relay" in e.event.raw]

    def suppressed(self) -> dict[str, str]:
        with self.history.transaction() as t:
            return {entry.recipient: entry.reason for entry in t.suppressions(NOW)}


@pytest.fixture
def relay(tmp_path: Path, rules: Rules) -> Iterator[Relay]:
    one = Relay(tmp_path, rules)
    yield one
    one.history.close()


def sender(delivery_id: int, queue_id: str = "4ABCDE12345", ring: Ring = RING) -> str:
    address = return_address(ring, delivery_id, "back.example")
    return f"{PREFIX}/qmgr[11]: {queue_id}: from=<{address}>, size=900, nrcpt=1 (queue active)"


def status(
    word: str,
    words: str = "250 2.0.0 Ok: queued as 5XYZ",
    recipient: str = "one@example.net",
    queue_id: str = "4ABCDE12345",
    dsn: str = "2.0.0",
) -> str:
    return (
        f"{PREFIX}/smtp[12]: {queue_id}: to=<{recipient}>, relay=mx.example.net[192.0.2.1]:25, "
        f"delay=1, delays=0/0/1/0, dsn={dsn}, status={word} ({words})"
    )


GONE = "host mx.example.net[192.0.2.1] said: 550 5.1.1 user unknown (in reply to RCPT TO command)"


def test_what_the_next_server_said_stands_in_the_timeline(relay: Relay) -> None:
    relay.write(sender(11), status("deferred", "451 4.7.1 Greylisted", dsn="4.7.1"))
    relay.write(sender(11), status("sent"))
    relay.take()
    assert relay.events(11) == [EventType.DEFERRED, EventType.DELIVERED]
    assert relay.events(12) == []


def test_a_dead_address_is_suppressed_without_a_bounce(relay: Relay) -> None:
    relay.write(sender(11), status("bounced", GONE, dsn="5.1.1"))
    relay.take()
    assert relay.events(11) == [EventType.BOUNCED]
    assert relay.suppressed() == {"one@example.net": "unknown-user"}


def test_the_signed_sender_finds_the_delivery_whatever_the_address_became(relay: Relay) -> None:
    relay.write(sender(12), status("sent", recipient="alias@elsewhere.example"))
    relay.take()
    assert relay.events(12) == [EventType.DELIVERED]


def test_a_line_is_taken_when_it_is_whole(relay: Relay) -> None:
    relay.write(sender(11))
    relay.write(status("sent")[:40], end="")
    relay.take()
    relay.write(status("sent")[40:])
    relay.take()
    relay.take()
    assert relay.events(11) == [EventType.DELIVERED]


def test_a_restart_counts_nothing_twice_and_knows_who_sent(relay: Relay) -> None:
    relay.write(sender(11), status("deferred", "451 later", dsn="4.0.0"))
    relay.take()
    relay.restart()
    relay.write(status("sent"))
    relay.take()
    assert relay.events(11) == [EventType.DEFERRED, EventType.DELIVERED]


def test_a_renamed_log_is_read_to_its_end_first(relay: Relay) -> None:
    relay.write(sender(11))
    relay.take()
    relay.write(status("deferred", "451 later", dsn="4.0.0"))
    relay.log.rename(relay.log.with_name("mail.log.1"))
    relay.write(sender(11), status("sent"))
    relay.take()
    assert relay.events(11) == [EventType.DEFERRED, EventType.DELIVERED]


def test_two_rotations_while_we_were_away_lose_nothing(relay: Relay) -> None:
    relay.write(sender(11))
    relay.take()
    relay.write(status("deferred", "451 later", dsn="4.0.0"))
    relay.log.rename(relay.log.with_name("mail.log.2"))
    relay.write(status("deferred", "451 later still", dsn="4.0.0"))
    relay.log.rename(relay.log.with_name("mail.log.1"))
    relay.write(status("sent"))
    relay.restart()
    relay.take()
    assert relay.events(11) == [EventType.DEFERRED, EventType.DEFERRED, EventType.DELIVERED]


def test_a_log_that_is_copied_and_emptied_loses_nothing(relay: Relay) -> None:
    relay.write(sender(11))
    relay.take()
    relay.write(status("deferred", "451 later", dsn="4.0.0"))
    shutil.copy(relay.log, relay.log.with_name("mail.log.1"))
    with relay.log.open("r+") as file:
        file.truncate()
    relay.write(sender(11, "5BCDEF12345"), status("sent", queue_id="5BCDEF12345"))
    relay.take()
    assert relay.events(11) == [EventType.DEFERRED, EventType.DELIVERED]


def test_a_log_that_was_compressed_away_is_said(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    relay.write(sender(11))
    relay.take()
    relay.log.unlink()
    relay.write(sender(11, "5A"), sender(11), status("sent"))
    relay.take()
    assert relay.events(11) == [EventType.DELIVERED]
    assert "lines may be missing" in caplog.text


def test_a_missing_log_is_waited_for(relay: Relay) -> None:
    relay.take()
    relay.write(sender(11), status("sent"))
    assert relay.ingest._has_news()
    relay.take()
    assert relay.events(11) == [EventType.DELIVERED]


FORGERIES = {
    "a sender of foreign keys": [sender(11, ring=FOREIGN)],
    "a Message-ID of ours under another sender": [
        f"{PREFIX}/cleanup[10]: 4ABCDE12345: message-id=<m1@sender.example>",
        f"{PREFIX}/qmgr[11]: 4ABCDE12345: from=<stranger@example.org>, size=1, nrcpt=1 (queue)",
    ],
    "a Message-ID of ours under no sender": [
        f"{PREFIX}/cleanup[10]: 4ABCDE12345: message-id=<m1@sender.example>",
    ],
}


@pytest.mark.parametrize("what", FORGERIES)
def test_other_mail_of_the_same_postfix_changes_nothing(relay: Relay, what: str) -> None:
    relay.write(*FORGERIES[what], status("bounced", GONE, dsn="5.1.1"))
    relay.take()
    assert relay.events(11) == []
    assert relay.suppressed() == {}


def test_without_signed_return_paths_message_id_and_sender_find_the_copy(
    tmp_path: Path, rules: Rules
) -> None:
    relay = Relay(tmp_path, rules, signed=False)
    relay.write(
        f"{PREFIX}/cleanup[10]: 4ABCDE12345: message-id=<m1@sender.example>",
        f"{PREFIX}/qmgr[11]: 4ABCDE12345: from=<n@sender.example>, size=1, nrcpt=1 (queue)",
        status("sent", recipient="two@example.net"),
    )
    relay.take()
    assert relay.events(12) == [EventType.DELIVERED]
    assert relay.events(11) == []
