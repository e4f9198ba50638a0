"""The connection test against Postfix and against servers that misbehave at one step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mailglass.lookup import DnsResolver, SocketDialler
from mailglass.postmaster import ConnectionReport, Step, try_connection


def connect(
    target: str, dns_port: int, port: int, to: str | None = None, sender: str | None = None
) -> ConnectionReport:
    return asyncio.run(
        try_connection(
            DnsResolver([("127.0.0.1", dns_port)], timeout_seconds=0.3),
            SocketDialler(timeout_seconds=0.5 if port < 0 else 5),
            target,
            helo="client.example.test",
            port=port,
            mail_from=sender,
            recipient=to,
        )
    )


@pytest.mark.servers
def test_a_good_server_is_walked_to_the_recipient(nsd: int, postfix: int) -> None:
    report = connect("mx-good.test", nsd, postfix, to="reader@good.test", sender="me@example.test")
    assert report.failed is None
    assert [step.step for step in report.steps] == [
        Step.DNS,
        Step.CONNECT,
        Step.BANNER,
        Step.EHLO,
        Step.STARTTLS,
        Step.MAIL,
        Step.RCPT,
    ]
    assert report.certificate
    assert "mx.good.test" in report.certificate.names
    talk = report.conversations[0]
    assert talk.tls
    assert talk.tls.version == "TLSv1.3"
    assert "self" in talk.certificate_fault
    assert "C: RCPT TO:<reader@good.test>" in talk.transcript
    assert "C: DATA" not in talk.transcript


@pytest.mark.servers
def test_no_recipient_is_named_unless_one_is_given(nsd: int, postfix: int) -> None:
    report = connect("mx-good.test", nsd, postfix)
    text = "\n".join(report.conversations[0].transcript)
    assert report.failed is None
    assert "MAIL" not in text
    assert "RCPT" not in text


@pytest.mark.servers
def test_a_server_without_starttls_is_walked_all_the_same(nsd: int, postfix: int) -> None:
    report = connect("mx-without-tls.test", nsd, postfix, to="reader@good.test")
    assert report.failed is None
    assert report.certificate is None


@pytest.mark.servers
@pytest.mark.parametrize(
    ("target", "to", "sender", "step", "words"),
    [
        ("not-there.test", None, None, Step.DNS, "no host with an address"),
        ("mx-null.test", None, None, Step.DNS, "receives no mail"),
        ("broken.test", None, None, Step.DNS, "servfail"),
        ("mx-refuses.test", None, None, Step.CONNECT, "refuses connections"),
        ("mx-good.test", "nobody@good.test", None, Step.RCPT, "550 5.1.1"),
        ("mx-good.test", "reader@good.test", "blocked@example.test", Step.MAIL, "554 5.7.1"),
    ],
)
def test_the_step_that_fails_is_named(
    nsd: int, postfix: int, target: str, to: str | None, sender: str | None, step: Step, words: str
) -> None:
    report = connect(target, nsd, postfix, to=to, sender=sender)
    assert report.failed
    assert report.failed.step is step
    assert words in report.failed.detail


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def against(script: Script) -> ConnectionReport:
    """Walk up to a server of our own that behaves as `script` says."""

    async def run() -> ConnectionReport:
        server = await asyncio.start_server(script, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await try_connection(
                DnsResolver([("127.0.0.1", 9)]),
                SocketDialler(timeout_seconds=0.5),
                "[127.0.0.1]",
                helo="client.example.test",
                port=port,
                recipient="reader@good.test",
            )

    return asyncio.run(run())


def saying(*replies: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, reply in enumerate(replies):
            if number:
                await reader.readline()
            writer.write(reply)
        await reader.readline()
        writer.close()

    return script


EHLO = b"250-mx.test\r\n250 8BITMIME\r\n"


@pytest.mark.parametrize(
    ("replies", "step", "words"),
    [
        ((b"554 5.7.1 no\r\n",), Step.BANNER, "refuses our address"),
        ((b"SSH-2.0-OpenSSH\r\n",), Step.BANNER, "does not speak SMTP"),
        ((b"220 " + b"x" * 5000 + b"\r\n",), Step.BANNER, "more than 4096 bytes"),
        ((b"220-a\r\n" * 200,), Step.BANNER, "more than 100 lines"),
        ((b"220 hi\r\n", b"550 bad name\r\n"), Step.EHLO, "refuses our name"),
        ((b"220 hi\r\n", EHLO, b"451 later\r\n"), Step.MAIL, "refuses the sender"),
        ((b"220 hi\r\n", EHLO, b"250 ok\r\n", b"550 5.1.1 gone\r\n"), Step.RCPT, "5.1.1 gone"),
        ((b"220 hi\r\n", EHLO, b"250 ok\r\n", b"550 5.1.1 gone\r\n"), Step.RCPT, "It means: "),
        (
            (b"220 hi\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"454 no TLS now\r\n"),
            Step.STARTTLS,
            "cannot start it",
        ),
    ],
)
def test_a_server_that_misbehaves_is_told_by_its_step(
    replies: tuple[bytes, ...], step: Step, words: str
) -> None:
    report = against(saying(*replies))
    assert report.failed
    assert report.failed.step is step
    assert words in report.failed.detail


def test_a_handshake_that_breaks_off_is_told() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b"220 hi\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"220 go\r\n"):
            writer.write(reply)
            await reader.readline()
        writer.write(b"nonsense instead of a server hello\r\n")
        writer.close()

    report = against(nonsense)
    assert report.failed
    assert report.failed.step is Step.STARTTLS


def test_silence_is_unknown_and_not_a_failure_of_the_server() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    report = against(silent)
    assert report.failed
    assert report.failed.step is Step.BANNER
    assert report.is_unknown


def test_control_characters_of_a_server_do_not_reach_the_terminal() -> None:
    report = against(saying(b"554 \x1b[2Jgone\x07\r\n"))
    assert not any("\x1b" in line for line in report.conversations[0].transcript)
