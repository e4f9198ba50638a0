"""Writing a mail in the browser: drafts, the plan before sending, and the sending itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from httpx2 import Response
from web_site import CONFIG, NOW, Browser

from mailglass.gateway import Intake, TrackingDefaults
from mailglass.history import History, Role, add_administrator
from mailglass.ids import Ids
from mailglass.journal import Attachments
from mailglass.spool import Spool
from mailglass.tokens import Ring
from mailglass.web import Outbox
from mailglass.web.letter import Letter

LETTER = {
    "author": "梅 <mei@home.test>",
    "to": "you@there.test, Ann <ann@there.test>",
    "subject": "안녕 <b>",
    "text": "",
    "html": '<p>Look at <a href="https://example.org/a?b=1&amp;c=2">this</a></p>',
    "opens": "yes",
    "links": "yes",
}


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(f"sqlite:///{tmp_path / 'history.db'}")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool.db")


@pytest.fixture
def browser(tmp_path: Path, history: History, spool: Spool) -> Browser:
    made = add_administrator(history, CONFIG.url)
    assert made is not None
    attachments = Attachments(tmp_path / "attachments")
    intake = Intake(
        spool=spool,
        ids=Ids(node=2),
        ring=Ring([b"k" * 32]),
        store=lambda content, name: attachments.add(content),
        tracking=TrackingDefaults(
            base_url="https://track.home.test",
            opens=True,
            links=True,
            attachments="keep",
            text_links=False,
        ),
        hostname="home.test",
    )
    browser = Browser(history, outbox=Outbox(intake=intake, refusal=lambda: None))
    browser.post(made[1].removeprefix(CONFIG.url))
    return browser


def write(browser: Browser, action: str, **fields: str) -> Response:
    return browser.submit("/compose", page="/compose", action=action, **{**LETTER, **fields})


def number_in(page: str) -> str:
    found = re.search(r'name="draft" value="(\d+)"', page)
    assert found is not None
    return found[1]


def waiting(spool: Spool) -> int:
    return spool.counts()["delivery"]


def test_a_written_mail_is_in_the_spool_for_each_recipient(browser: Browser, spool: Spool) -> None:
    sent = write(browser, "send")
    assert "/messages/" in str(sent.url)
    assert "On its way" in sent.text
    assert waiting(spool) == 2
    assert "안녕" not in browser.get("/compose").text  # the draft is gone


def test_the_writers_network_is_the_senders_own(browser: Browser, spool: Spool) -> None:
    write(browser, "send")
    (queued,) = spool.events(0, 9)
    assert queued.body["submitter_network"] == "198.51.100.0/24"


def once_in(page: str) -> str:
    found = re.search(r'name="once" value="([^"]+)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("is_kept", [True, False])
def test_two_clicks_send_one_mail(browser: Browser, spool: Spool, is_kept: bool) -> None:
    page = write(browser, "save").text if is_kept else browser.get("/compose").text
    fields = {"once": once_in(page), "draft": number_in(page)}
    first = write(browser, "send", **fields)
    write(browser, "save", subject="another draft, which takes the number of the first")
    again = write(browser, "send", **fields)
    assert again.url.path == first.url.path
    assert waiting(spool) == 2


def test_a_draft_that_is_opened_again_is_sent_once(browser: Browser, spool: Spool) -> None:
    number = number_in(write(browser, "save").text)
    once = once_in(browser.get(f"/compose?draft={number}").text)
    assert once == once_in(browser.get(f"/compose?draft={number}").text)
    write(browser, "send", draft=number, once=once)
    write(browser, "send", draft=number, once=once)
    assert waiting(spool) == 2


def test_the_same_words_written_again_are_another_mail(browser: Browser, spool: Spool) -> None:
    first, again = (
        write(browser, "send", once=once_in(browser.get("/compose").text)) for _ in range(2)
    )
    assert again.url.path != first.url.path
    assert waiting(spool) == 4


def test_a_form_that_says_nothing_of_sending_sends_nothing(browser: Browser, spool: Spool) -> None:
    assert "The draft is kept" in write(browser, "").text
    assert waiting(spool) == 0


def test_enter_in_a_field_keeps_the_draft(browser: Browser) -> None:
    # a browser presses the form's first button
    buttons = re.findall(r'<button name="action" value="(\w+)"', browser.get("/compose").text)
    assert buttons[0] == "save"
    # it is not seen: style.css gives buttons a place, which would win over the attribute
    assert "[hidden] { display: none !important; }" in browser.get("/static/style.css").text


def test_a_page_nested_deeper_than_a_stack_is_sent(browser: Browser, spool: Spool) -> None:
    deep = "<div>" * 3000 + "deep" + "</div>" * 3000
    assert "On its way" in write(browser, "send", html=deep).text
    assert waiting(spool) == 2


def test_more_people_than_the_gateway_takes_are_refused(browser: Browser, spool: Spool) -> None:
    many = ",".join(f"a{i}@there.test" for i in range(1001))
    refused = write(browser, "send", to=many)
    assert refused.status_code == 422
    assert "1001 recipients are more than the 1000 taken" in refused.text
    assert waiting(spool) == 0


def test_a_message_can_be_a_file(browser: Browser) -> None:
    token = re.search(r'name="form_token" value="(\w+)"', browser.get("/compose").text)
    assert token is not None
    mail = ("old.eml", b"From: x\r\n\r\nhello\r\n", "message/rfc822")
    sent = browser.post(
        "/compose",
        data={"form_token": token[1], "action": "send", **LETTER},
        files={"files": mail},
    )
    assert "On its way" in sent.text


def test_the_plan_is_shown_before_anything_is_sent(browser: Browser, spool: Spool) -> None:
    page = write(browser, "preview").text
    assert "https://track.home.test/o/" in page
    assert "https://example.org/a?b=1&amp;c=2" in page
    assert "<strong>the image that stands for the message</strong>" in page
    assert "<strong>link</strong>" in page
    assert waiting(spool) == 0


def test_what_is_not_ticked_is_not_tracked(browser: Browser) -> None:
    page = write(browser, "preview", opens="", links="").text
    assert "Nothing." in page


def test_a_receipt_is_asked_for_when_ticked(browser: Browser) -> None:
    assert "Disposition-Notification-To" in write(browser, "preview", receipt="yes").text


def test_a_draft_keeps_everything(browser: Browser) -> None:
    page = write(browser, "save", campaign="spring", receipt="yes", opens="").text
    assert "The draft is kept" in page
    page = browser.get(f"/compose?draft={number_in(page)}").text
    for text in ("梅 &lt;mei@home.test&gt;", "안녕 &lt;b&gt;", "spring"):
        assert text in page
    assert 'name="receipt" value="yes" checked' in page
    assert 'name="opens" value="yes" checked' not in page


def test_a_mail_that_cannot_be_sent_stays_as_a_draft(browser: Browser, spool: Spool) -> None:
    for fields in ({"to": "nobody"}, {"author": ""}, {"to": "", "cc": ""}, {"subject": "a\x00b"}):
        page = write(browser, "send", **fields)
        assert page.status_code == 422
        assert 'role="alert"' in page.text
        assert int(number_in(page.text)) > 0
    assert waiting(spool) == 0


def test_files_go_along_and_can_be_taken_out_again(browser: Browser, spool: Spool) -> None:
    token = re.search(r'name="form_token" value="(\w+)"', browser.get("/compose").text)
    assert token is not None
    saved = browser.post(
        "/compose",
        data={**LETTER, "action": "save", "form_token": token[1]},
        files=[("files", ("报告.pdf", b"%PDF-1.7" * 200, "application/pdf"))],
    ).text
    assert "报告.pdf" in saved
    number = number_in(saved)
    assert "报告.pdf" in write(browser, "save", draft=number, kept="0").text
    linked = write(browser, "preview", draft=number, kept="0", attachments="yes").text
    assert "https://track.home.test/a/" in linked
    assert "报告.pdf" not in write(browser, "save", draft=number).text


def test_another_users_draft_is_not_there(browser: Browser, history: History) -> None:
    with history.transaction() as t:
        other = t.add_user(1, "other", "x", NOW)
        number = t.save_draft(1, other.id, Letter(subject="secret").content(), NOW, 0)
    assert "secret" not in browser.get(f"/compose?draft={number}").text
    assert "secret" not in browser.get("/compose").text


def test_a_read_only_user_sends_nothing(browser: Browser, history: History, spool: Spool) -> None:
    with history.transaction() as t:
        t.set_role(1, Role.READ_ONLY)
    assert write(browser, "send").status_code == 403
    assert waiting(spool) == 0


@pytest.mark.parametrize(
    "html",
    [
        "<p>x<script>alert(1)</script></p>",
        '<p onclick="alert(1)">x</p>',
        '<a href="javascript:alert(1)">x</a>',
        '<img src=x onerror="alert(1)">',
        "</textarea><script>alert(1)</script>x",
    ],
)
def test_a_drafts_page_runs_nothing(browser: Browser, html: str) -> None:
    page = write(browser, "save", html=html).text
    assert "alert(1)" not in page


def test_plain_text_becomes_paragraphs() -> None:
    fields = Letter(
        author="a@b.test", to="c@d.test", text="one <two>\r\nthree\r\n\r\nfour & five"
    ).fields()
    assert fields.html == "<p>one &lt;two&gt;<br>three</p>\n<p>four &amp; five</p>"
    assert fields.text == "one <two>\r\nthree\r\n\r\nfour & five"


def test_formatted_text_has_a_readable_text_part() -> None:
    html = (
        "<p>Dear <b>Ann</b>,</p><ul><li>one</li><li>two</li></ul>"
        '<p><a href="https://x.test/">here</a></p>'
    )
    fields = Letter(author="a@b.test", to="c@d.test", html=html).fields()
    assert fields.text == "Dear Ann,\n\n- one\n- two\n\nhere <https://x.test/>\n"
