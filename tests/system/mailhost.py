"""A real receiving server on loopback: Postfix takes the mail, Dovecot keeps it and serves IMAP.

Both run from a folder of their own, without systemd, on ports that nobody else has.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

POSTFIX_SERVICES = """\
postlog unix-dgram n - n - 1 postlogd
{public}pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""

PUBLIC_SMTPD = "127.0.0.1:{smtp} inet n - n - - smtpd\n"

POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
maillog_file = {place}/postfix.log
maillog_file_prefixes = {place}
myhostname = mx.reader.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
default_transport = error:5.4.4 only reader.test is known here
virtual_mailbox_domains = reader.test
virtual_mailbox_maps = texthash:{place}/mailboxes
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_client_connection_rate_limit = 0
in_flow_delay = 0
biff = no
"""

DOVECOT = """\
base_dir = {place}/dovecot
state_dir = {place}/dovecot
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{place}/mail/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={place}/mail/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service stats {{
  client_limit = 1000
}}
"""


class MailHost:
    """Where to hand mail for reader.test, and where to read it."""

    def __init__(self, smtp_port: int, imap_port: int, place: Path) -> None:
        self.smtp_port = smtp_port
        self.place = place
        self._imap_port = imap_port

    def messages(self, user: str, count: int, patience_seconds: float = 60) -> list[bytes]:
        """The user's messages, when there are `count` of them."""
        with imaplib.IMAP4("127.0.0.1", self._imap_port) as imap:
            imap.login(user, "secret")
            imap.select("INBOX")
            end = time.monotonic() + patience_seconds
            while True:
                numbers = imap.search(None, "ALL")[1][0].split()
                if len(numbers) >= count:
                    break
                assert time.monotonic() < end, f"{len(numbers)} of {count} messages arrived"
                _idle(imap)
            return [imap.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers]


def _idle(imap: imaplib.IMAP4) -> None:
    """Wait until the server has news (RFC 2177), at most a second."""
    imap.send(b"i1 IDLE\r\n")
    imap.readline()
    imap.sock.settimeout(1)
    with contextlib.suppress(TimeoutError):
        imap.sock.recv(1, socket.MSG_PEEK)
    imap.sock.settimeout(None)
    imap.send(b"DONE\r\n")
    while not imap.readline().startswith(b"i1 "):
        pass


def _why_not() -> str | None:
    missing = [p for p in ("postfix", "dovecot") if not shutil.which(p, path=_PATH)]
    if missing:
        return f"{' and '.join(missing)} not installed"
    return None if os.geteuid() == 0 else "Postfix needs root"


_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


@contextlib.contextmanager
def mail_host(
    ports: list[int],
    *,
    postfix: str | None = "",
    services: str = "",
    dovecot: str = "",
    files: dict[str, str] | None = None,
) -> Iterator[MailHost]:
    """Start both servers; skips the test with the reason where that cannot be.

    `postfix` and `dovecot` are further lines of their settings (without the first, Dovecot is
    alone), `services` the first one's smtpd instead of the plain one, `files` programs and scripts
    in their folder; `{place}` in settings and files is that folder.
    """
    if reason := _why_not():
        pytest.skip(reason)
    smtp, lmtp, imap = ports
    # a socket's path may have 107 characters, and the servers' own users must get in
    place = Path(tempfile.mkdtemp(prefix="mg-", dir="/tmp"))
    place.chmod(0o755)
    try:
        _write(place, services, smtp=smtp, lmtp=lmtp, imap=imap)
        _append(place / "etc/main.cf", postfix or "", place)
        _append(place / "dovecot.conf", dovecot, place)
        for name, content in (files or {}).items():
            _append(place / name, content, place)
            (place / name).chmod(0o755)
        with _dovecot(place), _postfix(place) if postfix is not None else contextlib.nullcontext():
            yield MailHost(smtp, imap, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _append(file: Path, text: str, place: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as opened:
        opened.write(text.replace("{place}", str(place)))


def _write(place: Path, services: str, **ports: int) -> None:
    for name in ("queue", "data", "etc", "dovecot", "mail"):
        (place / name).mkdir()
    shutil.chown(place / "data", "postfix")
    shutil.chown(place / "mail", pwd.getpwnam("mail").pw_uid)
    (place / "mailboxes").write_text("alice@reader.test x\nbob@reader.test x\n")
    (place / "etc/main.cf").write_text(POSTFIX_MAIN.format(place=place, **ports))
    public = services or PUBLIC_SMTPD.format(**ports)
    (place / "etc/master.cf").write_text(POSTFIX_SERVICES.format(public=public))
    (place / "dovecot.conf").write_text(DOVECOT.format(place=place, **ports))


@contextlib.contextmanager
def _dovecot(place: Path) -> Iterator[None]:
    with subprocess.Popen(
        ["dovecot", "-F", "-c", str(place / "dovecot.conf")],
        env={**os.environ, "PATH": _PATH},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:  # its sockets listen before it says so
            if b"starting up" in line:
                break
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        try:
            yield
        finally:
            process.terminate()
            process.wait()
            drain.join()


@contextlib.contextmanager
def _postfix(place: Path) -> Iterator[None]:
    def postfix(command: str) -> None:
        subprocess.run(
            ["postfix", "-c", str(place / "etc"), command],
            env={**os.environ, "PATH": _PATH},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    postfix("start")  # returns when the master listens
    try:
        yield
    finally:
        postfix("stop")
