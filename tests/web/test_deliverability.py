"""The page of deliverability: refusals by reason, reports, and a domain's findings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from web_site import CONFIG, Browser, send

from mailglass.history import History, StoredEvent, add_administrator
from mailglass.model import Event, EventType
from mailglass.postmaster import ReportFile, ReportRow
from mailglass.web import Config

NOW = datetime.now(UTC)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(f"sqlite:///{tmp_path / 'history.db'}")


@pytest.fixture
def browser(tmp_path: Path, history: History) -> Browser:
    made = add_administrator(history, CONFIG.url)
    assert made is not None
    config = Config(
        host="127.0.0.1",
        port=1,
        url=CONFIG.url,
        data_directory=tmp_path,
        resolver="127.0.0.1:9",  # nobody answers there
    )
    browser = Browser(history, config)
    browser.post(made[1].removeprefix(CONFIG.url))
    return browser


def refuse(history: History, number: int, text: str, code: int = 550) -> None:
    send(history, 1, number, EventType.QUEUED)
    raw = {"reply_code": code, "reply_text": text}
    event = Event(type=EventType.BOUNCED, at=NOW, raw=raw)
    with history.transaction() as t:
        t.add_events([StoredEvent(delivery_id=number + 1, event=event)])


def test_refusals_that_mean_the_same_stand_together(browser: Browser, history: History) -> None:
    refuse(history, 100, "DT:SPM 163 smtp3")
    refuse(history, 200, "DT:SPM 163 smtp8")
    refuse(history, 300, "5.1.1 <a@b.test>: user unknown <script>alert(1)</script>")
    page = browser.get("/deliverability").text
    assert page.count("<details>") == 2
    assert "2 × bounced" in page
    assert "spam" in page
    assert "unknown user" in page
    assert "<script>alert" not in page
    assert "The address is dead" in page


def test_an_account_without_refusals_is_told_so(browser: Browser) -> None:
    assert "No server has refused anything" in browser.get("/deliverability").text


def test_imported_reports_are_shown(browser: Browser, tmp_path: Path) -> None:
    ReportFile(tmp_path / "reports.jsonl").add(
        [
            ReportRow(
                kind="dmarc",
                reporter="big.test",
                report_id="1",
                domain="home.test",
                begins_at="2026-11-21T00:00:00Z",
                ends_at="2026-11-22T00:00:00Z",
                source="192.0.2.1",
                count=3,
                passed=False,
                detail="spf=fail dkim=fail",
            )
        ]
    )
    page = browser.get("/deliverability").text
    assert "home.test" in page
    assert "192.0.2.1" in page


def test_another_accounts_reports_are_not_shown(
    browser: Browser, history: History, tmp_path: Path
) -> None:
    test_imported_reports_are_shown(browser, tmp_path)
    with history.transaction() as t:
        t.add_account("other", NOW)
    assert "192.0.2.1" not in browser.get("/deliverability").text


def test_a_domain_is_asked_about_after_the_page_is_shown(browser: Browser) -> None:
    page = browser.get("/deliverability?domain=Example.ORG")
    assert 'hx-get="/deliverability/findings?domain=example.org' in page.text
    assert "<noscript>" in page.text


def test_findings_of_a_domain_that_nobody_answers_for_are_unknown(browser: Browser) -> None:
    page = browser.get("/deliverability/findings?domain=example.org").text
    assert "could not be checked" in page
    assert 'class="level fail"' not in page


@pytest.mark.parametrize("name", ["not a domain", "<script>", "a" * 254, "-.-"])
def test_what_is_no_domain_is_named(browser: Browser, name: str) -> None:
    page = browser.get("/deliverability", params={"domain": name})
    assert 'role="alert"' in page.text
    assert browser.get("/deliverability/findings", params={"domain": name}).status_code == 422


@pytest.mark.parametrize(
    ("language", "advice", "expected"),
    [
        ("zh-Hans", "发件方管理员：修正 SPF", "MX 记录"),
        ("ko", "발신 측 관리자: SPF", "MX 레코드"),
    ],
)
def test_refusals_and_findings_are_told_in_the_readers_language(
    browser: Browser, history: History, language: str, advice: str, expected: str
) -> None:
    refuse(history, 100, "MI:SPF 163 smtp5")
    browser.cookies.set("mailglass-language", language)
    assert advice in browser.get("/deliverability").text
    page = browser.get("/deliverability/findings?domain=example.test").text
    assert expected in page
    assert "MX records with names" not in page
    assert "Yahoo wants the domains" not in page
