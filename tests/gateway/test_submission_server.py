"""The submission server beyond single dialogues: TLS, limits, and what the spool holds."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import email
import email.utils
import re
import smtplib
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailglass.gateway import Config, Intake, SubmissionServer, TrackingDefaults
from mailglass.history import (
    History,
    PasswordCheck,
    Role,
    User,
    add_administrator,
    check_password,
    new_user,
    sign_in_with_password,
)
from mailglass.ids import Ids
from mailglass.spool import Spool
from mailglass.tokens import Ring

NOW = datetime.datetime.now(datetime.UTC)


def certificate(folder: Path) -> Path:
    """A self-signed certificate and its key for localhost, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


async def alice_only(name: str, password: str, address: str) -> PasswordCheck:
    if (name, password) != ("alice", "secret"):
        return PasswordCheck()
    return PasswordCheck(user=User(id=1, account_id=1, name=name, password_hash=""))


@contextlib.contextmanager
def serving(
    spool: Spool,
    *,
    tls: ssl.SSLContext | None = None,
    max_connections: int = 10,
    authenticate: Callable[[str, str, str], Awaitable[PasswordCheck]] = alice_only,
) -> Iterator[int]:
    """The server in a thread of its own; gives its port."""
    server = SubmissionServer(
        Config(
            host="127.0.0.1",
            port=0,
            hostname="glass.test",
            max_message_bytes=1_000_000,
            max_recipients=10,
            max_connections=max_connections,
            tls=tls,
        ),
        intake=Intake(
            spool=spool,
            ids=Ids(),
            ring=Ring([b"k" * 32]),
            store=lambda content, name: "",
            hostname="glass.test",
            tracking=TrackingDefaults(
                base_url="https://track.example",
                opens=True,
                links=True,
                attachments="keep",
                text_links=False,
            ),
        ),
        authenticate=authenticate,
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
        yield server.port
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    one = Spool(tmp_path / "spool.db")
    yield one
    one.close()


def test_starttls_protects_the_password_and_the_trace_says_so(spool: Spool, tmp_path: Path) -> None:
    file = certificate(tmp_path)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(file)
    with serving(spool, tls=server_side) as port, smtplib.SMTP("localhost", port) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        client.starttls(context=ssl.create_default_context(cafile=str(file)))
        client.login("alice", "secret")
        client.sendmail("a@x.test", ["b@x.test"], b"Subject: x\r\n\r\nhello\r\n")
    (job,) = spool.due(NOW + datetime.timedelta(days=1), 10)
    assert b"with ESMTPSA id" in spool.raw(job.delivery.message_id)


def test_what_was_submitted_stays_byte_for_byte_behind_the_trace(spool: Spool) -> None:
    message = (
        b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@x.test>\r\n"
        b"Subject: \xe4\xbd\xa0\r\nX-Odd:  two  spaces \r\n\r\n.dot\r\n..dots\r\n\xff\r\n"
    )
    with serving(spool) as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.login("alice", "secret")
        client.sendmail("a@x.test", ["b@x.test"], message, ["BODY=8BITMIME"])
    (job,) = spool.due(NOW + datetime.timedelta(days=1), 10)
    raw = spool.raw(job.delivery.message_id)
    assert raw.startswith(b"Received: from ")
    assert raw.endswith(message)


def test_the_submitters_network_address_is_not_told(spool: Spool) -> None:
    with serving(spool) as port, smtplib.SMTP("127.0.0.1", port, "client.test") as client:
        client.login("alice", "secret")
        client.sendmail("a@x.test", ["b@x.test"], b"Subject: x\r\n\r\n")
    (job,) = spool.due(NOW + datetime.timedelta(days=1), 10)
    assert b"127.0.0.1" not in spool.raw(job.delivery.message_id)


def test_each_recipient_is_a_delivery_and_a_repeated_one_is_not_two(spool: Spool) -> None:
    with serving(spool) as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.login("alice", "secret")
        recipients = ["b@x.test", "c@x.test", "b@X.test"]
        client.sendmail("a@x.test", recipients, b"Subject: x\r\n\r\n")
    jobs = spool.due(NOW + datetime.timedelta(days=1), 10)
    assert [job.delivery.recipient for job in jobs] == ["b@x.test", "c@x.test"]


def test_more_connections_than_allowed_are_told_to_come_back(spool: Spool) -> None:
    with (
        serving(spool, max_connections=1) as port,
        smtplib.SMTP("127.0.0.1", port) as client,
    ):
        client.noop()
        with pytest.raises(smtplib.SMTPConnectError, match="Too many connections"):
            smtplib.SMTP("127.0.0.1", port)


def test_a_report_with_the_null_return_path_is_not_tracked(spool: Spool) -> None:
    with serving(spool) as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.login("alice", "secret")
        client.sendmail("", ["b@x.test"], b"Content-Type: text/html\r\n\r\n<p>receipt</p>")
    (job,) = spool.due(NOW + datetime.timedelta(days=1), 10)
    assert job.return_path == ""
    assert job.tracking["opens"] is False


def test_a_date_and_a_message_id_are_added_where_there_are_none(spool: Spool) -> None:
    with serving(spool) as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.login("alice", "secret")
        client.sendmail("a@x.test", ["b@x.test"], b"Subject: x\r\n\r\nhello\r\n")
    (job,) = spool.due(NOW + datetime.timedelta(days=1), 10)
    message = email.message_from_bytes(spool.raw(job.delivery.message_id))
    assert message["Message-ID"] == f"<{job.delivery.message_id}@glass.test>"
    assert email.utils.parsedate_to_datetime(message["Date"]).year >= 2026
    assert message["Subject"] == "x"


def test_the_number_in_the_reply_is_whole_whatever_its_digits_are(spool: Spool) -> None:
    """A number that ends in 4xx looks like a reply code to whoever searches for one."""
    with serving(spool) as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.login("alice", "secret")
        for _ in range(60):
            client.mail("a@x.test")
            client.rcpt("b@x.test")
            _, said = client.data(b"Subject: x\r\n\r\n")
            assert re.fullmatch(rb"2\.0\.0 Taken as \d+ for 1 recipient", said)


@contextlib.contextmanager
def serving_users(spool: Spool, history: History) -> Iterator[int]:
    """The server that lets the history's users in."""

    async def authenticate(name: str, password: str, address: str) -> PasswordCheck:
        return check_password(history, name, password, address=address)

    with serving(spool, authenticate=authenticate) as port:
        yield port


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    one = History(f"sqlite:///{tmp_path / 'history.db'}")
    add_administrator(one, "http://127.0.0.1")
    yield one
    one.close()


@pytest.mark.parametrize("role", Role)
def test_mail_is_taken_from_the_roles_that_may_send(
    spool: Spool, history: History, role: Role
) -> None:
    password = new_user(history, "mei", role=role)
    with serving_users(spool, history) as port, smtplib.SMTP("127.0.0.1", port) as client:
        if role is Role.READ_ONLY:
            with pytest.raises(smtplib.SMTPAuthenticationError, match="read-only"):
                client.login("mei", password)
        else:
            client.login("mei", password)
            client.sendmail("a@x.test", ["b@x.test"], b"Subject: x\r\n\r\n")
    jobs = spool.due(NOW + datetime.timedelta(days=1), 10)
    assert bool(jobs) is (role is not Role.READ_ONLY)


def test_wrong_passwords_by_smtp_and_at_the_form_lock_both_together(
    spool: Spool, history: History
) -> None:
    password = new_user(history, "mei")
    with serving_users(spool, history) as port:
        for _ in range(5):
            sign_in_with_password(history, "mei", "wrong", address="127.0.0.1")
            with smtplib.SMTP("127.0.0.1", port) as client:
                client.ehlo()
                said = client.docmd("AUTH", "PLAIN AG1laQB3cm9uZw==")
                assert said[0] == 535
        with smtplib.SMTP("127.0.0.1", port) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                client.login("mei", password)
            assert caught.value.smtp_code == 454
    assert sign_in_with_password(history, "mei", password, address="127.0.0.1").wait_seconds
