"""A real Postfix shows the milter its mail, and a real Dovecot keeps what comes of it."""

from __future__ import annotations

import base64
import email
import smtplib
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dkim
import pytest
from guard_running import Beside, beside
from mailhost import MailHost, mail_host

from mailglass.gateway.cleaning import Cleaner, CleaningConfig
from mailglass.gateway.milter import Milter
from mailglass.guard import clean

pytestmark = pytest.mark.servers

BEACON = "https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
HEAD = (
    "From: News <news@shop.example>\r\nTo: bob@reader.test\r\nSubject: News\r\n"
    "Message-ID: <1@shop.example>\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
)
BOB = "bob@reader.test"


def newsletter(head: str = "", paragraphs: int = 1, encoding: str = "8bit") -> bytes:
    html = f"<p>Grüße</p><img src='{BEACON}' width=1 height=1>" + "<p>more</p>\r\n" * paragraphs
    body = html.encode()
    if encoding == "base64":
        body = base64.encodebytes(body).replace(b"\n", b"\r\n")
    return f"{HEAD}{head}Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body


@dataclass
class Guarded:
    host: MailHost
    milter: Milter
    keys: dict[str, bytes]
    originals: Path
    running: Beside
    arrived: int = 0

    def through(self, *mails: bytes) -> list[bytes]:
        """What bob finds of these mails, without what the servers wrote in front."""
        with smtplib.SMTP("127.0.0.1", self.host.smtp_port) as smtp:
            for mail in mails:
                smtp.sendmail("news@shop.example", [BOB], mail, ["body=8bitmime"])
        before, self.arrived = self.arrived, self.arrived + len(mails)
        return self.host.messages(BOB, self.arrived)[before:]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    keys: dict[str, bytes] = {}
    originals = tmp_path_factory.mktemp("originals") / "kept"
    config = CleaningConfig(authserv_id="mx.reader.test", originals=originals)
    with beside() as running:
        milter = Milter(Cleaner(config, find_txt=keys.get), max_bytes=2_000_000)
        port = running.run(milter.start("127.0.0.1", 0))
        settings = f"smtpd_milters = inet:127.0.0.1:{port}\nmilter_default_action = accept\n"
        with mail_host(free_ports(3), postfix=settings) as host:
            yield Guarded(host, milter, keys, originals, running)
            running.run(milter.stop())


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def written_by_author(mail: bytes) -> bytes:
    return mail[mail.index(b"From: News") :]


@pytest.mark.parametrize("encoding", ["8bit", "base64"])
@pytest.mark.parametrize("paragraphs", [1, 20_000])  # the longer body takes several packets
def test_the_clean_copy_arrives(guarded: Guarded, encoding: str, paragraphs: int) -> None:
    raw = newsletter(encoding=encoding, paragraphs=paragraphs)
    (found,) = guarded.through(raw)
    assert written_by_author(found) == written_by_author(clean(raw).data)
    message = email.message_from_bytes(found)
    assert message["X-Mailglass-Guard"].startswith("v=1; trackers=1")
    assert message["Authentication-Results"] == "mx.reader.test; dkim=none"
    names = message.keys()[message.keys().index("Received") + 1 :]  # Dovecot's comes first
    assert names.index("Authentication-Results") < names.index("Received")


def test_what_needs_no_change_arrives_byte_for_byte(guarded: Guarded) -> None:
    raw = (HEAD + "X-Odd:  two\r\n\tlines\r\n\r\n<p>nothing</p>\r\n").encode()
    (found,) = guarded.through(raw)
    assert written_by_author(found) == raw


def test_receipt_requests_and_forged_results_go_and_others_stay(guarded: Guarded) -> None:
    field = "Authentication-Results:"
    raw = newsletter(
        "Disposition-Notification-To: <a@shop.example>\r\n"
        f"{field} mx.reader.test; dkim=pass header.d=bank.example\r\n"
        f"{field} other.test; dkim=pass header.d=bank.example\r\n"
        f'{field} (a (nested) comment)\r\n "MX.reader.test" 1; spf=pass\r\n'
        "Disposition-Notification-To: <b@shop.example>\r\n"
    )
    (found,) = guarded.through(raw)
    message = email.message_from_bytes(found)
    assert message["Disposition-Notification-To"] is None
    assert message.get_all("Authentication-Results") == [
        "mx.reader.test; dkim=none",
        "other.test; dkim=pass header.d=bank.example",
    ]


def test_the_signature_is_checked_before_it_breaks(guarded: Guarded, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "genrsa", "-traditional", "-out", str(key), "2048"], check=True,
        capture_output=True,
    )  # fmt: skip
    public = subprocess.run(
        ["openssl", "rsa", "-in", str(key), "-pubout", "-outform", "DER"], check=True,
        capture_output=True,
    ).stdout  # fmt: skip
    guarded.keys["s1._domainkey.shop.example."] = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    raw = newsletter("X-Folded: one\r\n  two\r\n")
    signed = dkim.sign(
        raw, b"s1", b"shop.example", key.read_bytes(), canonicalize=(b"simple", b"simple")
    )
    (good, bad) = guarded.through(signed + raw, signed + raw.replace(b"more", b"less"))
    for found, result in ((good, "pass"), (bad, "fail")):
        assert email.message_from_bytes(found)["Authentication-Results"] == (
            f"mx.reader.test; dkim={result} header.d=shop.example header.s=s1"
        )


def test_a_message_whose_original_cannot_be_kept_arrives_untouched(guarded: Guarded) -> None:
    (first,) = guarded.through(newsletter())
    kept = guarded.originals
    assert BEACON.encode() not in first
    assert any(BEACON.encode() in file.read_bytes() for file in kept.iterdir())
    kept.rename(kept.with_name("elsewhere"))
    kept.write_text("a file where the folder was")
    raw = newsletter(paragraphs=2)
    (found,) = guarded.through(raw)
    kept.unlink()
    assert written_by_author(found) == raw


def test_a_message_that_is_too_large_arrives_untouched(guarded: Guarded) -> None:
    raw = newsletter(paragraphs=200_000)
    (found,) = guarded.through(raw)
    assert written_by_author(found) == raw


def test_several_messages_of_one_session_do_not_mix(guarded: Guarded) -> None:
    raws = [newsletter(paragraphs=n) for n in range(1, 4)]
    found = guarded.through(*raws)
    assert [written_by_author(f) for f in found] == [written_by_author(clean(r).data) for r in raws]


@pytest.mark.parametrize(
    "junk",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xffO",
        b"\0\0\0\x05O\0\0\0\x06",
        b"\0\0\0\x03Lab",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\x01E",
    ],
)
def test_what_is_no_mail_server_harms_nobody(guarded: Guarded, junk: bytes) -> None:
    port = guarded.milter._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(junk)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    (found,) = guarded.through(newsletter())
    assert BEACON.encode() not in found


def test_without_the_milter_mail_arrives_untouched(guarded: Guarded) -> None:
    stopped = threading.Event()

    async def stop() -> None:
        await guarded.milter.stop()
        stopped.set()

    guarded.running.run(stop())
    assert stopped.is_set()
    raw = newsletter(paragraphs=3)
    (found,) = guarded.through(raw)
    assert written_by_author(found) == raw
