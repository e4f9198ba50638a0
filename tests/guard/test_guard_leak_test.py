"""The leak test: one mail with every loader, and a collector that tells which ones asked."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mailglass.gateway.leak_collector import LeakCollector
from mailglass.guard import Band, clean, inspect
from mailglass.guard.leak_test import OPENED, leak_message, leak_names, leak_report
from product import environment

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
    link = f'<a href="{BASE}/{OPENED}">'
    assert html.get_content().count(link) == 1
    assert BASE not in html.get_content().replace(link, "")


def test_a_base_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no absolute http URL"):
        leak_message("collector", "me@example.org", "me@example.org")


async def asked(*requests: bytes) -> tuple[list[str], list[bytes]]:
    told: list[str] = []
    collector = LeakCollector({"img-src", "css-import"}, OPENED, told.append)
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
            b"HEAD http://my-machine:8099/behind/nginx/css-import HTTP/1.1\r\n\r\n",
            b"GET /opened HTTP/1.1\r\n\r\n",
            b"garbage\r\n\r\n",
            b"x" * 100_000,
            b"",
        )
    )
    assert found == ["img-src", "css-import", "opened"]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers[:6])
    assert [b"you have opened" in answer for answer in answers[:6]] == [*[False] * 4, True, False]


@pytest.mark.parametrize(
    ("asked", "head", "of_img"),
    [
        ([], "0 of {} loaders were let through: not opened (or everything is blocked)", ""),
        ([OPENED], "0 of {} loaders were let through", "blocked"),
        (["img-src", OPENED], "1 of {} loaders were let through", "ASKED"),
        (["img-srcset"], "1 of {} loaders were let through; “I have opened it now” was not pressed,"
         " so the others are blocked only if you opened it", "not asked"),
    ],
)  # fmt: skip
def test_nothing_is_called_blocked_before_the_mail_was_open(
    asked: list[str], head: str, of_img: str
) -> None:
    said, *lines = leak_report(asked)
    assert said == head.format(len(leak_names()))
    states = {line.split()[-1]: " ".join(line.split()[:-1]) for line in lines}
    assert states.get("img-src", "") == of_img
    if asked:
        assert set(states) == set(leak_names())
    else:
        assert not any(line.lstrip().startswith("blocked") for line in lines)


@pytest.mark.parametrize("is_opened", [True, False])
def test_a_written_mail_is_waited_for_until_the_tester_ends_it(
    is_opened: bool, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    mail = tmp_path / "leak.eml"
    with subprocess.Popen(
        [sys.executable, "-m", "mailglass", "leak-test", "--to", "me@example.org",
         "--listen", place, "-o", str(mail)],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stdout is not None
        said = [process.stderr.readline() for _ in range(2)]
        assert said[0] == (
            f"{mail} is written; bring it into your mail program,"
            " open it there and press its link\n"
        )
        assert said[1] == f"listening on {place} for 600 s; Ctrl-C ends it\n"
        if is_opened:
            (link,) = re.findall(r"http://\S+/opened$", mail.read_text(), re.MULTILINE)
            with urllib.request.urlopen(link) as page:
                assert b"you have opened the mail" in page.read()
            assert process.stderr.readline() == "opened: its link was pressed\n"
        process.send_signal(signal.SIGINT)
        report = process.stdout.read()
        assert process.wait(timeout=60) == 0
    assert ("not opened (or everything is blocked)" in report) is not is_opened
    assert ("\n  blocked " in report) is is_opened
