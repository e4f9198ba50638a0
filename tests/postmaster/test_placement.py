"""The mailbox test: with mailboxes of our own making, and with Dovecot."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from postmaster_servers import free_port, needs, running, wait_for

from mailglass.lookup import FoundMessage, ImapMailbox, MailboxError
from mailglass.postmaster import Placement, Seed, Where, place
from mailglass.postmaster.placement import authentication_results, prepare

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HEADER = (
    b"Authentication-Results: mx.test (a comment; dkim=none);\r\n"
    b"  dkim=pass header.d=shop.test; spf=softfail smtp.mailfrom=shop.test; dmarc=pass\r\n"
    b"Authentication-Results: forged.test; spf=fail\r\nFrom: a@shop.test\r\n\r\n"
)


class Mailbox:
    """A mailbox in which a message arrives at the given look."""

    def __init__(self, look: int, *, is_spam: bool = False, error: str = "") -> None:
        self.looks = 0
        self.look, self.is_spam, self.error = look, is_spam, error

    async def find(self, message_id: str) -> FoundMessage | None:
        self.looks += 1
        if self.error:
            raise MailboxError(self.error)
        if self.looks < self.look:
            return None
        return FoundMessage(
            folder="Junk" if self.is_spam else "INBOX", is_spam=self.is_spam, header=HEADER
        )


def run(*mailboxes: Mailbox, refuse: bool = False) -> list[Placement]:
    time = 0.0

    async def pause(seconds: float) -> None:
        nonlocal time
        time += seconds / len(mailboxes)

    async def send(raw: bytes, sender: str, recipient: str) -> str:
        if refuse:
            raise MailboxError("550 no")
        return "250 queued"

    seeds = [
        Seed(provider="netease", address=f"s{number}@163.test", mailbox=mailbox)
        for number, mailbox in enumerate(mailboxes)
    ]
    return asyncio.run(
        place(
            seeds,
            send,
            sender="news@shop.test",
            now=NOW,
            clock=lambda: time,
            pause=pause,
            wait_seconds=60,
            pause_seconds=10,
        )
    )


@pytest.mark.parametrize(
    ("mailbox", "where", "delay"),
    [
        (Mailbox(1), Where.INBOX, 0),
        (Mailbox(3), Where.INBOX, 20),
        (Mailbox(2, is_spam=True), Where.SPAM, 10),
        (Mailbox(99), Where.MISSING, None),
        (Mailbox(1, error="login failed"), Where.UNKNOWN, None),
    ],
)
def test_a_message_is_told_by_where_it_lies(
    mailbox: Mailbox, where: Where, delay: float | None
) -> None:
    (placement,) = run(mailbox)
    assert (placement.where, placement.delay_seconds) == (where, delay)


def test_a_message_that_our_own_server_refuses_was_never_sent() -> None:
    (placement,) = run(Mailbox(1), refuse=True)
    assert placement.where is Where.REFUSED
    assert "550 no" in placement.detail


def test_only_the_receivers_own_results_count() -> None:
    assert authentication_results(HEADER) == ("dkim=pass", "spf=softfail", "dmarc=pass")


@pytest.mark.parametrize("line", [b"", b"Message-ID: <same@shop.test>\r\n"])
def test_each_copy_has_its_own_message_id_and_else_every_byte(line: bytes) -> None:
    raw = b"From: a@shop.test\r\n" + line + b"Subject: x\r\n\r\nbody\r\n"
    one, first = prepare(raw, "news@shop.test", "s@163.test", NOW)
    other, second = prepare(raw, "news@shop.test", "s@163.test", NOW)
    assert first != second
    assert one.replace(b"Message-ID: " + first.encode() + b"\r\n", b"") == raw.replace(line, b"")
    assert other.count(b"Message-ID") == 1


class Delivery:
    """A submission server that puts mail into Dovecot's maildirs: spam for the user `junk`."""

    def __init__(self, home: Path) -> None:
        self.home = home

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        user = envelope.rcpt_tos[0].partition("@")[0]
        folder = self.home / user / (".Junk" if user == "junk" else ".")
        for part in ("new", "cur", "tmp"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        content = envelope.content
        assert isinstance(content, bytes)
        (folder / "new" / "1.test").write_bytes(HEADER[: HEADER.index(b"From")] + content)
        subprocess.run(["chown", "-R", "mail:mail", str(self.home / user)], check=True)
        return "250 queued"


@pytest.fixture
def dovecot(folder: Path, certificate: tuple[Path, Path, bytes]) -> object:
    """The IMAP port of a Dovecot with the mailboxes `good`, `junk` and `gone`."""
    (program,) = needs("dovecot")
    home, port = folder / "dovecot", free_port()
    for part in ("run", "state", "mail"):
        (home / part).mkdir(parents=True, exist_ok=True)
    shutil.chown(home / "mail", "mail", "mail")
    users = "".join(f"{user}:{{PLAIN}}secret\n" for user in ("good", "junk", "gone"))
    (home / "users").write_text(users)
    key, cert, _ = certificate
    (home / "dovecot.conf").write_text(
        f"""base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
mail_location = maildir:{home}/mail/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {home}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={home}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Junk {{
    special_use = \\Junk
    auto = create
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""
    )

    def ready() -> bool:
        mailbox = ImapMailbox(
            host="127.0.0.1", port=port, security="none", user="good", password="secret"
        )
        try:
            asyncio.run(mailbox.find("<x>"))
        except MailboxError:
            return False
        return True

    with running([program, "-F", "-c", str(home / "dovecot.conf")], home / "out"):
        wait_for(ready, "dovecot")
        yield port, home / "mail"


@pytest.mark.servers
def test_the_command_finds_mail_in_dovecot(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]],
    dovecot: tuple[int, Path],
    tmp_path: Path,
) -> None:
    imap, mail = dovecot
    controller = Controller(Delivery(mail), hostname="127.0.0.1", port=free_port())
    controller.start()
    (tmp_path / "password").write_text("secret\n")
    seed = '[[seed]]\nhost = "127.0.0.1"\nport = {}\nsecurity = "none"\nprovider = "p"\n'
    seed += 'address = "{}@seed.test"\nuser = "{}"\npassword_file = "password"\n'
    (tmp_path / "seeds.toml").write_text(
        f'[submission]\nhost = "127.0.0.1"\nport = {controller.port}\nsecurity = "none"\n'
        'from = "news@shop.test"\n'
        + "".join(seed.format(imap, user, user) for user in ("good", "junk", "wrong"))
    )
    try:
        done = run_cli("mailbox-test", str(tmp_path / "seeds.toml"), "--wait", "0", "--json")
    finally:
        controller.stop()
    told = {each["address"]: each for each in json.loads(done.stdout)["placements"]}
    assert told["good@seed.test"]["where"] == "inbox", told
    assert told["good@seed.test"]["authentication"] == ["dkim=pass", "spf=softfail", "dmarc=pass"]
    assert told["junk@seed.test"]["where"] == "spam"
    assert told["wrong@seed.test"]["where"] == "unknown"
    assert done.returncode == 1


def test_a_list_of_seeds_that_lacks_something_says_what(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]], tmp_path: Path
) -> None:
    (tmp_path / "seeds.toml").write_text('[submission]\nhost = "127.0.0.1"\n')
    done = run_cli("mailbox-test", str(tmp_path / "seeds.toml"))
    assert b"'from' is missing" in done.stderr
    assert done.returncode == 78
