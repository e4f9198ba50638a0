"""The first pages: signing in, the list, and a message's story."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from web_site import CONFIG, Browser

from mailglass.errors import StorageUnavailable
from mailglass.history import (
    History,
    StoredEvent,
    StoredMessage,
    add_administrator,
    new_user,
)
from mailglass.model import Delivery, Event, EventType, Target, TargetKind

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'&lt;"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(f"sqlite:///{tmp_path / 'history.db'}")


@pytest.fixture
def link(history: History) -> str:
    made = add_administrator(history, CONFIG.url)
    assert made is not None
    return made[1].removeprefix(CONFIG.url)


@pytest.fixture
def browser(history: History) -> Browser:
    return Browser(history)


def add_message(history: History, account_id: int, number: int) -> None:
    message = StoredMessage(
        id=number,
        account_id=account_id,
        accepted_at=NOW,
        return_path="me@home.test",
        author=HOSTILE,
        subject=HOSTILE,
        message_id_field=f"<{number}@home.test>",
        campaign=None,
        targets=(Target(number=1, kind=TargetKind.LINK, url="https://example.org/" + HOSTILE),),
    )
    delivery = Delivery(id=number + 1, message_id=number, recipient=HOSTILE + "@x.test")
    refused = {"reply_code": 550, "reply_text": HOSTILE}
    with history.transaction() as t:
        t.add_message(message, [delivery])
        t.add_events(
            [
                StoredEvent(delivery_id=delivery.id, event=Event(type=type_, at=NOW, raw=raw))
                for type_, raw in (
                    (EventType.QUEUED, {}),
                    (EventType.BOUNCED, refused),
                    (EventType.CLICKED, {"target": 1}),
                )
            ]
        )


def test_nobody_sees_a_page_without_signing_in(browser: Browser) -> None:
    for path in ("/", "/messages", "/messages/1"):
        assert browser.get(path).url.path == "/login"


def test_a_login_link_works_once(browser: Browser, link: str) -> None:
    assert browser.get(link).status_code == 200  # a preview that follows it does not use it up
    assert browser.post(link).url.path == "/"
    browser.cookies.clear()
    used = browser.post(link)
    assert used.status_code == 403
    assert "too old" in used.text


def test_a_password_signs_in_and_a_wrong_one_does_not(
    browser: Browser, history: History, link: str
) -> None:
    password = new_user(history, "mei")
    wrong = browser.post("/login", data={"name": "mei", "password": "wrong"})
    assert wrong.status_code == 403
    assert browser.post("/login", data={"name": "mei", "password": password}).url.path == ("/")
    browser.submit("/logout", page="/messages")
    assert browser.get("/messages").url.path == "/login"


def test_the_empty_list_says_what_to_do(browser: Browser, link: str) -> None:
    browser.post(link)
    assert "Point your mail client" in browser.get("/messages").text


def test_a_messages_story_is_shown_and_what_mail_says_is_text(
    browser: Browser, history: History, link: str
) -> None:
    browser.post(link)
    add_message(history, 1, 100)
    for path in ("/messages", "/messages/100"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "<script>" not in page.text
        assert "&lt;script&gt;" in page.text
    story = browser.get("/messages/100").text
    assert story.index("queued") < story.index("bounced") < story.index("clicked")
    assert "550" in story


def test_a_page_of_another_account_is_not_there(
    browser: Browser, history: History, link: str
) -> None:
    browser.post(link)
    with history.transaction() as t:
        other = t.add_account("other", NOW)
    add_message(history, other.id, 200)
    assert browser.get("/messages/200").status_code == 404
    assert browser.get("/messages/201").status_code == 404
    assert "/messages/200" not in browser.get("/messages").text


def test_pages_forbid_inline_scripts_frames_and_other_sites(browser: Browser) -> None:
    headers = browser.get("/login").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_the_cookie_is_for_the_server_alone(browser: Browser, link: str) -> None:
    browser.follow_redirects = False
    cookie = browser.post(link).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_while_the_history_is_down_pages_say_so_and_when_to_come_back(
    browser: Browser, history: History, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.post(link)

    def fail() -> None:
        raise StorageUnavailable("the history cannot be used: no server")

    monkeypatch.setattr(history, "reading", fail)
    page = browser.get("/messages")
    assert page.status_code == 503
    assert page.headers["retry-after"] == "5"


@pytest.mark.parametrize("name", ["0", "99999999999999999999999", "<none@x>", "%00", "../x"])
def test_a_message_that_is_not_there_is_a_404(browser: Browser, link: str, name: str) -> None:
    browser.post(link)
    assert browser.get(f"/messages/{name}").status_code == 404


def test_a_mail_to_many_leaves_room_for_the_others_in_the_list(
    browser: Browser, history: History, link: str
) -> None:
    browser.post(link)
    add_message(history, 1, 100)
    people = [Delivery(id=2000 + i, message_id=1000, recipient=f"a{i}@x.test") for i in range(5001)]
    message = StoredMessage(
        id=1000,
        account_id=1,
        accepted_at=NOW,
        return_path="me@home.test",
        author="me@home.test",
        subject="to many",
        message_id_field="<1000@home.test>",
    )
    older = replace(message, id=50, subject="to nobody any more", message_id_field="<50@home.test>")
    with history.transaction() as t:
        t.add_message(message, people)
        t.add_message(older, [])
    page = browser.get("/messages")
    assert page.status_code == 200
    assert "and 5000 more" in page.text.replace(",", "")
    assert "5,001 × pending" in page.text
    assert 'href="/messages/100"' in page.text
    assert "to nobody any more" in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/messages?before=99999999999999999999",
        "/messages?since=0001-01-01",
        "/messages?until=9999-12-31",
        "/compose?draft=99999999999999999999",
        "/settings/webhooks/99999999999999999999",
    ],
)
def test_numbers_and_days_beyond_every_bound_are_no_faults_of_ours(
    browser: Browser, link: str, path: str
) -> None:
    browser.post(link)
    assert browser.get(path).status_code in (200, 422)
