"""`mailglass serve` as a whole: starting, ending, and what happens when something is wrong."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from installation import PATIENCE_SECONDS, Running, running

from product import environment


def test_it_starts_every_role_and_drains_on_sigterm(tmp_path: Path) -> None:
    with running(tmp_path / "data") as glass:
        with urllib.request.urlopen(f"http://127.0.0.1:{glass.private_port}/readyz") as ready:
            assert ready.status == 200
        with urllib.request.urlopen(glass.web_url + "/healthz") as healthy:
            assert healthy.status == 200
        assert glass.stop() == 0
    assert set(glass.pids) == {"collector", "gateway", "ingest", "delivery", "web", "notify"}


def test_a_role_that_dies_is_started_again_and_said_so(tmp_path: Path) -> None:
    with running(tmp_path / "data") as glass:
        glass.kill("web")
        assert any("web died (signal 9); starting it again" in line for line in glass.log)


def test_sighup_reloads_and_ends_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "data") as glass:
        pids = dict(glass.pids)
        assert glass.command("token-key", "new").returncode == 0
        glass.process.send_signal(signal.SIGHUP)
        glass.wait_for_log("collector-reloaded")
        glass.wait_for_log("token-keys-added", len(["gateway", "ingest", "delivery", "web"]))
        assert glass.pids == pids
        assert glass.process.poll() is None


def test_what_it_writes_is_for_its_owner_alone(tmp_path: Path) -> None:
    with running(tmp_path / "data") as glass:
        modes = {file.name: file.stat().st_mode & 0o077 for file in glass.directory.iterdir()}
    assert {name for name, mode in modes.items() if mode} == set()


def test_without_a_smarthost_mail_is_refused_for_now(tmp_path: Path) -> None:
    import smtplib

    with running(tmp_path / "data") as glass, glass.client(glass.password()) as client:
        with pytest.raises(smtplib.SMTPDataError) as caught:
            client.sendmail("me@x.test", ["you@x.test"], b"Subject: x\r\n\r\nx\r\n")
        assert caught.value.smtp_code == 451
        assert any("No smarthost is set" in line for line in glass.log)


def test_a_second_one_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "data") as glass:
        other = Running(glass.directory, {})
        done = other.command("serve")
        assert done.returncode == 1
        assert "is running already" in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with running(tmp_path / "data") as glass:
        other = Running(tmp_path / "other", {"gateway.port": str(glass.gateway_port)})
        done = other.command("serve", "gateway")
        assert done.returncode == 78
        assert f"gateway.port {glass.gateway_port}" in done.stderr


def test_roles_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    glass = Running(tmp_path / "data", {})
    glass.start()
    roles = [os.pidfd_open(pid) for pid in glass.pids.values()]
    glass.process.kill()
    for role in roles:  # readable when the process has ended
        assert select.select([role], [], [], PATIENCE_SECONDS)[0], "a role goes on alone"
        os.close(role)
    glass.stop()


@pytest.mark.parametrize("ending", ["summary", "ctrl-c"])
def test_the_demo_ends_cleanly(tmp_path: Path, ending: str) -> None:
    """By itself after its seconds, with a summary; at Ctrl-C at once, and nothing stays behind."""
    with subprocess.Popen(
        [sys.executable, "-m", "mailglass", "demo", "--seconds", "30"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(), "TMPDIR": str(tmp_path), "COLUMNS": "120"},
    ) as process:
        assert process.stdout is not None
        if ending == "ctrl-c":
            while not (line := process.stdout.readline()).startswith("Dashboard"):
                assert line
            os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS * 2)
    assert process.returncode == 0, err
    assert not err
    assert list(tmp_path.iterdir()) == []
    delivered = re.search(r"delivered +│ +(\d+) │ +(\d+)", out)
    assert delivered, out
    if ending == "summary":
        assert int(delivered[1]) > 150
        assert "In truth" in out
