"""The content filter between two SMTP servers."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from guard_mail import mail

from mailglass.gateway.cleaning import Cleaner, CleaningConfig
from mailglass.gateway.content_filter import ContentFilter, FilterConfig
from mailglass.guard import restore

BEACON = "https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
TRACKED = mail(f"<p>hello</p><img src='{BEACON}' width=1 height=1>")


class NextHop:
    """Remembers what it was handed, and answers as it is told."""

    def __init__(self, answer: str = "250 2.0.0 queued as 1") -> None:
        self.answer = answer
        self.taken: list[Envelope] = []

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.taken.append(envelope)
        return self.answer

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"


async def through(
    hop: NextHop,
    act: Callable[[aiosmtplib.SMTP], Awaitable[object]],
    originals: Path | None = None,
    *,
    is_down: bool = False,
) -> object:
    """Do something as a client of the filter, whose next hop is `hop`."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(hop, loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if is_down:
        server.close()
        await server.wait_closed()
    config = FilterConfig(next_host="127.0.0.1", next_port=port)
    guard = ContentFilter(config, Cleaner(CleaningConfig(originals=originals)))
    client = aiosmtplib.SMTP(
        hostname="127.0.0.1", port=await guard.start("127.0.0.1", 0), start_tls=False
    )
    try:
        await client.connect()
        return await act(client)
    finally:
        await client.quit()
        await guard.stop()
        server.close()
        await server.wait_closed()


def send(raw: bytes, *recipients: str) -> Callable[[aiosmtplib.SMTP], Awaitable[object]]:
    async def act(client: aiosmtplib.SMTP) -> object:
        return await client.sendmail("news@shop.example", recipients or ("me@example.org",), raw)

    return act


def test_a_message_comes_out_clean_with_its_envelope(tmp_path: Path) -> None:
    hop = NextHop()
    asyncio.run(through(hop, send(TRACKED, "a@example.org", "b@example.org"), tmp_path))
    (taken,) = hop.taken
    assert taken.mail_from == "news@shop.example"
    assert taken.rcpt_tos == ["a@example.org", "b@example.org"]
    assert isinstance(taken.content, bytes)
    assert BEACON.encode() not in taken.content
    assert email.message_from_bytes(taken.content)["X-Mailglass-Guard"].startswith(
        "v=1; trackers=1"
    )
    (kept,) = tmp_path.iterdir()
    assert BEACON.encode() in kept.read_bytes()


def test_what_needs_no_change_or_is_no_message_goes_on_as_it_came(tmp_path: Path) -> None:
    for raw in (mail("<p>hello</p>\r\n"), b"\x01\x02 no header\r\n\r\nbody\r\n"):
        hop = NextHop()
        asyncio.run(through(hop, send(raw), tmp_path))
        assert hop.taken[0].content == raw
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "lead",
    [b"\xc3\xbc: 1\r\n", b"X y: 1\r\n", b"hello\r\n", b"\xef\xbb\xbfSubject: x\r\nhello\r\n"],
)
def test_lines_before_the_header_that_are_no_fields_switch_nothing_off(lead: bytes) -> None:
    config = CleaningConfig(authserv_id="mx.example.org")
    forged = b"Authentication-Results: mx.example.org; dkim=pass header.d=bank.example\r\n"
    raw = lead + forged + TRACKED
    done = asyncio.run(Cleaner(config, find_txt=lambda name: None).clean(raw, ["me@example.org"]))
    assert done is not None
    assert done.data.startswith(lead)
    assert BEACON.encode() not in done.data
    assert b"bank.example" not in done.data
    assert restore(done.data, done.edits) == raw


@pytest.mark.parametrize("answer", ["451 4.3.0 later", "554 5.7.1 refused"])
def test_the_next_hops_answer_is_the_filters_answer(answer: str) -> None:
    with pytest.raises(aiosmtplib.SMTPDataError) as caught:
        asyncio.run(through(NextHop(answer), send(TRACKED)))
    assert f"{caught.value.code} {caught.value.message}" == answer


def test_each_recipient_hears_what_the_next_hop_says_of_it() -> None:
    hop = NextHop()
    refused, _ = asyncio.run(  # type: ignore[misc]
        through(hop, send(TRACKED, "nobody@example.org", "me@example.org", "nobody2@example.org"))
    )
    assert {name: answer.code for name, answer in refused.items()} == {
        "nobody@example.org": 550,
        "nobody2@example.org": 550,
    }
    assert [taken.rcpt_tos for taken in hop.taken] == [["me@example.org"]]


def test_without_a_next_hop_the_sender_is_told_to_try_again() -> None:
    with pytest.raises(aiosmtplib.SMTPSenderRefused) as caught:
        asyncio.run(through(NextHop(), send(TRACKED), is_down=True))
    assert caught.value.code == 451


def at_once(*lines: str) -> Callable[[aiosmtplib.SMTP], Awaitable[object]]:
    """Say all these lines in one breath (RFC 2920); the codes of the answers."""

    async def act(client: aiosmtplib.SMTP) -> object:
        await client.ehlo()
        assert client.supports_extension("pipelining")
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write("\r\n".join(["EHLO me.example", *lines, "QUIT", ""]).encode())
        answered = (await reader.read()).decode().splitlines()
        writer.close()
        await writer.wait_closed()
        return [int(line[:3]) for line in answered if line[3] == " "][2:-1]

    return act


def test_a_sender_that_does_not_wait_for_answers_gets_each_in_its_turn() -> None:
    hop = NextHop()
    lines = ["MAIL FROM:<a@b.example>", "RCPT TO:<nobody@x.example>", "RCPT TO:<c@x.example>"]
    message = ["Subject: x", "", "x", "."]
    codes = asyncio.run(through(hop, at_once(*lines, "DATA", *message)))
    assert codes == [250, 550, 250, 354, 250]
    assert hop.taken[0].rcpt_tos == ["c@x.example"]


def test_no_message_is_asked_for_when_nobody_is_left_to_get_it() -> None:
    hop = NextHop()
    codes = asyncio.run(
        through(hop, at_once("MAIL FROM:<a@b.example>", "RCPT TO:<nobody@x.example>", "DATA"))
    )
    assert codes == [250, 550, 503]
    assert hop.taken == []


def said(*lines: str) -> Callable[[aiosmtplib.SMTP], Awaitable[object]]:
    """Say these commands, then the message; the answers to all of them."""

    async def act(client: aiosmtplib.SMTP) -> object:
        await client.ehlo()
        answers = [await client.execute_command(line.encode()) for line in lines]
        if answers[-1].code == 250:
            try:
                answers.append(await client.data(TRACKED))
            except aiosmtplib.SMTPDataError as error:
                answers.append(aiosmtplib.SMTPResponse(error.code, error.message))
        return [f"{answer.code} {answer.message}" for answer in answers]

    return act


def test_an_answer_of_several_lines_stays_one_answer() -> None:
    hop = NextHop("550-5.7.1 refused\r\n550 5.7.1 see https://hop.example/why")
    answers = asyncio.run(through(hop, said("MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>")))
    assert isinstance(answers, list)
    assert answers[-1] == "550 5.7.1 refused\n5.7.1 see https://hop.example/why"


class Scripted:
    """A next hop that answers as a function says, and remembers what it was told."""

    def __init__(self, extensions: Sequence[str] = (), answer: Callable[[str], str] = str) -> None:
        """`answer` is told each command; `str` means that everything is taken, "" hangs up."""
        self.extensions = extensions
        self.answer = answer if answer is not str else lambda line: "250 2.1.0 ok"
        self.told: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(b"220 hop.example ESMTP\r\n")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            if line.startswith("EHLO"):
                offered = ["hop.example", *self.extensions]
                answer = "\r\n".join(
                    f"250{'- '[n == len(offered) - 1]}{x}" for n, x in enumerate(offered)
                )
            elif line == "DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                answer = "250 2.0.0 taken"
            elif line == "QUIT":
                answer = "221 2.0.0 bye"
            elif line == "NOOP":
                answer = "250 2.0.0 ok"
            else:
                self.told.append(line)
                answer = self.answer(line)
            writer.write(answer.encode("utf-8", "surrogateescape") + b"\r\n" * bool(answer))
            if not answer or line == "QUIT" or answer.startswith("421"):
                break
        writer.close()
        await writer.wait_closed()


async def answered(hop: Scripted, *lines: str) -> list[str]:
    """What a client hears that says these lines and, when the last is taken, a message."""
    server = await asyncio.start_server(hop.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    guard = ContentFilter(
        FilterConfig(next_host="127.0.0.1", next_port=port), Cleaner(CleaningConfig())
    )
    client = aiosmtplib.SMTP(
        hostname="127.0.0.1", port=await guard.start("127.0.0.1", 0), start_tls=False
    )
    await client.connect()
    answers = await said(*lines)(client)
    await client.quit()
    await guard.stop()
    server.close()
    await server.wait_closed()
    assert isinstance(answers, list)
    return answers


async def heard(extensions: Sequence[str], *lines: str) -> list[str]:
    """What a next hop with these extensions is told when a client says these lines."""
    hop = Scripted(extensions)
    answers = await answered(hop, *lines)
    assert answers[-1] == "250 2.0.0 taken", answers
    return hop.told


ENVELOPE = ("MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "RCPT TO:<e@f.example>")


@pytest.mark.parametrize(
    ("answer", "passed_on"),
    [
        ("550 5.1.1 no such mailbox", "550 5.1.1 no such mailbox"),
        ("452 4.5.3 too many recipients", "452 4.5.3 too many recipients"),
        ("251 2.1.5 will forward", "251 2.1.5 will forward"),
        ("550-5.7.1 no\r\n550 5.7.1 really", "550 5.7.1 no\n5.7.1 really"),
        ("250 2.1.5 \udcfc", "250 2.1.5 \ufffd"),
        ("421 4.3.2 shutting down", "451 4.3.2 shutting down"),
        ("nonsense", "451 Malformed SMTP response line: nonsense"),
        ("", "451 4.4.1 The next hop cannot be reached; try again later"),
    ],
)
def test_every_answer_to_a_recipient_is_passed_on_and_the_others_get_the_message(
    answer: str, passed_on: str
) -> None:
    hop = Scripted(answer=lambda line: answer if "e@f" in line else "250 2.1.0 ok")
    answers = asyncio.run(answered(hop, *ENVELOPE, "NOOP"))
    assert answers[2].strip() == passed_on
    assert answers[-1] == "250 2.0.0 taken"


def test_the_next_hops_answer_to_the_sender_is_the_filters() -> None:
    hop = Scripted(answer=lambda line: "553 5.1.8 no such domain")
    answers = asyncio.run(answered(hop, *ENVELOPE))
    assert [answer[:3] for answer in answers] == ["553", "503", "503"]
    assert hop.told == ["MAIL FROM:<a@b.example>"]


def test_a_next_hop_that_does_not_wait_for_the_message_is_called_again() -> None:
    def answer(line: str) -> str:
        return "" if hop.connections == 1 and "z@z" in line else "250 2.1.0 ok"

    hop = Scripted(answer=answer)
    answers = asyncio.run(answered(hop, *ENVELOPE, "RCPT TO:<z@z.example>", "NOOP"))
    assert answers[-1] == "250 2.0.0 taken"
    assert hop.told == [*ENVELOPE, "RCPT TO:<z@z.example>", *ENVELOPE]


def test_a_recipient_refused_at_the_second_call_makes_the_sender_come_again() -> None:
    def answer(line: str) -> str:
        if "z@z" in line:
            return ""
        return "550 5.1.1 gone" if hop.connections == 2 and "c@d" in line else "250 2.1.0 ok"

    hop = Scripted(answer=answer)
    answers = asyncio.run(answered(hop, *ENVELOPE, "RCPT TO:<z@z.example>", "NOOP"))
    assert answers[-1] == "451 4.4.2 Try again; the next hop now says 550 5.1.1 gone"


def test_a_message_given_up_leaves_nothing_to_the_next_one() -> None:
    hop = Scripted()
    asyncio.run(answered(hop, *ENVELOPE, "RSET", ENVELOPE[0], "RCPT TO:<x@y.example>"))
    assert hop.connections == 2
    assert hop.told == [*ENVELOPE, ENVELOPE[0], "RCPT TO:<x@y.example>"]


@pytest.mark.parametrize(
    "path", ["", "a..b.@docomo.example", '"a >b"@c.example', "ü@grüße.example"]
)
def test_an_envelope_goes_on_as_it_was_said(path: str) -> None:
    lines = [f"MAIL FROM:<{path}>", f"RCPT TO:<{path or 'postmaster'}>", "RCPT TO:<x@y.example>"]
    assert asyncio.run(heard([], *lines)) == lines


@pytest.mark.parametrize(
    ("extensions", "mail", "rcpt"),
    [
        (["DSN", "8BITMIME", "SMTPUTF8"], "BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb",
         "NOTIFY=NEVER ORCPT=rfc822;Bob@D.example"),
        (["8BITMIME"], "BODY=8BITMIME", ""),
        ([], "", ""),
    ],
)  # fmt: skip
def test_the_next_hop_gets_the_options_that_it_understands(
    extensions: list[str], mail: str, rcpt: str
) -> None:
    said = asyncio.run(heard(
        extensions,
        "MAIL FROM:<a@b.example> BODY=8BITMIME SMTPUTF8 SIZE=100 RET=HDRS ENVID=a+2Bb",
        "RCPT TO:<c@d.example> NOTIFY=NEVER ORCPT=rfc822;Bob@D.example",
    ))  # fmt: skip
    assert said == [
        f"MAIL FROM:<a@b.example> {mail}".rstrip(),
        f"RCPT TO:<c@d.example> {rcpt}".rstrip(),
    ]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["RCPT TO:<a@b.example>"], "503"),
        (["MAIL FROM:<a@b.example>", "MAIL FROM:<a@b.example>"], "503"),
        (["MAIL FROM:<a@b.example> SIZE=99999999999"], "552"),
        (["MAIL FROM:<a@b.example>", "RCPT TO:<>"], "501"),
        (["MAIL FROM:<a"], "501"),
        (["MAIL a@b.example"], "501"),
    ],
)
def test_what_is_no_envelope_is_refused(lines: list[str], code: str) -> None:
    answers = asyncio.run(through(NextHop(), said(*lines)))
    assert isinstance(answers, list)
    assert answers[-1].startswith(code)


def test_a_line_that_is_too_long_for_smtp_goes_through() -> None:
    hop = NextHop()
    raw = mail("<p>" + "x" * 700 + "</p>\r\n")
    asyncio.run(through(hop, send(raw)))
    assert hop.taken[0].content == raw
