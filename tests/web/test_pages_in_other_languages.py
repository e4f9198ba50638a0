"""A page in Chinese or Korean holds no English: what we say is told, also where it is put together.

All that comes from outside is Chinese or an address here, so that a word in Latin letters is ours.
"""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from test_told_verdicts import verdict_sentences
from web_site import CONFIG, Browser, send

from mailglass.cli.judge import command as judge
from mailglass.gateway import Intake, TrackingDefaults
from mailglass.history import History, StoredEvent, Suppression, add_administrator
from mailglass.ids import Ids
from mailglass.ingest.acts import carry_out
from mailglass.journal import Attachments
from mailglass.languages import LANGUAGES
from mailglass.model import Actor, Event, EventType, Hit, Judgement
from mailglass.postmaster import ReportFile, ReportRow
from mailglass.replies import ReplyClass
from mailglass.spool import Spool
from mailglass.tokens import Ring
from mailglass.web import Config, Outbox
from mailglass.web.sentences import tell
from mailglass.web.visitor import Visitor
from mailglass.web.wording import EDITS, REASONS, REPLY_CLASSES
from product import PROJECT, SOURCE

NOW = datetime.now(UTC)
# Names and abbreviations, which every language has in Latin letters.
NAMES = frozenset(
    re.findall(
        r"\w+",
        "Mailglass English DKIM DMARC TLS SPF MX PTR HTML HTTP HTTPS IP API URL SMTP DNS ID "
        "RFC RCPT GET POST HEAD TOTP JSON DSN UTC kB MB GB Message List Unsubscribe Post "
        "Disposition Notification From To Cc Bcc Signature Webhook webhook Outlook Apple Gmail "
        "Google Microsoft Firefox Linux Chrome Safari Windows Yahoo NetEase Tencent "
        "Naver Daum Kakao admin default",
    )
)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(f"sqlite:///{tmp_path / 'history.db'}")


@pytest.fixture(params=["zh-Hans", "ko"])
def browser(request: pytest.FixtureRequest, tmp_path: Path, history: History) -> Browser:
    made = add_administrator(history, CONFIG.url)
    assert made is not None
    attachments = Attachments(tmp_path / "attachments")
    intake = Intake(
        spool=Spool(tmp_path / "spool.db"),
        ids=Ids(node=2),
        ring=Ring([b"k" * 32]),
        store=lambda content, name: attachments.add(content),
        tracking=TrackingDefaults(
            base_url="https://track.home.test",
            opens=True,
            links=True,
            attachments="keep",
            text_links=True,
            list_unsubscribe=True,
        ),
        hostname="home.test",
    )
    config = Config(host="127.0.0.1", port=1, url=CONFIG.url, data_directory=tmp_path)
    browser = Browser(history, config, outbox=Outbox(intake=intake, refusal=lambda: None))
    browser.cookies.set("mailglass-language", request.param)
    browser.post(made[1].removeprefix(CONFIG.url))
    return browser


def english(page: str) -> set[str]:
    """The words of a page's text that are neither names nor parts of an address."""
    page = re.sub(r"(?s)<(script|style|code|pre|option|time)\b.*?</\1>", " ", page)
    page = re.sub(r"(?s)<html.*?(?=<main)|<footer.*", "", page)
    text = html.unescape(re.sub(r"(?s)<[^>]*>", " ", page))
    words = re.sub(r"\S*[@/.][\w/]\S*", " ", text)  # addresses, URLs, hosts
    return {w for w in re.findall(r"[A-Za-z]{2,}", words) if w not in NAMES}


def test_reasons_of_suppressions_are_told(browser: Browser, history: History) -> None:
    said = ["bounce: 用户不存在", "bounce by mail", "complaint by mail", "relay log: 用户不存在"]
    said += ["mail to the message's unsubscribe address", "complaint: 不要"]
    said += ["the next server said at RCPT: 用户不存在"]
    reasons = [*REASONS, *(["unknown-user"] * len(said))]
    with history.transaction() as t:
        for number, reason in enumerate(reasons):
            t.suppress(
                Suppression(
                    account_id=1,
                    recipient=f"a{number}@b.test",
                    reason=reason,
                    evidence=(["", *said] * 9)[number],
                    since=NOW,
                )
            )
    assert english(browser.get("/settings/policies").text) == set()


def test_a_recipients_own_unsubscribing_is_told(
    browser: Browser, history: History, tmp_path: Path
) -> None:
    send(history, 1, 100, EventType.QUEUED)
    hit = Hit(
        at=NOW,
        path_kind="u",
        method="POST",
        token="",
        delivery_id=101,
        target=0,
        address="192.0.2.1",
        http_version="1.1",
        action="unsubscribe",
    )
    by = Judgement(actor=Actor.HUMAN, probability_human=0.9, evidence=(), rules_version="test")
    with history.transaction() as t:
        carry_out(t, Spool(tmp_path / "spool.db"), [(t.deliveries([101])[0], hit)], NOW, [by])
    page = browser.get("/settings/policies").text
    assert english(page) == set()
    assert str(NOW.year) in page


def test_refusals_and_reports_are_told(browser: Browser, history: History, tmp_path: Path) -> None:
    replies = ["550 5.1.1 用户不存在", "452 4.2.2 邮箱已满", "554 不", "不", "451 4.7.1 Greylisted"]
    replies += ["550 DT:SPM 163", "550 5.7.26 不", "421 4.7.0 不", "550 5.7.1 不"]
    for number, text in enumerate(replies, 1):
        send(history, 1, number * 100, EventType.QUEUED)
        raw = {"reply_code": int(text[:3]) if text[0].isdigit() else None, "reply_text": text}
        event = Event(type=EventType.BOUNCED, at=NOW, raw=raw)
        with history.transaction() as t:
            t.add_events([StoredEvent(delivery_id=number * 100 + 1, event=event)])
    rows = [
        ReportRow(
            kind=kind,
            reporter="报告者",
            report_id="1",
            domain="home.test",
            begins_at="2026-11-20",
            ends_at="2026-11-21",
            source="",
            count=3,
            passed=False,
            detail="sts: failed, and the report does not say why" if kind == "tls" else "",
        )
        for kind in ("dmarc", "failure", "tls")
    ]
    for row in rows:
        ReportFile(tmp_path / "reports.jsonl").add([row])
    page = browser.get("/deliverability").text
    sources = r'<p class="hint">(来源|출처).*?</p>'  # titles
    assert english(re.sub(sources, "", page)) <= {"sts"}
    assert "no row fits" not in page
    assert "550 5.1.1 用户不存在" in page
    assert "550 550" not in page
    assert "5.1.1 550" not in page
    assert english(browser.get("/messages/100").text) <= {"subject"}


def test_the_plan_of_a_mail_is_told(browser: Browser) -> None:
    token = re.search(r'name="form_token" value="(\w+)"', browser.get("/compose").text)
    assert token is not None
    answer = browser.post(
        "/compose",
        data={
            "form_token": token[1],
            "action": "preview",
            "author": "a@home.test",
            "to": "b@there.test",
            "subject": "你好",
            "text": "您好 https://example.org/",
            "html": '<p>您好 <a href="https://example.org/">这里</a> <a href="#x">那里</a></p>',
            "opens": "yes",
            "links": "yes",
            "attachments": "yes",
            "receipt": "yes",
        },
        files={"files": ("价格.pdf", "内容".encode(), "application/pdf")},
    )
    assert "价格.pdf" in answer.text
    target = r"</strong> <bdi>.*?</bdi>"  # URLs and digests
    assert english(re.sub(target, "", answer.text)) == set()


def test_rules_show_no_places(browser: Browser) -> None:
    page = browser.get("/settings/evidence").text
    shown = re.sub(r"(?s)<script.*?</script>", "", page)
    assert not re.search(r"\{\w+\}", shown)


@pytest.mark.parametrize("path", ["/", "/messages", "/guard", "/compose", "/profile"])
def test_plain_pages_are_told(browser: Browser, path: str) -> None:
    assert english(browser.get(path).text) == set()


@pytest.mark.parametrize("tab", ["", "/keys", "/webhooks", "/domains", "/policies"])
def test_settings_are_told(browser: Browser, tab: str) -> None:
    assert english(browser.get(f"/settings{tab}").text) == set()


@pytest.mark.parametrize("tag", ["zh-Hans", "ko"])
def test_no_word_of_a_verdict_stays_english(tag: str) -> None:
    for text in verdict_sentences():
        assert english("<main>" + tell(text, reader(tag))) == set(), text


@pytest.mark.parametrize("tag", ["zh-Hans", "ko"])
def test_what_is_put_into_the_sentences_of_rules_is_told(shared_data: Path, tag: str) -> None:
    hits = (shared_data / "hits-dev.jsonl").read_bytes()
    answers = CliRunner().invoke(judge, ["-", "--json"], input=hits).output.splitlines()
    said = {item["text"] for answer in answers for item in json.loads(answer)["evidence"]}
    assert len(said) > 50
    for text in said - {text for text in said if "a hoster" in text}:  # a word of the file's own
        words = english("<main>" + tell(text, reader(tag))) - {"zgrab"}
        assert not {word for word in words if word.islower()}, text


def reader(tag: str) -> Visitor:
    return Visitor(
        user=None,
        session="",
        language=LANGUAGES[tag],
        zone=ZoneInfo("Asia/Seoul"),
        zone_is_chosen=True,
        theme="auto",
    )


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the sources are not here")
def test_every_kind_of_edit_and_class_of_reply_has_a_name() -> None:
    told = (PROJECT / "docs/explain/instrumentation.md").read_text()
    table = told.partition("## Kinds of edits")[2].partition("\n## ")[0]
    first_cells = "".join(line.split("|")[1] for line in table.splitlines() if "|" in line)
    kinds = set(re.findall(r"`([a-z-]+)`", first_cells))
    assert kinds == set(EDITS)
    assert set(REPLY_CLASSES) == set(ReplyClass)
