"""The pipe of docs/howto/guard-your-mail.md: Dovecot's Sieve filter runs `mailglass clean`."""

from __future__ import annotations

import re
import smtplib
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from mailhost import MailHost, mail_host

from mailglass.guard import clean
from product import PROJECT, SOURCE

pytestmark = pytest.mark.servers

BEACON = b"https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
TRACKED = (
    b"From: News <news@shop.example>\r\nTo: bob@reader.test\r\nMessage-ID: <1@shop.example>\r\n"
    b"Date: Sat, 28 Nov 2026 12:00:00 +0000\r\nContent-Type: text/html\r\n\r\n"
    b"<p>hello</p><img src='" + BEACON + b"' width=1 height=1>\r\n"
)
DOVECOT = """\
plugin {
  sieve_plugins = sieve_extprograms
  sieve_extensions = +vnd.dovecot.filter
  sieve_filter_socket_dir = .
  sieve_before = {place}/clean.sieve
}
protocol lmtp {
  mail_plugins = $mail_plugins sieve
}
# Dovecot runs a filter as the owner of the mailbox, who may not enter the place where the tests'
# Python lies; as a service of its own it runs as root. `filter` is the same to both.
service mailglass-clean {
  executable = script {place}/filters/mailglass-clean
  user = root
  unix_listener mailglass-clean {
    mode = 0666
  }
}
"""
SIEVE = Path("/usr/lib/dovecot/modules/sieve/lib90_sieve_extprograms_plugin.so")


@pytest.fixture(scope="module")
def host() -> Iterator[MailHost]:
    if not SIEVE.exists():
        pytest.skip("dovecot-sieve is not installed")
    path = f"PYTHONPATH={SOURCE} " if SOURCE.is_dir() else ""
    files = {
        "filters/mailglass-clean": f"#!/bin/sh\n{path}exec {sys.executable} -m mailglass clean\n",
        "clean.sieve": 'require "vnd.dovecot.filter";\nfilter "mailglass-clean";\n',
    }
    with mail_host(free_ports(), dovecot=DOVECOT, files=files) as host:
        yield host


def free_ports() -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def documented(beginning: str) -> str:
    """The block of the page that begins so."""
    text = (PROJECT / "docs/howto/guard-your-mail.md").read_text("utf-8")
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return next(str(block) for block in blocks if block.startswith(beginning))


def for_everybody() -> str:
    """A command line of the product that the mailbox's owner can run, who may enter less than root.

    Debian's own Python can read the packages beside the tests where it has the same version.
    """
    packages = sysconfig.get_path("purelib")
    paths = f"{SOURCE}:{packages}" if SOURCE.is_dir() else packages
    command = f"PYTHONPATH={paths} /usr/bin/python3 -m mailglass"
    tried = subprocess.run(
        ["sh", "-c", f"{command} clean"], input=TRACKED, capture_output=True, user="mail",
        group="mail", extra_groups=[], env={},
    )  # fmt: skip
    if tried.returncode or BEACON in tried.stdout:
        pytest.skip("the user mail cannot run the product where it lies")
    return command


def delivered(host: MailHost, user: str, *mails: bytes) -> list[bytes]:
    with smtplib.SMTP("127.0.0.1", host.smtp_port) as smtp:
        for mail in mails:
            smtp.sendmail("news@shop.example", [user], mail)
    return [found[found.index(b"From: ") :] for found in host.messages(user, len(mails))]


def test_a_sieve_filter_delivers_the_clean_copy(host: MailHost) -> None:
    (found,) = delivered(host, "bob@reader.test", TRACKED)
    expected = clean(TRACKED).data
    assert found == expected[expected.index(b"From: ") :]


def test_when_the_filter_fails_the_message_is_delivered_as_it_came(host: MailHost) -> None:
    program = host.place / "filters/mailglass-clean"
    text = program.read_text()
    program.write_text("#!/bin/sh\ncat >/dev/null\nexit 70\n")
    try:
        assert delivered(host, "alice@reader.test", TRACKED) == [TRACKED]
    finally:
        program.write_text(text)


def test_the_lines_of_the_documentation_clean_what_is_delivered() -> None:
    if not SIEVE.exists():
        pytest.skip("dovecot-sieve is not installed")
    command = for_everybody()
    settings = documented("plugin {").replace("/usr/local/lib/dovecot", "{place}")
    script = documented("#!/bin/sh").replace("exec /usr/local/bin/mailglass", command)
    files = {
        "sieve-filter/mailglass-clean": script,
        "clean.sieve": documented("require"),
    }
    with mail_host(free_ports(), dovecot=settings, files=files) as host:
        (found,) = delivered(host, "bob@reader.test", TRACKED)
    expected = clean(TRACKED).data
    assert found == expected[expected.index(b"From: ") :]
