"""After any mixture of hits, acts, noes and erasures every count is that of its events."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from test_restarts import ADDRESSES, AGENTS, BEGIN, House, hit

from mailglass.evidence import Rules, load_rules
from mailglass.history import Endpoint, Filters, Policy, PolicyScope, Transaction
from mailglass.history.rights import OnWithdrawal
from mailglass.model import EventType, TrackingPolicy, VerdictLevel
from mailglass.notify.notices import owe_notices

ACTS = (("n", "object"), ("u", "unsubscribe"))
PEOPLE = tuple(f"r{n}@d{n % 2}.test" for n in range(6))


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


def _listen(t: Transaction, account_id: int) -> Endpoint:
    return t.add_endpoint(
        account_id,
        "https://hook.test/",
        "secret",
        filters=Filters(),
        description="",
        last_event_id=0,
        at=BEGIN,
    )


def _hits(chance: random.Random, at: datetime) -> list[Any]:
    made = []
    for _ in range(chance.choice((1, 3, 12))):
        at += timedelta(seconds=chance.choice((0, 0.5, 30, 900)))
        facts: dict[str, Any] = {
            "address": chance.choice(ADDRESSES),
            "headers": {"user-agent": chance.choice(AGENTS)},
        }
        path, target = chance.choice((("o", 0), ("c", 1), ("c", 3), ("n", 0), ("u", 2)))
        if chance.random() < 0.3:
            path, facts["action"] = chance.choice(ACTS)
            facts["method"] = "POST"
        delivery_id = chance.randrange(1, 4) * 100 + chance.randrange(6)
        made.append(hit(delivery_id, at, path_kind=path, target=target, **facts))
    return made


@pytest.mark.parametrize("what", OnWithdrawal)
@pytest.mark.parametrize("seed", range(4))
def test_every_count_stays_that_of_its_events(
    tmp_path: Path, rules: Rules, seed: int, what: OnWithdrawal
) -> None:
    chance = random.Random(seed)
    house = House(tmp_path / "h", rules)
    with house.history.transaction() as t:
        _listen(t, house.account_id)
        policy = Policy(
            account_id=house.account_id,
            scope=PolicyScope.ACCOUNT,
            subject="",
            mode=TrackingPolicy.IDENTIFIED,
            on_withdrawal=what,
            set_at=BEGIN,
            set_by="me",
        )
        t.set_policy(policy)
    house.send(1, *PEOPLE)
    house.send(2, PEOPLE[0])  # too few for a crowd
    house.send(3, *PEOPLE)
    house.take([])
    at = BEGIN
    for _ in range(12):
        at += timedelta(minutes=20)
        house.now = at + timedelta(minutes=15)
        deed = chance.random()
        if deed < 0.7:
            house.take(_hits(chance, at))
        elif deed < 0.8:
            house.ingest.settle()
        else:
            with house.history.transaction() as t:
                person = chance.choice(PEOPLE)
                if deed < 0.9:
                    t.erase(None, person, house.now)
                else:
                    t.withdraw(house.account_id, person, house.now, how="letter")
        with house.history.transaction() as t:
            owe_notices(t, house.now)
            assert list(t.miscounts()) == []
            assert t.orphans() == []
    with house.history.transaction() as t:
        assert t.recount() == 0
    house.close()


def test_a_program_that_asked_stays_a_program_when_the_person_is_forgotten(
    tmp_path: Path, rules: Rules
) -> None:
    house = House(tmp_path / "h", rules)
    house.send(1, *PEOPLE)
    house.take([])
    seen = BEGIN + timedelta(hours=1)
    curl = {"user-agent": "curl/8.0"}
    for path, action in reversed(ACTS):
        facts = {"path_kind": path, "action": action, "method": "POST", "headers": curl}
        house.take([hit(100, seen, **facts)])
    with house.history.transaction() as t:
        t.erase(None, PEOPLE[0], seen)
    house.now = seen + timedelta(hours=1)
    house.ingest.settle()
    with house.history.reading() as t:
        (copy,) = t.deliveries([100])
        types = [e.event.type for e in t.events_of([100])]
        assert list(t.miscounts()) == []
    assert {EventType.UNSUBSCRIBED, EventType.OBJECTED} <= set(types)
    assert copy.verdict.level is VerdictLevel.DELIVERED
    house.close()
