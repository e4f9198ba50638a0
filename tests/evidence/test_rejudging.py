"""Judging kept hits again, and saying what changed and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailglass.evidence import (
    DeliveryFacts,
    KeptDelivery,
    KeptHit,
    judge_delivery,
    load_rules,
    rejudge,
    weigh,
)
from mailglass.model import Event, EventType, Hit, TargetKind

SENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = SENT + timedelta(days=3)
FACTS = DeliveryFacts(delivery_id=5, delivered_at=SENT, targets={0: TargetKind.BEACON})
DELIVERED = Event(type=EventType.DELIVERED, at=SENT)


def hit(agent: str) -> Hit:
    return Hit(
        at=SENT + timedelta(hours=2),
        path_kind="o",
        method="GET",
        token="t",
        delivery_id=5,
        target=0,
        address="203.0.113.9",
        http_version="1.1",
        headers={"user-agent": agent},
    )


def kept(agent: str) -> KeptDelivery:
    rules = load_rules()
    one = hit(agent)
    (judged,) = judge_delivery(FACTS, [one], rules=rules)
    verdict = weigh([DELIVERED], NOW, rules)
    return KeptDelivery(
        facts=FACTS,
        hits=[KeptHit(key=17, hit=one, judged=judged)],
        told=[DELIVERED],
        verdict=verdict,
    )


def test_the_same_rules_change_no_judgement() -> None:
    (again,) = rejudge([kept("Acme-Reader/3")], load_rules(), NOW)
    assert [c for c in again.changes if c.key is not None] == []


def test_better_rules_say_what_changes_and_why(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        "[[clients]]\nmatch = 'prefix'\ntext = 'Acme-Reader/'\nclass = 'mail_app'\nname = 'Acme'\n"
    )
    rules = load_rules(site)
    (again,) = rejudge([kept("Acme-Reader/3")], rules, NOW)
    one, whole = again.changes
    assert one.key == 17
    assert one.after.startswith("human, human, 9")
    assert "client.unrecognised_open -1.1 to +0.0" in one.why
    assert "client.mail_app +0.0 to +2.7" in one.why
    assert (whole.key, whole.before, whole.after) == (None, "delivered", "opened")
    assert again.judgements[0].rules_version == rules.version


def test_a_hit_that_was_never_judged_is_a_change() -> None:
    fresh = KeptDelivery(facts=FACTS, hits=[KeptHit(key=1, hit=hit("Outlook-iOS/2.0"))])
    (again,) = rejudge([fresh], load_rules(), NOW)
    assert again.changes[0].before == "not judged"


def test_deliveries_go_through_one_by_one() -> None:
    taken = []

    def deliveries() -> Iterator[KeptDelivery]:
        for number in range(5):
            taken.append(number)
            yield kept("Outlook-iOS/2.0")

    answers = rejudge(deliveries(), load_rules(), NOW)
    next(answers)
    assert taken == [0]
