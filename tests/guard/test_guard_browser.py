"""A real browser opens the clean copy of every known leak, and asks nobody."""

from __future__ import annotations

import base64
import email
import email.policy
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from guard_mail import mail

from mailglass.guard import Remove, clean

pytestmark = pytest.mark.servers

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


class Collector(ThreadingHTTPServer):
    """Serves pages and remembers whatever else is asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.pages: list[bytes] = []
        self.asked: list[str] = []

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    """Answers everything: the pages, and nothing for the rest."""

    server: Collector

    def do_GET(self) -> None:
        body = self.own_page()
        if body is None and self.path != "/favicon.ico":
            self.server.asked.append(self.path)
        self.send_response(200)
        kind = "text/plain" if body is None else "text/html; charset=utf-8"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def own_page(self) -> bytes | None:
        """One of the pages to show, or the page of frames that shows them."""
        if self.path == "/pages":
            frames = (f"<iframe src=/page/{n}></iframe>" for n in range(len(self.server.pages)))
            return "".join(frames).encode()
        if self.path.startswith("/page/"):
            return self.server.pages[int(self.path.removeprefix("/page/"))]
        return None

    do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        """The list of what was asked is the log."""


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.shutdown()
        collector.server_close()
        thread.join()


def opened(collector: Collector, *pages: bytes) -> list[str]:
    """What a browser asks the collector for while it shows the pages, each in a frame."""
    from playwright.sync_api import sync_playwright

    collector.pages, collector.asked = list(pages), []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            tab = browser.new_page()
            tab.goto(f"http://{collector.authority}/pages", wait_until="networkidle")
        finally:
            browser.close()
    return collector.asked


def leaks(shared_data: Path, authority: str) -> bytes:
    """HTTPLeaks pointed at the collector, in whatever way each vector is written."""
    text = (shared_data / "httpleaks.html").read_text("utf-8")
    hidden = base64.b64encode(b"<img src=https://leaking.via/iframe-javascript-src-3>").decode()
    bare = f"<img src=http://{authority}/iframe-javascript-src-3>".encode()
    text = text.replace(hidden, base64.b64encode(bare).decode())
    text = text.replace("%68ttps:%2f/leaking.via", f"%68ttp:%2f/{authority}")
    text = text.replace("https://leaking.via", f"http://{authority}")
    return text.replace("10; url=", "60; url=").encode()


def html_of(message: bytes) -> bytes:
    part = email.message_from_bytes(message, policy=email.policy.default)
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    return body


@pytest.fixture(scope="module")
def browser() -> None:
    pytest.importorskip("playwright.sync_api")
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium")


@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_a_browser_asks_nobody_for_the_clean_copy_of_every_known_leak(
    shared_data: Path, encoding: str
) -> None:
    with collecting() as collector:
        original = mail(leaks(shared_data, collector.authority), encoding=encoding)
        assert len(opened(collector, html_of(original))) > 30, "the leaks do leak"
        assert opened(collector, html_of(clean(original).data)) == []


@pytest.mark.usefixtures("browser")
def test_with_everything_removed_a_browser_asks_nobody_for_a_plain_newsletter() -> None:
    with collecting() as collector:
        base = f"http://{collector.authority}"
        original = mail(
            f'<link rel=stylesheet href="{base}/a.css"><img src="{base}/images/logo.png">'
            f'<table background="{base}/images/back.png"><td>x</table>'
            f'<div style="background:u\\72l({base}/images/c.png)">y</div>'
        )
        assert len(opened(collector, html_of(original))) == 4
        assert opened(collector, html_of(clean(original, remove=Remove.ALL).data)) == []


@pytest.mark.usefixtures("browser")
def test_the_layout_of_the_clean_copy_is_that_of_the_original() -> None:
    from playwright.sync_api import sync_playwright

    html = (
        "<body style='margin:0'><img id=a src='http://127.0.0.1:9/t/open?u=5f0c1d2e3b4a59687786'"
        " width=300 height=120><p id=b>below</p>"
    )
    places = []
    with sync_playwright() as playwright:
        tab = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET).new_page()
        for page in (html.encode(), html_of(clean(mail(html), remove=Remove.MAYBE).data)):
            tab.set_content(page.decode())
            places.append([tab.locator(f"#{name}").bounding_box() for name in "ab"])
    assert places[0] == places[1]
