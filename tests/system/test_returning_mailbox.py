"""Answers are read out of an ordinary mailbox of a real Dovecot, which a real Postfix fills."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from mailhost import MailHost, mail_host

from mailglass.errors import RetryLater
from mailglass.gateway import Mailbox, MailboxConfig
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
        host="127.0.0.1", port=ports[2], username="bob", password="secret", tls=False
    )


def test_only_what_comes_later_and_is_ours_is_kept(host: MailHost, config: MailboxConfig) -> None:
    bob = "bob@reader.test"
    deliver(host, ANSWER)
    host.messages(bob, 1)
    kept: list[bytes] = []
    mailbox = Mailbox(replace(config, username=bob), keep=kept.append, is_ours=is_ours)
    mailbox.read()
    assert kept == []  # it was there before the first look

    deliver(host, OTHER, ANSWER)
    host.messages(bob, 3)
    mailbox.read()
    mailbox.read()
    assert [parse(raw).kind for raw in kept] == [Kind.REPLY]

    with imaplib.IMAP4("127.0.0.1", config.port) as imap:  # nothing was marked as read
        imap.login(bob, "secret")
        imap.select("INBOX", readonly=True)
        assert len(imap.search(None, "UNSEEN")[1][0].split()) == 3


def test_news_ends_the_waiting(host: MailHost, config: MailboxConfig) -> None:
    stopping = threading.Event()
    kept: list[bytes] = []

    def keep(raw: bytes) -> None:
        kept.append(raw)
        stopping.set()

    mailbox = Mailbox(replace(config, username="bob@reader.test"), keep=keep, is_ours=is_ours)
    mailbox.read()
    follower = threading.Thread(target=mailbox.follow, args=(stopping, 300.0))
    follower.start()
    deliver(host, ANSWER)
    follower.join(timeout=60)
    assert not follower.is_alive()
    assert len(kept) == 1


def test_a_server_that_refuses_is_asked_again_later(config: MailboxConfig, host: MailHost) -> None:
    mailbox = Mailbox(replace(config, password="wrong"), keep=print, is_ours=is_ours)
    with pytest.raises(RetryLater, match="cannot be read"):
        mailbox.read()
