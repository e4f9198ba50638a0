"""The register of findings and the data files, and that the code uses nothing else."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path

import pytest

import mailglass.postmaster
from mailglass.model import Finding, FindingStatus
from mailglass.postmaster import FINDINGS, finding, worst
from mailglass.replies import explain_reply

ROOM = Path(mailglass.postmaster.__file__).parent
PROVIDERS = {"netease", "tencent", "gmail", "yahoo", "outlook", "apple", "naver"}


def calls() -> list[tuple[str, str | None, set[str], str]]:
    """Every call of finding() in the room: its id, fix, given values and place."""
    found = []
    for file in sorted(ROOM.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "finding":
                first = node.args[0]
                if not isinstance(first, ast.Constant):
                    continue
                words = {word.arg: word.value for word in node.keywords if word.arg}
                fix = words.pop("fix", None)
                name = fix.value if isinstance(fix, ast.Constant) else None
                place = f"{file.name}:{node.lineno}"
                found.append((str(first.value), name, set(words), place))
    return found


def test_every_finding_of_the_code_is_registered_with_its_remedy_and_its_values() -> None:
    for kind_id, fix, given, place in calls():
        assert kind_id in FINDINGS, place
        if fix is not None:
            assert fix in FINDINGS[kind_id].fixes, place
            wanted = set(re.findall(r"\{(\w+)\}", FINDINGS[kind_id].fixes[fix]))
            assert wanted <= given, place


def test_every_registered_finding_and_remedy_is_used() -> None:
    text = "".join(file.read_text("utf-8") for file in ROOM.rglob("*.py"))
    for kind in FINDINGS.values():
        program = kind.id in ("lint.spamassassin", "lint.rspamd")
        assert program or f'"{kind.id}"' in text or kind.id in ("rbl.ip", "rbl.domain"), kind.id
        for fix in kind.fixes:
            assert f'fix="{fix}"' in text or f'"{fix}" if' in text, f"{kind.id} {fix}"


@pytest.mark.parametrize("kind", FINDINGS.values(), ids=lambda kind: kind.id)
def test_every_registered_finding_says_what_it_is(kind: mailglass.postmaster.FindingKind) -> None:
    assert kind.about
    assert kind.expected
    assert kind.why
    assert set(kind.providers) <= PROVIDERS
    assert kind.source or kind.id == "check.unfinished"


def test_what_a_stranger_wrote_cannot_steer_the_terminal_or_the_template() -> None:
    found = finding(
        "spf.syntax",
        FindingStatus.FAIL,
        "\x1b[2J{domain}",
        fix="broken",
        domain="a.test",
        fault="{fault} \x07",
    )
    assert found.observed == "\ufffd[2J{domain}"
    assert "{fault} \ufffd" in found.fix


def test_a_failure_outweighs_what_is_unknown() -> None:
    def of(*statuses: str) -> list[Finding]:
        return [finding("mx.record", FindingStatus(status), "x") for status in statuses]

    assert worst(of("ok", "unknown", "warn", "fail")) == "fail"
    assert worst(of("unknown", "warn")) == "warn"
    assert worst(of("info", "unknown")) == "unknown"
    assert worst([]) == "ok"


@pytest.mark.parametrize("name", ["public_resolvers", "selectors", "forecasts", "hosts"])
def test_every_row_of_knowledge_has_a_source_and_a_date(name: str) -> None:
    text = (ROOM / "data" / f"{name}.tsv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        assert row["source"], row
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["checked"]), row


def test_every_forecast_names_a_registered_finding_and_a_reply_that_we_can_explain() -> None:
    text = (ROOM / "data/forecasts.tsv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        assert row["finding"] in FINDINGS
        assert row["provider"] in PROVIDERS
        if row["reply"]:
            name = {"gmail": "google"}.get(row["provider"], row["provider"])
            assert explain_reply(row["reply"], provider=name).meaning, row
