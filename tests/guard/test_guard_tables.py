"""Each row of the guard's tables carries a case that it fits and one that it does not."""

from __future__ import annotations

import re
from datetime import date
from urllib.parse import quote

import pytest

from mailglass.guard import strip_parameters, unwrap
from mailglass.guard.hosts import HostTable
from mailglass.guard.rules import find_rule
from mailglass.guard.shape import split_url
from mailglass.guard.tables import read_table

Row = dict[str, str]
RULES = read_table("rules.tsv")
WRAPPERS = read_table("wrappers.tsv")
ACTS = read_table("acts.tsv")
PARAMETERS = read_table("parameters.tsv")


def name(row: Row) -> str:
    return row.get("id") or row["name"]


def holds(row: Row, url: str) -> bool:
    _, host, path, query = split_url(url)
    where = f"{path or '/'}?{query}" if query else path or "/"
    return HostTable([row]).find(host, where) is not None


@pytest.mark.parametrize("row", RULES, ids=name)
def test_a_rule_names_its_positive_and_not_its_negative(row: Row) -> None:
    assert holds(row, row["positive"])
    assert not holds(row, row["negative"])
    assert find_rule(row["positive"], row["kind"]), "and within the whole pack"


@pytest.mark.parametrize("row", [row for row in RULES if row["kind"] != "asset"], ids=name)
def test_a_negative_is_named_by_no_rule_for_beacons(row: Row) -> None:
    assert find_rule(row["negative"], "open") is None


@pytest.mark.parametrize("row", WRAPPERS, ids=name)
def test_a_wrapped_link_gives_its_target_and_another_of_the_service_none(row: Row) -> None:
    found = unwrap(row["wrapped"])
    assert found is not None
    assert (found.target, found.vendor) == (row["target"], row["vendor"])
    assert unwrap(row["other"]) is None


@pytest.mark.parametrize("row", PARAMETERS, ids=name)
def test_a_campaign_parameter_goes_and_what_looks_like_it_stays(row: Row) -> None:
    assert strip_parameters(row["positive"]) == "https://example.com/a?x=1&y=2"
    assert strip_parameters(row["negative"]) == row["negative"]


@pytest.mark.parametrize("row", ACTS, ids=lambda row: f"{row['language']}-{row['word']}")
def test_a_page_that_acts_keeps_its_link_and_one_to_look_at_does_not(row: Row) -> None:
    for path in (row["positive"], quote(row["positive"])):
        assert unwrap(f"https://click.example{path}?url=https%3A%2F%2Fx.example%2F&t=8f3a") is None
        assert strip_parameters(url := f"https://x.example{path}?utm_source=n&id=5") == url
    path = quote(row["negative"])
    found = unwrap(f"https://click.example{path}?url=https%3A%2F%2Fx.example%2F&t=8f3a")
    assert found is not None
    assert found.target == "https://x.example/"
    assert strip_parameters(f"https://x.example{path}?utm_source=n&id=5").endswith("?id=5")


def test_words_of_pages_that_act_are_known_in_many_languages() -> None:
    languages = {row["language"] for row in ACTS}
    assert " ".join(sorted(languages)) == "de en es fr it ja ko nl pl pt ru zh"
    assert {row["where"] for row in ACTS} == {"in", "whole"}


@pytest.mark.parametrize("table", ["rules.tsv", "wrappers.tsv", "parameters.tsv"])
def test_every_row_says_where_it_is_known_from_and_when(table: str) -> None:
    rows = read_table(table)
    assert len({name(row) for row in rows}) == len(rows)
    for row in rows:
        assert row["source"]
        assert date.fromisoformat(row["date"]) <= date(2026, 11, 28)


@pytest.mark.parametrize("row", RULES, ids=name)
def test_fixtures_carry_no_real_address(row: Row) -> None:
    assert not re.search(r"@(?!getmailspring\.com)[\w-]+\.(?:com|net|org)", row["positive"])
