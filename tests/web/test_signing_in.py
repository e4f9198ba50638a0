"""Who may come in and what their forms may do."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyotp
import pytest
from web_site import CONFIG, Browser

from mailglass.history import History, add_administrator, new_user, sign_in_with_password

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


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


def sign_in(browser: Browser, password: str, code: str = "") -> int:
    browser.cookies.clear()
    fields = {"name": "mei", "password": password, "code": code}
    return browser.post("/login", data=fields).status_code


@pytest.mark.parametrize("path", ["/logout", "/profile/password", "/preferences"])
def test_a_form_without_our_token_changes_nothing(browser: Browser, path: str) -> None:
    refused = browser.post(path, data={"password": "a long new password", "form_token": "forged"})
    assert refused.status_code == 403
    assert "another site" in refused.text
    assert browser.get("/profile").url.path == "/profile"


def test_a_token_of_another_session_is_none_of_ours(browser: Browser, history: History) -> None:
    password = new_user(history, "mei")
    other = Browser(history)
    sign_in(other, password)
    token = re.search(r'name="form_token" value="(\w+)"', other.get("/profile").text)
    assert token is not None
    assert browser.post("/logout", data={"form_token": token[1]}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}, {"origin": "null"}],
)
def test_another_site_cannot_sign_a_browser_in(
    browser: Browser, history: History, headers: dict[str, str]
) -> None:
    password = new_user(history, "mei")
    browser.cookies.clear()
    fields = {"name": "mei", "password": password}
    assert browser.post("/login", data=fields, headers=headers).status_code == 403


def test_a_second_factor_is_asked_for_from_then_on(browser: Browser, history: History) -> None:
    password = new_user(history, "mei")
    assert sign_in(browser, password) == 200
    secret = re.search(r'name="secret" value="([A-Z2-7]{32})"', browser.get("/profile").text)
    assert secret is not None
    code = pyotp.TOTP(secret[1]).now
    wrong = browser.submit("/profile/second-factor", secret=secret[1], code="000000")
    assert wrong.status_code == 422
    browser.submit("/profile/second-factor", secret=secret[1], code=code())
    assert sign_in(browser, password) == 403
    assert sign_in(browser, password, "000000") == 403
    assert sign_in(browser, password, code()) == 200


def test_a_code_is_good_once(browser: Browser, history: History) -> None:
    password = new_user(history, "mei")
    sign_in(browser, password)
    secret = re.search(r'name="secret" value="([A-Z2-7]{32})"', browser.get("/profile").text)
    assert secret is not None
    browser.submit("/profile/second-factor", secret=secret[1], code=pyotp.TOTP(secret[1]).now())
    code = pyotp.TOTP(secret[1]).now()
    assert sign_in(browser, password, code) == 200
    assert sign_in(browser, password, code) == 403


def test_a_changed_password_is_the_one_that_counts(browser: Browser, history: History) -> None:
    old = new_user(history, "mei")
    sign_in(browser, old)
    assert browser.submit("/profile/password", password="too short").status_code == 422
    browser.submit("/profile/password", password="correct horse battery")
    assert sign_in(browser, old) == 403
    assert sign_in(browser, "correct horse battery") == 200


def test_a_changed_password_ends_the_other_sessions(browser: Browser, history: History) -> None:
    password = new_user(history, "mei")
    other = Browser(history)
    sign_in(other, password)
    sign_in(browser, password)
    browser.submit("/profile/password", password="correct horse battery")
    assert browser.get("/profile").url.path == "/profile"
    assert other.get("/profile").url.path == "/login"


def test_whoever_guesses_must_wait(browser: Browser, history: History) -> None:
    password = new_user(history, "mei")
    browser.cookies.clear()
    for _ in range(10):
        browser.post("/login", data={"name": "mei", "password": "wrong"})
    waiting = browser.post("/login", data={"name": "mei", "password": password})
    assert waiting.status_code == 429
    assert int(waiting.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "referrer", ["http://127.0.0.1:1//evil.test/", "http://127.0.0.1:1/\\evil.test", "//", "x"]
)
def test_preferences_lead_back_to_a_page_of_ours(browser: Browser, referrer: str) -> None:
    token = re.search(r'name="form_token" value="(\w+)"', browser.get("/profile").text)
    assert token is not None
    browser.follow_redirects = False
    answer = browser.post(
        "/preferences",
        data={"form_token": token[1], "language": "ko", "theme": "dark", "zone": "Asia/Seoul"},
        headers={"referer": referrer},
    )
    assert re.match(r"/([^/\\]|$)", answer.headers["location"])
    assert "mailglass-language=ko" in str(answer.headers)


def test_the_own_page_offers_the_link_that_marks_a_browser(history: History) -> None:
    link = "https://t.example/s/token"
    add_administrator(history, CONFIG.url)
    browser = Browser(history, replace(CONFIG, own_link=lambda user_id: f"{link}{user_id}"))
    sign_in(browser, new_user(history, "mei"))
    with history.reading() as t:
        user = t.user_named("mei")
    assert user is not None
    assert f'href="{link}{user.id}"' in browser.get("/profile").text


def test_whoever_signs_in_shows_a_network_of_the_sender(history: History) -> None:
    add_administrator(history, CONFIG.url)
    password = new_user(history, "mei")
    assert sign_in_with_password(history, "mei", password, address="198.51.100.7").session
    assert sign_in_with_password(history, "mei", "wrong", address="192.0.2.7").session is None
    with history.reading() as t:
        user = t.user_named("mei")
        networks = t.own_networks(NOW)
    assert user is not None
    assert networks == {user.account_id: frozenset({"198.51.100.0/24"})}


def test_a_second_factor_gives_way_only_to_who_has_it(browser: Browser, history: History) -> None:
    password = new_user(history, "mei")
    sign_in(browser, password)
    old, other = pyotp.random_base32(), pyotp.random_base32()
    browser.submit("/profile/second-factor", secret=old, code=pyotp.TOTP(old).now())
    taken = browser.submit("/profile/second-factor", secret=other, code=pyotp.TOTP(other).now())
    assert taken.status_code == 422
    assert sign_in(browser, password, pyotp.TOTP(other).now()) == 403
    assert sign_in(browser, password, pyotp.TOTP(old).now()) == 200
