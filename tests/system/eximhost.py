"""A real Exim on loopback that accepts nearly everything for exim.test, and finds out later.

It refuses `refused@` and puts `later@` off. `gone@` does not exist, `slow@` lies behind a server
that nobody runs, all others are delivered. Its reports go back to back.test. Debian's package
excludes Postfix: tests/install-servers unpacks it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_PLACES = ("/usr/local/lib/mailglass-tests/exim/usr/sbin/exim4", "/usr/sbin/exim4")

CONFIGURATION = """\
primary_hostname = mail.exim.test
exim_user = Debian-exim
exim_group = mail
spool_directory = {place}/spool
log_file_path = {place}/log/%slog
pid_file_path = {place}/exim.pid
exim_path = {exim}
deliver_drop_privilege
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
acl_smtp_rcpt = acl_rcpt
dsn_advertise_hosts = *
tls_advertise_hosts =
delay_warning = 1s:1h
keep_environment =
disable_ipv6 = true
begin acl
acl_rcpt:
  deny local_parts = refused
       message = 5.1.1 No such user here
  defer local_parts = later
       message = 4.2.0 Come back later
  accept
begin routers
gone:
  driver = redirect
  domains = exim.test
  local_parts = gone
  allow_fail
  data = :fail: 550 5.1.1 No such user here
slow:
  driver = manualroute
  domains = exim.test
  local_parts = slow
  transport = remote
  route_list = * 127.0.0.1::{closed}
  self = send
fine:
  driver = accept
  domains = exim.test
  transport = sink
back:
  driver = manualroute
  domains = back.test
  transport = remote
  route_list = * 127.0.0.1::{back}
  self = send
begin transports
remote:
  driver = smtp
  connection_max_messages = 1
  allow_localhost
  hosts_try_dane =
sink:
  driver = appendfile
  directory = {place}/sink
  maildir_format
  user = Debian-exim
  group = mail
begin retry
* * F,1h,1s
"""


@contextlib.contextmanager
def exim_host(port: int, *, closed: int, back: int) -> Iterator[None]:
    """Start it; skips the test with the reason where that cannot be."""
    exim = next((place for place in _PLACES if os.access(place, os.X_OK)), None)
    if exim is None or os.geteuid() != 0:
        pytest.skip("Exim is not there (tests/install-servers unpacks it), or nobody is root")
    place = Path(tempfile.mkdtemp(prefix="mg-", dir="/tmp"))
    place.chmod(0o755)
    try:
        for name in ("spool", "log", "sink"):
            (place / name).mkdir()
            shutil.chown(place / name, pwd.getpwnam("Debian-exim").pw_uid)
        configuration = place / "exim.conf"
        configuration.write_text(
            CONFIGURATION.format(place=place, exim=exim, port=port, closed=closed, back=back)
        )
        configuration.chmod(0o644)
        with _running(exim, configuration, place / "exim.pid", port):
            yield
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def _running(exim: str, configuration: Path, pid_file: Path, port: int) -> Iterator[None]:
    options = ["-C", str(configuration), "-bd", "-q1s", "-oP", str(pid_file)]
    done = subprocess.run([exim, *options], capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode:  # it lacks a library
        pytest.skip(f"Exim does not start: {done.stderr.decode(errors='replace')[:200]}")
    try:
        _connect(port)
        yield
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGTERM)


def _connect(port: int) -> None:
    """Until it listens: it says so nowhere, and is there within milliseconds."""
    for _ in range(1000):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
    raise AssertionError("Exim does not listen")
