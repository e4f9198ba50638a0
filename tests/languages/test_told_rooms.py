"""What each room can say is told in each language, with its values in their places."""

from __future__ import annotations

import email.message
import json
import re
import string
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from mailglass import guard, instrument, postmaster, replies
from mailglass.instrument import Options, compile_message, reasons
from mailglass.languages import LANGUAGES, Phrasebook, choose_language
from mailglass.model import FindingStatus
from mailglass.replies import explain_reply, provider_codes
from mailglass.tokens import Ring
from product import SOURCE, environment

SCRIPT = {"zh-Hans": r"[\u4e00-\u9fff]", "ko": r"[\uac00-\ud7a3]"}
Run = Callable[..., subprocess.CompletedProcess[bytes]]

pytestmark = pytest.mark.parametrize("tag", list(SCRIPT))


def untold(made: Iterable[str], templates: Iterable[str], tag: str) -> list[str]:
    """The sentences that stay English."""
    book = Phrasebook(templates)
    return [text for text in made if not re.search(SCRIPT[tag], book.tell(text, LANGUAGES[tag]))]


def filled(templates: Iterable[str]) -> list[str]:
    """Each template as its room writes it out, with a value that is no sentence of ours."""
    found = []
    for template in templates:
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name}
        text = template.format_map({name: f"<{name}.test>" for name in names})
        if re.sub(r"<\w+\.test>", "", text):
            found.append(text)
    return found


def test_every_meaning_and_advice_of_a_reply_is_told(tag: str) -> None:
    made = []
    for row in provider_codes():
        for code in row.reply_codes or {550}:
            status = min(row.statuses, default="")
            found = explain_reply(f"{code} {status} {row.keys[0]}", provider=row.provider)
            made += [found.meaning, found.advice]
    for n in range(31):
        for subject in range(8):
            found = explain_reply(f"550 5.{subject}.{n} x")
            made += [found.meaning, found.advice]
    made += [explain_reply(f"{code} x").meaning for code in range(400, 560)]
    assert untold([*made, *replies.sentences()], replies.sentences(), tag) == []


def test_what_a_finding_expects_why_and_its_remedy_are_told(tag: str) -> None:
    made = []
    for kind in postmaster.FINDINGS.values():
        values = {
            name: f"<{name}.test>"
            for text in (kind.why, *kind.fixes.values())
            for name in re.findall(r"\{(\w+)\}", text)
        }
        for fault in kind.fixes or [None]:
            found = postmaster.finding(kind.id, FindingStatus.FAIL, "seen", fix=fault, **values)
            made += [found.expected, found.fix] if fault else [found.expected]
            if not values.keys() & {"weight"}:
                made.append(found.why)
    assert untold(made, postmaster.sentences(), tag) == []
    assert untold(filled(postmaster.sentences()), postmaster.sentences(), tag) == []


def test_a_remedy_keeps_the_record_to_publish(tag: str) -> None:
    found = postmaster.finding(
        "ptr.record", FindingStatus.FAIL, "none", fix="missing",
        ip="192.0.2.1", reverse="1.2.0.192.in-addr.arpa", domain="example.org",
    )  # fmt: skip
    told = Phrasebook(postmaster.sentences()).tell(found.fix, LANGUAGES[tag])
    assert "1.2.0.192.in-addr.arpa. IN PTR mail.example.org." in told
    assert "192.0.2.1" in told.replace("1.2.0.192", "")


def test_the_evidence_of_the_guard_is_told(tag: str) -> None:
    assert untold(filled(guard.sentences()), guard.sentences(), tag) == []
    message = email.message.EmailMessage()
    message["From"], message["To"] = "a@shop.example", "reader@example.org"
    message.set_content("x")
    message.add_alternative(
        "<img src='https://t.example/open/k30OPLTmG6zi5UytN22DhSZubSc.gif?e=reader@example.org' "
        "width=1 height=1><p>x</p>",
        subtype="html",
    )
    (resource,) = guard.inspect(bytes(message)).resources
    assert untold((item.text for item in resource.evidence), guard.sentences(), tag) == []


def test_the_reasons_of_a_plan_are_told(tag: str) -> None:
    assert untold(filled(instrument.sentences()), instrument.sentences(), tag) == []
    options = Options(
        base_url="https://t.example", list_unsubscribe=True, subject_label="(AD)", honeypot=True
    )
    raw = (
        b"From: a@b.example\nSubject: x\nX-Mailglass-Odd: 1\n"
        b"DKIM-Signature: d=b.example; h=subject\n"
        b"MIME-Version: 1.0\nContent-Type: text/html\n\n"
        b"<a href='https://e.example/'>x</a><a href='#x'>y</a><a href='mailto:a@b.example'>z</a>"
        b"<a href='{{ url }}'>t</a>"
    )
    ring = Ring([bytes(32)])
    plan = compile_message(raw, options, ring=ring).plan(1, ring)
    made = [edit.reason for edit in plan.edits] + [left.reason for left in plan.left_alone]
    assert len(made) > 8
    assert untold(made, instrument.sentences(), tag) == []


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the sources are not here")
def test_what_mime_refuses_is_what_the_list_says(tag: str) -> None:
    code = "".join(path.read_text() for path in (SOURCE / "mailglass/mime").glob("*.py"))
    for text in reasons.OF_MIME:
        assert all(part in code for part in re.split(r"\{\w+\}", text)), text


def test_a_strangers_text_in_a_sentence_stays_as_it_is(tag: str) -> None:
    book = Phrasebook(["look at {host}: {fault}", "{weight}", "pass"])
    told = book.tell("look at a{b}.test: \\1 {host} %(x)s <b>", LANGUAGES[tag])
    assert "a{b}.test" in told
    assert "\\1 {host} %(x)s <b>" in told
    assert book.tell("nobody's words", LANGUAGES[tag]) == "nobody's words"


def test_a_long_text_of_a_stranger_costs_nothing(tag: str) -> None:
    book = Phrasebook(f"a {{x}} b{n} {{y}} c" for n in range(200))
    text = "a " * 1_000_000
    assert book.tell(text, LANGUAGES[tag]) == text


def explained(tag: str, *arguments: str, **variables: str) -> str:
    env = {k: v for k, v in environment().items() if not k.startswith(("LC_", "LANG"))}
    done = subprocess.run(
        [sys.executable, "-m", "mailglass", "explain", "550 DT:SPM", *arguments],
        env={**env, "PYTHONUTF8": "1", **variables}, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.decode()


LOCALE = {"zh-Hans": "zh_CN.UTF-8", "ko": "ko_KR.UTF-8"}


def test_the_command_line_speaks_as_the_locale_says(tag: str) -> None:
    assert re.search(SCRIPT[tag], explained(tag, LANG=LOCALE[tag]))
    assert re.search(SCRIPT[tag], explained(tag, LC_ALL=LOCALE[tag], LANG="en_GB.UTF-8"))
    assert not re.search(SCRIPT[tag], explained(tag, LC_MESSAGES="C.UTF-8", LANG=LOCALE[tag]))


def test_json_is_english_unless_a_language_is_named(tag: str) -> None:
    english = json.loads(explained(tag, "--json", LANG=LOCALE[tag]))
    told = json.loads(explained(tag, "--json", "--language", tag))
    assert "spam" in english["meaning"]
    assert {name for name in english if english[name] != told[name]} == {"meaning", "advice"}
    assert re.search(SCRIPT[tag], told["meaning"])


def test_lint_tells_findings_and_forecasts(run_cli: Run, tmp_path: Path, tag: str) -> None:
    file = tmp_path / "message.eml"
    file.write_bytes(b"From: a@example.org\nSubject: SALE\nList-Id: x\n\nhi\n")
    arguments = ("lint", str(file), "--offline", "--no-filters", "--json")
    english = json.loads(run_cli(*arguments).stdout)
    told = json.loads(run_cli(*arguments, "--language", tag).stdout)
    for before, after in zip(english["findings"], told["findings"], strict=True):
        differing = {name for name in before if before[name] != after[name]}
        assert differing == {"expected", "why"} | ({"fix"} if before["fix"] else set())
    for forecast in told["providers"]:
        assert re.search(SCRIPT[tag], forecast["sentence"])
    assert re.search(SCRIPT[tag], run_cli(*arguments[:-1], "--language", tag).stdout.decode())


def test_doctor_tells_its_findings(run_cli: Run, tag: str) -> None:
    arguments = ("doctor", "example.test", "--resolver", "127.0.0.1:1", "--language", tag)
    told = json.loads(run_cli(*arguments, "--json").stdout)["findings"]
    for finding in told:
        assert re.search(SCRIPT[tag], finding["expected"]), finding
    assert re.search(SCRIPT[tag], run_cli(*arguments).stdout.decode())


def test_a_locale_that_we_do_not_speak_is_english(tag: str) -> None:
    assert choose_language(None, "C").tag == "en"
    assert choose_language(tag, "C").tag == tag
