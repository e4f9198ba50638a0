"""Random and mutated requests: no fault of ours, no redirect but to a signed destination."""

from __future__ import annotations

import contextlib
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
LANES = 50  # their hits share commits; one client alone would wait for the disk all the time
BODY = re.compile(rb"content-length|transfer-encoding", re.IGNORECASE)
EVIL = [b"https://evil.example/", b"//evil.example", b"%2f%2fevil.example", b"javascript:1"]
METHODS = [b"GET"] * 12 + [b"HEAD", b"POST", b"PUT", b"OPTIONS", b"TRACE", b"PROPFIND", b"CONNECT"]
ALPHABET = (
    b"abcdefghijklmnopqrstuvwxyz234567ABCXYZ0189/.?=&%#:@\\\"'<>-_~;,!*()[]{}|^` \t\x00\x7f\xe9"
)
DIGITS = b"abcdefghijklmnopqrstuvwxyz234567"
TOKEN = re.compile(rb"[a-z2-7]{29,31}")
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
        match pick.randrange(9):
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
            case 6:
                return data + b"&to=" + pick.choice(EVIL)
            case 7:  # the form of a token, and nothing of ours
                token = bytes(pick.choices(DIGITS, k=pick.choice((29, 31))))
                return TOKEN.sub(token, data, count=1)
            case _:
                return b"".join(b"%%%02x" % c if pick.random() < 0.1 else bytes([c]) for c in data)


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


class Lane:
    """A client with one connection at a time, and one request on its way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: socket.socket | None = None
        self._data = b""
        self._is_whole = True

    def send(self, data: bytes) -> None:
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            self._stream = self._connection.makefile("rb")
        self._data = data
        self._is_whole = data.endswith(b"\r\n\r\n") and not BODY.search(data)
        with contextlib.suppress(OSError):
            self._connection.sendall(data)
            if not self._is_whole:
                self._connection.shutdown(socket.SHUT_WR)

    def status(self) -> int:
        """The answer's status; 0 when there is none, as for half a request that we ended."""
        goes_on = False
        try:
            status, location, goes_on = answer_of(self._stream, self._data)
        except OSError:
            status, location = 0, None
        assert status < 500, self._data
        if location is not None:
            assert (status, location) == (302, TO), self._data
        if not (goes_on and self._is_whole):
            self.close()
        return status

    def close(self) -> None:
        if self._connection is not None:
            self._stream.close()
            self._connection.close()
            self._connection = None


def bombard(port: int, count: int, seed: int, digest: str) -> Counter[int]:
    """Send `count` requests; returns how often each status came."""
    fuzzer, statuses = Fuzzer(seed, digest), Counter[int]()
    lanes = [Lane(port) for _ in range(LANES)]
    for _ in range(count // LANES):
        for lane in lanes:
            lane.send(fuzzer.request())
        statuses.update(lane.status() for lane in lanes)
    for lane in lanes:
        lane.close()
    return statuses


# The long run is 1,000,000 requests in ten pieces, each with a seed and a collector of its own, so
# that one that was broken off can go on: `pytest -m soak -k piece_7`.
PIECES = [
    pytest.param(100_000, number, marks=pytest.mark.soak, id=f"piece_{number}")
    for number in range(10)
]


@pytest.mark.parametrize(("count", "seed"), [pytest.param(8_000, 20261122, id="short"), *PIECES])
def test_no_request_makes_it_fail_or_redirect_elsewhere(
    tmp_path: Path, count: int, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = Attachments(tmp_path / "attachments").add(b"content of a file")
    with process(tmp_path) as (child, port, metrics_port):
        assert ask(port, BEACON).status == 200
        statuses = bombard(port, count, seed, digest)
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
