"""The server that takes mail which comes back, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable

import pytest

from mailglass.errors import StorageUnavailable
from mailglass.gateway import ReturnServer, ReturnServerConfig

MAIL = b"From: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\nSorry.\r\n"


def talk(
    client: Callable[[int], object],
    *,
    lmtp: bool = False,
    fails: bool = False,
    **limits: int,
) -> tuple[object, list[tuple[str, bytes]]]:
    """Run a client against a server; what it returned, and what the server kept."""
    kept: list[tuple[str, bytes]] = []

    async def keep(recipient: str, raw: bytes) -> None:
        if fails:
            raise StorageUnavailable("the disk is full")
        kept.append((recipient, raw))

    async def run() -> object:
        config = ReturnServerConfig(
            host="127.0.0.1",
            port=0,
            hostname="back.sender.example",
            domains=frozenset({"back.sender.example"}),
            lmtp=lmtp,
            **limits,
        )
        server = ReturnServer(config, keep=keep)
        await server.start()
        try:
            return await asyncio.to_thread(client, server.port)
        finally:
            await server.stop()

    return asyncio.run(run()), kept


def send(
    *recipients: str, mail: bytes = MAIL, kind: type[smtplib.SMTP] = smtplib.SMTP
) -> Callable[[int], object]:
    def client(port: int) -> object:
        with kind("127.0.0.1", port, timeout=10) as smtp:
            smtp.ehlo_or_helo_if_needed()
            smtp.mail("")
            replies = [smtp.rcpt(recipient) for recipient in recipients]
            return [*replies, smtp.data(mail)] if replies[0][0] == 250 else replies

    return client


def test_a_mail_with_the_null_sender_is_kept() -> None:
    replies, kept = talk(send("b+token@BACK.sender.example"))
    assert replies == [(250, b"2.1.5 Go on"), (250, b"2.0.0 Kept")]
    assert kept == [("b+token@BACK.sender.example", MAIL)]


def test_lmtp_is_spoken_to_a_server_of_ones_own() -> None:
    replies, kept = talk(send("b@back.sender.example", kind=smtplib.LMTP), lmtp=True)
    assert replies[-1] == (250, b"2.0.0 Kept")  # type: ignore[index]  # a list of replies
    assert len(kept) == 1


def test_nothing_is_relayed() -> None:
    replies, kept = talk(send("who@example.net"))
    assert replies == [(550, b"5.7.1 Mail for this domain is not taken here")]
    assert kept == []


def test_one_transaction_has_one_recipient() -> None:
    replies, kept = talk(send("a@back.sender.example", "b@back.sender.example"))
    assert [reply[0] for reply in replies] == [250, 452, 250]  # type: ignore[union-attr, attr-defined]
    assert [recipient for recipient, _ in kept] == ["a@back.sender.example"]


def test_what_cannot_be_kept_is_not_accepted() -> None:
    replies, kept = talk(send("b@back.sender.example"), fails=True)
    assert replies[-1][0] == 451  # type: ignore[index]  # a list of replies
    assert kept == []


def test_a_mail_over_the_limit_is_refused() -> None:
    large = MAIL + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 100
    replies, kept = talk(send("b@back.sender.example", mail=large), max_message_bytes=1000)
    assert replies[-1][0] == 552  # type: ignore[index]  # a list of replies
    assert kept == []


def test_connections_beyond_the_limit_are_sent_away() -> None:
    def client(port: int) -> object:
        with smtplib.SMTP("127.0.0.1", port, timeout=10):
            with pytest.raises(smtplib.SMTPConnectError) as refused:
                smtplib.SMTP("127.0.0.1", port, timeout=10)
            return refused.value.smtp_code

    code, _ = talk(client, max_connections=1)
    assert code == 421
