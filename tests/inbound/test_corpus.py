"""The bars that the readers must hold on real mails and on mails by real Postfix and Exim."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from bounce_scores import BARS, Read, Scores, files, score
from mailglass.inbound import Kind, parse


def read(raw: bytes) -> tuple[str | None, Sequence[Read]]:
    report = parse(raw)
    return str(report.kind), [
        Read(
            recipient=record.recipient or "",
            status=record.enhanced_status,
            reply_code=record.reply_code,
            class_=record.class_,
            permanent=record.permanent,
        )
        for record in report.records
    ]


@pytest.fixture(scope="module")
def scores(shared_data: Path) -> Scores:
    return score(shared_data / "bounces", read)


@pytest.mark.parametrize(("question", "bar"), BARS.items())
def test_the_bar_is_held(scores: Scores, question: str, bar: float) -> None:
    percent = scores.percent(question)
    wrong = [entry for entry in scores.wrong if entry[0] == question]
    assert percent is not None
    assert percent >= bar, wrong


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_line_ends_make_no_difference(shared_data: Path, line_end: bytes) -> None:
    for path in files(shared_data / "bounces" / "sisimai" / "bsd"):
        raw = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        assert parse(raw.replace(b"\n", line_end)).records == parse(raw).records, path.name


def reports(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "reports" / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_reports_of_real_programs_are_of_the_right_kind(shared_data: Path) -> None:
    wrong = [
        (row["file"], kind)
        for row in reports(shared_data)
        if (kind := parse((shared_data / "reports" / row["file"]).read_bytes()).kind) != row["kind"]
    ]
    assert wrong == []


def test_reports_of_real_programs_name_our_message(shared_data: Path) -> None:
    for row in reports(shared_data):
        report = parse((shared_data / "reports" / row["file"]).read_bytes())
        if row["about"]:
            assert report.in_reply_to in row["about"].split(), row["file"]
        if row["envid"]:
            assert report.envelope_id == row["envid"], row["file"]


def test_a_receipt_is_kept_with_its_own_words(shared_data: Path) -> None:
    for row in reports(shared_data):
        report = parse((shared_data / "reports" / row["file"]).read_bytes())
        if report.kind is Kind.MDN and row["status"]:
            assert report.records[0].disposition == row["status"]
