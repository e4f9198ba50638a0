"""The leak test: one mail with every loader, and a collector that tells which ones asked."""

from __future__ import annotations

import asyncio
import email
import email.policy

import pytest

from mailglass.gateway.leak_collector import LeakCollector
from mailglass.guard import Band, clean, inspect
from mailglass.guard.leak_test import leak_message, leak_names

BASE = "http://127.0.0.1:8099"
MESSAGE = leak_message(BASE, "me@example.org", "me@example.org")


def test_the_guard_finds_every_loader_of_its_own_test_mail() -> None:
    report = inspect(MESSAGE)
    found = {r.url.removeprefix(f"{BASE}/") for r in report.resources}
    assert found >= set(leak_names())
    assert len(set(leak_names())) > 80
    assert report.count(Band.PLAIN) == 0
    assert report.receipt_requests


def test_the_clean_copy_of_the_test_mail_asks_for_nothing() -> None:
    body = email.message_from_bytes(clean(MESSAGE).data, policy=email.policy.default)
    html = body.get_body(("html",))
    assert html is not None
    assert BASE not in html.get_content()


def test_a_base_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no absolute http URL"):
        leak_message("collector", "me@example.org", "me@example.org")


async def asked(*requests: bytes) -> tuple[list[str], list[bytes]]:
    told: list[str] = []
    collector = LeakCollector({"img-src", "css-import"}, on_first=told.append)
    port = await collector.start("127.0.0.1", 0)
    answers = []
    for request in requests:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        answers.append(await reader.read())
        writer.close()
        await writer.wait_closed()
    await collector.stop()
    assert told == collector.asked
    return collector.asked, answers


def test_the_collector_remembers_each_loader_once_and_nothing_else() -> None:
    found, answers = asyncio.run(
        asked(
            b"GET /img-src HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /img-src?again HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /unknown HTTP/1.1\r\n\r\n",
            b"HEAD /css-import HTTP/1.1\r\n\r\n",
            b"garbage\r\n\r\n",
            b"x" * 100_000,
            b"",
        )
    )
    assert found == ["img-src", "css-import"]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers[:5])
