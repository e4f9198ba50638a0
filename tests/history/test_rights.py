"""What a recipient may ask for, on both databases: not to be tracked, to see, to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mailglass.history import (
    Account,
    Attempt,
    Consent,
    ConsentState,
    Dimension,
    Filters,
    History,
    JudgedDelivery,
    JudgedHit,
    NoticeState,
    OnWithdrawal,
    Policy,
    PolicyScope,
    StoredEvent,
    StoredMessage,
    Suppression,
    Transaction,
    Who,
    schema,
)
from mailglass.model import (
    Delivery,
    Event,
    EventType,
    Hit,
    Target,
    TargetKind,
    TrackingPolicy,
    Verdict,
    VerdictLevel,
)
from mailglass.notify.notices import owe_notices

NOW = datetime(2026, 11, 28, 12, 34, 56, tzinfo=UTC)
HOUR = NOW.replace(minute=0, second=0)
OFF, ANONYMOUS, IDENTIFIED = TrackingPolicy
CROWD = tuple(f"r{n}@crowd.test" for n in range(6))


class House:
    """A history with an account, and mail that was sent and looked at."""

    def __init__(self, address: str) -> None:
        self.history = History(address)
        with self.history.transaction() as t:
            self.account = t.add_account("default", NOW)

    def send(self, number: int, *recipients: str, account: Account | None = None) -> None:
        message = StoredMessage(
            id=number,
            account_id=(account or self.account).id,
            accepted_at=NOW - timedelta(hours=1),
            return_path="me@home.test",
            author="Me <me@home.test>",
            subject="hello",
            message_id_field=f"<{number}@home.test>",
            campaign="spring",
            targets=(Target(number=0, kind=TargetKind.BEACON),),
        )
        deliveries = [
            Delivery(id=number * 100 + n, message_id=number, recipient=r)
            for n, r in enumerate(recipients, 1)
        ]
        with self.history.transaction() as t:
            t.add_message(message, deliveries)
            t.add_events(
                [
                    StoredEvent(
                        delivery_id=d.id,
                        event=Event(
                            type=EventType.DELIVERED,
                            at=NOW - timedelta(minutes=59),
                            raw={"reply_text": f"taken for {d.recipient}"},
                        ),
                    )
                    for d in deliveries
                ]
            )
            for d in deliveries:
                t.set_delivered({d.id: NOW - timedelta(minutes=59)})

    def open(self, *delivery_ids: int) -> None:
        """A person displays the message, as ingest would write it."""
        with self.history.transaction() as t:
            deliveries = {d.id: d for d in t.deliveries(delivery_ids)}
            stored = t.add_hits([(number, hit(number)) for number in delivery_ids])
            t.set_judged(
                [
                    JudgedDelivery(
                        delivery=deliveries[s.hit.delivery_id or 0],
                        hits=[
                            JudgedHit(
                                stored=s, type=EventType.OPENED, who=Who.HUMAN, judgement=None
                            )
                        ],
                        verdict=OPENED,
                        last_event_at=NOW,
                    )
                    for s in stored
                ]
            )

    def withdraw(self, recipient: str, **more: Any) -> Any:
        with self.history.transaction() as t:
            return t.withdraw(
                self.account.id, recipient, NOW, how="notice page", shown="the page", **more
            )

    def count(self, name: str, dimension: Dimension, key: int | None = None) -> int:
        with self.history.reading() as t:
            rows = t.counts(self.account.id, dimension, keys=None if key is None else [key])
        return sum(row[name] for row in rows)

    def dump(self) -> str:
        """Every value in the database, as text."""
        found = []
        with self.history._engine.connect() as connection:
            for table in schema.metadata.sorted_tables:
                for row in connection.execute(sa.select(table)):
                    found += [v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in row]
        return "\n".join(found)


OPENED = Verdict(
    level=VerdictLevel.OPENED, probability=0.9, evidence=(), is_final=True, rules_version="1"
)


def hit(delivery_id: int) -> Hit:
    return Hit(
        at=NOW,
        path_kind="o",
        method="GET",
        token="a" * 29,
        delivery_id=delivery_id,
        target=0,
        address="192.0.2.77",
        http_version="1.1",
        headers={"user-agent": "Thunderbird"},
    )


@pytest.fixture
def house(history_address: str) -> Iterator[House]:
    house = House(history_address)
    yield house
    house.history.close()


def policy(
    house: House, scope: PolicyScope, subject: str, mode: TrackingPolicy, **more: Any
) -> None:
    with house.history.transaction() as t:
        t.set_policy(
            Policy(
                account_id=house.account.id,
                scope=scope,
                subject=subject,
                mode=mode,
                set_at=NOW,
                set_by="test",
                **more,
            )
        )


def asked(t: Transaction, house: House, *recipients: str) -> dict[str, TrackingPolicy]:
    return t.policies_for(house.account.id, "Shop.test", "Spring", recipients)


def test_the_strictest_policy_that_applies_holds(house: House) -> None:
    policy(house, PolicyScope.ACCOUNT, "", IDENTIFIED)
    policy(house, PolicyScope.DOMAIN, "gov.test", ANONYMOUS)
    policy(house, PolicyScope.RECIPIENT, "Me@Gov.test", OFF)
    policy(house, PolicyScope.RECIPIENT, "other@x.test", IDENTIFIED)
    with house.history.reading() as t:
        found = asked(t, house, "me@gov.test", "You@gov.test", "other@x.test", "z@x.test")
    assert found == {"me@gov.test": OFF, "you@gov.test": ANONYMOUS}
    policy(house, PolicyScope.CAMPAIGN, "SPRING", ANONYMOUS)
    with house.history.reading() as t:
        assert asked(t, house, "z@x.test") == {"z@x.test": ANONYMOUS}
        assert t.policies_for(house.account.id, "", None, ["z@x.test"]) == {}
    policy(house, PolicyScope.DOMAIN, "shop.test", OFF)  # the author's
    with house.history.reading() as t:
        assert asked(t, house, "z@x.test") == {"z@x.test": OFF}


def test_a_policy_that_asks_for_consent_holds_for_whoever_has_not_given_it(house: House) -> None:
    policy(house, PolicyScope.ACCOUNT, "", IDENTIFIED, without_consent=ANONYMOUS)
    say(house, "yes@x.test", ConsentState.GIVEN)
    say(house, "no@x.test", ConsentState.REFUSED)
    with house.history.reading() as t:
        found = asked(t, house, "yes@x.test", "no@x.test", "nothing@x.test")
    assert found == {"no@x.test": OFF, "nothing@x.test": ANONYMOUS}


def test_what_was_said_last_counts_and_what_was_said_before_stays(house: House) -> None:
    say(house, "a@x.test", ConsentState.GIVEN, minutes=0)
    say(house, "A@x.test", ConsentState.WITHDRAWN, minutes=2)
    with house.history.reading() as t:
        assert asked(t, house, "a@x.test") == {"a@x.test": OFF}
    say(house, "a@x.test", ConsentState.GIVEN, minutes=3)
    say(house, "a@x.test", ConsentState.REFUSED, minutes=1)  # told late
    with house.history.reading() as t:
        assert asked(t, house, "a@x.test") == {}
        records = t.consents(house.account.id, "a@x.test")
    assert [r.state for r in records] == ["given", "withdrawn", "given", "refused"]
    assert records[0].shown == "May we measure?"
    assert records[0].proof == {"form": 7}


def say(house: House, recipient: str, state: ConsentState, minutes: int = 0) -> None:
    with house.history.transaction() as t:
        t.add_consent(
            Consent(
                account_id=house.account.id,
                recipient=recipient,
                state=state,
                at=NOW + timedelta(minutes=minutes),
                how="form",
                shown="May we measure?",
                proof={"form": 7},
            )
        )


def test_one_accounts_policies_and_consents_are_not_anothers(house: House) -> None:
    policy(house, PolicyScope.ACCOUNT, "", OFF)
    say(house, "a@x.test", ConsentState.WITHDRAWN)
    with house.history.transaction() as t:
        other = t.add_account("other", NOW)
        assert t.policies_for(other.id, "", None, ["a@x.test"]) == {}
        assert t.consents(other.id) == []


def test_a_no_turns_earlier_hits_into_counts_of_a_message_to_many(house: House) -> None:
    house.send(1, *CROWD)
    house.open(101, 102)
    before = house.count("opened", Dimension.MESSAGE, 1)
    done = house.withdraw("R0@crowd.test")
    assert (done.deliveries, done.events) == ((101,), 1)
    with house.history.reading() as t:
        crowd, first, second, *_ = t.deliveries_of([1])
        assert t.hits_of([101]) == []
        (event,) = t.events_of([crowd.id])
        assert [e.event.type for e in t.events_of([101])] == [EventType.DELIVERED]
    assert crowd.is_crowd
    assert crowd.recipient == ""
    assert crowd.hits == {"beacon_human": 1}
    assert event.event.at == HOUR
    assert event.hit_id is None
    assert first.policy is ANONYMOUS
    assert (first.verdict.level, first.verdict.is_final) == (VerdictLevel.DELIVERED, False)
    assert first.hits == {}
    assert second.verdict.level is VerdictLevel.OPENED
    assert house.count("opened", Dimension.MESSAGE, 1) == before == 2
    assert house.count("level_opened", Dimension.ACCOUNT) == 1
    assert house.count("level_delivered", Dimension.ACCOUNT) == 1


def test_a_message_to_few_keeps_nothing_that_would_name_them(house: House) -> None:
    house.send(1, "a@x.test")
    house.open(101)
    house.withdraw("a@x.test")
    with house.history.reading() as t:
        assert [d.id for d in t.deliveries_of([1])] == [101]
        assert [e.event.type for e in t.events_of([101])] == [EventType.DELIVERED]
    assert house.count("opened", Dimension.MESSAGE, 1) == 0
    assert house.count("opened", Dimension.ACCOUNT) == 0
    with house.history._engine.connect() as connection:
        (row,) = connection.execute(sa.select(schema.hit)).all()
    assert (row.delivery_id, row.address, row.target) == (None, "", None)
    assert row.at == HOUR.timestamp()
    with house.history.transaction() as t:
        t.sweep_dictionaries()  # as the nightly task does
    assert "Thunderbird" not in house.dump()


def test_a_policy_may_say_that_earlier_hits_are_erased(house: House) -> None:
    policy(house, PolicyScope.ACCOUNT, "", IDENTIFIED, on_withdrawal=OnWithdrawal.ERASE)
    house.send(1, *CROWD)
    house.open(101, 102)
    assert house.withdraw("r0@crowd.test").what is OnWithdrawal.ERASE
    assert house.count("opened", Dimension.MESSAGE, 1) == 1
    with house.history.reading() as t:
        assert not any(d.is_crowd for d in t.deliveries_of([1]))


def test_everything_that_is_known_of_a_person_can_be_exported(house: House) -> None:
    house.send(1, "A@x.test", "b@x.test")
    house.open(101)
    say(house, "a@x.test", ConsentState.GIVEN)
    with house.history.transaction() as t:
        t.add_returned(NOW, "bounce@home.test", b"To: \xff a@X.test\r\n\r\nnot delivered")
        t.suppress(suppression(house, "a@x.test"))
    with house.history.reading() as t:
        found = json.loads(json.dumps(t.person(None, "a@x.test")))
    (delivery,) = found["deliveries"]
    assert delivery["recipient"] == "A@x.test"
    assert {e["type"] for e in delivery["events"]} == {"delivered", "opened"}
    assert delivery["hits"][0]["address"] == "192.0.2.77"
    assert delivery["hits"][0]["headers"] == {"user-agent": "Thunderbird"}
    assert found["consents"][0]["shown"] == "May we measure?"
    assert found["suppressions"][0]["reason"] == "complaint"
    assert len(found["returned_mail"]) == 1
    assert "b@x.test" not in json.dumps(found)


def suppression(house: House, recipient: str) -> Suppression:
    return Suppression(
        account_id=house.account.id,
        recipient=recipient,
        reason="complaint",
        evidence=f"{recipient} said so",
        since=NOW,
    )


def owe_notices_of_all(house: House) -> int:
    """An endpoint that is owed, and was told, everything that happened so far."""
    with house.history.transaction() as t:
        endpoint = t.add_endpoint(
            house.account.id,
            "https://hook.test/",
            "whsec_x",
            filters=Filters(),
            description="",
            last_event_id=0,
            at=NOW,
        )
        owe_notices(t, NOW)
        for notice in t.notices(endpoint.id):
            attempt = Attempt(at=NOW, seconds=0.1, status_code=200, problem=None)
            t.settle_notice(notice, attempt, NoticeState.TAKEN, None)
    return endpoint.id


def told_of(house: House, endpoint: int) -> list[Any]:
    with house.history.reading() as t:
        return [json.loads(n.body) for n in t.notices(endpoint)]


def test_an_erased_person_stands_in_no_webhook_notice(house: House) -> None:
    house.send(1, "Anna@family.test", *CROWD)
    house.send(2, "anna@family.test")
    house.open(101, 102, 201)
    endpoint = owe_notices_of_all(house)
    before = house.dump()
    assert "192.0.2.77" in before
    assert "Anna@family.test" in before
    # one hit is judged otherwise later: its event goes, and a notice of it stays behind
    with house.history.transaction() as t:
        t._db.execute(schema.event.delete().where(schema.event.c.delivery_id == 201))
        erased = t.erase(None, "anna@family.test", NOW)
    assert erased.counts["webhook notices"] == 4
    assert "anna@" not in house.dump().lower()
    assert {one["data"]["delivery_id"] for one in told_of(house, endpoint)} == {
        str(number) for number in range(102, 108)
    }


def test_after_a_no_webhook_notices_are_as_anonymous_as_the_hits(house: House) -> None:
    house.send(1, "anna@family.test", *CROWD)
    house.send(2, "anna@family.test")  # nobody else: the hit's event goes too
    house.open(101, 201)
    endpoint = owe_notices_of_all(house)
    house.withdraw("anna@family.test")
    assert "192.0.2.77" not in house.dump()
    assert "Thunderbird" not in json.dumps(told_of(house, endpoint))
    (left,) = (one for one in told_of(house, endpoint) if one["type"] == "opened")
    assert left["timestamp"] == left["data"]["at"] == "2026-11-28T12:00:00.000Z"
    assert (left["data"]["recipient"], left["data"]["delivery_id"]) == ("", "1")
    assert left["data"]["hit_id"] is None
    assert left["data"]["raw"] == {"path_kind": "o", "target": 0, "who": "human"}
    # what servers said of the mail stays theirs
    named = [one["type"] for one in told_of(house, endpoint) if "anna@" in json.dumps(one)]
    assert named == ["delivered", "delivered"]


def test_after_a_no_a_notice_of_a_hit_that_was_judged_otherwise_is_gone(house: House) -> None:
    house.send(1, "anna@family.test", *CROWD)
    house.open(101)
    endpoint = owe_notices_of_all(house)
    with house.history.transaction() as t:
        opened = schema.event.c.path_kind.is_not(None)
        t._db.execute(schema.event.delete().where(opened))
    house.withdraw("anna@family.test")
    assert "opened" not in [one["type"] for one in told_of(house, endpoint)]


def test_forgetting_somebody_unknown_says_so_and_lets_nobody_track_them(house: House) -> None:
    for _ in range(2):
        with house.history.transaction() as t:
            assert t.erase(None, "nobody@x.test", NOW).counts == {}
    with house.history.reading() as t:
        assert asked(t, house, "nobody@x.test") == {"nobody@x.test": OFF}
        assert len(t.consents(None)) == 1


def test_an_erased_person_is_named_nowhere_and_still_refused(house: House) -> None:
    house.send(1, "Anna@family.test", *CROWD)
    house.open(101, 102)
    policy(house, PolicyScope.RECIPIENT, "anna@family.test", OFF)
    say(house, "anna@family.test", ConsentState.GIVEN)
    with house.history.transaction() as t:
        t.suppress(suppression(house, "anna@family.test"))
        t.add_returned(NOW, "bounce@home.test", b"To: ANNA@family.test\r\n\r\n")
        t.add_poison("journal:1", NOW, "odd", b"... anna@family.test ...")
        erased = t.erase(None, "Anna@Family.test", NOW)
    assert erased.counts["deliveries"] == 1
    assert erased.counts["returned mail"] == 1
    assert "anna@" not in house.dump().lower()
    with house.history.reading() as t:
        assert asked(t, house, "anna@family.test") == {"anna@family.test": OFF}
        (entry,) = t.suppressions(NOW, recipients=["anna@family.test"])
        assert entry.recipient == "anna@family.test"
        assert t.suppressions(NOW)[0].recipient.startswith("#")
        assert t.person(None, "anna@family.test")["deliveries"] == []
    assert house.count("opened", Dimension.MESSAGE, 1) == 2  # one of them in the crowd
    assert house.count("delivered", Dimension.DOMAIN) == 7


def test_a_person_can_be_erased_twice_and_come_back(house: House) -> None:
    with house.history.transaction() as t:
        t.suppress(suppression(house, "a@x.test"))
        t.erase(None, "a@x.test", NOW)
        t.suppress(suppression(house, "a@x.test"))
        t.erase(None, "a@x.test", NOW)
        assert len(t.suppressions(NOW)) == 1
        assert t.unsuppress(house.account.id, "a@x.test")
    say(house, "a@x.test", ConsentState.GIVEN, minutes=9)
    with house.history.reading() as t:
        assert asked(t, house, "a@x.test") == {}
