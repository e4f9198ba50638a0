"""The tables behind the explanations: complete, sourced, without rows that contradict."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import pytest

from mailglass.replies import ReplyClass, explain_reply, provider_codes, provider_names

DATA = Path(str(files("mailglass.replies") / "data"))


def rows(name: str) -> list[dict[str, str]]:
    lines = [line for line in (DATA / name).read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


SOURCED = [
    "providers.tsv",
    "provider_codes.tsv",
    "phrases.tsv",
    "enhanced_status.tsv",
    "reply_codes.tsv",
]


@pytest.mark.parametrize("name", SOURCED)
def test_every_row_has_a_source_and_a_date(name: str) -> None:
    assert all(row["source"] and row["date"][:2] == "20" for row in rows(name))


@pytest.mark.parametrize("class_", ReplyClass)
def test_every_class_has_a_meaning_and_advice(class_: ReplyClass) -> None:
    assert class_ in {row["class"] for row in rows("classes.tsv")}


def test_every_advice_is_used_and_every_use_has_its_advice() -> None:
    used = {row["advice"] for row in rows("provider_codes.tsv") + rows("classes.tsv")}
    assert used == {row["id"] for row in rows("advice.tsv")}


def test_every_code_belongs_to_a_known_provider() -> None:
    assert {row.provider for row in provider_codes()} <= set(provider_names())


def test_phrases_are_lower_case_and_stand_once() -> None:
    phrases = [row["phrase"] for row in rows("phrases.tsv")]
    assert phrases == [phrase.lower().strip() for phrase in phrases]
    assert len(phrases) == len(set(phrases))


def test_only_what_speaks_of_the_recipient_calls_an_address_dead() -> None:
    may = {"unknown-user", "mailbox-disabled", "dns", "policy"}
    for name in ("provider_codes.tsv", "phrases.tsv", "enhanced_status.tsv"):
        assert {row["class"] for row in rows(name) if "dead" in row["flags"]} <= may


@pytest.mark.parametrize("row", rows("enhanced_status.tsv"), ids=lambda row: row["subject_detail"])
def test_a_status_alone_is_explained(row: dict[str, str]) -> None:
    found = explain_reply(f"550 5.{row['subject_detail']}")
    if row["class"] != "undetermined":
        assert found.class_ == row["class"]
