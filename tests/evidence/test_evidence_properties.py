"""What holds for any hits and events, not only for the examples."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import exp
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailglass.evidence import (
    Crowd,
    DeliveryFacts,
    Origin,
    Surroundings,
    event_from,
    judge_delivery,
    judge_hit,
    load_rules,
    weigh,
)
from mailglass.evidence.hitfile import BadHit, hit_of_record
from mailglass.model import Event, EventType, Hit, TargetKind

RULES = load_rules()
SENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = SENT + timedelta(days=30)
AGENTS = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0",
    "Outlook-iOS/2.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/150.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
    "curl/8",
    "",
)
ADDRESSES = ("66.249.84.1", "40.94.29.84", "104.47.55.126", "203.0.113.9", "198.51.100.3", "", "x")
TARGETS = {0: TargetKind.BEACON, **dict.fromkeys(range(1, 6), TargetKind.LINK)}
FACTS = DeliveryFacts(
    delivery_id=1, recipient_domain="a.example", delivered_at=SENT, targets=TARGETS, links_sent=5
)
MACHINE_EVENTS = (EventType.SCANNED, EventType.PREFETCHED, EventType.PREVIEWED, EventType.PROXIED)


@st.composite
def hits(draw: st.DrawFn) -> Hit:
    target = draw(st.integers(0, 5))
    return Hit(
        at=SENT + timedelta(milliseconds=draw(st.integers(-5_000, 20_000_000))),
        path_kind="c" if target else "o",
        method=draw(st.sampled_from(("GET", "GET", "GET", "HEAD"))),
        token="t",
        delivery_id=1,
        target=target,
        address=draw(st.sampled_from(ADDRESSES)),
        http_version="1.1",
        headers={"user-agent": draw(st.sampled_from(AGENTS))},
    )


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(list(EventType)))
    return Event(
        type=kind,
        at=SENT + timedelta(seconds=draw(st.integers(0, 300_000))),
        raw={
            "probability_human": draw(st.floats(0, 1)),
            "address": draw(st.sampled_from(ADDRESSES)),
            "user_agent": draw(st.sampled_from(AGENTS)),
            "path_kind": draw(st.sampled_from("ocaun")),
            "actor": draw(st.sampled_from(("human", "third_party", "unknown"))),
        },
    )


surroundings = st.builds(
    Surroundings,
    seconds_since_delivery=st.none() | st.floats(-10, 1e6),
    links_in_burst=st.none() | st.integers(0, 8),
    clicks_in_volley=st.integers(0, 6),
    events_in_second=st.integers(0, 4),
    known_network=st.booleans(),
    after_scan=st.booleans(),
    crowd=st.builds(Crowd, recipients_of_address=st.integers(0, 9)),
    origin=st.builds(Origin, asn=st.sampled_from((None, 8075, 22843, 3320))),
)
MACHINE_SIGNS: tuple[dict[str, Any], ...] = (
    {"honeypot": True},
    {"honeypot_elsewhere": True},
    {"altered_token": True},
    {"all_links_in_burst": True},
    {"before_delivery": True},
    {"clicks_in_volley": 9},
    {"events_in_second": 9},
    {"unsubscribe_too": True},
    {"after_forward": True},
    {"domain_pattern": True},
    {"agents_of_address": 5},
    {"outdated_browser": True},
    {"sender_network": True},
)


@given(hits(), surroundings, st.sampled_from(MACHINE_SIGNS))
def test_a_machines_sign_never_raises_the_probability_of_a_person(
    hit: Hit, around: Surroundings, sign: dict[str, Any]
) -> None:
    before = judge_hit(hit, around, rules=RULES).probability_human
    after = judge_hit(hit, replace(around, **sign), rules=RULES).probability_human
    assert after <= before + 1e-12


@given(hits(), surroundings)
def test_every_probability_of_a_hit_is_the_sum_of_its_reasons(
    hit: Hit, around: Surroundings
) -> None:
    judgement = judge_hit(hit, around, rules=RULES)
    total = sum(e.weight for e in judgement.evidence)
    assert abs(1 / (1 + exp(-total)) - judgement.probability_human) < 1e-9
    assert all(e.text for e in judgement.evidence)
    assert judgement.rules_version == RULES.version


@given(st.lists(events(), max_size=12), st.randoms())
def test_the_order_of_arrival_does_not_change_the_verdict(some: list[Event], random: Any) -> None:
    mixed = list(some)
    random.shuffle(mixed)
    assert weigh(mixed, NOW, RULES) == weigh(some, NOW, RULES)


@given(st.lists(hits(), max_size=10), st.randoms())
def test_the_order_of_hits_does_not_change_the_verdict(some: list[Hit], random: Any) -> None:
    def verdict(of: list[Hit]) -> float:
        judged = judge_delivery(FACTS, of, rules=RULES)
        return weigh(
            [event_from(h, j) for h, j in zip(of, judged, strict=True)], NOW, RULES
        ).probability

    mixed = list(some)
    random.shuffle(mixed)
    assert verdict(mixed) == verdict(some)


@given(st.lists(events(), max_size=10), events(), st.sampled_from(MACHINE_EVENTS))
def test_a_machines_event_never_raises_the_probability_that_it_was_read(
    some: list[Event], event: Event, kind: EventType
) -> None:
    machine = replace(event, type=kind)
    before = weigh(some, NOW, RULES).probability
    assert weigh([*some, machine], NOW, RULES).probability <= before + 1e-12


@given(st.lists(events(), min_size=1, max_size=10), st.data())
def test_a_repeat_of_one_visit_never_raises_it(some: list[Event], data: st.DataObject) -> None:
    again = data.draw(st.sampled_from(some))
    seconds = data.draw(st.integers(0, 1700))
    repeat = replace(again, at=again.at + timedelta(seconds=seconds))
    before = weigh(some, NOW, RULES).probability
    assert weigh([*some, repeat], NOW, RULES).probability <= before + 1e-12


@given(st.lists(events(), max_size=10))
def test_every_probability_of_a_verdict_is_the_sum_of_its_reasons(some: list[Event]) -> None:
    verdict = weigh(some, NOW, RULES)
    total = sum(e.weight for e in verdict.evidence)
    assert abs(1 / (1 + exp(-total)) - verdict.probability) < 1e-9
    assert 0 < verdict.probability < 1
    assert verdict.evidence[0].text.startswith(verdict.level.value.replace("_", " ").capitalize())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
FIELDS = ("id", "kind", "method", "user_agent", "ua_known", "headers", "ip", "ip_class", "asn")
FIELDS += ("rdns", "t_since_delivery_s", "context")


RECORDS = (
    json_values
    | st.dictionaries(st.sampled_from(FIELDS), json_values)
    | st.fixed_dictionaries({"context": st.dictionaries(st.text(max_size=20), json_values)})
)


@given(RECORDS)
def test_any_record_is_judged_or_refused(record: Any) -> None:
    judge_or_refuse(record)


@pytest.mark.soak
@settings(max_examples=10_000)
@given(RECORDS)
def test_any_of_ten_thousand_records_is_judged_or_refused(record: Any) -> None:
    judge_or_refuse(record)


def judge_or_refuse(record: Any) -> None:
    try:
        _, hit, around = hit_of_record(record)
    except BadHit:
        return
    judgement = judge_hit(hit, around, rules=RULES)
    assert 0 < judgement.probability_human < 1
    json.dumps([e.text for e in judgement.evidence])
