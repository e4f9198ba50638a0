"""What a client may send, how long it may take, and who it is taken for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from collector.running import RING, Answer, Running, receive, request_bytes, serve
from mailglass.tokens import Kind, beacon_url, link_url, notice_url

BEACON = beacon_url("", RING.mint(Kind.OPEN, 7, 1))
KEEP = {"Connection": "keep-alive"}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serve(tmp_path) as server:
        yield server


def test_one_connection_serves_many_requests_in_order(running: Running) -> None:
    with running.connect() as connection:
        for target in (BEACON, "/x", BEACON, "/"):
            connection.sendall(request_bytes(target, **KEEP))
            assert receive(connection).status == (404 if target == "/x" else 200)
    assert len(running.hits()) == 2


def test_pipelined_requests_are_answered_in_order(running: Running) -> None:
    with running.connect() as connection:
        targets = [BEACON, "/x", "/"] * 8
        connection.sendall(b"".join(request_bytes(target, **KEEP) for target in targets))
        kinds = [receive(connection).headers["content-type"] for _ in targets]
    assert kinds == ["image/gif", "text/html; charset=utf-8", "text/html; charset=utf-8"] * 8
    assert len(running.hits()) == 8


def test_any_number_of_pipelined_requests_is_answered_in_order(running: Running) -> None:
    targets = [BEACON, "/x", "/", "/robots.txt", "/"] * 400
    with running.connect() as connection:
        requests = b"".join(request_bytes(target, **KEEP) for target in targets)
        sender = threading.Thread(target=connection.sendall, args=(requests,))
        sender.start()
        stream = connection.makefile("rb")
        lengths = []
        for _ in targets:
            assert stream.readline().startswith(b"HTTP/1.1 ")
            while (line := stream.readline()) != b"\r\n":
                if line.startswith(b"Content-Length: "):
                    lengths.append(int(line[16:]))
            stream.read(lengths[-1])
        sender.join()
    assert lengths == lengths[:5] * 400
    assert lengths[0] == 43
    assert len(running.hits()) == 400


def test_a_client_that_closes_its_half_gets_all_answers_that_it_asked_for(
    running: Running,
) -> None:
    with running.connect() as connection:
        connection.sendall(request_bytes(BEACON, **KEEP) * 50)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while data := connection.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 200") == len(running.hits()) == 50


def test_garbage_behind_pipelined_requests_does_not_cost_their_answers(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(request_bytes(BEACON, **KEEP) * 3 + b"garbage\r\n\r\n")
        received = b""
        while data := connection.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("line", [b"1.0\r\nExpect: 100-continue", b"1.1\r\nExpect: tea"])
def test_a_client_that_does_not_ask_to_be_told_to_go_on_is_not(
    running: Running, line: bytes
) -> None:
    data = b"POST /u/x HTTP/" + line + b"\r\nContent-Length: 1\r\n\r\nx"
    assert running.send(data).status == 404


def test_a_clock_that_jumps_loses_no_hit_and_closes_no_connection(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000
    times = [now, now - 10 * 365 * 86400, 0, now + 50 * 365 * 86400, now]
    with running.connect() as connection:
        for seconds in times:
            monkeypatch.setattr("time.time", lambda at=seconds: at)
            for target in (BEACON, BEACON.upper()):
                connection.sendall(request_bytes(target, **KEEP))
                assert receive(connection).status == 200
    assert [hit.at.timestamp() for hit in running.hits()] == [t for t in times for _ in range(2)]


def test_a_request_may_come_byte_by_byte(running: Running) -> None:
    with running.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request_bytes(BEACON):
            connection.sendall(bytes([byte]))
        assert receive(connection).status == 200
    assert running.hit().delivery_id == 7


def test_http_1_0_is_answered_and_closed(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(f"GET {BEACON} HTTP/1.0\r\n\r\n".encode())
        assert receive(connection).headers["connection"] == "close"
        assert connection.recv(1) == b""
    assert running.hit().http_version == "1.0"


def test_http_1_0_may_keep_its_connection(running: Running) -> None:
    with running.connect() as connection:
        for _ in range(3):
            connection.sendall(f"GET {BEACON} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
            assert receive(connection).headers["connection"] == "keep-alive"


def test_a_client_that_closes_its_half_still_gets_its_answer(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(request_bytes(BEACON, **KEEP))
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection).status == 200
        assert connection.recv(1) == b""


def test_bytes_behind_the_last_request_do_not_cost_its_answer(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(request_bytes(BEACON) + b"garbage")
        assert receive(connection).status == 200


@pytest.mark.parametrize(
    "extra",
    [
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\n",
    ],
)
def test_an_offer_to_upgrade_is_passed_over(running: Running, extra: str) -> None:
    assert running.send(f"GET {BEACON} HTTP/1.1\r\nHost: h\r\n{extra}\r\n".encode()).status == 200
    assert running.hit().delivery_id == 7


def test_a_client_that_waits_to_be_told_to_go_on_is_told(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(request_bytes("/u/x", "POST", Content_Length="3", Expect="100-continue"))
        assert receive(connection).status == 100
        connection.sendall(b"abc")
        assert receive(connection).status == 404


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 50_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, 431),
        (b"POST /u/x HTTP/1.1\r\nContent-Length: 20000\r\n\r\n" + b"b" * 20_000, 413),
    ],
)
def test_what_is_no_request_or_too_large_is_refused_and_closed(
    running: Running, data: bytes, status: int
) -> None:
    with running.connect() as connection:
        connection.sendall(data)
        assert receive(connection).status == status
        assert connection.recv(1) == b""
    assert running.hits() == []
    assert running.metric("refused_total") == 1


def test_a_target_is_bounded_for_known_heads_too(running: Running) -> None:
    assert [running.get("/c/" + "a" * size).status for size in (5, 9000, 5)] == [404, 414, 404]
    longest = RING.mint(Kind.CLICK, 7, bound=b"https://a.example/" + b"\1" * 2600)
    target = f"/c/{longest}?to=https%3A//a.example/" + "%01" * 2600
    assert [running.get(target).status for _ in range(2)] == [302, 302]
    assert len(running.hits()) == 4  # none of them longer than the journal takes


def test_a_client_that_sends_for_ever_is_cut_off(running: Running) -> None:
    with running.connect() as connection, pytest.raises(OSError):  # noqa: PT012
        connection.sendall(b"GET / HTTP/1.1\r\nA: ")
        while True:
            connection.sendall(b"b" * 100_000)


def test_a_slow_request_is_refused_and_an_idle_connection_closed(tmp_path: Path) -> None:
    with serve(tmp_path, head_seconds=0, idle_seconds=0) as server:
        with server.connect() as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nA")
            assert receive(slow).status == 408
            assert slow.recv(1) == b""
        with server.connect() as idle:
            idle.sendall(request_bytes("/", **KEEP))
            receive(idle)
            assert idle.recv(1) == b""
        assert server.metric("closed_total") >= 2


def test_a_stalled_download_is_closed_and_recorded(tmp_path: Path) -> None:
    from mailglass.journal import Attachments
    from mailglass.tokens import attachment_bound, attachment_url

    with serve(tmp_path, stall_seconds=0) as server:
        digest = Attachments(tmp_path / "attachments").add(bytes(32 << 20))
        token = RING.mint(Kind.ATTACHMENT, 7, bound=attachment_bound(digest, "a"))
        with server.connect() as stalled:
            stalled.sendall(request_bytes(attachment_url("", token, digest, "a")))
            server.collector_is_idle()
        assert server.hit().completed is False


def test_above_the_most_connections_the_idle_ones_give_way(tmp_path: Path) -> None:
    with serve(tmp_path, max_connections=20) as server:
        held = [server.connect() for _ in range(40)]
        for connection in held:
            connection.sendall(b"G")
        for connection in held:
            connection.close()
        idle = []
        for _ in range(40):
            idle.append(server.connect())
            idle[-1].sendall(request_bytes("/", **KEEP))
            assert receive(idle[-1]).status == 200
        assert server.get(BEACON).status == 200
        assert server.metric("closed_total") >= 20
        for connection in idle:
            connection.close()


# Who it is


def hits_from(directory: Path, peers: str, forwarded: str | None) -> str:
    with serve(directory, trusted_proxies=tuple(map(ip_network, peers.split()))) as server:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        server.get(BEACON, **headers)
        return server.hit().address


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        ("", "192.0.2.1", "127.0.0.1"),
        ("10.0.0.0/8", "192.0.2.1", "127.0.0.1"),
        ("127.0.0.0/8", None, "127.0.0.1"),
        ("127.0.0.0/8", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.0/8", "203.0.113.9, 192.0.2.1", "192.0.2.1"),
        ("127.0.0.0/8 192.0.2.0/24", "203.0.113.9, 192.0.2.1", "203.0.113.9"),
        ("127.0.0.0/8", "192.0.2.1:4711", "192.0.2.1"),
        ("127.0.0.0/8", "[2001:db8::1]:4711", "2001:db8::1"),
        ("127.0.0.0/8 2001:db8::/32", "203.0.113.9, 2001:db8::1", "203.0.113.9"),
        ("127.0.0.0/8", "203.0.113.9, unknown", "127.0.0.1"),
        ("127.0.0.0/8", "x" * 5000 + ", 192.0.2.1", "192.0.2.1"),
        ("127.0.0.0/8", "", "127.0.0.1"),
    ],
)
def test_the_address_is_that_of_the_last_hop_nobody_vouches_for(
    tmp_path: Path, trusted: str, forwarded: str | None, expected: str
) -> None:
    assert hits_from(tmp_path, trusted, forwarded) == expected


def test_behind_a_trusted_proxy_with_tls_the_answer_asks_for_tls(tmp_path: Path) -> None:
    with serve(tmp_path, trusted_proxies=(ip_network("127.0.0.1/32"),)) as server:
        secure = server.get(BEACON, X_Forwarded_Proto="https")
        plain = server.get(BEACON, X_Forwarded_Proto="http")
    assert secure.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in plain.headers


# How much of it is recorded


def test_the_rate_limit_denies_no_answer_and_counts_what_it_sheds(tmp_path: Path) -> None:
    with serve(tmp_path, hits_a_second=1, junk_a_second=0.5) as server:
        statuses = [server.get(BEACON).status for _ in range(30)]
        junk = [server.get("/o/junk.gif") for _ in range(30)]
        assert statuses == [200] * 30
        assert {len(answer.body) for answer in junk} == {43}
        recorded = len(server.hits())
        assert 15 <= recorded < 60
        assert recorded + server.metric("shed_total") == 60


def test_what_a_recipient_asks_for_is_recorded_above_any_rate(tmp_path: Path) -> None:
    from mailglass.tokens import unsubscribe_url

    with serve(tmp_path, hits_a_second=0) as server:
        url = unsubscribe_url("", RING.mint(Kind.UNSUBSCRIBE, 7))
        server.get(url, "POST", b"List-Unsubscribe=One-Click")
        assert server.hit().action == "unsubscribe"


@pytest.mark.parametrize("hosts", ["", "Host: a.test\r\nHost: b.test\r\n"], ids=["none", "two"])
def test_a_request_that_names_no_one_host_is_refused_unless_a_reader_is_behind_it(
    running: Running, hosts: str
) -> None:
    def ask(target: str, version: str = "1.1") -> Answer:
        return running.send(f"GET {target} HTTP/{version}\r\n{hosts}\r\n".encode())

    assert [ask(target).status for target in ("/", "/robots.txt", "/elsewhere")] == [400] * 3
    assert ask("/", "1.0").status == (400 if hosts else 200)
    assert ask(BEACON).body == ask("/o/junk.gif").body
    to = "https://x.test/"
    link = link_url("", RING.mint(Kind.CLICK, 7, 1, bound=to.encode()), to)
    assert ask(link).status == 302
    assert ask(notice_url("", RING.mint(Kind.NOTICE, 7))).status == 200
    assert [hit.delivery_id for hit in running.hits()] == [7, None, 7, 7]


def test_junk_for_another_host_is_answered_and_not_kept(tmp_path: Path) -> None:
    with serve(tmp_path, hosts=("track.example.com", "Mail.Example.org")) as server:
        for host in ("track.example.com", "mail.example.org:8080", "203.0.113.5"):
            assert len(server.get("/o/junk.gif", Host=host).body) == 43
            assert server.get(BEACON, Host=host).status == 200
        assert len(server.hits()) == 5
        assert server.metric("shed_total") == 1
