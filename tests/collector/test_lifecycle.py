"""Start, stop, reload, and the private port, with the process as a service manager sees it."""

from __future__ import annotations

import datetime as dt
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from collector.running import KEYS, RING, Answer, Running, receive, request_bytes, serve
from mailglass.collector import Certificate, Collector, Config
from mailglass.errors import ConfigurationError, StorageUnavailable
from mailglass.journal import START, Attachments, read
from mailglass.tokens import Kind, Ring, attachment_bound, attachment_url, beacon_url
from product import environment

BEACON = beacon_url("", RING.mint(Kind.OPEN, 7, 1))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serve(tmp_path) as server:
        yield server


def make_certificate(directory: Path, name: str, *hosts: str) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]), False)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(chain_file=directory / f"{name}.crt", key_file=directory / f"{name}.key")
    files.chain_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def ask_tls(server: Running, host: str | None, data: bytes) -> tuple[str, Answer]:
    """The name in the certificate that a client gets, and its answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        server.connect(server.collector.tls_port) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        raw = connection.getpeercert(binary_form=True)
        assert raw is not None
        common_name = x509.load_der_x509_certificate(raw).subject.rfc4514_string()
        connection.sendall(data)
        return common_name, receive(connection)


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Certificate, ...]:
    return (
        make_certificate(tmp_path, "first", "track.example.com"),
        make_certificate(tmp_path, "second", "mail.example.org", "*.example.net"),
    )


def test_each_host_gets_its_certificate(
    tmp_path: Path, certificates: tuple[Certificate, ...]
) -> None:
    expected = {
        "track.example.com": "CN=first",
        "mail.example.org": "CN=second",
        "a.example.net": "CN=second",
        "unknown.example": "CN=first",
        None: "CN=first",
    }
    with serve(tmp_path, tls_port=0, certificates=certificates) as server:
        for host, name in expected.items():
            found, answer = ask_tls(server, host, request_bytes(BEACON))
            assert (found, len(answer.body)) == (name, 43)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert len(server.hits()) == len(expected)


def test_new_certificates_are_served_after_a_reload_and_bad_ones_are_not(
    tmp_path: Path, certificates: tuple[Certificate, ...]
) -> None:
    with serve(tmp_path, tls_port=0, certificates=certificates[:1]) as server:
        fresh = make_certificate(tmp_path, "fresh", "track.example.com")
        fresh.chain_file.replace(certificates[0].chain_file)
        server.call(server.collector.reload)  # the key does not belong to it yet
        assert ask_tls(server, None, request_bytes(BEACON))[0] == "CN=first"
        fresh.key_file.replace(certificates[0].key_file)
        server.call(server.collector.reload)
        assert ask_tls(server, None, request_bytes(BEACON))[0] == "CN=fresh"


def test_an_attachment_and_a_refusal_arrive_by_tls(
    tmp_path: Path, certificates: tuple[Certificate, ...]
) -> None:
    with serve(tmp_path, tls_port=0, certificates=certificates) as server:
        content = os.urandom(1_000_000)
        digest = Attachments(tmp_path / "attachments").add(content)
        token = RING.mint(Kind.ATTACHMENT, 7, bound=attachment_bound(digest, "a"))
        url = attachment_url("", token, digest, "a")
        assert ask_tls(server, None, request_bytes(url))[1].body == content
        assert ask_tls(server, None, b"nonsense\r\n\r\n")[1].status == 400
        assert server.hit().completed is True


def test_a_plain_request_on_the_tls_port_harms_nobody(
    tmp_path: Path, certificates: tuple[Certificate, ...]
) -> None:
    with serve(tmp_path, tls_port=0, certificates=certificates) as server:
        with server.connect(server.collector.tls_port) as connection:
            connection.sendall(request_bytes(BEACON))
            connection.recv(100)
        assert ask_tls(server, None, request_bytes(BEACON))[1].status == 200


def config(directory: Path, **changes: object) -> Config:
    fields: dict[str, object] = {
        "journal_directory": directory / "journal",
        "attachment_directory": directory / "attachments",
        "keys": KEYS,
        "port": 0,
    }
    return Config(**{**fields, **changes})  # type: ignore[arg-type]


def test_wrong_configurations_are_named_at_start(tmp_path: Path) -> None:
    missing = Certificate(chain_file=tmp_path / "no.crt", key_file=tmp_path / "no.key")
    (tmp_path / "switch").write_text("stop it all")
    wrong = {
        "the key ring is empty": {"keys": ()},
        "key 0 has 5 bytes instead of 32": {"keys": (b"short",)},
        "tls_port is set, but there is no certificate": {"tls_port": 0},
        r"no\.crt and .*no\.key": {"tls_port": 0, "certificates": (missing,)},
        "no rule begins with 'stop'": {"kill_switch_file": tmp_path / "switch"},
    }
    for complaint, changes in wrong.items():
        with pytest.raises(ConfigurationError, match=complaint):
            Collector(config(tmp_path, **changes))


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with (
        serve(tmp_path / "a") as server,
        pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1 port"),  # noqa: F541
        serve(tmp_path / "b", port=server.collector.port),
    ):
        pass


def test_a_journal_that_cannot_be_made_is_a_storage_fault(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(StorageUnavailable):
        Collector(config(tmp_path))


# As a process

PROGRAM = """
import sys
from pathlib import Path
from mailglass.collector import Config, run
directory, port, metrics_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
run(Config(
    journal_directory=directory / "journal",
    attachment_directory=directory / "attachments",
    keys=(bytes(32), bytes(range(32))),
    port=port, metrics_port=metrics_port, kill_switch_file=directory / "switch",
))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def process(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    port, metrics_port = free_port(), free_port()
    command = [sys.executable, "-c", PROGRAM, str(directory), str(port), str(metrics_port)]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE) as child:
        try:
            yield child, port, metrics_port
        finally:
            child.kill()


def ask(port: int, target: str) -> Answer:
    """An answer, as soon as somebody listens there."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(request_bytes(target))
                return receive(connection)
        except ConnectionRefusedError:
            continue


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_with_every_answered_hit_on_disk(
    tmp_path: Path, number: signal.Signals
) -> None:
    with process(tmp_path) as (child, port, _):
        for _ in range(5):
            assert ask(port, BEACON).status == 200
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(request_bytes("/", Connection="keep-alive"))
            receive(idle)
            child.send_signal(number)
            assert child.wait(30) == 0
            assert idle.recv(1) == b""
    assert len(read(tmp_path / "journal", START, 100)) == 5
    assert b"\0" not in (tmp_path / "journal" / "0000000001.log").read_bytes()


def test_a_request_under_way_is_answered_before_it_stops(tmp_path: Path) -> None:
    content = os.urandom(20_000_000)
    digest = Attachments(tmp_path / "attachments").add(content)
    token = RING.mint(Kind.ATTACHMENT, 7, bound=attachment_bound(digest, "a"))
    with process(tmp_path) as (child, port, metrics_port):
        ask(port, BEACON)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(request_bytes(attachment_url("", token, digest, "a")))
            assert connection.recv(10, socket.MSG_PEEK)
            child.send_signal(signal.SIGTERM)
            assert receive(connection).body == content
        assert child.wait(30) == 0
    assert len(read(tmp_path / "journal", START, 100)) == 2
    assert metrics_port


def test_hang_up_reloads_the_kill_switch(tmp_path: Path) -> None:
    with process(tmp_path) as (child, port, metrics_port):
        ask(port, BEACON)
        (tmp_path / "switch").write_text("untracked 7")
        child.send_signal(signal.SIGHUP)
        while b"untracked_total 0.0" in ask(metrics_port, "/metrics").body:
            ask(port, BEACON)
        assert child.poll() is None


def test_a_reload_takes_new_keys_and_never_forgets_one(tmp_path: Path) -> None:
    new = bytes([7]) * 32
    keys = [*KEYS]

    def delivery_of(ring: Ring) -> int | None:
        server.get(f"/o/{ring.mint(Kind.OPEN, 9)}.gif")
        return server.hits()[-1].delivery_id

    with serve(tmp_path, read_keys=lambda: tuple(keys)) as server:
        assert delivery_of(Ring([*KEYS, new])) is None
        keys.append(new)
        server.call(server.collector.reload)
        assert delivery_of(Ring([*KEYS, new])) == 9
        keys[:] = [new]
        server.call(server.collector.reload)
        assert (delivery_of(RING), delivery_of(Ring([*KEYS, new]))) == (9, 9)


def test_the_private_port_tells_health_and_numbers_and_nothing_else(running: Running) -> None:
    running.get(BEACON)
    assert running.private("/healthz").body == b"alive\n"
    assert running.private("/readyz").body == b"ready\n"
    assert running.private(BEACON).status == 404
    text = running.private("/metrics").body.decode()
    assert 'mailglass_collector_hits_total{kind="o"} 1.0' in text
    assert "mailglass_collector_written_total 1.0" in text
    assert "mailglass_collector_ready 1.0" in text


@pytest.mark.parametrize("target", ["/metrics", "/healthz", "/readyz"])
def test_the_public_port_tells_nothing_about_itself(running: Running, target: str) -> None:
    assert running.get(target).status == 404
