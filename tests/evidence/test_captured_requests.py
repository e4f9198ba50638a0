"""Requests captured from real programs: who they are taken for by their own headers."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailglass.evidence import Rules, Surroundings, judge_hit, load_rules, verdict_word
from mailglass.model import Hit

READERS = ("tb-", "rc-mdn", "rc2-mdn", "evo-default", "claws-remote", "geary-default")
READERS += ("snappymail", "rc-click", "rc2-click")
PROGRAMS = ("curl", "wget", "py-", "php-fgc", "node-fetch", "perl-httptiny", "rspamd", "sa-")
HOURS_LATER = Surroundings(seconds_since_delivery=7200)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


@pytest.fixture(scope="module")
def requests(shared_data: Path) -> dict[str, list[dict[str, Any]]]:
    by_label: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in (shared_data / "client_requests.jsonl").read_text().splitlines():
        record = json.loads(line)
        by_label[record["label"]].append(record)
    return by_label


def hit(record: dict[str, Any], path_kind: str) -> Hit:
    is_reader = record["label"].startswith(READERS)
    return Hit(
        at=datetime(2026, 11, 22, tzinfo=UTC),
        path_kind=path_kind,
        method=record["method"],
        token="t",
        delivery_id=1,
        target=0,
        address="",
        http_version=record["http_version"].removeprefix("HTTP/"),
        # The captures of webmail come from a browser without a window, a reader's has one.
        headers={
            name.lower(): value.replace("HeadlessChrome", "Chrome") if is_reader else value
            for name, value in record["headers"]
        },
    )


def test_no_readers_display_is_called_a_machine(
    rules: Rules, requests: dict[str, list[dict[str, Any]]]
) -> None:
    shown = [
        record
        for label, some in requests.items()
        if label.startswith(READERS)
        for record in some
        if record["resource"] == "pixel"
    ]
    words = [verdict_word(judge_hit(hit(r, "o"), HOURS_LATER, rules=rules), rules) for r in shown]
    assert words
    assert set(words) <= {"human", "unknown"}


def test_a_readers_click_through_webmail_is_human(
    rules: Rules, requests: dict[str, list[dict[str, Any]]]
) -> None:
    clicks = [
        record
        for label in ("rc-click", "rc2-click")
        for record in requests.get(label, [])
        if dict(record["headers"]).get("Sec-Fetch-Mode") == "navigate"
    ]
    words = [verdict_word(judge_hit(hit(r, "c"), HOURS_LATER, rules=rules), rules) for r in clicks]
    assert words
    assert set(words) == {"human"}


def test_a_programs_or_gateways_request_is_never_called_human(
    rules: Rules, requests: dict[str, list[dict[str, Any]]]
) -> None:
    for label, some in requests.items():
        if label.startswith(PROGRAMS):
            for record in some:
                judgement = judge_hit(hit(record, "c"), rules=rules)
                assert verdict_word(judgement, rules) == "machine", (label, record["headers"])
