"""The overview, and how an open page hears of news."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from web_site import CONFIG, Browser, send

from mailglass.history import History, add_administrator
from mailglass.model import EventType
from mailglass.web.live import Live

NOW = datetime.now(UTC)


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


def card(page: str, title: str) -> str:
    found = re.search(rf"<b>([\d,]+)</b>{title}", page)
    assert found is not None, title
    return found[1]


def test_counts_of_the_account_stand_on_the_overview(browser: Browser, history: History) -> None:
    with history.transaction() as t:
        other = t.add_account("other", NOW)
    send(history, 1, 100, EventType.QUEUED, EventType.DELIVERED)
    send(history, 1, 200, EventType.QUEUED, EventType.BOUNCED)
    send(history, other.id, 300, EventType.QUEUED, EventType.DELIVERED)
    page = browser.get("/").text
    assert card(page, "sent") == "2"
    assert card(page, "delivered") == "1"
    assert card(page, "bounced") == "1"
    assert "there.test" in page
    assert "subject 200" in page
    assert "subject 300" not in page


@pytest.mark.parametrize("days", [1, 7, 30, 90])
def test_each_stretch_of_time_has_its_page(browser: Browser, history: History, days: int) -> None:
    send(history, 1, 100, EventType.QUEUED)
    assert card(browser.get(f"/?days={days}").text, "sent") == "1"


def test_an_empty_overview_says_what_to_do(browser: Browser) -> None:
    assert "Send a mail through the gateway" in browser.get("/").text


def test_a_page_hears_of_its_own_accounts_events_only(history: History) -> None:
    with history.transaction() as t:
        ours, other = t.add_account("ours", NOW), t.add_account("other", NOW)
    live = Live(history)

    async def hear() -> bytes:
        mine, theirs = live.stream(ours.id), live.stream(other.id)
        assert await anext(mine) == b"retry: 1000\n\n"
        assert await anext(theirs) == b"retry: 1000\n\n"
        waiting = asyncio.ensure_future(anext(theirs))
        send(history, ours.id, 100, EventType.QUEUED)
        heard = await anext(mine)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await mine.aclose()
        return heard

    assert asyncio.run(hear()).startswith(b"event: activity\nid: ")


def test_nobody_hears_anything_without_signing_in(browser: Browser) -> None:
    browser.cookies.clear()
    browser.follow_redirects = False
    assert browser.get("/live").status_code == 303
    assert browser.get("/live", headers={"hx-request": "true"}).headers["hx-redirect"] == "/login"


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("domain=there.test", True),
        ("domain=THERE.test", True),
        ("domain=elsewhere.test", False),
        ("level=pending", True),
        ("level=answered", False),
        ("q=subject 100", True),
        ("q=you@there.test", True),
        ("q=nothing", False),
        ("since=2020-01-01&until=2020-12-31", False),
    ],
)
def test_messages_are_found_by_what_the_address_says(
    browser: Browser, history: History, query: str, is_found: bool
) -> None:
    send(history, 1, 100, EventType.QUEUED)
    page = browser.get(f"/messages?{query}").text
    assert ("/messages/100" in page) is is_found
    assert ("No message is like that" in page) is not is_found
