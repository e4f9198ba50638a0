"""The dashboard in Debian's Chromium, over a running installation and its simulated world.

With MAILGLASS_SCREENSHOTS set to a folder (`make screenshots`), pictures for the docs go there.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

from browsing import Demo, kept_demo  # noqa: E402  # after the skips
from playwright.sync_api import Browser, BrowserContext, Page  # noqa: E402

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not shutil.which("chromium"), reason="Debian's chromium is not installed"),
]

PAGES = {
    "overview": "/",
    "messages": "/messages",
    "message": "a message",
    "compose": "/compose",
    "deliverability": "/deliverability",
    "guard": "/guard",
    "looked": "a dropped message",
    "settings": "/settings",
    "keys": "/settings/keys",
    "webhooks": "/settings/webhooks",
    "domains": "/settings/domains",
    "policies": "/settings/policies",
    "evidence": "/settings/evidence",
    "profile": "/profile",
}
# language, colours, width: each language, both colours and both widths, every page in each
LOOKS = [
    ("en", "light", 1440),
    ("en", "dark", 360),
    ("zh-Hans", "dark", 1440),
    ("ko", "light", 360),
]
HEADINGS = {"en": "Overview", "zh-Hans": "概览", "ko": "개요"}
PATIENCE_MS = 30_000
SCRIPT_BYTES = 50_000


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with kept_demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def session(demo: Demo, chromium: Browser) -> dict[str, object]:
    """The cookies of a browser that has signed in."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(demo.sign_in)
    page.click("main button")
    page.wait_for_selector("#numbers")
    state: dict[str, object] = dict(context.storage_state())
    context.close()
    return state


def look(
    chromium: Browser,
    session: dict[str, object],
    demo: Demo,
    language: str,
    colours: str,
    width: int,
    *,
    script: bool = True,
) -> BrowserContext:
    context = chromium.new_context(
        storage_state=session,  # type: ignore[arg-type]  # as Playwright gave it
        viewport={"width": width, "height": 900},
        java_script_enabled=script,
        timezone_id="Asia/Seoul",
    )
    context.set_default_timeout(PATIENCE_MS)
    context.add_cookies(
        [
            {"name": f"mailglass-{name}", "value": value, "url": demo.dashboard}
            for name, value in (
                ("language", language),
                ("theme", colours),
                ("zone", "Asia/Seoul"),
            )
        ]
    )
    return context


# A picture for the docs of each of these.
PICTURES = {
    ("overview", "en", 1440),
    ("messages", "en", 1440),
    ("message", "zh-Hans", 1440),
    ("looked", "en", 1440),
    ("compose", "ko", 360),
}
WATCHED = """From: news@shop.test
To: you@there.test
Subject: Spring offers
Disposition-Notification-To: news@shop.test
Content-Type: text/html; charset=utf-8

<p>Hello Ann, <a href="https://click.shop.test/c/9f8e7d6c5b4a39281706f5e4d3c2b1a0">look</a></p>
<img src="https://shop.test/open/7f3a9c1e5b7d4f60a1c2e3f4a5b6c7d8.gif" width="1" height="1" alt="">
"""


def open_page(page: Page, demo: Demo, path: str) -> None:
    if path == "a dropped message":
        page.goto(f"{demo.dashboard}/guard")
        page.click("main details summary")
        page.fill("textarea[name=source]", WATCHED)
        page.click("main form.fields > button")
        page.wait_for_selector("#report")
        return
    if path == "a message":
        page.goto(f"{demo.dashboard}/messages?level=engaged")
        page.click("#rows td a")
        page.wait_for_selector("ol.timeline")
    else:
        page.goto(demo.dashboard + path)


@pytest.mark.parametrize(("language", "colours", "width"), LOOKS)
def test_every_page_is_usable_in_each_language_colour_and_width(
    demo: Demo,
    chromium: Browser,
    session: dict[str, object],
    language: str,
    colours: str,
    width: int,
) -> None:
    context = look(chromium, session, demo, language, colours, width)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    folder = os.environ.get("MAILGLASS_SCREENSHOTS")
    for name, path in PAGES.items():
        open_page(page, demo, path)
        assert page.get_attribute("html", "lang") == language
        faults = [
            (v["id"], [node["html"] for node in v["nodes"]][:3])
            for v in axe.Axe().run(page).response["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert not faults, (name, faults)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        if folder and (name, language, width) in PICTURES:
            page.screenshot(path=Path(folder) / f"dashboard-{name}.png")
    assert complaints == []
    context.close()


@pytest.mark.parametrize("language", list(HEADINGS))
def test_every_page_can_be_read_without_script(
    demo: Demo, chromium: Browser, session: dict[str, object], language: str
) -> None:
    context = look(chromium, session, demo, language, "light", 1440, script=False)
    page = context.new_page()
    page.goto(demo.dashboard)
    assert page.text_content("h1") == HEADINGS[language]
    for path in PAGES.values():
        open_page(page, demo, path)
        assert page.text_content("h1")
    context.close()


def test_an_open_overview_shows_a_hit_by_itself(
    demo: Demo,
    chromium: Browser,
    session: dict[str, object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    context = look(chromium, session, demo, "en", "light", 1440)
    page = context.new_page()
    open_page(page, demo, "a message")
    found = re.search(r"GET /o/(\w+)", page.content())
    if found is None:
        page.goto(f"{demo.dashboard}/messages?level=opened")
        page.click("#rows td a")
        page.wait_for_selector("ol.timeline")
        found = re.search(r"GET /o/(\w+)", page.content())
    assert found is not None
    with page.expect_request("**/live"):
        page.goto(demo.dashboard)
    before = page.text_content("#numbers")
    with page.expect_response("**/overview/numbers*"):
        start = time.monotonic()
        urllib.request.urlopen(f"{demo.collector}/o/{found[1]}.gif").read()
    page.wait_for_load_state("domcontentloaded")
    seconds = time.monotonic() - start
    page.reload()
    assert page.text_content("#numbers") != before
    with capsys.disabled():
        print(f"\na hit was seen on the open page after {seconds:.1f} s")
    context.close()


def test_the_scripts_of_a_page_are_small(
    demo: Demo, chromium: Browser, session: dict[str, object]
) -> None:
    context = look(chromium, session, demo, "en", "light", 1440)
    page = context.new_page()
    for path in PAGES.values():
        sizes: dict[str, int] = {}

        def note(response: playwright.Response, sizes: dict[str, int] = sizes) -> None:
            if response.request.resource_type == "script":
                sizes[response.url] = len(response.body())

        page.on("response", note)
        open_page(page, demo, path)
        page.wait_for_load_state("networkidle") if path != "/" else page.wait_for_load_state()
        page.remove_listener("response", note)
        assert sum(sizes.values()) < SCRIPT_BYTES, sizes
        assert all(url.startswith(demo.dashboard) for url in sizes)
    context.close()
