"""Single hits: what each sign is taken for."""

from __future__ import annotations

from datetime import UTC, datetime
from math import exp

import pytest

from mailglass.evidence import (
    Crowd,
    DeliveryFacts,
    Learned,
    LearnedShare,
    Origin,
    Rules,
    Surroundings,
    event_of,
    has_moved,
    judge_delivery,
    judge_hit,
    learned_from,
    load_rules,
    verdict_word,
    with_learned,
)
from mailglass.model import Actor, EventType, Hit, TargetKind

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{}.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


def hit(
    path_kind: str = "o",
    agent: str = CHROME.format(150),
    address: str = "192.0.2.7",
    method: str = "GET",
    action: str | None = None,
    **headers: str,
) -> Hit:
    return Hit(
        at=NOON,
        path_kind=path_kind,
        method=method,
        token="t",
        delivery_id=1,
        target=0,
        address=address,
        http_version="1.1",
        headers={"user-agent": agent} | {k.replace("_", "-"): v for k, v in headers.items()},
        action=action,
    )


@pytest.mark.parametrize(
    ("agent", "path_kind", "actor"),
    [
        (GMAIL, "o", Actor.IMAGE_PROXY),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy", "o", "image_proxy"),
        ("FastmailUA/1.0", "o", "image_proxy"),
        ("Mozilla/5.0 SeznamEmailProxy/2.0.174", "o", "image_proxy"),
        ("SnappyMail/2.38.2", "o", "image_proxy"),
        (PREFETCH, "o", "prefetch"),
        ("Mozilla/5.0", "o", "privacy_proxy"),
        ("Outlook-iOS/2.0", "o", "human"),
        ("NaverMailApp/2.2.2 (Android 10; SM-G986N)", "o", "human"),
        ("Evolution/3.46.4", "o", "human"),
        ("Fancy Viewer", "o", "human"),
        ("Barracuda Sentinel (EE)", "c", "security_scanner"),
        ("WhatsApp/2.23.20.0", "c", "link_preview"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "c", "crawler"),
        ("curl/8.5.0", "c", "tool"),
        ("python-httpx/0.27", "o", "tool"),
        ("", "c", "tool"),
        (CHROME.format(57), "c", "security_scanner"),
        ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1)", "c", "security_scanner"),
        (CHROME.format(150), "c", "unknown"),
    ],
)
def test_the_user_agent_names_the_actor(
    rules: Rules, agent: str, path_kind: str, actor: str
) -> None:
    assert judge_hit(hit(path_kind, agent, address=""), rules=rules).actor == actor


@pytest.mark.parametrize(
    ("address", "path_kind", "word"),
    [
        ("104.47.55.126", "c", "machine"),
        ("40.94.34.52", "c", "machine"),
        ("40.94.34.52", "o", "unknown"),
        ("64.235.150.252", "c", "machine"),
        ("66.249.91.149", "o", "machine"),
        ("64.74.215.100", "c", "machine"),
        ("2a01:111:f403::5", "c", "machine"),
        ("::ffff:104.47.55.126", "c", "machine"),
        ("198.51.100.9", "o", "unknown"),
        ("no address", "o", "unknown"),
    ],
)
def test_the_network_says_what_its_owner_does_there(
    rules: Rules, address: str, path_kind: str, word: str
) -> None:
    judgement = judge_hit(
        hit(path_kind, address=address), Surroundings(agent_known=False), rules=rules
    )
    assert verdict_word(judgement, rules) == word


@pytest.mark.parametrize(
    ("name", "confirmed", "word"),
    [
        ("mx0a-00364e01.pphosted.com", True, "machine"),
        ("mx0a-00364e01.pphosted.com", None, "machine"),
        ("mx0a-00364e01.pphosted.com", False, "unknown"),
        ("google-proxy-66-249-81-4.google.com", True, "human"),
        ("rate-limited-proxy-66-249-87-12.google.com", True, "machine"),
        ("ec2-3-4-5-6.compute-1.amazonaws.com", True, "machine"),
        ("p5b0c1234.dip0.t-ipconnect.de", True, "human"),
    ],
)
def test_a_host_name_counts_when_it_leads_back(
    rules: Rules, name: str, confirmed: bool | None, word: str
) -> None:
    around = Surroundings(
        agent_known=False, origin=Origin(host_name=name, host_name_confirmed=confirmed)
    )
    judgement = judge_hit(hit(agent="", address="192.0.2.1"), around, rules=rules)
    assert verdict_word(judgement, rules) == word


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (Origin(asn=64500), "AS64500 is no data centre"),
        (Origin(host_name="mx0a-001.pphosted.com"), "the address is called Proofpoint"),
        (Origin(asn=16509, host_name="mx0a-001.pphosted.com"), "the address is called Proofpoint"),
    ],
)
def test_a_sentence_names_the_network_that_it_speaks_of(
    rules: Rules, origin: Origin, told: str
) -> None:
    around = Surroundings(agent_known=False, origin=origin)
    judgement = judge_hit(hit(agent="", address=""), around, rules=rules)
    assert any(reason.text.startswith(told) for reason in judgement.evidence)


@pytest.mark.parametrize(("seconds", "word"), [(20, "machine"), (5400, "unknown")])
def test_an_isolating_vendors_network_brings_people_later(
    rules: Rules, seconds: float, word: str
) -> None:
    around = Surroundings(seconds_since_delivery=seconds, origin=Origin(asn=22843))
    judgement = judge_hit(hit("c", address=""), around, rules=rules)
    assert verdict_word(judgement, rules) == word


@pytest.mark.parametrize(
    ("headers", "signal"),
    [
        ({"sec_purpose": "prefetch;prerender"}, "request.declared_prefetch"),
        ({"x_moz": "prefetch"}, "request.declared_prefetch"),
        ({"purpose": "Preview"}, "request.declared_prefetch"),
        ({"te": "deflate,gzip;q=0.3", "accept": "*/*"}, "request.contradicts_agent"),
        ({"connection": "close", "content_length": "0"}, "request.contradicts_agent"),
        ({"accept_encoding": "gzip"}, "request.contradicts_agent"),
        ({"range": "bytes=0-100", "accept": "*/*"}, "request.range"),
    ],
)
def test_odd_headers_speak_for_a_machine(
    rules: Rules, headers: dict[str, str], signal: str
) -> None:
    judgement = judge_hit(hit("c", **headers), rules=rules)
    assert signal in {e.signal for e in judgement.evidence}
    assert verdict_word(judgement, rules) == "machine"


def test_headers_that_were_not_kept_prove_nothing(rules: Rules) -> None:
    judgement = judge_hit(hit("c", referer="https://mail.example/"), rules=rules)
    assert not any(e.signal.startswith("request") for e in judgement.evidence)


def test_a_head_request_is_never_a_persons_open(rules: Rules) -> None:
    judgement = judge_hit(
        hit("o", "Outlook-iOS/2.0", method="HEAD"),
        Surroundings(known_network=True, known_device=True, seconds_since_delivery=9000),
        rules=rules,
    )
    assert judgement.probability_human <= 0.5
    assert event_of(hit(method="HEAD"), judgement) is not EventType.OPENED


def test_a_gmail_proxy_in_the_first_seconds_is_left_in_doubt(rules: Rules) -> None:
    around = Surroundings(
        seconds_since_delivery=1, crowd=Crowd(recipients_of_address=50, domains_of_address=9)
    )
    judgement = judge_hit(hit(agent=GMAIL, address="66.249.84.3"), around, rules=rules)
    assert verdict_word(judgement, rules) == "unknown"


def test_a_reader_proxys_name_from_a_data_centre_is_a_lie(rules: Rules) -> None:
    around = Surroundings(origin=Origin(asn=24940), seconds_since_delivery=1)
    judgement = judge_hit(hit(agent=GMAIL, address=""), around, rules=rules)
    assert verdict_word(judgement, rules) == "machine"


def test_apples_relay_on_a_click_is_a_person(rules: Rules) -> None:
    around = Surroundings(origin=Origin(network_word="apple_relay"), seconds_since_delivery=900)
    safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
    judgement = judge_hit(hit("c", safari, address=""), around, rules=rules)
    assert judgement.actor is Actor.HUMAN


@pytest.mark.parametrize(
    ("path_kind", "agent", "event"),
    [
        ("o", GMAIL, EventType.OPENED),
        ("c", FIREFOX, EventType.CLICKED),
        ("a", FIREFOX, EventType.DOWNLOADED),
        ("o", PREFETCH, EventType.PREFETCHED),
        ("o", "Mozilla/5.0", EventType.PROXIED),
        ("c", "curl/8", EventType.SCANNED),
        ("c", "Twitterbot/1.0", EventType.PREVIEWED),
        ("c", CHROME.format(150), EventType.FETCHED),
    ],
)
def test_an_event_claims_no_more_than_was_seen(
    rules: Rules, path_kind: str, agent: str, event: EventType
) -> None:
    one = hit(path_kind, agent)
    seconds = None if "Chrome/150" in agent else 5000.0
    around = Surroundings(seconds_since_delivery=seconds)
    assert event_of(one, judge_hit(one, around, rules=rules)) is event


@pytest.mark.parametrize(
    ("action", "event"),
    [("unsubscribe", EventType.UNSUBSCRIBED), ("object", EventType.OBJECTED)],
)
def test_a_recipients_wish_holds_whoever_pressed(
    rules: Rules, action: str, event: EventType
) -> None:
    one = hit("u", "curl/8", method="POST", action=action)
    assert event_of(one, judge_hit(one, rules=rules)) is event


@pytest.mark.parametrize(
    ("people", "machines", "low", "high"),
    [(0, 0, 0.34, 0.36), (500, 0, 0.6, 0.76), (0, 500, 0.2, 0.25)],
)
def test_the_prior_learns_from_the_recipients_domain_and_never_decides_alone(
    rules: Rules, people: float, machines: float, low: float, high: float
) -> None:
    learning = learned_rules(rules, LearnedShare("a.example", "click", people, machines))
    facts = DeliveryFacts(recipient_domain="a.example")
    (judgement,) = judge_delivery(facts, [hit("c", "okhttp/4", address="")], rules=learning)
    prior = judgement.evidence[-1]
    assert low <= 1 / (1 + exp(-prior.weight)) <= high
    assert "at this recipient's domain" in prior.text
    assert judgement.rules_version == f"{rules.version}+learned3"


def test_what_was_learned_of_a_domain_says_nothing_of_others_and_other_kinds(
    rules: Rules,
) -> None:
    learning = learned_rules(rules, LearnedShare("a.example", "click", 0, 500))
    for domain, kind in (("b.example", "c"), ("a.example", "o")):
        facts = DeliveryFacts(recipient_domain=domain)
        plain, learned = (
            judge_delivery(facts, [hit(kind)], rules=some)[0] for some in (rules, learning)
        )
        assert plain.evidence == learned.evidence


def test_a_new_version_is_learned_only_when_something_moved(rules: Rules) -> None:
    before = Learned(version=1, at=NOON, shares=(LearnedShare("a.example", "open", 100, 100),))
    assert has_moved(None, before.shares, rules)
    assert not has_moved(None, (), rules)
    assert not has_moved(before, (LearnedShare("a.example", "open", 103, 101),), rules)
    assert has_moved(before, (LearnedShare("a.example", "open", 100, 300),), rules)
    assert has_moved(before, (LearnedShare("b.example", "open", 0, 9),), rules)


def learned_rules(rules: Rules, *shares: LearnedShare) -> Rules:
    return with_learned(rules, Learned(version=3, at=NOON, shares=shares))


def test_people_behind_a_companys_one_router_are_no_wave(rules: Rules) -> None:
    crowd = Crowd(recipients_of_address=20, domains_of_address=1)
    early = Surroundings(crowd=crowd, seconds_since_delivery=20)
    late = Surroundings(crowd=crowd, seconds_since_delivery=7000)
    signals = [
        {e.signal for e in judge_hit(hit("c"), around, rules=rules).evidence}
        for around in (early, late)
    ]
    assert "history.many_recipients" in signals[0]
    assert "history.many_recipients" not in signals[1]


def test_an_agent_or_address_of_any_length_is_read(rules: Rules) -> None:
    judgement = judge_hit(hit(agent="A/" * 500_000, address="1" * 100_000), rules=rules)
    assert 0 < judgement.probability_human < 1


def test_kind_of_the_target_counts_before_the_path(rules: Rules) -> None:
    around = Surroundings(kind=TargetKind.HONEYPOT, honeypot=True)
    judgement = judge_hit(hit("c", FIREFOX), around, rules=rules)
    assert verdict_word(judgement, rules) == "machine"


def test_a_domain_learns_only_from_what_its_past_did_not_decide(rules: Rules) -> None:
    past = Surroundings(expected_share=0.75)
    echo = judge_hit(hit("c", address=""), past, rules=rules)
    assert echo.probability_human > rules.human_above
    person = judge_hit(hit("o", "Outlook-iOS/2.0"), past, rules=rules)
    scan = judge_hit(hit("c", "curl/8"), past, rules=rules)
    apple = judge_hit(hit("o", "Mozilla/5.0"), past, rules=rules)
    assert learned_from([echo, apple], rules) == (0, 0)
    assert learned_from([person, scan, scan], rules) == (1, 2)


def test_the_senders_own_apple_mail_is_the_sender(rules: Rules) -> None:
    around = Surroundings(sender_sign="the sender's client announced it")
    judgement = judge_hit(hit("o", "Mozilla/5.0"), around, rules=rules)
    assert judgement.actor is Actor.SENDER
