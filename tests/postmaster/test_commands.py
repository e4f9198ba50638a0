"""The commands as a user calls them: exit status, JSON, and complaints that say what to do."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]

FIELDS = {"id", "status", "observed", "expected", "why", "fix", "providers", "source"}


@pytest.mark.servers
def test_doctor_prints_findings_as_json(run_cli: Run, unbound: int, postfix: int) -> None:
    done = run_cli(
        "doctor",
        "dmarc-good.test",
        "--ip",
        "192.0.2.66",
        "--resolver",
        f"127.0.0.1:{unbound}",
        "--smtp-port",
        str(postfix),
        "--json",
    )
    told = json.loads(done.stdout)
    assert {frozenset(each) for each in told["findings"]} == {frozenset(FIELDS)}
    listed = [each for each in told["findings"] if each["id"] == "rbl.ip"]
    assert any("zen.spamhaus.org" in each["observed"] for each in listed)
    assert done.returncode == 2  # no SPF record


@pytest.mark.servers
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["mx-good.test"], 2, "no SPF record"),
        (["spf-good.test", "--ip", "192.0.2.10"], 2, "pass for 192.0.2.10"),
        (["dkim-testing.test", "--selector", "s"], 2, "t=y at s._domainkey"),
        (["dmarc-apart.test", "--from", "News <n@dmarc-good.test>"], 2, "organisation"),
        (["good.test", "--rbl", "dnsbl.sorbs.net"], 2, "2024-06-05"),
    ],
)
def test_doctor_is_read_by_a_person(
    run_cli: Run, nsd: int, arguments: list[str], status: int, words: str
) -> None:
    done = run_cli("doctor", *arguments, "--resolver", f"127.0.0.1:{nsd}")
    assert words in done.stdout.decode()
    assert done.returncode == status


def test_silent_servers_leave_everything_unknown_and_nothing_failed(run_cli: Run) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        done = run_cli(
            "doctor",
            "good.test",
            "--ip",
            "192.0.2.1",
            "--resolver",
            f"127.0.0.1:{port}",
            "--tracking-host",
            "t.good.test",
            "--json",
        )
    found = json.loads(done.stdout)["findings"]
    assert {each["status"] for each in found} <= {"unknown", "info", "ok"}
    offline = {"spf.alignment", "dkim.alignment", "tracking.organization"}
    assert {each["id"] for each in found if each["status"] == "ok"} <= offline
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["doctor", "not a domain"], "write it as example.org"),
        (["doctor", "a.test", "--ip", "999"], "such as 192.0.2.25"),
        (["doctor", "a.test", "--resolver", "dns.example"], "127.0.0.1:53"),
        (["connect", "a.test", "--to", "a@b>c"], "name@example.org"),
        (["lint", "-"], "no mail message"),
        (["lint", "-", "--ip", "x"], "such as 192.0.2.25"),
    ],
)
def test_a_wrong_call_is_told_what_to_write(run_cli: Run, arguments: list[str], words: str) -> None:
    done = run_cli(*arguments)
    assert done.returncode not in (0, 1, 2, 3)
    assert words in done.stderr.decode()


@pytest.mark.servers
def test_connect_shows_the_dialogue_and_the_step(run_cli: Run, nsd: int, postfix: int) -> None:
    base = ["connect", "mx-good.test", "--port", str(postfix), "--resolver", f"127.0.0.1:{nsd}"]
    good = run_cli(*base, "--to", "reader@good.test", "--helo", "client.example.test")
    assert good.returncode == 0, good.stdout
    assert b"C: RCPT TO:<reader@good.test>" in good.stdout
    assert b"TLSv1.3" in good.stdout
    bad = run_cli(*base, "--to", "nobody@good.test", "--helo", "client.example.test", "--json")
    told = json.loads(bad.stdout)
    assert (bad.returncode, told["failed_step"]) == (2, "rcpt")
    assert "5.1.1" in told["reason"]
    assert told["certificate"]["names"]


def test_lint_prints_findings_and_forecasts(run_cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "m.eml"
    file.write_bytes(b"From: a@shop.test\r\nSubject: x\r\n\r\nhello\r\n")
    done = run_cli("lint", str(file), "--offline", "--no-filters", "--json")
    told = json.loads(done.stdout)
    assert {frozenset(each) for each in told["findings"]} == {frozenset(FIELDS)}
    assert {each["provider"] for each in told["providers"]} >= {"netease", "gmail"}
    assert done.returncode == 2  # no Date


def test_lint_asks_spamassassin_when_it_is_there(run_cli: Run, tmp_path: Path) -> None:
    program = tmp_path / "spamassassin"
    program.write_text(
        "#!/bin/sh\ncat > /dev/null\n"
        "printf 'X-Spam-Mailglass: score=6.1 required=5.0 tests=A=0.1,\\n\\tBAD=6.0\\n\\n'\n"
    )
    program.chmod(0o755)
    message = b"From: a@shop.test\r\nSubject: x\r\nDate: x\r\n\r\nhello\r\n"
    done = run_cli("lint", "-", "--offline", stdin=message, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert b"6.1 of 5: BAD 6, A 0.1" in done.stdout


@pytest.mark.parametrize("address", ["192.0.2.25", "[192.0.2.25]", "2001:db8::1"])
def test_an_address_in_place_of_the_domain_is_named(run_cli: Run, address: str) -> None:
    done = run_cli("doctor", address, "--resolver", "127.0.0.1:1")
    assert done.returncode == 65
    assert b"--ip" in done.stderr
