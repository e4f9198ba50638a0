"""The courier's office against a server that accepts, puts off and refuses by plan."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailglass.delivery import Courier, Delivering, Schedule, Smarthost
from mailglass.errors import StorageUnavailable
from mailglass.ids import Ids
from mailglass.model import Delivery, EventType, TrackingPolicy
from mailglass.spool import Spool, SpoolEvent, Submission
from mailglass.tokens import Kind, Ring
from mailglass.world import Answers, Fate, LiveWorld, Maildrop

NOW = datetime.now(UTC)
TRACKING = {"base_url": "https://track.example"}
HTML = (
    b"From: me@home.test\r\nSubject: hello\r\nMessage-ID: <1@home.test>\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b'<body><a href="https://example.org/">here</a></body>\r\n'
)
FATES = {
    "late@gmail.example": Fate(case="busy", puts_off=1),
    "gone@gmail.example": Fate(case="gone"),
    "spam@gmail.example": Fate(case="spam"),
}


def submission(*recipients: str, accepted_at: datetime = NOW, raw: bytes = HTML) -> Submission:
    ids = Ids()
    message_id = ids.next()
    return Submission(
        message_id=message_id,
        accepted_at=accepted_at,
        return_path="me@home.example",
        raw=raw,
        deliveries=tuple(
            Delivery(id=ids.next(), message_id=message_id, recipient=r) for r in recipients
        ),
        tracking=TRACKING,
    )


class Office:
    """A spool, the office over it, and the world as its smarthost."""

    def __init__(self, folder: Path, *, smarthost_port: int | None = None) -> None:
        self.spool = Spool(folder / "spool.db")
        self.world = LiveWorld(
            answers=Answers(defer_share=0, refuse_share=0, fates=FATES),
            horizon_seconds=0,
            maildrop=Maildrop(folder / "mail"),
        )
        self._port = smarthost_port

    def deliver(self, *submissions: Submission) -> list[SpoolEvent]:
        """Deliver until nothing is due any more; the events in order."""
        for one in submissions:
            self.spool.accept(one)
        asyncio.run(self._until_empty())
        return self.spool.events(0, 1000)

    async def _until_empty(self) -> None:
        await self.world.start()
        stopping = asyncio.Event()
        running = asyncio.create_task(self._office().run(stopping))
        await self._spool_is_empty()
        stopping.set()
        await running
        await self.world.stop()

    async def _spool_is_empty(self) -> None:
        while self.spool.counts()["delivery"]:
            await asyncio.sleep(0)

    def _office(self) -> Delivering:
        smarthost = Smarthost(
            host="127.0.0.1", port=self._port or self.world.smtp_port, security="none"
        )
        return Delivering(
            spool=self.spool,
            ring=Ring([b"k" * 32]),
            ids=Ids(node=1),
            schedule=Schedule(retry_seconds=(1,), lifetime_seconds=86_400),
            new_courier=lambda: Courier(
                smarthost,
                hostname="glass.test",
                most_messages=100,
                context=ssl.create_default_context(),
            ),
            connections=2,
            hostname="glass.test",
            # one second after a refusal is already over when the clock is read next
            clock=iter_clock(),
        )


def iter_clock() -> object:
    """A clock that goes on two seconds at each look, so that nobody waits for a retry."""
    moments = iter(range(1_000_000))
    return lambda: NOW + timedelta(seconds=2 * next(moments))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def types(events: list[SpoolEvent]) -> list[EventType]:
    return [e.type for e in events]


def test_an_accepted_copy_is_delivered_with_the_servers_words(office: Office) -> None:
    events = office.deliver(submission("a@gmail.example"))
    assert types(events) == [EventType.QUEUED, EventType.DELIVERED]
    assert events[1].body["reply_code"] == 250
    assert events[1].body["attempt"] == 1


def test_each_recipient_gets_a_copy_with_tokens_of_its_own(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.deliver(submission("a@gmail.example", "b@gmail.example"))
    copies = [file.read_bytes() for file in (tmp_path / "mail").glob("*.eml")]
    beacons = {re.findall(rb"/o/([a-z2-7]+)\.gif", copy)[0] for copy in copies}
    assert len(copies) == len(beacons) == 2
    assert all(b"From: me@home.test" in copy for copy in copies)


def test_each_recipient_of_a_merge_gets_their_own_text(tmp_path: Path) -> None:
    from dataclasses import replace

    from mailglass.gateway import Fields, NamedAddress, compose

    people = {"a@gmail.example": "王小明", "b@gmail.example": "민수"}
    made = compose(
        Fields(
            author=NamedAddress(address="me@home.test"),
            to=tuple(NamedAddress(address=address) for address in people),
            subject="您好 {{name}}",
            html='<a href="https://example.org/">{{name}}</a>',
            substitutions={address: {"name": name} for address, name in people.items()},
        )
    )
    office = Office(tmp_path)
    one = submission(*people, raw=b"Message-ID: <2@home.test>\r\n" + made.raw)
    fillings = {d.id: made.fillings[d.recipient] for d in one.deliveries}
    office.deliver(replace(one, fillings=fillings))
    seen = {}
    for file in (tmp_path / "mail").glob("*.eml"):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert isinstance(message, email.message.EmailMessage)
        page = message.get_content()
        seen[str(message["To"])] = (str(message["Subject"]), re.findall(">([^<>]+)</a>", page)[0])
        assert "/c/" in page
    assert seen == {address: (f"您好 {name}", name) for address, name in people.items()}


def test_a_message_for_later_has_its_whole_lifetime_after_that(tmp_path: Path) -> None:
    from dataclasses import replace

    office = Office(tmp_path)
    old = submission("late@gmail.example", accepted_at=NOW - timedelta(days=30))
    events = office.deliver(replace(old, send_at=NOW))
    assert types(events) == [EventType.QUEUED, EventType.DEFERRED, EventType.DELIVERED]


def test_a_passing_refusal_is_tried_again(office: Office) -> None:
    events = office.deliver(submission("late@gmail.example"))
    assert types(events) == [EventType.QUEUED, EventType.DEFERRED, EventType.DELIVERED]
    assert 400 <= events[1].body["reply_code"] < 500
    assert events[2].body["attempt"] == 2


@pytest.mark.parametrize("recipient", ["gone@gmail.example", "spam@gmail.example"])
def test_a_final_refusal_bounces_and_is_reported_to_the_return_path(
    office: Office, recipient: str
) -> None:
    events = office.deliver(submission(recipient))
    assert types(events)[:2] == [EventType.QUEUED, EventType.BOUNCED]
    assert office.world.reports == 1


def test_without_a_smarthost_a_message_is_deferred_until_its_time_is_over(tmp_path: Path) -> None:
    """Nothing listens on port 1. The return path is null, so nobody is told of the failure."""
    office = Office(tmp_path, smarthost_port=1)
    old = submission("a@gmail.example", accepted_at=NOW - timedelta(seconds=86_395))
    object.__setattr__(old, "return_path", "")
    events = office.deliver(old)
    assert EventType.DEFERRED in types(events)
    assert events[-1].type is EventType.BOUNCED
    assert events[-1].body["expired"] is True
    assert "problem" in events[-1].body
    assert types(events).count(EventType.QUEUED) == 1


def test_what_cannot_be_instrumented_goes_out_as_it_came(tmp_path: Path) -> None:
    office = Office(tmp_path)
    strange = submission("a@gmail.example")
    object.__setattr__(strange, "tracking", {"no such option": 1})
    assert types(office.deliver(strange)) == [EventType.QUEUED, EventType.DELIVERED]


def test_a_non_ascii_address_needs_a_server_that_takes_it(office: Office) -> None:
    events = office.deliver(submission("用户@gmail.example"))
    assert events[1].type is EventType.DELIVERED


def test_a_report_says_in_words_and_fields_what_failed(office: Office, tmp_path: Path) -> None:
    from mailglass.delivery.courier import Outcome, Step
    from mailglass.delivery.report import failure_report
    from mailglass.model import Reply
    from mailglass.spool import Job

    job = Job(
        delivery=Delivery(id=7, message_id=6, recipient="gone@x.test"),
        return_path="me@home.test",
        tracking={},
        attempts=0,
        accepted_at=NOW,
    )
    reply = Reply(reply_code=550, enhanced_status="5.1.1", reply_text="5.1.1 No such user")
    outcome = Outcome(step=Step.RCPT, reply=reply)
    report = failure_report(job, outcome, HTML, ids=Ids(), hostname="glass.test", now=NOW)
    assert report is not None
    message = email.message_from_bytes(report.raw)
    assert message.get_content_type() == "multipart/report"
    words, status, header = message.get_payload()
    assert "gone@x.test" in words.get_payload(decode=True).decode()
    about = status.get_payload()[1]
    assert about["Action"] == "failed"
    assert about["Status"] == "5.1.1"
    assert "Message-ID: <1@home.test>" in header.get_payload()
    assert report.return_path == ""


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 60), (2, 300), (3, 900), (4, 900), (50, 900)]
)
def test_the_last_waiting_time_repeats(attempts: int, seconds: int) -> None:
    schedule = Schedule(retry_seconds=(60, 300, 900), lifetime_seconds=1)
    at = schedule.next_attempt(NOW, attempts, jitter=0.5)
    assert at - NOW == timedelta(seconds=seconds)


def test_while_the_spool_cannot_be_written_a_copy_goes_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the attempt was made, and recording it is tried again instead of the mail."""
    office = Office(tmp_path)
    end, failures = office.spool.end, iter(range(5))

    def flaky(*args: object) -> None:
        if next(failures, None) is not None:
            raise StorageUnavailable("database or disk is full")
        end(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(office.spool, "end", flaky)
    monkeypatch.setattr("mailglass.delivery.queue._REST_SECONDS", (0.0, 0.0))
    events = office.deliver(submission("a@gmail.example"))
    assert types(events) == [EventType.QUEUED, EventType.DELIVERED]
    assert office.world.maildrop.raw == 1


def test_a_bounce_of_a_mail_with_8_bit_header_is_reported(office: Office) -> None:
    raw = HTML.replace(b"Subject: hello", "Subject: Grüße 你好".encode())
    events = office.deliver(submission("gone@gmail.example", raw=raw))
    assert types(events)[:2] == [EventType.QUEUED, EventType.BOUNCED]
    assert office.world.reports == 1


def test_a_report_that_cannot_be_made_keeps_nothing_alive(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mailglass.delivery.queue.failure_report", fail)
    events = office.deliver(submission("gone@gmail.example", "a@gmail.example"))
    assert sorted(types(events)) == sorted(
        [EventType.QUEUED, EventType.BOUNCED, EventType.DELIVERED]
    )


def test_words_that_are_not_utf_8_are_kept_readable() -> None:
    from mailglass.delivery.courier import _reply

    said = "2.0.0 你好".encode("gbk").decode("utf-8", "surrogateescape")
    reply = _reply(250, said)
    assert reply.enhanced_status == "2.0.0"
    assert reply.reply_text == r"2.0.0 \xc4\xe3\xba\xc3"


def test_the_policy_frozen_at_acceptance_decides_what_each_copy_carries(tmp_path: Path) -> None:
    office = Office(tmp_path)
    wanted = HTML.replace(b"Subject:", b"X-Mailglass-Track: open, click\r\nSubject:")
    one = submission(
        "named@gmail.example", "crowd@gmail.example", "alone@gmail.example", raw=wanted
    )
    by_name = {d.recipient.partition("@")[0]: d.id for d in one.deliveries}
    policies = {
        by_name["crowd"]: TrackingPolicy.ANONYMOUS,
        by_name["alone"]: TrackingPolicy.OFF,
    }
    tracking = {**TRACKING, "list_unsubscribe": True}
    office.deliver(replace(one, tracking=tracking, policies=policies))
    copies = [file.read_bytes() for file in (tmp_path / "mail").glob("*.eml")]
    ring = Ring([b"k" * 32])
    seen = {}
    for copy in copies:
        assert b"X-Mailglass" not in copy
        leave = re.findall(rb"/u/([a-z2-7]+)", copy)
        if not leave:
            assert copy == HTML
            continue
        owner = ring.read(leave[0].decode(), Kind.UNSUBSCRIBE)
        beacons = [
            ring.read(t.decode(), Kind.OPEN) for t in re.findall(rb"/o/([a-z2-7]+)\.gif", copy)
        ]
        assert not owner.anonymous  # whoever wants to leave must be known to be let go
        seen[owner.delivery_id] = beacons
    assert [t.delivery_id for t in seen[by_name["named"]]] == [by_name["named"]]
    assert [(t.delivery_id, t.anonymous) for t in seen[by_name["crowd"]]] == [
        (one.message_id, True)
    ]
    assert by_name["alone"] not in seen
    assert len(copies) == 3
