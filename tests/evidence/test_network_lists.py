"""Published lists of networks: fetched or from files, checked, kept, aged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailglass.evidence import (
    BadList,
    ListSource,
    Surroundings,
    judge_hit,
    keep_list,
    kept_lists,
    list_sources,
    load_rules,
    verdict_word,
)
from mailglass.model import Actor, Hit

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SOURCES = {source.name: source for source in list_sources()}


def source(name: str, least: int = 2) -> ListSource:
    return replace(SOURCES[name], least=least)


GOOD = {
    "apple-egress": b"172.224.226.0/27,GB,GB-EN,London,\n2a02:26f7:0:1::/64,US,US-CA,,\n# end\n",
    "google-special-crawlers": json.dumps(
        {"prefixes": [{"ipv4Prefix": "66.249.90.0/27"}, {"ipv6Prefix": "2001:4860:4801::/64"}]}
    ).encode(),
    "microsoft-eop": json.dumps(
        [{"id": 1, "ips": ["13.0.0.0/24"]}, {"id": 9, "ips": ["40.92.0.0/15", "52.100.0.0/14"]}]
    ).encode(),
    "aws": json.dumps(
        {
            "prefixes": [{"ip_prefix": "3.5.140.0/22"}],
            "ipv6_prefixes": [{"ipv6_prefix": "2600:1f01:4800::/47"}],
        }
    ).encode(),
}


@pytest.mark.parametrize("name", GOOD)
def test_each_format_is_read_and_kept(name: str, tmp_path: Path) -> None:
    kept = keep_list(source(name), [GOOD[name]], tmp_path, NOW)
    assert len(kept.prefixes) == 2
    (again,) = kept_lists(tmp_path)
    assert again.prefixes == kept.prefixes
    assert again.fetched_at == NOW


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("apple-egress", b"<html>Sorry</html>\n<p>\n"),
        ("apple-egress", b"\xff\xfe\n"),
        ("apple-egress", b"172.224.226.0/27\n"),
        ("apple-egress", b"0.0.0.0/0\n172.224.226.0/27\n"),
        ("apple-egress", b"16.0.0.0/4\n172.224.226.0/27\n"),
        ("apple-egress", b"10.0.0.0/8\n172.224.226.0/27\n"),
        ("google-special-crawlers", b"{}"),
        ("google-special-crawlers", b"[]"),
        ("google-special-crawlers", b'{"prefixes": [{"ipv4Prefix": "1.2.3"}, {}]}'),
        ("google-special-crawlers", b'{"prefixes": [3]}'),
        ("microsoft-eop", b'{"id": 9}'),
        ("microsoft-eop", b'[{"id": 9, "ips": null}]'),
        ("aws", b'{"prefixes": []}'),
    ],
)
def test_a_wrong_list_leaves_the_last_good_one(name: str, content: bytes, tmp_path: Path) -> None:
    keep_list(source(name), [GOOD[name]], tmp_path, NOW)
    with pytest.raises(BadList, match=name):
        keep_list(source(name), [content], tmp_path, NOW + timedelta(days=1))
    (kept,) = kept_lists(tmp_path)
    assert kept.fetched_at == NOW
    assert len(kept.prefixes) == 2


def test_a_list_that_lost_most_of_itself_is_taken_for_broken(tmp_path: Path) -> None:
    many = "\n".join(f"104.28.{n}.0/26" for n in range(100)).encode()
    few = "\n".join(f"104.28.{n}.0/26" for n in range(30)).encode()
    keep_list(source("apple-egress"), [many], tmp_path, NOW)
    with pytest.raises(BadList, match=r"remove .*apple-egress\.list"):
        keep_list(source("apple-egress"), [few], tmp_path, NOW)


def test_a_damaged_file_is_as_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "apple-egress.list").write_text("yesterday\n172.224.226.0/27\n")
    (tmp_path / "google.list").write_bytes(b"")
    assert kept_lists(tmp_path) == []
    assert kept_lists(tmp_path / "nowhere") == []
    assert load_rules(lists=tmp_path).version == load_rules().version


@pytest.mark.parametrize(
    ("days", "share"), [(0, 1.0), (30, 1.0), (105, 0.62), (180, 0.25), (900, 0.25)]
)
def test_an_old_list_counts_for_less(days: float, share: float, tmp_path: Path) -> None:
    kept = keep_list(source("apple-egress"), [GOOD["apple-egress"]], tmp_path, NOW)
    assert kept.fresh_share(NOW + timedelta(days=days)) == pytest.approx(share, abs=0.01)


def test_an_old_list_weakens_its_signal_and_decides_less(tmp_path: Path) -> None:
    content = json.dumps({"prefixes": [{"ipv4Prefix": "198.51.99.0/24"}] * 2}).encode()
    keep_list(source("googlebot"), [content], tmp_path, NOW)
    hit = Hit(
        at=NOW,
        path_kind="o",
        method="GET",
        token="t",
        delivery_id=1,
        target=0,
        address="198.51.99.7",
        http_version="1.1",
    )
    around = Surroundings(agent_known=False)
    words = []
    for days in (1, 400):
        rules = load_rules(lists=tmp_path, now=NOW + timedelta(days=days))
        words.append(verdict_word(judge_hit(hit, around, rules=rules), rules))
    assert words == ["machine", "unknown"]


def test_apples_list_makes_a_fetch_without_a_known_agent_a_privacy_fetch(tmp_path: Path) -> None:
    keep_list(source("apple-egress"), [GOOD["apple-egress"]], tmp_path, NOW)
    rules = load_rules(lists=tmp_path, now=NOW)
    hit = Hit(
        at=NOW,
        path_kind="o",
        method="GET",
        token="t",
        delivery_id=1,
        target=0,
        address="2a02:26f7:0:1::99",
        http_version="1.1",
    )
    judgement = judge_hit(hit, Surroundings(agent_known=False), rules=rules)
    assert judgement.actor is Actor.PRIVACY_PROXY
    assert judgement.rules_version == load_rules().version + "+lists20261122"


def test_the_command_takes_files_and_shows_their_age(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]], shared_data: Path, tmp_path: Path
) -> None:
    data = {"MAILGLASS_DATA_DIRECTORY": str(tmp_path)}
    done = run_cli("networks", "refresh", "--from", str(shared_data), **data)
    assert done.returncode == 0, done.stderr
    assert b"apple-egress: 13745 prefixes" in done.stdout
    shown = run_cli("networks", "show", **data).stdout.decode()
    assert "days old, counts for" in shown
    assert "googlebot: never refreshed" in shown


def test_the_command_says_which_list_was_wrong_and_keeps_the_others(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]], tmp_path: Path
) -> None:
    prefixes = [{"ipv4Prefix": f"66.249.{n}.0/27"} for n in range(64, 94)]
    (tmp_path / "googlebot.json").write_text(json.dumps({"prefixes": prefixes}))
    (tmp_path / "aws.json").write_text("{}")
    data = {"MAILGLASS_DATA_DIRECTORY": str(tmp_path / "data")}
    done = run_cli("networks", "refresh", "--from", str(tmp_path), **data)
    assert done.returncode == 75
    assert b"googlebot: 30 prefixes" in done.stdout
    assert b"aws: kept as it was" in done.stderr
    assert [k.source.name for k in kept_lists(tmp_path / "data" / "networks")] == ["googlebot"]
