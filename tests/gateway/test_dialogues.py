"""SMTP dialogues with the submission server, each a file that reads like the protocol.

`C:` is sent as it stands, `S:` must begin the reply's line, `#` is a remark; `<long N>` stands for
N letters and `<base64 TEXT>` for its encoding, with `|` for NUL.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from pathlib import Path

import pytest

from mailglass.errors import StorageUnavailable
from mailglass.gateway import Config, Intake, SubmissionServer, TrackingDefaults
from mailglass.history import PasswordCheck, Role, User
from mailglass.ids import Ids
from mailglass.spool import Spool, Submission
from mailglass.tokens import Ring

DIALOGUES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))
ROLES = {"alice": Role.OWNER, "dave": Role.READ_ONLY}
TRACKING = TrackingDefaults(
    base_url="https://track.example",
    opens=True,
    links=True,
    attachments="keep",
    text_links=False,
)


class FullDisk(Spool):
    """A spool whose disk is full."""

    def accept(self, submission: Submission) -> None:
        raise StorageUnavailable("database or disk is full")


async def authenticate(name: str, password: str, address: str) -> PasswordCheck:
    if name == "unreachable":
        raise StorageUnavailable("the history does not answer")
    if name == "guessed":
        return PasswordCheck(wait_seconds=61)
    if password != "secret" or name not in ROLES:
        return PasswordCheck()
    user = User(id=1, account_id=1, name=name, password_hash="", role=ROLES[name])
    return PasswordCheck(user=user)


async def start(spool: Spool, refusal: str | None) -> SubmissionServer:
    intake = Intake(
        spool=spool,
        ids=Ids(),
        ring=Ring([b"k" * 32]),
        store=lambda content, name: "",
        tracking=TRACKING,
        hostname="glass.test",
    )
    server = SubmissionServer(
        Config(
            host="127.0.0.1",
            port=0,
            hostname="glass.test",
            max_message_bytes=20_000,
            max_recipients=2,
            max_connections=2,
        ),
        intake=intake,
        authenticate=authenticate,
        refusal=lambda: refusal,
    )
    await server.start()
    return server


def expand(text: str) -> bytes:
    text = re.sub(r"<long (\d+)>", lambda m: "x" * int(m[1]), text)
    text = re.sub(
        r"<base64 ([^>]*)>",
        lambda m: base64.b64encode(m[1].replace("|", "\0").encode()).decode(),
        text,
    )
    return text.encode() + b"\r\n"


async def play(port: int, dialogue: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await follow(reader, writer, dialogue)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def follow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dialogue: str) -> None:
    for number, line in enumerate(dialogue.splitlines(), 1):
        kind, _, text = line.partition(": ") if ": " in line else (line[:1], "", "")
        if kind == "C":
            writer.write(expand(text))
        elif line == "C:":
            writer.write(b"\r\n")
        elif kind == "S":
            answer = (await reader.readline()).decode().rstrip("\r\n")
            assert answer.startswith(text), f"line {number}: {answer!r}"


@pytest.mark.parametrize("file", DIALOGUES, ids=lambda f: f.stem)
def test_dialogue(file: Path, tmp_path: Path) -> None:
    text = file.read_text()
    spool = (FullDisk if "# full disk" in text else Spool)(tmp_path / "spool.db")
    refusal = "451 4.3.5 No smarthost is set" if "# no smarthost" in text else None

    async def run() -> None:
        server = await start(spool, refusal)
        try:
            await play(server.port, text)
        finally:
            await server.stop()

    asyncio.run(run())
    assert spool.counts()["message"] == text.count("S: 250 2.0.0 Taken")
