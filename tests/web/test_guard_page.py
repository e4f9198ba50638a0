"""The drop page of the guard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from httpx2 import Response
from web_site import CONFIG, Browser

from mailglass.guard import clean, look
from mailglass.history import History, add_administrator, new_user

TRACKED = (
    "From: news@shop.test\r\nTo: you@there.test\r\nSubject: 优惠\r\n"
    "Disposition-Notification-To: news@shop.test\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "<p>你好 <b>Ann</b></p>"
    '<img src="https://shop.test/open/7f3a9c1e5b7d4f60a1c2e3f4a5b6c7d8.gif?e=you%40there.test"'
    ' width="1" height="1" alt="">'
    '<img src="https://shop.test/logo.png" width="200" height="60" alt="shop">\r\n'
).encode()


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(f"sqlite:///{tmp_path / 'history.db'}")


@pytest.fixture
def browser(history: History) -> Browser:
    made = add_administrator(history, CONFIG.url)
    assert made is not None
    browser = Browser(history)
    browser.post(made[1].removeprefix(CONFIG.url))
    return browser


def drop(browser: Browser, raw: bytes, name: str = "news.eml") -> Response:
    token = re.search(r'name="form_token" value="(\w+)"', browser.get("/guard").text)
    assert token is not None
    return browser.post(
        "/guard", data={"form_token": token[1]}, files=[("message", (name, raw, "message/rfc822"))]
    )


def test_the_trackers_of_a_dropped_message_are_named_and_marked(browser: Browser) -> None:
    page = drop(browser, TRACKED).text
    assert "<b>1</b>trackers" in page
    assert re.search(r'<mark class="tracker"[^>]*>[^<]*shop\.test/open/7f3a', page)
    assert "Disposition-Notification-To" in page
    assert "你好" in page


def test_the_clean_copy_is_downloaded(browser: Browser) -> None:
    link = re.search(r'href="(/guard/clean/[^"]+)"', drop(browser, TRACKED, "优惠.eml").text)
    assert link is not None
    got = browser.get(link[1])
    assert got.content == clean(TRACKED).data
    assert b"7f3a9c1e" not in got.content
    assert "%E4%BC%98%E6%83%A0-clean.eml" in got.headers["content-disposition"]


def test_nobody_else_can_download_it(browser: Browser, history: History) -> None:
    link = re.search(r'href="(/guard/clean/[^"]+)"', drop(browser, TRACKED).text)
    assert link is not None
    other = Browser(history)
    other.post("/login", data={"name": "mei", "password": new_user(history, "mei")})
    assert other.get(link[1]).status_code == 404


@pytest.mark.parametrize("raw", [b"", b"no mail at all", b"\x00\xff" * 100])
def test_what_is_no_message_is_refused_with_the_reason(browser: Browser, raw: bytes) -> None:
    page = drop(browser, raw)
    assert page.status_code == 422
    assert 'role="alert"' in page.text


def test_nothing_of_the_message_runs_or_loads_on_the_page(browser: Browser) -> None:
    hostile = TRACKED.replace(b"<b>Ann", b"<script>alert(1)</script></pre><img src=x onerror=y><b>")
    page = drop(browser, hostile, '"><script>alert(2)</script>.eml').text
    assert "<script>alert" not in page
    assert "<img" not in page


def test_the_pieces_of_a_part_are_its_whole_source() -> None:
    (part,) = look(TRACKED).parts
    assert "".join(text for text, _ in part.pieces).encode() == TRACKED.split(b"\r\n\r\n", 1)[1]
    assert [mark.about for _, mark in part.pieces if mark] == ["img-src"]


def test_what_could_not_be_read_or_is_read_in_two_ways_is_said(browser: Browser) -> None:
    head = "From: a@shop.test\r\nContent-Type: text/html\r\n"
    two = f"{head}\r\n<svg></p><style><a id=\"</style><img src='https://t.test/o'>\">\r\n"
    assert (
        "different ways; the clean copy reads the same in all: 0"
        in drop(browser, two.encode()).text
    )
    cut = f"{head}Content-Transfer-Encoding: base64\r\n\r\n!\r\n"
    assert "Could not be looked into, and is left as it is: 0" in drop(browser, cut.encode()).text
