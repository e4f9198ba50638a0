"""The outcomes of real questions: DNS over UDP, HTTP over TLS, lines over TCP."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailglass.errors import ConfigurationError
from mailglass.lookup import (
    Answer,
    DnsResolver,
    FetchOutcome,
    Memo,
    Outcome,
    Page,
    SocketDialler,
    WebFetcher,
    WireError,
    ask_rspamd,
    parse_server,
)

Answering = Callable[[dns.message.Message], dns.message.Message]


class DnsServer(asyncio.DatagramProtocol):
    """A DNS server that answers as a function says."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[dns.message.Message] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        self.asked.append(query)
        self.transport.sendto(self.answering(query).to_wire(), peer)


def ask(answering: Answering, name: str, kind: str, **options: bool) -> tuple[Answer, DnsServer]:
    async def run() -> tuple[Answer, DnsServer]:
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(
            lambda: DnsServer(answering), ("127.0.0.1", 0)
        )
        place = ("127.0.0.1", transport.get_extra_info("sockname")[1])
        answer = await DnsResolver([place], timeout_seconds=10).ask(name, kind, **options)
        transport.close()
        return answer, server

    return asyncio.run(run())


def with_records(*lines: str, rcode: int = 0, flags: int = 0) -> Answering:
    def answering(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.Rcode(rcode))
        response.flags |= flags
        for line in lines:
            name, kind, data = line.split(" ", 2)
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, data))
        return response

    return answering


@pytest.mark.parametrize(
    ("answering", "outcome"),
    [
        (with_records("a.test. A 192.0.2.1"), Outcome.ANSWERS),
        (with_records(), Outcome.NODATA),
        (with_records(rcode=dns.rcode.NXDOMAIN), Outcome.NXDOMAIN),
        (with_records(rcode=dns.rcode.SERVFAIL), Outcome.SERVFAIL),
        (with_records(rcode=dns.rcode.REFUSED), Outcome.REFUSED),
        (with_records(rcode=dns.rcode.NOTIMP), Outcome.SERVFAIL),
    ],
)
def test_each_answer_has_its_outcome(answering: Answering, outcome: Outcome) -> None:
    answer, _ = ask(answering, "a.test", "A")
    assert answer.outcome is outcome
    assert answer.is_known == (outcome in ("answers", "nodata", "nxdomain"))


def test_a_silent_server_is_a_timeout() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = DnsResolver([silent.getsockname()], timeout_seconds=0.05)
        answer = asyncio.run(resolver.ask("a.test", "A"))
    assert answer.outcome is Outcome.TIMEOUT
    assert "did not answer" in answer.detail


def test_the_second_server_is_asked_when_the_first_fails() -> None:
    async def run() -> Answer:
        loop = asyncio.get_running_loop()
        places, transports = [], []
        for answering in (with_records(rcode=2), with_records("a.test. A 192.0.2.1")):
            transport, _ = await loop.create_datagram_endpoint(
                lambda answering=answering: DnsServer(answering), ("127.0.0.1", 0)
            )
            transports.append(transport)
            places.append(("127.0.0.1", transport.get_extra_info("sockname")[1]))
        answer = await DnsResolver(places).ask("a.test", "A")
        for transport in transports:
            transport.close()
        return answer

    assert asyncio.run(run()).records == ("192.0.2.1",)


def test_strings_of_a_txt_record_are_joined() -> None:
    answer, _ = ask(with_records('a.test. TXT "v=spf1 " "-all"'), "a.test", "TXT")
    assert answer.records == ("v=spf1 -all",)


def test_the_ad_flag_is_asked_for_and_shown() -> None:
    answer, server = ask(with_records("a.test. A 192.0.2.1", flags=dns.flags.AD), "a.test", "A")
    assert answer.authenticated
    assert server.asked[0].flags & dns.flags.AD
    assert not server.asked[0].flags & dns.flags.CD


def test_unchecked_sets_the_cd_flag() -> None:
    _, server = ask(with_records(), "a.test", "A", unchecked=True)
    assert server.asked[0].flags & dns.flags.CD


def test_an_alias_that_the_server_leaves_open_is_followed() -> None:
    def answering(query: dns.message.Message) -> dns.message.Message:
        first = str(query.question[0].name) == "a.test."
        line = "a.test. CNAME b.other." if first else "b.other. A 192.0.2.7"
        return with_records(line)(query)

    answer, _ = ask(answering, "a.test", "A")
    assert answer.records == ("192.0.2.7",)
    assert answer.aliases == ("b.other",)


def test_aliases_without_end_are_a_failure() -> None:
    count = 0

    def answering(query: dns.message.Message) -> dns.message.Message:
        nonlocal count
        count += 1
        return with_records(f"{query.question[0].name} CNAME n{count}.test.")(query)

    answer, _ = ask(answering, "a.test", "A")
    assert answer.outcome is Outcome.SERVFAIL
    assert count < 10


@pytest.mark.parametrize("name", ["x" * 64 + ".test", "a..test", "a." * 200 + "test", ".test"])
def test_a_name_that_cannot_be_does_not_exist(name: str) -> None:
    answer, server = ask(with_records(), name, "A")
    assert answer.outcome is Outcome.NXDOMAIN
    assert not server.asked


def test_a_backslash_in_a_name_is_no_escape() -> None:
    _, server = ask(with_records(), "a\\046b.test", "A")
    assert server.asked[0].question[0].name.labels[0] == b"a\\046b"


def test_a_memo_asks_once_also_at_the_same_time() -> None:
    class Counting:
        count = 0

        async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
            self.count += 1
            await asyncio.sleep(0)
            return Answer(name=name, kind=kind, outcome=Outcome.NODATA)

    async def run() -> int:
        counting = Counting()
        memo = Memo(counting)
        await asyncio.gather(memo.ask("A.test.", "A"), memo.ask("a.test", "A"))
        await memo.ask("a.test", "A", unchecked=True)
        return counting.count

    assert asyncio.run(run()) == 2


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("::1", ("::1", 53)),
    ],
)
def test_a_server_is_named_by_address_and_port(text: str, place: tuple[str, int]) -> None:
    assert parse_server(text) == place


@pytest.mark.parametrize("text", ["dns.example", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:70000"])
def test_a_server_that_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:53"):
        parse_server(text)


class Names:
    """A resolver by which some names lead to loopback."""

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        if kind == "A" and name in ("localhost", "web.test"):
            records = ("127.0.0.1",)
            return Answer(name=name, kind=kind, outcome=Outcome.ANSWERS, records=records)
        outcome = Outcome.TIMEOUT if name == "silent.test" else Outcome.NXDOMAIN
        return Answer(name=name, kind=kind, outcome=outcome, detail="as told")


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and certificate for web.test in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "web.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("web.test")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "web.pem"
    plain = serialization.NoEncryption()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(key.private_bytes(encoding, form, plain) + certificate.public_bytes(encoding))
    return file


def fetch(
    url: str,
    response: bytes,
    pem: Path,
    *,
    private: bool = True,
    method: str = "GET",
    redirects: int = 0,
    limit_bytes: int = 1 << 16,
) -> tuple[Page, bytes]:
    """Fetch `url`, whose {port} is a TLS server that answers with `response`."""
    received = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received = await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        writer.close()

    async def run() -> Page:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        fetcher = WebFetcher(Names(), private=private, certificates=str(pem), timeout_seconds=20)
        async with server, fetcher:
            return await fetcher.fetch(
                url.format(port=port), method=method, redirects=redirects, limit_bytes=limit_bytes
            )

    return asyncio.run(run()), received


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


MARKS = (
    b"Set-Cookie: id=7\r\nSet-Cookie: far=7; Path=/; Max-Age=99999\r\n"
    b"Set-Cookie: named=7; Domain=web.test; Path=/; Secure; HttpOnly; SameSite=None\r\n"
    b'ETag: "7"\r\nLast-Modified: Sat, 28 Nov 2026 12:00:00 GMT\r\nCache-Control: max-age=9999\r\n'
    b'Strict-Transport-Security: max-age=9999\r\nAlt-Svc: h2=":443"\r\nAccept-CH: Width\r\n'
    b'WWW-Authenticate: Basic realm="7"\r\nConnection: keep-alive\r\nContent-Length: 2\r\n'
)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", [b"200 OK", b"401 Who", b"302 There", b"304 Same", b"404 Gone"])
def test_nothing_that_a_server_answers_comes_back_with_another_request(
    status: bytes, scheme: str, pem: Path
) -> None:
    heads: list[bytes] = []
    ports: list[int] = []
    resumed: list[bool] = []
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (tls := writer.get_extra_info("ssl_object")) is not None:
            resumed.append(tls.session_reused)
        serving.append(asyncio.current_task())
        ports.append(writer.get_extra_info("peername")[1])
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        there = b"Location: /again\r\n" if len(heads) == 1 else b""
        writer.write(b"HTTP/1.1 " + status + b"\r\n" + there + MARKS + b"\r\nhi")
        with suppress(ConnectionError):
            heads.extend([rest] if (rest := await reader.read()) else [])
        writer.close()

    async def run() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        tls = context if scheme == "https" else None
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        url = f"{scheme}://web.test:{server.sockets[0].getsockname()[1]}/again"
        fetcher = WebFetcher(Names(), private=True, certificates=str(pem), timeout_seconds=20)
        async with server, fetcher:
            for _ in range(3):
                await fetcher.fetch(url, redirects=3)
            await asyncio.gather(*(task for task in serving if task is not None))

    asyncio.run(run())
    assert len(heads) == (4 if status.startswith(b"30") else 3)
    assert set(heads) == {heads[0]}
    assert len(set(ports)) == len(heads), "each over a connection of its own"
    assert not any(resumed)


def test_a_page_is_fetched_by_the_name_over_our_resolver(pem: Path) -> None:
    page, request = fetch("https://web.test:{port}/a?b=%7B1%7D&c={{2}}", OK, pem)
    assert (page.outcome, page.status, page.body) == (FetchOutcome.ANSWERED, 200, b"hello")
    assert request.startswith(b"GET /a?b=%7B1%7D&c=%7B2%7D HTTP/1.1\r\n")
    assert b"\r\nhost: web.test:" in request.lower()
    assert b"cookie" not in request.lower()


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("https://localhost:{port}/", FetchOutcome.TLS_FAILED),  # the certificate is web.test's
        ("https://gone.test/", FetchOutcome.NO_ADDRESS),
        ("https://silent.test/", FetchOutcome.TIMEOUT),
        ("https://web.test:1/", FetchOutcome.UNREACHABLE),
        ("ftp://web.test/", FetchOutcome.BROKEN),
        ("https://[::1/", FetchOutcome.BROKEN),
        ("https://web.test:99999/", FetchOutcome.BROKEN),
    ],
)
def test_each_failure_of_a_fetch_has_its_outcome(
    pem: Path, url: str, outcome: FetchOutcome
) -> None:
    page, _ = fetch(url, OK, pem)
    assert page.outcome is outcome


def test_what_is_no_http_is_broken(pem: Path) -> None:
    page, _ = fetch("https://web.test:{port}/", b"220 smtp\r\n", pem)
    assert page.outcome is FetchOutcome.BROKEN


def test_a_private_address_is_forbidden_unless_allowed(pem: Path) -> None:
    page, request = fetch("https://web.test:{port}/", OK, pem, private=False)
    assert page.outcome is FetchOutcome.FORBIDDEN
    assert request == b""


def test_a_long_body_is_cut_at_the_limit(pem: Path) -> None:
    body = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000
    page, _ = fetch("https://web.test:{port}/", body, pem, limit_bytes=1000)
    assert len(page.body) == 1000
    assert page.truncated


def test_redirects_are_counted_and_never_leave_https(pem: Path) -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: http://web.test/\r\nContent-Length: 0\r\n\r\n"
    page, _ = fetch("https://web.test:{port}/", away, pem, redirects=3)
    assert page.status == 302
    again = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"
    page, request = fetch("https://web.test:{port}/", again, pem, redirects=3)
    assert len(page.hops) == 3
    assert request.startswith(b"GET /next ")


def test_a_dialler_tells_a_bad_certificate_from_a_bad_handshake(pem: Path) -> None:
    async def dial(tls: bool, verify: bool) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"not TLS\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context if tls else None)
        async with server:
            port = server.sockets[0].getsockname()[1]
            try:
                wire, session = await SocketDialler(timeout_seconds=20).dial(
                    "127.0.0.1", port, tls_name="web.test", verify=verify
                )
            except WireError as error:
                return error.reason
            assert session
            await wire.close()
            return session.version

    assert asyncio.run(dial(tls=True, verify=True)) == "certificate"
    assert asyncio.run(dial(tls=True, verify=False)) == "TLSv1.3"
    assert asyncio.run(dial(tls=False, verify=True)) in ("tls", "closed")


@pytest.mark.parametrize(
    ("page", "points"),
    [
        (
            Page(
                url="x",
                outcome=FetchOutcome.ANSWERED,
                status=200,
                body=b'{"score": 4.5, "required_score": 15, "symbols": {"A": {"score": 4.5}}}',
            ),
            4.5,
        ),
        (Page(url="x", outcome=FetchOutcome.ANSWERED, status=200, body=b"hello"), None),
        (Page(url="x", outcome=FetchOutcome.ANSWERED, status=200, body=b'{"score": []}'), None),
        (Page(url="x", outcome=FetchOutcome.ANSWERED, status=403), None),
        (Page(url="x", outcome=FetchOutcome.UNREACHABLE, detail="not there"), None),
    ],
)
def test_rspamd_gives_a_score_or_a_reason(page: Page, points: float | None) -> None:
    class Fixed:
        async def fetch(self, url: str, **options: object) -> Page:
            assert url == "http://127.0.0.1:11333/checkv2"
            return page

    score = asyncio.run(ask_rspamd(b"From: a", Fixed(), "http://127.0.0.1:11333"))
    assert score.points == points
    assert score.detail or score.rules == (("A", 4.5),)
