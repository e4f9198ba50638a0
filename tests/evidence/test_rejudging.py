"""What judging again makes of hits beside what was made of them before, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailglass.evidence import (
    DeliveryFacts,
    Rules,
    change_of_hit,
    change_of_verdict,
    event_from,
    judge_delivery,
    load_rules,
    weigh,
)
from mailglass.model import Event, EventType, Hit, Judgement, TargetKind

SENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = SENT + timedelta(days=3)
FACTS = DeliveryFacts(delivery_id=5, delivered_at=SENT, targets={0: TargetKind.BEACON})
DELIVERED = Event(type=EventType.DELIVERED, at=SENT)
READER = Hit(
    at=SENT + timedelta(hours=2),
    path_kind="o",
    method="GET",
    token="t",
    delivery_id=5,
    target=0,
    address="203.0.113.9",
    http_version="1.1",
    headers={"user-agent": "Acme-Reader/3"},
)
SITE = "[[clients]]\nmatch = 'prefix'\ntext = 'Acme-Reader/'\nclass = 'mail_app'\nname = 'Acme'\n"


def judged(rules: Rules) -> Judgement:
    (judgement,) = judge_delivery(FACTS, [READER], rules=rules)
    return judgement


def site_rules(folder: Path) -> Rules:
    (folder / "site.toml").write_text(SITE)
    return load_rules(folder / "site.toml")


def test_the_same_rules_change_no_judgement() -> None:
    rules = load_rules()
    assert change_of_hit(judged(rules), judged(rules), rules) is None


def test_better_rules_say_what_changes_and_why(tmp_path: Path) -> None:
    old, new = load_rules(), site_rules(tmp_path)
    change = change_of_hit(judged(old), judged(new), new)
    assert change is not None
    assert change.is_decisive
    assert change.after.startswith("human, human, 9")
    assert "client.unrecognised_open -1.1 to +0.0" in change.why
    assert "client.mail_app +0.0 to +2.7" in change.why


def test_a_hit_that_was_never_judged_is_a_change() -> None:
    rules = load_rules()
    change = change_of_hit(None, judged(rules), rules)
    assert change is not None
    assert change.before == "not judged"


def test_a_verdict_changes_with_its_level(tmp_path: Path) -> None:
    old, new = load_rules(), site_rules(tmp_path)
    before, after = (
        weigh([DELIVERED, event_from(READER, judged(rules))], NOW, rules) for rules in (old, new)
    )
    change = change_of_verdict(before, after)
    assert change is not None
    assert (change.before, change.after) == ("maybe_opened", "opened")
    assert change.why.startswith("Opened, 9")
    assert change_of_verdict(after, after) is None
