"""Hits of one delivery together: bursts, traps, pairs, followers, the sender's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailglass.evidence import (
    DeliveryFacts,
    Neighbours,
    Origin,
    Rules,
    judge_delivery,
    load_rules,
    network_key,
)
from mailglass.model import Actor, Hit, Judgement, TargetKind

SENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/150.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
OUTLOOK = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.12329; Pro)"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
HOME, OFFICE, MICROSOFT = "203.0.113.9", "198.51.100.20", "40.94.29.84"
TARGETS = {
    0: TargetKind.BEACON,
    **dict.fromkeys(range(1, 7), TargetKind.LINK),
    7: TargetKind.UNSUBSCRIBE,
    8: TargetKind.HONEYPOT,
}
FACTS = DeliveryFacts(
    delivery_id=1,
    recipient_domain="example.com",
    delivered_at=SENT,
    targets=TARGETS,
    links_sent=6,
)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


def hit(seconds: float, target: int, agent: str = CHROME, address: str = HOME) -> Hit:
    kind = TARGETS[target]
    return Hit(
        at=SENT + timedelta(seconds=seconds),
        path_kind={TargetKind.BEACON: "o", TargetKind.UNSUBSCRIBE: "u"}.get(kind, "c"),
        method="GET",
        token="t",
        delivery_id=1,
        target=target,
        address=address,
        http_version="1.1",
        headers={"user-agent": agent},
    )


def signals(judgement: Judgement) -> set[str]:
    return {e.signal for e in judgement.evidence}


@pytest.mark.parametrize("agent", [None, "curl/8.0", CHROME])
def test_a_click_is_told_to_come_before_a_persons_look_only_when_it_does(
    rules: Rules, agent: str | None
) -> None:
    """A program's loading of the images does not make the sentence untrue."""
    hits = [hit(300, 0, agent), hit(4000, 1)] if agent else [hit(4000, 1)]
    judged = judge_delivery(FACTS, hits, rules=rules)
    was_shown = agent == CHROME and judged[0].probability_human > rules.human_above
    told = [e.text for e in judged[-1].evidence if e.signal == "behaviour.click_without_open"]
    expected = "the link was followed before a person was seen to load images"
    assert told == ([] if was_shown else [expected])


def test_all_links_within_seconds_are_a_scanner(rules: Rules) -> None:
    hits = [hit(400 + n, n) for n in range(1, 7)]
    for judgement in judge_delivery(FACTS, hits, rules=rules):
        assert judgement.actor is Actor.SECURITY_SCANNER
        assert "behaviour.all_links" in signals(judgement)


def test_a_scanner_behind_many_addresses_is_known_by_its_user_agent(rules: Rules) -> None:
    hits = [hit(400 + n, n, address=f"192.0.{n}.7") for n in range(1, 7)]
    for judgement in judge_delivery(FACTS, hits, rules=rules):
        assert judgement.actor is Actor.SECURITY_SCANNER


def test_a_person_who_follows_two_links_in_a_minute_stays_a_person(rules: Rules) -> None:
    hits = [hit(4000, 0, OUTLOOK), hit(4010, 1), hit(4055, 2)]
    for judgement in judge_delivery(FACTS, hits, rules=rules):
        assert judgement.actor is Actor.HUMAN


def test_outlooks_open_and_click_in_one_instant_is_a_person(rules: Rules) -> None:
    first, _ = judge_delivery(FACTS, [hit(4000, 0, OUTLOOK), hit(4000.1, 1, OUTLOOK)], rules=rules)
    assert first.actor is Actor.HUMAN


def test_who_follows_the_invisible_link_is_a_machine_at_all_its_hits(rules: Rules) -> None:
    hits = [hit(4000, 0, FIREFOX), hit(4600, 8, FIREFOX)]
    before = judge_delivery(FACTS, hits[:1], rules=rules)[0]
    after = judge_delivery(FACTS, hits, rules=rules)
    assert before.actor is Actor.HUMAN
    assert {j.actor for j in after} == {Actor.SECURITY_SCANNER}


def test_a_scan_on_click_shows_the_person_beside_it(rules: Rules) -> None:
    person, scan = hit(4000, 2), hit(4001.5, 2, address=MICROSOFT)
    alone = judge_delivery(FACTS, [person], rules=rules)[0]
    judged = judge_delivery(FACTS, [person, scan], rules=rules)
    assert judged[0].actor is Actor.HUMAN
    assert judged[0].probability_human > alone.probability_human
    assert judged[1].actor is Actor.SECURITY_SCANNER


def test_a_scan_of_all_links_shows_nobody_beside_it(rules: Rules) -> None:
    scans = [hit(400 + n / 10, n, address=MICROSOFT) for n in range(1, 7)]
    stranger = hit(401, 2, address=OFFICE)
    judged = judge_delivery(FACTS, [*scans, stranger], rules=rules)
    assert "behaviour.after_scan" not in signals(judged[-1])


def test_the_order_in_which_hits_are_handed_in_does_not_matter(rules: Rules) -> None:
    hits = [hit(4000, 0, OUTLOOK), hit(4020, 1), *(hit(3 + n, n) for n in range(1, 6))]
    forward = judge_delivery(FACTS, hits, rules=rules)
    backward = judge_delivery(FACTS, hits[::-1], rules=rules)
    assert forward == backward[::-1]


def test_the_browser_marked_as_the_senders_is_the_sender(rules: Rules) -> None:
    facts = replace(FACTS, sender_visitors=frozenset({(HOME, FIREFOX)}))
    own, other = judge_delivery(
        facts, [hit(900, 0, FIREFOX), hit(5000, 0, OUTLOOK, OFFICE)], rules=rules
    )
    assert own.actor is Actor.SENDER
    assert other.actor is Actor.HUMAN


def test_the_senders_network_is_evidence_and_no_proof(rules: Rules) -> None:
    facts = replace(FACTS, sender_networks=frozenset({network_key(HOME)}))
    plain = judge_delivery(FACTS, [hit(900, 0)], rules=rules)[0]
    shared = judge_delivery(facts, [hit(900, 0)], rules=rules)[0]
    assert shared.actor is not Actor.SENDER
    assert shared.probability_human < plain.probability_human
    assert "history.sender_network" in signals(shared)


@pytest.mark.parametrize(("seconds", "is_sender"), [(-5, False), (4, True), (60, False)])
def test_a_heads_up_covers_the_seconds_after_it(
    rules: Rules, seconds: float, is_sender: bool
) -> None:
    facts = replace(FACTS, sender_announced=(SENT + timedelta(seconds=1000),))
    (judgement,) = judge_delivery(facts, [hit(1000 + seconds, 0, FIREFOX)], rules=rules)
    assert (judgement.actor is Actor.SENDER) == is_sender


def test_after_a_reply_the_authors_side_reads_the_quotation(rules: Rules) -> None:
    facts = replace(
        FACTS,
        replied_at=SENT + timedelta(hours=1),
        sender_networks=frozenset({network_key(OFFICE)}),
    )
    before = hit(1800, 0, FIREFOX, OFFICE)
    after = hit(4000, 0, FIREFOX, OFFICE)
    elsewhere = hit(4100, 0, FIREFOX, HOME)
    judged = judge_delivery(facts, [before, after, elsewhere], rules=rules)
    assert [j.actor is Actor.SENDER for j in judged] == [False, True, False]


def test_a_proxy_of_the_senders_provider_alone_is_the_sender(rules: Rules) -> None:
    facts = replace(FACTS, recipient_provider="Naver", sender_provider="Gmail")
    (judgement,) = judge_delivery(facts, [hit(900, 0, GMAIL, "66.249.84.1")], rules=rules)
    assert judgement.actor is Actor.SENDER


def test_before_the_sender_has_a_copy_their_providers_proxy_says_nothing(rules: Rules) -> None:
    facts = replace(
        FACTS,
        recipient_provider="Naver",
        sender_provider="Gmail",
        sender_copy_at=SENT + timedelta(seconds=1000),
    )
    hits = [hit(900, 0, GMAIL, "66.249.84.1"), hit(1100, 0, GMAIL, "66.249.84.2")]
    judged = judge_delivery(facts, hits, rules=rules)
    assert [j.actor is Actor.SENDER for j in judged] == [False, True]


def test_a_stranger_after_a_reader_whose_devices_are_known_is_a_third_person(
    rules: Rules,
) -> None:
    facts = replace(
        FACTS, known_networks=frozenset({network_key(HOME)}), known_agents=frozenset({OUTLOOK})
    )
    hits = [hit(4000, 0, OUTLOOK), hit(9000, 0, FIREFOX, OFFICE)]
    judged = judge_delivery(facts, hits, rules=rules)
    assert [j.actor for j in judged] == [Actor.HUMAN, Actor.THIRD_PARTY]


def test_a_second_device_of_an_unknown_recipient_is_no_third_person(rules: Rules) -> None:
    hits = [hit(4000, 0, OUTLOOK), hit(9000, 0, FIREFOX, OFFICE)]
    judged = judge_delivery(FACTS, hits, rules=rules)
    assert [j.actor for j in judged] == [Actor.HUMAN, Actor.HUMAN]


def test_the_recipients_known_network_and_device_count(rules: Rules) -> None:
    facts = replace(
        FACTS, known_networks=frozenset({network_key(HOME)}), known_agents=frozenset({CHROME})
    )
    plain = judge_delivery(FACTS, [hit(45, 1)], rules=rules)[0]
    known = judge_delivery(facts, [hit(45, 1)], rules=rules)[0]
    assert known.probability_human > 0.8 > plain.probability_human


def test_a_hit_before_the_250_is_a_machines_and_one_within_the_clocks_error_is_not_called_so(
    rules: Rules,
) -> None:
    early, close = judge_delivery(FACTS, [hit(-30, 0, OUTLOOK), hit(-0.5, 0, OUTLOOK)], rules=rules)
    assert "timing.before_delivery" in signals(early)
    assert "timing.before_delivery" not in signals(close)


def test_what_registers_say_of_an_address_is_taken_in(rules: Rules) -> None:
    origins = {HOME: Origin(asn=24940)}
    (judgement,) = judge_delivery(FACTS, [hit(4000, 1)], rules=rules, origins=origins)
    assert "network.hosting" in signals(judgement)


def test_a_flood_of_hits_is_judged_in_linear_time(rules: Rules) -> None:
    hits = [hit(400 + n / 1000, n % 6 + 1) for n in range(20_000)]
    judged = judge_delivery(FACTS, hits, rules=rules)
    assert all(j.actor is Actor.SECURITY_SCANNER for j in judged)


def of(number: int, domain: str = "example.com") -> DeliveryFacts:
    return replace(FACTS, delivery_id=number, recipient_domain=domain)


def test_one_address_at_many_recipients_is_seen_whatever_the_order(rules: Rules) -> None:
    hits = [(replace(hit(5 + n, 0), delivery_id=n), of(n, f"{n}.example")) for n in range(4)]
    crowds = []
    for order in (hits, hits[::-1]):
        neighbours = Neighbours(rules)
        for one, facts in order:
            neighbours.add(one, facts)
            neighbours.add(one, facts)
        crowds.append(neighbours.crowd(*hits[0]))
    assert crowds[0] == crowds[1]
    assert (crowds[0].recipients_of_address, crowds[0].domains_of_address) == (4, 4)


def test_an_altered_token_marks_the_visitor(rules: Rules) -> None:
    neighbours = Neighbours(rules)
    neighbours.add(
        replace(hit(899, 1), delivery_id=None, target=None, token="forged"), DeliveryFacts()
    )
    one = hit(900, 1)
    judgement = judge_delivery(FACTS, [one], rules=rules, crowds=[neighbours.crowd(one, FACTS)])[0]
    assert "behaviour.altered_token" in signals(judgement)


def test_one_user_agent_from_unrelated_data_centres_is_one_scanner() -> None:
    rules = load_rules()
    neighbours = Neighbours(rules)
    for number, owner in enumerate(("Hetzner", "OVH", "M247")):
        rules.networks.add_list([f"5.{number}.0.0/16"], rules.networks.network(owner, "hosting"))
        one = hit(900, 1, address=f"5.{number}.0.1")
        neighbours.add(replace(one, delivery_id=number), of(number))
    one = hit(901, 1, address="5.0.0.1")
    assert neighbours.crowd(one, FACTS).hosters_of_agent == 3


def test_a_whole_domain_with_one_origins_early_visits_is_scanned(rules: Rules) -> None:
    neighbours = Neighbours(rules)
    for number in range(5):
        address = f"198.51.100.{number}"
        neighbours.add(replace(hit(20, 0, address=address), delivery_id=number), of(number))
    one = replace(hit(20, 0, address="198.51.100.3"), delivery_id=3)
    crowd = neighbours.crowd(one, of(3))
    judgement = judge_delivery(of(3), [one], rules=rules, crowds=[crowd])[0]
    assert "history.domain_pattern" in signals(judgement)


def test_the_index_of_neighbours_stays_within_its_bound(rules: Rules) -> None:
    neighbours = Neighbours(rules, most_keys=100)
    for number in range(5000):
        address = f"10.{number // 250}.{number % 250}.1"
        one = replace(hit(number, 0, address=address), delivery_id=number)
        neighbours.add(one, of(number, f"{number}.example"))
    assert 0 < neighbours.held <= 4 * 101


def test_the_page_behind_a_beacon_is_no_image_that_was_loaded(rules: Rules) -> None:
    page = replace(hit(400, 0), path_kind="n")
    alone, link = judge_delivery(FACTS, [page, hit(900, 1)], rules=rules)
    assert "behaviour.click_without_open" in signals(alone)
    assert "behaviour.click_without_open" in signals(link)
