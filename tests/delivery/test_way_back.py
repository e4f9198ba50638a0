"""What goes along so that a report finds its delivery: return path, ENVID, NOTIFY, ORCPT."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailglass.delivery import Courier, Delivering, Returns, Schedule, Smarthost
from mailglass.ids import Ids
from mailglass.model import Delivery
from mailglass.spool import Spool, Submission
from mailglass.tokens import Kind, Ring, return_address

NOW = datetime.now(UTC)
RING = Ring([b"k" * 32])
RETURNS = Returns(domain="back.example", notify=("success", "failure"))
RAW = b"From: me@home.test\r\nSubject: hello\r\n\r\nHello\r\n"


class Smtp:
    """Answers 250 to everything and keeps the commands."""

    def __init__(self, *extensions: str) -> None:
        self._extensions = extensions
        self.commands: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smart.test\r\n")
        is_data = False
        while line := await reader.readline():
            text = line.decode().rstrip("\r\n")
            if is_data:
                is_data = text != "."
                writer.write(b"" if is_data else b"250 ok\r\n")
                continue
            self.commands.append(text)
            verb = text.partition(" ")[0].upper()
            is_data = verb == "DATA"
            lines = ["250-smart.test", *(f"250-{e}" for e in self._extensions), "250 SIZE"]
            answer = "\r\n".join(lines) if verb == "EHLO" else "354 go" if is_data else "250 ok"
            writer.write(answer.encode() + b"\r\n")
        writer.close()

    def command(self, verb: str) -> str:
        (found,) = [c for c in self.commands if c.upper().startswith(verb)]
        return found


def one(recipient: str = "you+me@gmail.example", return_path: str = "me@home.test") -> Submission:
    ids = Ids()
    number = ids.next()
    return Submission(
        message_id=number,
        accepted_at=NOW,
        return_path=return_path,
        raw=RAW,
        deliveries=(Delivery(id=ids.next(), message_id=number, recipient=recipient),),
        tracking={},
    )


def send(folder: Path, server: Smtp, submission: Submission, returns: Returns | None) -> Spool:
    spool = Spool(folder / "spool.db")
    spool.accept(submission)

    async def run() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        smarthost = Smarthost(
            host="127.0.0.1", port=listening.sockets[0].getsockname()[1], security="none"
        )
        office = Delivering(
            spool=spool,
            ring=RING,
            ids=Ids(node=1),
            schedule=Schedule(retry_seconds=(1,), lifetime_seconds=86_400),
            new_courier=lambda: Courier(
                smarthost,
                hostname="glass.test",
                most_messages=100,
                context=ssl.create_default_context(),
            ),
            connections=1,
            hostname="glass.test",
            returns=returns,
        )
        stopping = asyncio.Event()
        running = asyncio.create_task(office.run(stopping))
        while spool.counts()["delivery"]:
            await asyncio.sleep(0)
        stopping.set()
        await running
        listening.close()

    asyncio.run(run())
    return spool


def test_each_delivery_goes_out_with_a_return_path_of_its_own(tmp_path: Path) -> None:
    submission, server = one(), Smtp()
    spool = send(tmp_path, server, submission, RETURNS)
    address = return_address(RING, submission.deliveries[0].id, "back.example")
    assert server.command("MAIL").startswith(f"MAIL FROM:<{address}>")
    assert spool.events(0, 10)[-1].body["signed_return_path"] is True


def test_without_returns_the_authors_return_path_stays(tmp_path: Path) -> None:
    server = Smtp()
    spool = send(tmp_path, server, one(), None)
    assert server.command("MAIL").startswith("MAIL FROM:<me@home.test>")
    assert "signed_return_path" not in spool.events(0, 10)[-1].body


def test_a_server_that_speaks_dsn_is_asked_for_reports_that_name_the_delivery(
    tmp_path: Path,
) -> None:
    submission, server = one(), Smtp("DSN")
    send(tmp_path, server, submission, RETURNS)
    _, _, token = server.command("MAIL").partition("ENVID=")
    named = RING.read(token.split()[0], Kind.RETURN_PATH)
    assert named.delivery_id == submission.deliveries[0].id
    assert "RET=HDRS" in server.command("MAIL")
    wanted = "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;you+2Bme@gmail.example"
    assert server.command("RCPT").endswith(wanted)


def test_an_address_beyond_ascii_is_named_as_utf_8(tmp_path: Path) -> None:
    server = Smtp("DSN", "SMTPUTF8", "8BITMIME")
    send(tmp_path, server, one("用户@例子.example"), RETURNS)
    assert server.command("RCPT").endswith(r"ORCPT=utf-8;\x{7528}\x{6237}@\x{4F8B}\x{5B50}.example")


def test_a_server_without_dsn_is_asked_for_nothing(tmp_path: Path) -> None:
    server = Smtp()
    send(tmp_path, server, one(), RETURNS)
    assert server.command("RCPT") == "RCPT TO:<you+me@gmail.example>"
    assert "ENVID" not in server.command("MAIL")


@pytest.mark.parametrize("returns", [RETURNS, None])
def test_a_report_keeps_the_null_return_path_and_begets_none(
    tmp_path: Path, returns: Returns | None
) -> None:
    server = Smtp("DSN")
    send(tmp_path, server, one(return_path=""), returns)
    assert server.command("MAIL").startswith("MAIL FROM:<>")
    assert "NOTIFY=NEVER" in server.command("RCPT")
