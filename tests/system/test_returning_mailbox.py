"""Answers are read out of an ordinary mailbox of a real Dovecot, which a real Postfix fills."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import smtplib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mailhost import MailHost, mail_host

from mailglass.errors import RetryLater
from mailglass.gateway import Mailbox, MailboxConfig, Position
from mailglass.inbound import Kind, parse

pytestmark = pytest.mark.servers

ANSWER = (
    b"From: alice@reader.test\r\nSubject: Re: news\r\n"
    b"In-Reply-To: <m1@sender.example>\r\n\r\nYes\r\n"
)
OTHER = b"From: friend@elsewhere.test\r\nSubject: lunch\r\n\r\nAt one?\r\n"


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return free_ports(3)


@pytest.fixture(scope="module")
def host(ports: list[int]) -> Iterator[MailHost]:
    with mail_host(ports) as host:
        yield host


def deliver(host: MailHost, *mails: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", host.smtp_port) as smtp:
        for mail in mails:
            smtp.sendmail("x@elsewhere.test", ["bob@reader.test"], mail)


def is_ours(raw: bytes) -> bool:
    return parse(raw).in_reply_to == "<m1@sender.example>"


@pytest.fixture
def config(host: MailHost, ports: list[int]) -> MailboxConfig:
    return MailboxConfig(
        host="127.0.0.1", port=ports[2], username="bob", password="secret", security="none"
    )


class Kept:
    """Keeps as the application does: each mail once, and the place with it."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.position: Position | None = None
        self.stop_at: tuple[int, threading.Event] | None = None

    def __call__(self, raw: bytes | None, position: Position) -> None:
        if raw is not None and raw not in self.mails:
            self.mails.append(raw)
        self.position = position
        if self.stop_at is not None and len(self.mails) >= self.stop_at[0]:
            self.stop_at[1].set()

    @property
    def kinds(self) -> list[Kind]:
        return [parse(raw).kind for raw in self.mails]


def open_mailbox(config: MailboxConfig, kept: Kept) -> Mailbox:
    return Mailbox(config, keep=kept, is_ours=is_ours, position=kept.position)


def imap_of(config: MailboxConfig) -> imaplib.IMAP4:
    imap = imaplib.IMAP4("127.0.0.1", config.port)
    imap.login(config.username, "secret")
    return imap


def folder_sizes(config: MailboxConfig, *folders: str) -> list[int]:
    with imap_of(config) as imap:
        found = []
        for folder in folders:
            assert imap.select(folder, readonly=True)[0] == "OK"
            found.append(len(imap.search(None, "ALL")[1][0].split()))
        return found


@pytest.fixture
def carol(host: MailHost, config: MailboxConfig) -> MailboxConfig:
    """A mailbox that only this test has, with one answer in it that came before."""
    empty = replace(config, username="bob@reader.test")
    with imap_of(empty) as imap:
        if imap.select("INBOX")[1] != [b"0"]:
            imap.store("1:*", "+FLAGS", r"(\Deleted)")
            imap.expunge()
    deliver(host, ANSWER.replace(b"Yes", b"Before"))
    host.messages("bob@reader.test", 1)
    return empty


def test_only_what_comes_later_and_is_ours_is_kept(host: MailHost, carol: MailboxConfig) -> None:
    kept = Kept()
    mailbox = open_mailbox(carol, kept)
    mailbox.read()
    assert kept.mails == []  # it was there before the first look

    deliver(host, OTHER, ANSWER)
    host.messages("bob@reader.test", 3)
    mailbox.read()
    mailbox.read()
    assert kept.kinds == [Kind.REPLY]
    with imap_of(carol) as imap:  # nothing was marked as read
        imap.select("INBOX", readonly=True)
        assert len(imap.search(None, "UNSEEN")[1][0].split()) == 3


def test_a_restart_goes_on_where_it_stopped(host: MailHost, carol: MailboxConfig) -> None:
    kept = Kept()
    open_mailbox(carol, kept).read()
    deliver(host, ANSWER)
    host.messages("bob@reader.test", 2)
    open_mailbox(carol, kept).read()
    assert kept.position is not None
    kept.position = Position.parse(str(kept.position))
    deliver(host, OTHER, ANSWER.replace(b"Yes", b"No"))
    host.messages("bob@reader.test", 4)
    open_mailbox(carol, kept).read()
    assert kept.kinds == [Kind.REPLY] * 2
    assert b"No" in kept.mails[1]


def test_a_mailbox_whose_numbers_were_given_anew_is_read_again_and_kept_once(
    host: MailHost, carol: MailboxConfig
) -> None:
    kept = Kept()
    open_mailbox(carol, kept).read()
    deliver(host, ANSWER)
    host.messages("bob@reader.test", 2)
    open_mailbox(carol, kept).read()
    assert kept.position is not None
    validity = kept.position.uid_validity
    kept.position = replace(kept.position, uid_validity=validity - 1, last_uid=10_000)
    deliver(host, ANSWER.replace(b"Yes", b"Meanwhile"))
    host.messages("bob@reader.test", 3)
    open_mailbox(carol, kept).read()
    assert sum(b"Meanwhile" in raw for raw in kept.mails) == 1
    assert sum(b"Yes" in raw for raw in kept.mails) == 1
    assert kept.position.uid_validity == validity


def test_what_is_ours_is_filed_when_it_is_told_to(host: MailHost, carol: MailboxConfig) -> None:
    filing = replace(carol, file_into="Zurück & mehr")
    kept = Kept()
    with imap_of(carol) as imap:
        assert imap.create('"Zur&APw-ck &- mehr"')[0] == "OK"
    open_mailbox(filing, kept).read()
    deliver(host, OTHER, ANSWER)
    host.messages("bob@reader.test", 3)
    open_mailbox(filing, kept).read()
    assert kept.kinds == [Kind.REPLY]
    assert folder_sizes(carol, "INBOX", '"Zur&APw-ck &- mehr"') == [2, 1]


def test_a_folder_that_is_missing_costs_no_mail(host: MailHost, carol: MailboxConfig) -> None:
    filing = replace(carol, file_into="Nowhere")
    kept = Kept()
    open_mailbox(filing, kept).read()
    deliver(host, ANSWER)
    host.messages("bob@reader.test", 2)
    with pytest.raises(RetryLater, match="cannot be filed into Nowhere, which must exist"):
        open_mailbox(filing, kept).read()
    assert kept.kinds == [Kind.REPLY]
    assert folder_sizes(carol, "INBOX") == [2]


def test_news_ends_the_waiting(host: MailHost, carol: MailboxConfig) -> None:
    stopping = threading.Event()
    kept = Kept()
    kept.stop_at = 1, stopping
    mailbox = open_mailbox(carol, kept)
    mailbox.read()
    follower = threading.Thread(target=mailbox.follow, args=(stopping, 300.0))
    follower.start()
    deliver(host, ANSWER)
    follower.join(timeout=60)
    assert not follower.is_alive()
    assert len(kept.mails) == 1


def test_a_server_that_refuses_is_asked_again_later(config: MailboxConfig, host: MailHost) -> None:
    mailbox = open_mailbox(replace(config, password="wrong"), Kept())
    with pytest.raises(RetryLater, match="cannot be read"):
        mailbox.read()


def test_tls_is_spoken_and_a_stranger_in_the_servers_place_is_refused(
    host: MailHost, carol: MailboxConfig, ports: list[int], tmp_path: Path
) -> None:
    ours, strangers = authority(tmp_path, "ours"), authority(tmp_path, "strangers")
    with tls_in_front_of(ports[2], ours) as port:
        trusting = ssl.create_default_context(cafile=ours)
        secured = replace(carol, port=port, security="tls", context=trusting)
        kept = Kept()
        open_mailbox(secured, kept).read()
        assert kept.position is not None
        doubting = ssl.create_default_context(cafile=strangers)
        with pytest.raises(RetryLater, match="CERTIFICATE_VERIFY_FAILED"):
            open_mailbox(replace(secured, context=doubting), Kept()).read()


def authority(folder: Path, name: str) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key in the same file."""
    path = folder / f"{name}.pem"
    key = folder / f"{name}.key"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=imap.test"
    names = "subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", *options.split(), "-addext", names, "-keyout", key, "-out", path],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


@contextlib.contextmanager
def tls_in_front_of(port: int, certificate: Path) -> Iterator[int]:
    """A port that speaks TLS and hands on to another."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def serve(ready: threading.Event, found: list[int], done: threading.Event) -> None:
        async def hand_on(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
            server, there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_copy(client, there), _copy(server, back))

        async with await asyncio.start_server(hand_on, "127.0.0.1", 0, ssl=context) as one:
            found.append(one.sockets[0].getsockname()[1])
            ready.set()
            await asyncio.to_thread(done.wait)

    ready, done, found = threading.Event(), threading.Event(), list[int]()
    thread = threading.Thread(target=lambda: asyncio.run(serve(ready, found, done)))
    thread.start()
    ready.wait()
    try:
        yield found[0]
    finally:
        done.set()
        thread.join()


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            to.write(data)
            await to.drain()
    to.close()
