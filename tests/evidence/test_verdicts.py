"""What the events of a delivery mean together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp
from typing import Any

import pytest

from mailglass.evidence import Rules, as_told, load_rules, weigh
from mailglass.model import Event, EventType, Verdict, VerdictLevel

SENT = datetime(2026, 11, 22, 13, 58, tzinfo=UTC)
LATER = SENT + timedelta(days=2)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


def event(kind: str, seconds: float = 0, p: float | None = None, **raw: Any) -> Event:
    if p is not None:
        raw = {"address": "203.0.113.9", "user_agent": FIREFOX, "probability_human": p, **raw}
    return Event(type=EventType(kind), at=SENT + timedelta(seconds=seconds), raw=raw)


SENT_EVENT = event("delivered")


@pytest.mark.parametrize(
    ("events", "level"),
    [
        ([event("queued")], "pending"),
        ([event("queued"), event("deferred", 9)], "pending"),
        ([SENT_EVENT], "delivered"),
        ([event("bounced", 4)], "undelivered"),
        ([SENT_EVENT, event("bounced", 90, out_of_band=True)], "undelivered"),
        ([event("rejected")], "undelivered"),
        ([event("suppressed")], "undelivered"),
        ([SENT_EVENT, event("scanned", 4, 0.01)], "machine_only"),
        ([SENT_EVENT, event("prefetched", 4, 0.01)], "machine_only"),
        ([SENT_EVENT, event("proxied", 4, 0.25)], "delivered"),
        ([SENT_EVENT, event("autoresponded", 4)], "delivered"),
        ([SENT_EVENT, event("self_viewed", 4, 0.9)], "delivered"),
        ([SENT_EVENT, event("fetched", 400, 0.6)], "maybe_opened"),
        ([SENT_EVENT, event("displayed", 400, action="automatic-action")], "maybe_opened"),
        ([SENT_EVENT, event("opened", 400, 0.95)], "opened"),
        ([SENT_EVENT, event("displayed", 400, action="manual-action")], "opened"),
        ([SENT_EVENT, event("complained", 400)], "opened"),
        ([SENT_EVENT, event("objected", 400)], "opened"),
        ([SENT_EVENT, event("objected", 400, 0.01)], "delivered"),
        ([SENT_EVENT, event("objected", 400, 0.5)], "maybe_opened"),
        ([SENT_EVENT, event("unsubscribed", 400, 0.01)], "delivered"),
        ([SENT_EVENT, event("clicked", 400, 0.95, path_kind="c")], "engaged"),
        ([SENT_EVENT, event("clicked", 400, 0.95, path_kind="u")], "opened"),
        ([SENT_EVENT, event("downloaded", 400, 0.95, path_kind="a")], "engaged"),
        ([SENT_EVENT, event("replied", 400)], "answered"),
        ([event("bounced", 4), event("replied", 400)], "answered"),
        ([SENT_EVENT, event("replied", 400, by_another=True)], "maybe_opened"),
        ([SENT_EVENT, event("replied", 400, by_another=True), event("replied", 500)], "answered"),
    ],
)
def test_the_level_follows_from_the_events(rules: Rules, events: list[Event], level: str) -> None:
    assert weigh(events, LATER, rules).level is VerdictLevel(level)


def test_a_repeat_of_one_visit_proves_nothing_more(rules: Rules) -> None:
    once = [SENT_EVENT, event("opened", 400, 0.9)]
    often = once + [event("opened", 400 + n, 0.9) for n in range(1, 50)]
    assert weigh(often, LATER, rules).probability == weigh(once, LATER, rules).probability


def test_visits_of_two_networks_prove_more_than_one(rules: Rules) -> None:
    one = [SENT_EVENT, event("opened", 400, 0.9)]
    two = [*one, event("opened", 9000, 0.9, address="198.51.100.3")]
    assert weigh(two, LATER, rules).probability > weigh(one, LATER, rules).probability


def test_many_doubtful_visits_do_not_make_a_sure_one(rules: Rules) -> None:
    events = [event("fetched", 400 * n, 0.5, address=f"10.0.{n}.1") for n in range(1, 40)]
    assert weigh([SENT_EVENT, *events], LATER, rules).level is VerdictLevel.MAYBE_OPENED


def test_a_providers_proxy_is_one_visitor_from_any_of_its_addresses(rules: Rules) -> None:
    events = [
        event("opened", 400 + 4000 * n, 0.9, address=f"66.249.{80 + n}.1", user_agent=GMAIL)
        for n in range(5)
    ]
    all_of_them = weigh([SENT_EVENT, *events], LATER, rules)
    assert all_of_them.probability == weigh([SENT_EVENT, events[0]], LATER, rules).probability
    assert "came 5 times" in all_of_them.evidence[0].text


def test_a_third_persons_visit_is_not_the_recipients(rules: Rules) -> None:
    events = [SENT_EVENT, event("opened", 400, 0.95, actor="third_party")]
    verdict = weigh(events, LATER, rules)
    assert verdict.level is VerdictLevel.DELIVERED
    assert "somebody else" in verdict.evidence[0].text


def test_the_verdict_is_told_in_a_sentence_with_what_does_not_count(rules: Rules) -> None:
    events = [
        SENT_EVENT,
        event("prefetched", 4, 0.001, user_agent="Edge/12.246 Mozilla/5.0"),
        event("opened", 244, 0.97, user_agent=GMAIL, address="66.249.84.1"),
        event("clicked", 253, 0.9, path_kind="c", target=1),
    ]
    text = weigh(events, LATER, rules).evidence[0].text
    assert text == (
        "Engaged, 99%: Gmail displayed the images on 2026-11-22 at 14:02:04; Firefox 150 followed "
        "a link on 2026-11-22 at 14:02:13. Prefetched before anybody looked on 2026-11-22 at "
        "13:58:04, which does not count."
    )


@pytest.mark.parametrize(
    ("seconds", "is_final"), [(0, False), (599, False), (600, True), (86400, True)]
)
def test_a_verdict_is_provisional_until_nothing_happened_for_the_settling_time(
    rules: Rules, seconds: float, is_final: bool
) -> None:
    events = [SENT_EVENT, event("opened", 400, 0.9)]
    now = events[-1].at + timedelta(seconds=seconds)
    assert weigh(events, now, rules).is_final is is_final


def test_a_message_that_never_left_has_no_final_verdict(rules: Rules) -> None:
    assert not weigh([event("queued")], LATER, rules).is_final
    assert not weigh([], LATER, rules).is_final


def weights_add_up(verdict: Verdict) -> bool:
    total = sum(e.weight for e in verdict.evidence)
    return abs(1 / (1 + exp(-total)) - verdict.probability) < 1e-9


@pytest.mark.parametrize("raw", [{}, {"probability_human": "high"}, {"probability_human": 7}])
def test_an_event_that_does_not_say_its_probability_proves_nothing(
    rules: Rules, raw: dict[str, object]
) -> None:
    odd = Event(type=EventType.OPENED, at=SENT + timedelta(seconds=9), raw=raw)
    verdict = weigh([SENT_EVENT, odd], LATER, rules)
    assert verdict.level is VerdictLevel.DELIVERED
    assert weights_add_up(verdict)


@pytest.mark.parametrize(
    ("probability", "told"), [(0.0, 0.01), (0.004, 0.01), (0.15, 0.15), (0.996, 0.99), (1.0, 0.99)]
)
def test_no_probability_is_told_as_certain(probability: float, told: float) -> None:
    assert as_told(probability) == told
