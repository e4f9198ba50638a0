"""Ingest and a person's rights: who is not to be told apart is not, whatever order news come in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailglass.evidence import load_rules
from mailglass.history import (
    ConsentState,
    Dimension,
    History,
    Policy,
    PolicyScope,
    StoredDelivery,
    StoredEvent,
    Suppression,
)
from mailglass.ingest import Ingest
from mailglass.journal import Writer, encode
from mailglass.model import Delivery, EventType, Hit, TrackingPolicy, VerdictLevel
from mailglass.spool import Spool, Submission
from mailglass.tokens import recipient_mark

SENT_AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
OFF, ANONYMOUS, IDENTIFIED = TrackingPolicy
MANY = tuple(f"r{n}@many.test" for n in range(6))


class House:
    """A spool, a journal and a history with an ingest between them."""

    def __init__(self, folder: Path, address: str) -> None:
        (folder / "journal").mkdir()
        self.spool = Spool(folder / "spool.db")
        self.history = History(address)
        with self.history.transaction() as t:
            self.account_id = t.add_account("default", SENT_AT).id
        self.writer = Writer(folder / "journal")
        self.ingest = Ingest(
            history=self.history,
            spool=self.spool,
            journal_directory=folder / "journal",
            rules=load_rules(),
            clock=lambda: SENT_AT + timedelta(days=1),
        )

    def send(
        self,
        number: int,
        *recipients: str,
        policies: dict[int, TrackingPolicy] | None = None,
        is_held: bool = False,
    ) -> None:
        deliveries = tuple(
            Delivery(id=number * 100 + n, message_id=number, recipient=r)
            for n, r in enumerate(recipients)
        )
        facts = {
            "account_id": self.account_id,
            "submitter": "me",
            "author": "me@home.test",
            "author_domain": "home.test",
            "subject": "x",
            "message_id_field": f"<{number}@home.test>",
            "tag": None,
            "campaign": "spring",
            "targets": [{"number": 0, "kind": "beacon"}],
        }
        self.spool.accept(
            Submission(
                message_id=number,
                accepted_at=SENT_AT - timedelta(seconds=1),
                return_path="me@home.test",
                raw=b"Subject: x\r\n\r\n",
                deliveries=deliveries,
                tracking={},
                facts=facts,
                policies=policies or {},
                is_held=is_held,
            )
        )
        if not is_held:
            for one in deliveries:
                self.spool.end(one, EventType.DELIVERED, SENT_AT, {"reply_code": 250})

    def see(self, *hits: Hit) -> None:
        self.writer.commit([encode(hit) for hit in hits])

    def run(self) -> None:
        while self.ingest.step():
            pass

    def copies(self, message_id: int) -> dict[int, StoredDelivery]:
        with self.history.reading() as t:
            return {d.id: d for d in t.deliveries_of([message_id])}

    def events(self, delivery_id: int) -> list[StoredEvent]:
        with self.history.reading() as t:
            return t.events_of([delivery_id])

    def types(self, delivery_id: int) -> list[str]:
        return [e.event.type.value for e in self.events(delivery_id)]

    def opened(self) -> int:
        with self.history.reading() as t:
            return sum(c["opened"] for c in t.counts(self.account_id, Dimension.CAMPAIGN))

    def hits(self) -> list[Hit]:
        with self.history.reading() as t:
            copies = [d.id for n in (1, 2) for d in t.deliveries_of([n])]
            return [s.hit for s in t.hits_of(copies)]


def hit(delivery_id: int, minutes: float = 60, **facts: object) -> Hit:
    values: dict[str, object] = {
        "at": SENT_AT + timedelta(minutes=minutes),
        "path_kind": "o",
        "method": "GET",
        "token": "a" * 29,
        "delivery_id": delivery_id,
        "target": 0,
        "address": "66.249.84.1",
        "http_version": "1.1",
        "headers": {"user-agent": GMAIL},
    }
    return Hit(**{**values, **facts})  # type: ignore[arg-type]


def no(delivery_id: int, minutes: float = 60) -> Hit:
    return hit(delivery_id, minutes, path_kind="n", method="POST", action="object")


@pytest.fixture
def house(tmp_path: Path, history_address: str) -> Iterator[House]:
    house = House(tmp_path, history_address)
    yield house
    house.writer.close()
    house.history.close()


def test_anonymous_hits_count_for_the_message_and_say_nothing_of_who(house: House) -> None:
    house.send(1, *MANY, policies={100 + n: ANONYMOUS for n in range(6)})
    house.run()
    house.see(hit(1, anonymous=True), hit(1, 61, anonymous=True))
    house.run()
    crowd = house.copies(1)[1]
    assert crowd.is_crowd
    assert crowd.hits == {"beacon_human": 2}
    assert house.types(1) == ["opened", "opened"]
    assert house.opened() == 2
    assert house.hits() == []
    raw = house.events(1)[0].event.raw
    assert "address" not in raw
    assert "user_agent" not in raw


def test_an_anonymous_hit_of_a_message_to_one_is_kept_and_leads_to_nobody(house: House) -> None:
    house.send(1, "a@one.test", policies={100: ANONYMOUS})
    house.run()
    house.see(hit(1, anonymous=True))
    house.run()
    assert house.types(100) == ["queued", "delivered"]
    assert house.opened() == 0
    with house.history.reading() as t:
        assert [(s.delivery_id, s.token) for _, s, _ in t.traces_after(0, 10)] == [(None, "")]


BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0"


def act(action: str, agent: str, minutes: float = 70, **facts: object) -> Hit:
    """Somebody presses the button of a page of delivery 100, by some program."""
    return hit(
        100,
        minutes,
        path_kind="n" if action == "object" else "u",
        method="POST",
        action=action,
        headers={"user-agent": agent, "accept-language": "ko", "accept": "text/html"},
        **{"address": "203.0.113.9", **facts},
    )


@pytest.mark.parametrize("action", ["object", "unsubscribe"])
@pytest.mark.parametrize("policy", [IDENTIFIED, ANONYMOUS])
@pytest.mark.parametrize(
    ("agent", "address", "levels"),
    [
        ("curl/7.88.1", "203.0.113.9", {"delivered", "machine_only"}),
        ("python-requests/2.32", "34.80.0.3", {"delivered", "machine_only"}),
        (BROWSER, "203.0.113.9", {"maybe_opened", "opened"}),
    ],
)
def test_whoever_presses_is_heeded_and_counts_as_far_as_the_evidence_goes(
    house: House,
    action: str,
    policy: TrackingPolicy,
    agent: str,
    address: str,
    levels: set[str],
) -> None:
    house.send(1, *MANY, policies={100: policy})
    house.run()
    house.see(act(action, agent, address=address))
    house.run()
    verdict = house.copies(1)[100].verdict
    assert verdict.level.value in levels
    asked = (EventType.OBJECTED, EventType.UNSUBSCRIBED)
    (event,) = (e.event for e in house.events(100) if e.event.type in asked)
    judged = event.raw["probability_human"]
    assert isinstance(judged, float)
    assert verdict.probability <= max(judged, 0.16) + 0.15  # and 15 of 100 read without a trace
    with house.history.reading() as t:
        if action == "object":
            said = t.consent_states(house.account_id, [MANY[0]])
            assert said[MANY[0]] is ConsentState.WITHDRAWN
            assert house.copies(1)[100].policy is not IDENTIFIED
        else:
            entries = t.suppressions(SENT_AT, account_id=house.account_id, recipients=[MANY[0]])
            assert [e.reason for e in entries] == ["unsubscribed"]


@pytest.mark.parametrize("in_one_batch", [False, True])
def test_a_scanner_that_walks_all_pages_is_no_person_for_having_a_browsers_name(
    house: House, in_one_batch: bool
) -> None:
    """It follows everything within a second, and then presses the button."""
    house.send(1, "a@one.test")
    house.run()
    headers = {"user-agent": BROWSER}
    tour = [
        hit(100, 70 + n / 600, path_kind=path, address="203.0.113.9", headers=headers, target=n)
        for n, path in enumerate("occccccn")
    ]
    batches = [[*tour, act("object", BROWSER, 70 + 9 / 600)]]
    if not in_one_batch:
        batches = [tour, [act("object", BROWSER, 70 + 9 / 600)]]
    for batch in batches:
        house.see(*batch)
        house.run()
    copy = house.copies(1)[100]
    assert copy.policy is not IDENTIFIED
    assert copy.verdict.level is VerdictLevel.DELIVERED
    assert "Refused tracking by a program" in copy.verdict.evidence[0].text


def test_a_program_that_unsubscribed_stays_one_after_a_no(house: House) -> None:
    """Of the first what stays is that it was asked for, and by what kind."""
    house.send(1, *MANY)
    house.run()
    house.see(act("unsubscribe", "curl/7.88.1"))
    house.run()
    house.see(act("object", "curl/7.88.1", 90))
    house.run()
    copy = house.copies(1)[100]
    assert house.types(100) == ["queued", "delivered", "unsubscribed", "objected"]
    assert copy.verdict.level is VerdictLevel.DELIVERED


def test_a_no_on_the_notice_page_reaches_all_mail_already_sent(house: House) -> None:
    house.send(1, *MANY)
    house.send(2, "R0@many.test", *MANY[1:])
    house.run()
    house.see(hit(100), hit(200), hit(101))
    house.run()
    assert house.copies(2)[200].verdict.level is VerdictLevel.OPENED
    house.see(no(100, 70), hit(200, 80), hit(101, 80))
    house.run()
    first, second, other = house.copies(1)[100], house.copies(2)[200], house.copies(1)[101]
    assert (first.policy, second.policy, other.policy) == (ANONYMOUS, ANONYMOUS, IDENTIFIED)
    assert "objected" in house.types(100)
    assert house.types(200) == ["queued", "delivered"]
    assert second.verdict.level is not VerdictLevel.OPENED
    assert house.types(2) == ["opened", "opened"]  # earlier and later, of the crowd
    assert {h.delivery_id for h in house.hits()} == {101}
    with house.history.reading() as t:
        (said,) = t.consents(house.account_id, "r0@many.test")
    assert (said.state, said.how, said.at) == (
        "withdrawn",
        "notice page",
        SENT_AT + timedelta(minutes=70),
    )


def test_a_no_on_the_page_of_many_is_the_no_of_who_gave_their_address(house: House) -> None:
    house.send(1, *MANY, policies=dict.fromkeys(range(100, 106), ANONYMOUS))
    house.send(2, *MANY[:2])
    house.see(hit(200, 10), hit(201, 10))
    house.run()
    given = {"action": "object", "method": "POST", "path_kind": "n", "anonymous": True}
    house.see(
        hit(1, name=recipient_mark(1, "nobody@many.test"), **given),
        hit(1, name=recipient_mark(2, MANY[1]), **given),  # taken from the page of another message
        hit(1, **given),
    )
    house.run()
    assert house.opened() == 2
    house.see(hit(1, name=recipient_mark(1, MANY[0]), **given))
    house.run()
    with house.history.reading() as t:
        (consent,) = t.consents(house.account_id, MANY[0])
        assert consent.state is ConsentState.WITHDRAWN
        assert t.consents(house.account_id, MANY[1]) == []
    assert "objected" in house.types(100)
    assert "opened" not in house.types(200)  # mail already sent, that told them apart
    assert "opened" in house.types(201)
    assert "objected" not in house.types(1)


def test_what_comes_with_a_no_is_not_written_under_their_name(house: House) -> None:
    house.send(1, *MANY)
    house.see(hit(100, 60), hit(100, 61, path_kind="n"), no(100, 62), hit(100, 63))
    house.run()
    assert house.types(100) == ["queued", "delivered", "objected"]
    assert len(house.types(1)) == 3
    assert house.hits() == []


def test_a_no_holds_for_mail_that_is_still_waiting_and_for_mail_told_of_later(
    house: House,
) -> None:
    house.send(1, *MANY)
    house.send(2, "r0@many.test", is_held=True)
    house.spool.release(2, SENT_AT, policies={}, suppressed={})
    house.see(no(100))
    house.run()
    assert [job.policy for job in house.spool.due(SENT_AT, 10)] == [OFF]
    house.send(3, *MANY)  # frozen as identified, before the gateway knew
    house.run()
    house.see(hit(300), hit(301))
    house.run()
    assert house.copies(3)[300].policy is ANONYMOUS
    assert house.types(300) == ["queued", "delivered"]
    assert "opened" in house.types(301)


def test_whoever_unsubscribes_on_the_page_gets_no_more_mail(house: House) -> None:
    leave = {"path_kind": "u", "method": "POST", "action": "unsubscribe"}
    house.send(1, "Me@x.test", *MANY)
    house.run()
    house.see(hit(100, **leave))
    house.run()
    assert "unsubscribed" in house.types(100)
    with house.history.reading() as t:
        (entry,) = t.suppressions(SENT_AT + timedelta(days=2), recipients=["me@x.test"])
    assert entry.reason == "unsubscribed"
    house.see(no(101), hit(101, 90, **leave))
    house.run()
    assert house.types(101)[2:] == ["objected", "unsubscribed"]
    assert house.hits() == [hit(100, **leave)]


def test_a_held_message_goes_with_the_policies_that_hold_now(house: House) -> None:
    with house.history.transaction() as t:
        t.set_policy(
            Policy(
                account_id=house.account_id,
                scope=PolicyScope.DOMAIN,
                subject="home.test",
                mode=ANONYMOUS,
                set_at=SENT_AT,
                set_by="test",
            )
        )
        t.suppress(
            Suppression(
                account_id=house.account_id,
                recipient="r1@many.test",
                reason="complaint",
                evidence="",
                since=SENT_AT,
            )
        )
    house.send(1, *MANY, is_held=True)
    house.run()
    jobs = house.spool.due(SENT_AT, 10)
    assert {job.policy for job in jobs} == {ANONYMOUS}
    assert len(jobs) == 5
    assert house.copies(1)[100].policy is ANONYMOUS
    assert house.types(101) == ["queued", "suppressed"]


def test_the_counts_stay_those_of_the_events_through_it_all(house: House) -> None:
    house.send(1, *MANY)
    house.see(*(hit(100 + n) for n in range(6)), hit(100, 65), hit(1, anonymous=True))
    house.run()
    house.see(no(100), hit(100, 70), no(101))
    house.run()
    house.ingest.settle()
    with house.history.reading() as t:
        copies = t.deliveries_of([1])
        events = t.events_of(d.id for d in copies)
        (counts,) = t.counts(house.account_id, Dimension.MESSAGE, keys=[1])
        targets = t.target_counts(1)
    for type_ in ("delivered", "opened", "objected", "queued"):
        assert counts[type_] == sum(e.event.type == type_ for e in events), type_
    levels = {k: n for k, n in counts.counts.items() if k.startswith("level_")}
    assert sum(levels.values()) == 6
    told = sum(d.hits.get("beacon_human", 0) for d in copies)
    assert told == counts["beacon_human"] == targets[0]["human"]
