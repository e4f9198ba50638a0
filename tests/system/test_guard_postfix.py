"""`mailglass guard-filter` in a real Postfix, with the lines that the documentation gives."""

from __future__ import annotations

import contextlib
import email
import re
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mailhost import MailHost, mail_host

from mailglass.guard import clean
from product import PROJECT, environment

pytestmark = pytest.mark.servers

BEACON = b"https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
HEAD = (
    b"From: News <news@shop.example>\r\nTo: bob@reader.test\r\nSubject: News\r\n"
    b"Message-ID: <1@shop.example>\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
)
TRACKED = HEAD + b"<p>Gr\xc3\xbc\xc3\x9fe</p><img src='" + BEACON + b"' width=1 height=1>\r\n"
HOWTO = PROJECT / "docs/howto/guard-your-mail.md"


def documented(beginning: str, *, holding: str = "") -> str:
    """The block of the page that begins so."""
    for block in re.findall(
        r"^```\n(.*?)^```$", HOWTO.read_text("utf-8"), re.DOTALL | re.MULTILINE
    ):
        if block.startswith(beginning) and holding in block:
            return str(block)
    raise AssertionError(f"{HOWTO.name} has no block that begins with {beginning}")


@dataclass
class Filtered:
    host: MailHost
    arrived: dict[str, int] = field(default_factory=dict)

    def through(
        self, raw: bytes, *, sender: str = "news@shop.example", to: str = "bob@reader.test",
        mail_options: tuple[str, ...] = ("BODY=8BITMIME",), rcpt_options: tuple[str, ...] = (),
    ) -> bytes:  # fmt: skip
        """What the recipient finds of this mail."""
        with smtplib.SMTP("127.0.0.1", self.host.smtp_port) as smtp:
            smtp.sendmail(sender, [to], raw, mail_options, rcpt_options)
        self.arrived[to] = self.arrived.get(to, 0) + 1
        return self.host.messages(to, self.arrived[to], 20)[-1]


@pytest.fixture(scope="module", params=["content_filter", "smtpd_proxy_filter"])
def filtered(request: pytest.FixtureRequest) -> Iterator[Filtered]:
    smtp, lmtp, imap, into, back = free_ports(5)
    public = documented("smtp inet", holding=request.param)
    services = public.replace("smtp inet", f"127.0.0.1:{smtp} inet") + documented("127.0.0.1:10026")
    services = services.replace(":10025", f":{into}").replace(":10026", f":{back}")
    services = services.replace(
        "smtpd_recipient_restrictions=",
        "smtpd_recipient_restrictions=check_recipient_access,inline:{no@reader.test=550},",
    )
    settings = "virtual_alias_maps = texthash:{place}/aliases\n"
    files = {
        "aliases": "all@reader.test bob@reader.test, alice@reader.test\n"
        "no@reader.test bob@reader.test\n"
    }
    with (
        mail_host([smtp, lmtp, imap], postfix=settings, services=services, files=files) as host,
        guard_filter(into, back, host.place),
    ):
        yield Filtered(host)


@contextlib.contextmanager
def guard_filter(into: int, back: int, place: Path) -> Iterator[None]:
    """The command of the page, on ports of the test's own and without the network's DNS."""
    command = documented("mailglass guard-filter").replace("\\\n", " ").split()
    command = [word.replace(":10025", f":{into}").replace(":10026", f":{back}") for word in command]
    command = [word.replace("/var/lib/mailglass", str(place)) for word in command]
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--dns", "127.0.0.1:1", "--no-easyprivacy"],
        env={**environment(), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith(b"listening on")
            yield
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def written_by_author(mail: bytes) -> bytes:
    return mail[mail.index(b"From: News") :]


def test_the_clean_copy_arrives_and_the_original_is_kept(filtered: Filtered) -> None:
    found = filtered.through(TRACKED)
    assert written_by_author(found) == written_by_author(clean(TRACKED).data)
    message = email.message_from_bytes(found)
    assert message["X-Mailglass-Guard"].startswith("v=1; trackers=1")
    assert message["Authentication-Results"] == "mx.example.org; dkim=none"
    originals = list((filtered.host.place / "originals").iterdir())
    assert any(file.read_bytes().endswith(TRACKED) for file in originals)
    assert all(file.stat().st_mode & 0o077 == 0 for file in originals)


def test_what_needs_no_change_arrives_byte_for_byte(filtered: Filtered) -> None:
    raw = HEAD + b"<p>nothing\r\n.\r\n..dots\r\n"
    raw = raw.replace(b"nothing", b"x" * 1500)  # longer than RFC 5321 wants lines to be
    found = written_by_author(filtered.through(raw))
    assert found.replace(b"\r\n ", b"") == raw, "Postfix may fold what is too long"


def test_a_report_has_no_sender_and_comes_through(filtered: Filtered) -> None:
    found = filtered.through(TRACKED, sender="")
    assert BEACON not in found
    assert b"Return-Path: <>" in found


@pytest.mark.parametrize(
    ("mail_options", "rcpt_options"),
    [
        (("BODY=8BITMIME", "RET=HDRS", "ENVID=QQ314159"), ("NOTIFY=NEVER",)),
        (("BODY=8BITMIME",), ("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;Bob@Reader.Example")),
        (("SMTPUTF8",), ()),
    ],
)
def test_options_of_the_envelope_are_no_reason_to_refuse(
    filtered: Filtered, mail_options: tuple[str, ...], rcpt_options: tuple[str, ...]
) -> None:
    found = filtered.through(TRACKED, mail_options=mail_options, rcpt_options=rcpt_options)
    assert BEACON not in found


@pytest.mark.parametrize("sender", ["name..1.@docomo.example", '"a b"@shop.example'])
def test_an_address_that_only_its_provider_allows_is_taken(filtered: Filtered, sender: str) -> None:
    assert BEACON not in filtered.through(TRACKED, sender=sender)


def test_an_alias_is_followed_once(filtered: Filtered) -> None:
    with smtplib.SMTP("127.0.0.1", filtered.host.smtp_port) as smtp:
        smtp.sendmail("news@shop.example", ["all@reader.test"], TRACKED, ["BODY=8BITMIME"])
    for name in ("alice@reader.test", "bob@reader.test"):
        filtered.arrived[name] = filtered.arrived.get(name, 0) + 1
        assert len(filtered.host.messages(name, filtered.arrived[name])) == filtered.arrived[name]


def test_a_recipient_that_the_next_hop_refuses_takes_nothing_from_the_others(
    filtered: Filtered,
) -> None:
    with smtplib.SMTP("127.0.0.1", filtered.host.smtp_port) as smtp:
        smtp.sendmail("alice@reader.test", ["no@reader.test", "bob@reader.test"], TRACKED)
    filtered.arrived["bob@reader.test"] = filtered.arrived.get("bob@reader.test", 0) + 1
    count = filtered.arrived["bob@reader.test"]
    assert len(filtered.host.messages("bob@reader.test", count, 20)) == count
