"""Random and mutated requests: no fault of ours, no redirect but to a signed destination."""

from __future__ import annotations

import random
import re
import socket
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import pytest

from collector.running import RING
from collector.test_lifecycle import BEACON, ask, process
from mailglass.journal import Attachments, verify
from mailglass.tokens import (
    Kind,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    notice_url,
    self_url,
    unsubscribe_url,
)

TO = "https://shop.example/a?b=1"
BODY = re.compile(rb"content-length|transfer-encoding", re.IGNORECASE)
EVIL = [b"https://evil.example/", b"//evil.example", b"%2f%2fevil.example", b"javascript:1"]
METHODS = [b"GET"] * 12 + [b"HEAD", b"POST", b"PUT", b"OPTIONS", b"TRACE", b"PROPFIND", b"CONNECT"]
ALPHABET = (
    b"abcdefghijklmnopqrstuvwxyz234567ABCXYZ0189/.?=&%#:@\\\"'<>-_~;,!*()[]{}|^` \t\x00\x7f\xe9"
)
FIELDS = [
    b"Host", b"User-Agent", b"Accept-Language", b"Range", b"If-Range", b"If-None-Match", b"Cookie",
    b"X-Forwarded-For", b"X-Forwarded-Proto", b"Referer", b"Expect", b"Connection", b"Upgrade",
    b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Via", b"TE", b"X-A",
]  # fmt: skip
VALUES = [
    b"close", b"keep-alive", b"bytes=0-", b"bytes=5-2", b"bytes=-99999999999999999999", b"*", b"0",
    b"chunked", b"100-continue", b"h2c", b"zh;q=1, ko;q=nan", b"127.0.0.1, ::1", b"5", b"-1", b"",
    b"multipart/form-data; boundary=x", b"W/\"x\"", b"https",
]  # fmt: skip


class Fuzzer:
    """Makes requests from a seed."""

    def __init__(self, seed: int, digest: str) -> None:
        self._random = random.Random(seed)
        tokens = {
            kind: RING.mint(kind, 7, 1) for kind in (Kind.OPEN, Kind.UNSUBSCRIBE, Kind.NOTICE)
        }
        link = RING.mint(Kind.CLICK, 7, 1, bound=link_bound(TO))
        file = RING.mint(Kind.ATTACHMENT, 7, 1, bound=attachment_bound(digest, "a.pdf"))
        self._urls = [
            beacon_url("", tokens[Kind.OPEN]).encode(),
            link_url("", link, TO).encode(),
            attachment_url("", file, digest, "a.pdf").encode(),
            unsubscribe_url("", tokens[Kind.UNSUBSCRIBE]).encode(),
            notice_url("", tokens[Kind.NOTICE]).encode(),
            self_url("", RING.mint(Kind.SELF, 7)).encode(),
        ]

    def request(self) -> bytes:
        pick = self._random
        target = pick.choice(self._urls)
        for _ in range(pick.choice((0, 1, 1, 2, 5))):
            target = self._mutate(target)
        lines = [
            pick.choice(FIELDS) + b": " + self._value() for _ in range(pick.choice((0, 1, 2, 5)))
        ]
        body = pick.randbytes(pick.choice((0, 0, 0, 5, 40)))
        if body:
            lines.append(b"Content-Length: %d" % len(body))
        head = b"%b %b HTTP/1.%b" % (pick.choice(METHODS), target, pick.choice((b"1", b"0", b"1")))
        data = b"\r\n".join([head, *lines, b"", b""]) + body
        return data if pick.random() < 0.97 else self._mutate(data)

    def _value(self) -> bytes:
        if self._random.random() < 0.95:
            return self._random.choice(VALUES)
        return self._random.randbytes(self._random.randrange(40))

    def _mutate(self, data: bytes) -> bytes:
        pick = self._random
        at = pick.randrange(len(data) + 1)
        junk = bytes(pick.choices(ALPHABET, k=pick.choice((1, 1, 2, 8))))
        match pick.randrange(7):
            case 0:
                return data[:at] + junk + data[at:]
            case 1:
                return data[:at] + junk + data[at + len(junk) :]
            case 2:
                return data[:at]
            case 3:
                return data[:at] + data[at:].swapcase()
            case 4:
                return b"/" + pick.choice((b"o", b"c", b"a", b"u", b"n", b"s")) + data[2:]
            case 5:
                return data.partition(b"?")[0] + b"?to=" + pick.choice(EVIL)
            case _:
                return data + b"&to=" + pick.choice(EVIL)


def answer_of(stream: BinaryIO, data: bytes) -> tuple[int, str | None, bool]:
    """Status, Location and whether the connection goes on."""
    status = 100
    while status == 100:
        line = stream.readline()
        if not line:
            raise ConnectionError
        status = int(line.split()[1])
        fields = {}
        while (line := stream.readline()) != b"\r\n":
            name, _, value = line.decode("latin-1").rstrip("\r\n").partition(": ")
            assert name.lower() not in fields
            fields[name.lower()] = value
    is_head = data[:5] == b"HEAD "
    length = 0 if is_head or status == 304 else int(fields.get("content-length", 0))
    assert len(stream.read(length)) == length
    return status, fields.get("location"), fields.get("connection") != "close"


def bombard(port: int, count: int, seed: int, digest: str) -> Counter[int]:
    """Send `count` requests; returns how often each status came."""
    fuzzer, statuses = Fuzzer(seed, digest), Counter[int]()
    connection: socket.socket | None = None
    for _ in range(count):
        if connection is None:
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            stream = connection.makefile("rb")
        data = fuzzer.request()
        goes_on = False
        try:
            connection.sendall(data)
            is_whole = data.endswith(b"\r\n\r\n") and not BODY.search(data)
            if not is_whole:
                connection.shutdown(socket.SHUT_WR)
            status, location, goes_on = answer_of(stream, data)
            goes_on = goes_on and is_whole
        except (ConnectionError, OSError):
            statuses[0] += 1  # half a request that we ended
        else:
            statuses[status] += 1
            assert status < 500, data
            if location is not None:
                assert (status, location) == (302, TO), data
        if not goes_on:
            stream.close()
            connection.close()
            connection = None
    if connection is not None:
        stream.close()
        connection.close()
    return statuses


@pytest.mark.parametrize(
    "count", [20_000, pytest.param(1_000_000, marks=pytest.mark.soak)], ids=["short", "long"]
)
def test_no_request_makes_it_fail_or_redirect_elsewhere(
    tmp_path: Path, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = Attachments(tmp_path / "attachments").add(b"content of a file")
    with process(tmp_path) as (child, port, metrics_port):
        assert ask(port, BEACON).status == 200
        statuses = bombard(port, count, 20261122, digest)
        assert len(ask(port, BEACON).body) == 43
        assert b'status="5' not in ask(metrics_port, "/metrics").body
        assert child.poll() is None
    report = verify(tmp_path / "journal")
    assert report.poison == ()
    with capsys.disabled():
        print(f"\n{count} requests: {dict(sorted(statuses.items()))}, {report.hits} recorded")
    assert statuses[200] > count / 10
    assert statuses[302] > count / 100
    assert statuses[400] > count / 100
    assert statuses[0] < count / 4
