"""The content filter between two SMTP servers."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from guard_mail import mail

from mailglass.gateway.cleaning import Cleaner, CleaningConfig
from mailglass.gateway.content_filter import ContentFilter, FilterConfig

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


@pytest.mark.parametrize("answer", ["451 4.3.0 later", "554 5.7.1 refused"])
def test_the_next_hops_answer_is_the_filters_answer(answer: str) -> None:
    with pytest.raises(aiosmtplib.SMTPDataError) as caught:
        asyncio.run(through(NextHop(answer), send(TRACKED)))
    assert f"{caught.value.code} {caught.value.message}" == answer


def test_a_recipient_that_the_next_hop_refuses_refuses_the_message() -> None:
    hop = NextHop()
    with pytest.raises(aiosmtplib.SMTPDataError) as caught:
        asyncio.run(through(hop, send(TRACKED, "me@example.org", "nobody@example.org")))
    assert caught.value.code == 550
    assert hop.taken == []


def test_without_a_next_hop_the_sender_is_told_to_try_again() -> None:
    with pytest.raises(aiosmtplib.SMTPDataError) as caught:
        asyncio.run(through(NextHop(), send(TRACKED), is_down=True))
    assert caught.value.code == 451
