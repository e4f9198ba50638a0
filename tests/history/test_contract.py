"""What a history promises, on every database that it works on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from mailglass.errors import StorageUnavailable
from mailglass.history import (
    Dimension,
    History,
    JudgedDelivery,
    JudgedHit,
    Period,
    StoredEvent,
    StoredHit,
    StoredMessage,
    Transaction,
    Who,
)
from mailglass.history.hits import pack_token, unpack_token
from mailglass.history.schema.base import CODES
from mailglass.model import (
    Actor,
    Delivery,
    Event,
    EventType,
    Evidence,
    Hit,
    Judgement,
    Target,
    TargetKind,
    Verdict,
    VerdictLevel,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TARGETS = (
    Target(number=0, kind=TargetKind.BEACON),
    Target(number=1, kind=TargetKind.LINK, url="https://example.org/"),
)


@pytest.fixture
def history(history_address: str) -> Iterator[History]:
    history = History(history_address)
    yield history
    history.close()


def send(
    t: Transaction, number: int, *recipients: str, account_id: int = 1, **facts: object
) -> None:
    """A message whose copies are numbered from 100 times its own number on."""
    values: dict[str, object] = {
        "id": number,
        "account_id": account_id,
        "accepted_at": NOW,
        "return_path": "me@home.test",
        "author": "me@home.test",
        "subject": "x",
        "message_id_field": f"<{number}@home.test>",
        "targets": TARGETS,
    }
    t.add_message(
        StoredMessage(**{**values, **facts}),  # type: ignore[arg-type]
        [
            Delivery(id=number * 100 + n, message_id=number, recipient=recipient)
            for n, recipient in enumerate(recipients)
        ],
    )


def hit(delivery_id: int | None = 100, minutes: float = 5, **facts: object) -> Hit:
    values: dict[str, object] = {
        "at": NOW + timedelta(minutes=minutes),
        "path_kind": "o",
        "method": "GET",
        "token": "aaaqeayeaudaocajbifqydiob4ibc",
        "delivery_id": delivery_id,
        "target": 0,
        "address": "66.249.84.1",
        "http_version": "1.1",
        "headers": {"user-agent": "Gmail", "accept": "*/*"},
    }
    return Hit(**{**values, **facts})  # type: ignore[arg-type]


def judgement(probability: float = 0.9) -> Judgement:
    return Judgement(
        actor=Actor.HUMAN,
        probability_human=probability,
        evidence=(
            Evidence(signal="timing.minutes", weight=1.25, text="{delay} after delivery"),
            Evidence(signal="prior", weight=-0.5, text="of 100 such loads about 5 min"),
        ),
        rules_version="test",
    )


def judge(
    t: Transaction,
    hits: list[StoredHit],
    type_: EventType = EventType.OPENED,
    who: Who = Who.HUMAN,
    made: Judgement | None = None,
    level: VerdictLevel = VerdictLevel.OPENED,
) -> None:
    """Write down of the first delivery's hits that they all were the same thing."""
    known = t.known_facts([100]).get(100)
    before = {seen.stored.id: seen for seen in known.seen} if known else {}
    verdict = Verdict(
        level=level,
        probability=0.9,
        evidence=(Evidence(signal="verdict", weight=0.0, text="Opened"),),
        is_final=False,
        rules_version="test",
    )
    judged = [
        JudgedHit(
            stored=stored,
            type=type_,
            who=who,
            judgement=made or judgement(),
            before=before.get(stored.id),
        )
        for stored in hits
    ]
    (delivery,) = t.deliveries([100])
    t.set_judged(
        [JudgedDelivery(delivery=delivery, hits=judged, verdict=verdict, last_event_at=NOW)]
    )


def told(type_: EventType, delivery_id: int = 100, hours: float = 0, **raw: object) -> StoredEvent:
    event = Event(type=type_, at=NOW + timedelta(hours=hours), raw=raw)
    return StoredEvent(delivery_id=delivery_id, event=event)


@pytest.fixture
def sent(history: History) -> History:
    """One message to two recipients, delivered, and one hit on the first copy that was judged."""
    with history.transaction() as t:
        t.add_account("one", NOW)
        t.add_account("two", NOW)
        send(t, 1, "A@X.test", "b@y.test", campaign="spring", tags=("news", "offers"))
        t.set_delivered({100: NOW, 101: NOW})
        t.add_events([told(EventType.QUEUED), told(EventType.QUEUED, 101)])
        judge(t, t.add_hits([(100, hit())]))
    return history


def test_a_message_is_given_back_as_it_came(sent: History) -> None:
    with sent.reading() as t:
        message = t.message(1, "1")
        assert message is not None
        assert (message.tags, message.campaign) == (("news", "offers"), "spring")
        assert (message.targets, message.copies) == (TARGETS, 2)
        assert [d.recipient for d in t.deliveries_of([1])] == ["A@X.test", "b@y.test"]
        assert [d.recipient_domain for d in t.deliveries_of([1])] == ["x.test", "y.test"]


def test_text_that_a_database_cannot_keep_is_kept_as_near_as_it_can(history: History) -> None:
    with history.transaction() as t:
        t.add_account("one", NOW)
        send(t, 1, "a\0@x.test", subject="nul\0 and \udc80 half")
    with history.reading() as t:
        message = t.message(1, "1")
        assert message is not None
        assert message.subject == "nul\ufffd and ? half"


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"token": "not base32, 01", "delivery_id": None, "target": None},
        {"method": "POST", "action": "unsubscribe", "path_kind": "u"},
        {"path_kind": "a", "name": "名.pdf", "bytes_sent": 3, "completed": False},
        {"to": "https://example.org/?q=%C3%A9", "path_kind": "c", "target": 1},
        {"anonymous": True, "headers": {}},
        {"headers": {"user-agent": "nul \0 and \ud83d".encode("utf-8", "replace").decode()}},
    ],
)
def test_a_hit_is_given_back_as_it_was_seen(sent: History, facts: dict[str, object]) -> None:
    seen = hit(**facts)
    with sent.transaction() as t:
        (stored,) = t.add_hits([(100, seen)])
        judge(t, [stored])
    with sent.reading() as t:
        found = {s.id: s.hit for s in t.hits_of([100])}
    assert found[stored.id].token == seen.token
    assert found[stored.id] == Hit(
        **{name: getattr(seen, name) for name in seen.__slots__ if name != "delivery_id"},
        delivery_id=100,
    )


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567AZ01.%", max_size=40))
def test_any_token_is_kept_to_the_letter(token: str) -> None:
    assert unpack_token(pack_token(token)) == token


def test_an_event_tells_the_evidence_with_the_delay_of_its_own_hit(sent: History) -> None:
    with sent.transaction() as t:
        first = t.hits_of([100])
        (later,) = t.add_hits([(100, hit(minutes=180))])
        judge(t, first)
        judge(t, [later], made=judgement())
    with sent.reading() as t:
        events = [e for e in t.events_of([100]) if e.hit_id]
        texts = [[item.text for item in e.event.evidence] for e in events]
        kept = t._db.execute(sa.text("SELECT count(*) FROM judgement")).scalar()
    assert texts == [
        ["5 min after delivery", "of 100 such loads about 5 min"],
        ["3 h after delivery", "of 100 such loads about 5 min"],
    ]
    assert kept == 1
    assert events[0].event.raw["address"] == "66.249.84.1"
    assert events[0].event.raw["user_agent"] == "Gmail"


def test_a_finer_judgement_keeps_the_events_number_and_another_type_does_not(
    sent: History,
) -> None:
    def judged_event(t: Transaction) -> StoredEvent:
        (event,) = [e for e in t.events_of([100]) if e.hit_id]
        return event

    with sent.transaction() as t:
        before = judged_event(t)
        judge(t, t.hits_of([100]), made=judgement(0.8))
        finer = judged_event(t)
        judge(t, t.hits_of([100]), EventType.SCANNED, Who.MACHINE, judgement(0.1))
        other = judged_event(t)
    assert finer.id == before.id
    assert finer.event.raw["probability_human"] == 0.8
    assert other.id > before.id
    assert other.event.type is EventType.SCANNED


def test_events_are_followed_in_order_and_by_account(sent: History) -> None:
    with sent.transaction() as t:
        send(t, 2, "c@z.test", account_id=2)
        t.add_events([told(EventType.QUEUED, 200), told(EventType.BOUNCED, 101)])
    with sent.reading() as t:
        everything = t.events_after(None, 0)
        assert [e.id for e in everything] == sorted(e.id for e in everything)
        assert len(everything) == 5
        ones = t.events_after(1, 0, limit=2)
        rest = t.events_after(1, ones[-1].id)
        assert [e.account_id for e in (*ones, *rest)] == [1, 1, 1, 1]
        assert [e.delivery_id for e in t.events_after(2, 0)] == [200]
        assert t.last_event_id() == everything[-1].id


def test_what_was_rolled_back_is_not_remembered(sent: History) -> None:
    """A number of a wording or judgement that was never committed must not be written later."""

    class Stop(Exception):
        pass

    strange = hit(headers={"user-agent": "strange"})
    seldom = judgement(0.4)  # one object, as hits that are alike share it

    def write_and_stop() -> None:
        with sent.transaction() as t:
            judge(t, t.add_hits([(100, strange)]), made=seldom)
            raise Stop

    with pytest.raises(Stop):
        write_and_stop()
    with sent.transaction() as t:
        judge(t, t.add_hits([(100, hit(headers={"user-agent": "another"}))]), made=judgement(0.6))
        judge(t, t.add_hits([(100, strange)]), made=seldom)
    with sent.reading() as t:
        events = [e.event.raw for e in t.events_of([100]) if e.hit_id]
    assert {(raw["user_agent"], raw["probability_human"]) for raw in events} == {
        ("Gmail", 0.9),
        ("another", 0.6),
        ("strange", 0.4),
    }


def test_a_sweep_takes_what_nobody_uses_and_other_processes_notice(
    sent: History, history_address: str
) -> None:
    strange = hit(headers={"user-agent": "strange"})
    seldom = judgement(0.7)
    with sent.transaction() as t:
        judge(t, [*t.hits_of([100]), *t.add_hits([(100, strange)])], made=seldom)
    another = History(history_address)
    with another.transaction() as t:
        t.remove_hits([100], keep_events=False)
        assert t.sweep_dictionaries() == 4  # two wordings, two judgements
    another.close()
    with sent.transaction() as t:
        judge(t, t.add_hits([(100, strange)]), made=seldom)
    with sent.reading() as t:
        (stored,) = t.hits_of([100])
        assert stored.hit.headers == {"user-agent": "strange"}
        (event,) = [e for e in t.events_of([100]) if e.hit_id]
        assert event.event.raw["probability_human"] == 0.7


def test_an_account_sees_nothing_of_another(sent: History) -> None:
    with sent.transaction() as t:
        send(t, 2, "a@x.test", account_id=2, campaign="spring", tags=("news",))
        t.add_events([told(EventType.QUEUED, 200)])
    with sent.reading() as t:
        assert t.message(2, "1") is None
        assert t.message(2, "100") is None
        assert t.message(2, "<1@home.test>") is None
        assert [m.id for m in t.messages(2)] == [2]
        assert [m.id for m in t.messages(2, tag="news", campaign="spring")] == [2]
        assert [d.id for d in t.deliveries_to(2, "a@x.test")] == [200]
        for dimension in Dimension:
            assert sum(row["queued"] for row in t.counts(2, dimension)) == 1
            assert sum(row["queued"] for row in t.counts(1, dimension)) >= 2


def test_roll_ups_tell_people_machines_and_doubt_apart(sent: History) -> None:
    with sent.transaction() as t:
        hits = t.hits_of([100]) + t.add_hits([(100, hit(minutes=90, target=1, path_kind="c"))])
        judge(t, hits, EventType.SCANNED, Who.MACHINE, judgement(0.1), VerdictLevel.MACHINE_ONLY)
        (one_more,) = t.add_hits([(100, hit(minutes=91))])
        judge(t, [one_more], EventType.FETCHED, Who.UNDETERMINED, judgement(0.5))
        (own,) = t.add_hits([(100, hit(minutes=92))])
        judge(t, [own], EventType.SELF_VIEWED, Who.SENDER, judgement(0.5))
    with sent.reading() as t:
        (total,) = t.counts(1)
        assert total.counts == {
            "queued": 2,
            "scanned": 2,
            "fetched": 1,
            "self_viewed": 1,
            "beacon_machine": 1,
            "link_machine": 1,
            "beacon_undetermined": 1,
            "level_pending": 1,
            "level_opened": 1,
        }
        hours = t.counts(1, Dimension.MESSAGE, Period.HOUR, keys=[1])
        assert [(row.start, row["scanned"]) for row in hours] == [
            (NOW, 1),
            (NOW + timedelta(hours=1), 1),
        ]
        (day,) = t.counts(1, Dimension.CAMPAIGN, Period.DAY)
        assert day.start == NOW.replace(hour=0)
        assert t.target_counts(1)[1] == {"human": 0, "machine": 1, "undetermined": 0}
        assert [row["queued"] for row in t.largest(1, Dimension.TAG)] == [2, 2]
        assert t.counts(1, since=NOW, period=Period.HOUR, until=NOW + timedelta(hours=1))


def test_the_sums_stay_and_identity_goes_when_hits_are_let_go(sent: History) -> None:
    with sent.transaction() as t:
        (before,) = t.counts(1)
        assert t.remove_hits([100], keep_events=True) == 1
    with sent.transaction() as t:
        assert t.hits_of([100]) == []
        (event,) = [e for e in t.events_of([100]) if e.event.type is EventType.OPENED]
        assert "address" not in event.event.raw
        assert event.event.evidence
        (after,) = t.counts(1)
        assert after == before
        assert t.recount() == 0
        # a later hit is judged beside what is left
        judge(t, t.add_hits([(100, hit(minutes=300))]))
        assert t.deliveries([100])[0].hits == {"beacon_human": 2}
        assert t.recount() == 0
        assert len([e for e in t.known_facts([100])[100].told if e.event.type.value == "opened"])


@pytest.mark.parametrize(
    ("dimension", "period", "where"),
    [
        (Dimension.ACCOUNT, Period.TOTAL, "account 1"),
        (Dimension.ACCOUNT, Period.DAY, "account 1, 20"),
        (Dimension.ACCOUNT, Period.HOUR, "account 1, 20"),
        (Dimension.MESSAGE, Period.TOTAL, "message "),
        (Dimension.MESSAGE, Period.HOUR, "message "),
        (Dimension.CAMPAIGN, Period.HOUR, "campaign "),
        (Dimension.TAG, Period.DAY, "tag "),
        (Dimension.DOMAIN, Period.DAY, "domain "),
    ],
)
def test_a_wrong_count_of_any_kind_and_time_is_named_by_reading_alone(
    sent: History, dimension: Dimension, period: Period, where: str
) -> None:
    with sent.reading() as t:
        assert list(t.miscounts()) == []
    row = f"dimension = {CODES[Dimension][dimension]} AND period = {CODES[Period][period]}"
    with sent.transaction() as t:
        t._db.execute(sa.text(f"UPDATE rollup SET opened = opened + 3 WHERE {row}"))
    with sent.reading() as t:
        found = list(t.miscounts())
    assert found
    assert all(one.where.startswith(where) for one in found)
    assert {(one.counter, one.kept - one.counted) for one in found} == {("opened", 3)}
    with sent.transaction() as t:
        t.rebuild_rollups()
        assert list(t.miscounts()) == []


def test_a_count_that_is_gone_and_numbers_given_twice_are_found_and_mended(sent: History) -> None:
    with sent.transaction() as t:
        t._db.execute(sa.text("DELETE FROM rollup WHERE dimension = 1"))
        t._db.execute(sa.text("UPDATE counter SET value = 0 WHERE name IN ('hit', 'event')"))
    with sent.reading() as t:
        found = {(one.where, one.counter) for one in t.miscounts()}
    assert ("account 1", "opened") in found
    assert ("numbers given to each hit", "hit") in found
    assert ("numbers given to each event", "event") in found
    with sent.transaction() as t:
        t.rebuild_rollups()
        assert list(t.miscounts()) == []


def test_a_recount_finds_and_mends_what_is_wrong(sent: History) -> None:
    with sent.transaction() as t:
        assert t.recount() == 0
        t._db.execute(sa.text("UPDATE rollup SET opened = opened + 1 WHERE dimension = 1"))
        t._db.execute(sa.text("UPDATE delivery SET beacon_human = 7 WHERE id = 101"))
        t._db.execute(sa.text("DELETE FROM target_rollup"))
        assert t.recount() >= 3
        t.rebuild_rollups()
        assert t.recount() == 0
        (delivery,) = t.deliveries([101])
        assert delivery.hits == {}


def test_a_reader_sees_one_state_and_waits_for_no_writer(sent: History) -> None:
    with sent.reading() as reader:
        (before,) = reader.counts(1)
        with sent.transaction() as t:
            t.add_events([told(EventType.BOUNCED)])
        (still,) = reader.counts(1)
        assert still == before
    with sent.reading() as t:
        (after,) = t.counts(1)
    assert after["bounced"] == 1


def test_what_only_reads_cannot_write(sent: History) -> None:
    with pytest.raises(StorageUnavailable), sent.reading() as t:
        t.add_account("three", NOW)


def test_writers_of_several_threads_lose_nothing(sent: History) -> None:
    def write(n: int) -> None:
        for hours in range(5):
            with sent.transaction() as t:
                t.add_events([told(EventType.DEFERRED, 100 + n % 2, hours)])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sent.transaction() as t:
        assert t.counts(1)[0]["deferred"] == 20
        assert t.recount() == 0
        ids = [e.id for e in t.events_after(None, 0)]
        assert len(ids) == len(set(ids)) == 23


def test_setting_aside_twice_counts_once(history: History) -> None:
    with history.transaction() as t:
        t.add_poison("journal:1:5", NOW, "bad", b"\0raw")
        t.add_poison("journal:1:5", NOW, "bad", b"\0raw")
        assert len(t.poison()) == 1
