"""The command `mailglass judge` on hits whose makers are known, as others call it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mailglass.cli.judge import command

LABELS = ("actor", "verdict", "evidence", "outcome_facts", "confidence", "note", "source")
OUR_ACTORS = {
    "human_direct": "human",
    "human_via_proxy": "image_proxy",
    "provider_prefetch": "prefetch",
    "browser_prefetch": "prefetch",
    "privacy_prefetch": "privacy_proxy",
    "sender_self": "sender",
    "third_party_human": "third_party",
    "http_tool": "tool",
}
READER_PROXIES = ("GoogleImageProxy", "YahooMailProxy", "FastmailUA", "hey.com/imageproxy")


def judge(records: list[Any]) -> list[dict[str, Any]]:
    lines = b"".join(
        line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in records
    )
    done = CliRunner().invoke(command, ["-", "--json"], input=lines, catch_exceptions=False)
    answers = [json.loads(line) for line in done.output.splitlines()]
    assert done.exit_code == (65 if any("error" in answer for answer in answers) else 0)
    return answers


@pytest.fixture(scope="session")
def labelled(shared_data: Path) -> list[dict[str, Any]]:
    text = (shared_data / "hits-dev.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="session")
def answers(labelled: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return judge(labelled)


def test_the_command_answers_a_line_for_a_line_in_their_order(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]], shared_data: Path
) -> None:
    file = shared_data / "hits-dev.jsonl"
    done = run_cli("judge", str(file), "--json")
    asked = [json.loads(line)["id"] for line in file.read_text().splitlines()]
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == asked


def test_nearly_all_human_and_machine_hits_are_decided_and_right(
    labelled: list[dict[str, Any]], answers: list[dict[str, Any]]
) -> None:
    pairs = [
        (truth["verdict"], answer["verdict"])
        for truth, answer in zip(labelled, answers, strict=True)
        if truth["verdict"] in ("human", "machine")
    ]
    decided = [(truth, told) for truth, told in pairs if told in ("human", "machine")]
    wrong = [pair for pair in decided if pair[0] != pair[1]]
    assert len(decided) >= 0.95 * len(pairs)
    assert len(wrong) <= 0.02 * len(decided)


def test_a_decided_hit_names_its_actor(
    labelled: list[dict[str, Any]], answers: list[dict[str, Any]]
) -> None:
    named = [
        OUR_ACTORS.get(truth["actor"], truth["actor"]) == answer["actor"]
        for truth, answer in zip(labelled, answers, strict=True)
        if answer["verdict"] != "unknown"
    ]
    assert sum(named) >= 0.98 * len(named)


def test_senders_and_third_persons_are_told_apart(
    labelled: list[dict[str, Any]], answers: list[dict[str, Any]]
) -> None:
    for truth, answer in zip(labelled, answers, strict=True):
        if truth["verdict"] in ("sender", "third_party"):
            assert answer["verdict"] == truth["verdict"], truth["id"]


@pytest.mark.parametrize("proxy", READER_PROXIES)
@pytest.mark.parametrize("seconds", [None, 0.5, 3, 20, 90, 4000])
def test_a_readers_proxy_is_never_called_a_machine(proxy: str, seconds: float | None) -> None:
    record = {
        "id": "a",
        "kind": "open",
        "method": "GET",
        "user_agent": f"Mozilla/5.0 (via {proxy})" if proxy.startswith("Google") else f"{proxy}/1",
        "ua_known": True,
        "headers": {},
        "t_since_delivery_s": seconds,
    }
    (answer,) = judge([record])
    assert answer["verdict"] in ("human", "unknown")


@pytest.mark.parametrize("ip_class", [None, "apple_relay", "unknown"])
@pytest.mark.parametrize("seconds", [None, 2, 700, 90000])
def test_apples_privacy_fetch_is_never_called_human(
    ip_class: str | None, seconds: float | None
) -> None:
    record = {
        "id": "a",
        "kind": "open",
        "user_agent": "Mozilla/5.0",
        "ua_known": True,
        "ip_class": ip_class,
        "t_since_delivery_s": seconds,
        "context": {},
    }
    (answer,) = judge([record])
    assert (answer["verdict"], answer["actor"]) == ("unknown", "privacy_proxy")


def test_the_labels_are_not_read(
    labelled: list[dict[str, Any]], answers: list[dict[str, Any]]
) -> None:
    bare = [{k: v for k, v in hit.items() if k not in LABELS} for hit in labelled]
    lying = [{**hit, **dict.fromkeys(LABELS, "human")} for hit in labelled]
    assert judge(bare) == answers
    assert judge(lying) == answers


def test_every_answer_gives_reasons_that_add_up(answers: list[dict[str, Any]]) -> None:
    from math import exp

    for answer in answers:
        total = sum(reason["weight"] for reason in answer["evidence"])
        assert answer["probability_human"] == pytest.approx(1 / (1 + exp(-total)), abs=0.001)
        assert all(reason["text"] and reason["signal"] for reason in answer["evidence"])


@pytest.mark.parametrize(
    "line",
    [
        b"{\n",
        b"[1]\n",
        b"{}\n",
        b'{"x": 1}\n',
        b'{"verdict": "human", "actor": "human_direct"}\n',
        b'"text"\n',
        b"\xff\xfe\n",
        b'{"id": "x", "kind": "dance"}\n',
        b'{"id": "x", "kind": "open", "headers": 3}\n',
        b'{"id": "x", "kind": "open", "context": "y"}\n',
        b'{"id": "x", "kind": "open", "user_agent": 3}\n',
        b'{"id": "x", "kind": "open", "t_since_delivery_s": "soon"}\n',
        b'{"id": "x", "kind": "open", "t_since_delivery_s": 1e300}\n',
        b'{"id": "x", "kind": ' + b"[" * 5000 + b"\n",
        b'{"id": "x", "asn": -1}\n',
        b'{"id": "x", "asn": 4294967296}\n',
        b'{"id": "x", "asn": 8075.7}\n',
    ],
)
def test_a_bad_line_gives_an_error_and_the_rest_goes_on(line: bytes) -> None:
    good = {"id": "good", "kind": "click", "user_agent": "curl/8", "ua_known": True}
    first, bad, last = judge([good, line, good])
    assert bad["error"]
    assert bad["error_id"] == "bad-hit"
    assert first == last
    assert first["verdict"] == "machine"


def test_a_line_of_any_length_is_said_to_be_too_long() -> None:
    (only,) = judge([b'{"id": "x", "note": "' + b"y" * (3 << 20) + b'"}\n'])
    assert "longer than" in only["error"]


@pytest.mark.parametrize("written", ["40.107.1.1", " 40.107.1.1 ", "40.107.1.1:443"])
def test_an_address_is_read_as_others_write_it_down(written: str) -> None:
    (only,) = judge([{"kind": "click", "ip": written}])
    assert only["actor"] == "security_scanner"


@pytest.mark.parametrize("written", ["[2a02:26f7::1]:443", "2a02:26f7::1"])
def test_an_address_of_ipv6_is_read_with_brackets_and_without(written: str) -> None:
    (only,) = judge([{"kind": "open", "ip": written}])
    assert only["evidence"][0]["signal"] == "gate.privacy_network"


@pytest.mark.parametrize("written", ["999.1.1.1", "unknown", "66.249.x.x", "[::1", "40.107.1.1/32"])
def test_what_is_no_address_says_nothing_of_who_asked(written: str) -> None:
    (only,) = judge([{"kind": "open", "ip": written}])
    assert [reason["signal"] for reason in only["evidence"]] == ["prior"]


@pytest.mark.parametrize("identifier", ["x", 7, None])
def test_the_id_comes_back_as_it_was(identifier: object) -> None:
    (answer,) = judge([{"id": identifier}])
    assert answer["id"] == identifier


def test_what_programs_do_to_a_line_does_not_matter() -> None:
    plain, marked, written = judge(
        [
            b'{"id": "a", "kind": "click", "context": {"sender_headsup_s": 2}}\n',
            b'\xef\xbb\xbf{"id": "a", "kind": "click", "context": {"sender_headsup_s": 2}}\r\n',
            b'{"id": "a", "kind": "CLICK", "context": {"sender_headsup_s": "2"}}\n',
        ]
    )
    assert plain == marked == written


def test_a_user_agent_steers_no_terminal() -> None:
    done = CliRunner().invoke(command, ["-"], input=b'{"user_agent": "\\u001b[31mX"}\n')
    assert "\x1b" not in done.output
    assert "?[31mX" in done.output


def test_a_record_may_hold_no_more_than_an_id() -> None:
    (answer,) = judge([{"id": "bare"}])
    assert answer["id"] == "bare"
    assert answer["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("context", "verdict"),
    [
        ({"ip_recipients_60s": 5}, "machine"),
        ({"one_ip_recipients": 4}, "machine"),
        ({"two_uas_on_ip": True}, "machine"),
        ({"after_phish_report": True}, "machine"),
        ({"after_emoji_reply": True}, "machine"),
        ({"hidden_link": True}, "machine"),
        ({"altered_token": True}, "machine"),
        ({"distinct_links_3s": 4}, "machine"),
        ({"all_links_3s": True}, "machine"),
        ({"whole_domain_pattern": True}, "machine"),
        ({"recipients_one_network_60s": 300}, "machine"),
        ({"paired_scanner_click_s": 2, "own_network": True}, "human"),
        ({"explicit_image_download": True, "known_network": True}, "human"),
        ({"sender_headsup_s": 4}, "sender"),
        ({"sender_headsup_s": 400}, "unknown"),
        ({"is_sender_session": True}, "sender"),
        ({"self_view": True}, "sender"),
        ({"human_click_within_s": 2}, "unknown"),
        ({"wave_requests_15min": 9000}, "machine"),
        ({"links_sent": 1, "distinct_links_10s": 1}, "unknown"),
        ({"after_human_open": True, "new_device": True, "new_network": True}, "third_party"),
        ({"earlier_human_open_country": "FR", "this_country": "BR"}, "third_party"),
        ({"earlier_human_open_country": "FR", "this_country": "FR"}, "unknown"),
        ({"nobody_knows_this_word": 7}, "unknown"),
    ],
    ids=str,
)
def test_variants_of_the_words_of_a_context_are_understood(
    context: dict[str, Any], verdict: str
) -> None:
    hit = {"id": "a", "kind": "click", "user_agent": None, "ua_known": False, "context": context}
    (answer,) = judge([hit])
    assert answer["verdict"] == verdict


@pytest.mark.parametrize(
    ("home", "verdict"),
    [("naver", "sender"), ("Google Workspace", "human"), ("gmail.com", "human")],
)
def test_a_proxy_of_another_provider_than_the_recipients_is_the_senders(
    home: str, verdict: str
) -> None:
    hit = {
        "id": "a",
        "kind": "open",
        "user_agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)",
        "context": {"recipient_provider": home},
    }
    (answer,) = judge([hit])
    assert answer["verdict"] == verdict
