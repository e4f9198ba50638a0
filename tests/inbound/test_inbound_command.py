"""`mailglass inbound parse`, as other programs call it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]

BOUNCE = (
    b"From: MAILER-DAEMON@mx.example\nSubject: failure notice\n"
    b"References: <m1@sender.example>\n\n<who@example.net>:\n550 5.1.1 user unknown\n"
)
RECORD_FIELDS = [
    "recipient",
    "action",
    "enhanced_status",
    "reply_code",
    "class",
    "permanent",
    "suppress",
    "diagnostic",
    "remote_mta",
    "feedback_type",
    "disposition",
]


@pytest.fixture
def bounce(tmp_path: Path) -> Path:
    path = tmp_path / "bounce.eml"
    path.write_bytes(BOUNCE)
    return path


def test_one_object_a_line_has_the_fields_of_the_contract(run_cli: Run, bounce: Path) -> None:
    done = run_cli("inbound", "parse", str(bounce), str(bounce), "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert len(lines) == 2
    assert list(lines[0]) == ["file", "kind", "records", "in_reply_to", "error"]
    assert (lines[0]["file"], lines[0]["kind"]) == (str(bounce), "bounce")
    assert lines[0]["in_reply_to"] == "<m1@sender.example>"
    assert list(lines[0]["records"][0]) == RECORD_FIELDS
    assert lines[0]["records"][0]["class"] == "unknown-user"


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_files_with_other_line_ends_are_read(run_cli: Run, bounce: Path, line_end: bytes) -> None:
    bounce.write_bytes(BOUNCE.replace(b"\n", line_end))
    told = json.loads(run_cli("inbound", "parse", str(bounce), "--json").stdout)
    assert told["records"][0]["recipient"] == "who@example.net"


def test_a_folder_stands_for_its_files(run_cli: Run, bounce: Path) -> None:
    done = run_cli("inbound", "parse", str(bounce.parent), "--json")
    assert json.loads(done.stdout)["file"] == str(bounce)


def test_a_file_that_cannot_be_read_is_named_and_the_rest_go_on(run_cli: Run, bounce: Path) -> None:
    done = run_cli("inbound", "parse", str(bounce.parent / "none"), str(bounce), "--json")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert "cannot be read" in first["error"]
    assert second["kind"] == "bounce"


def test_people_get_a_page(run_cli: Run, bounce: Path) -> None:
    page = run_cli("inbound", "parse", str(bounce)).stdout.decode()
    assert "who@example.net  failed 550 5.1.1 unknown-user suppress" in page


def data(tmp_path: Path) -> tuple[str, ...]:
    return "--set", f"data.directory={tmp_path / 'data'}"


def test_imported_mail_is_taken_once(run_cli: Run, bounce: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    first = run_cli(*data(tmp_path), "inbound", "import", str(bounce))
    second = run_cli(*data(tmp_path), "inbound", "import", str(bounce))
    assert first.stdout == b"1 mails taken, 0 were here already\n"
    assert second.stdout == b"0 mails taken, 1 were here already\n"


def test_an_mbox_and_a_maildir_are_imported(run_cli: Run, bounce: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    mbox = tmp_path / "mbox"
    other = BOUNCE.replace(b"who@", b"other@")
    mbox.write_bytes(b"From x Sun Nov 22\n" + BOUNCE + b"\nFrom y Sun Nov 22\n" + other + b"\n")
    maildir = tmp_path / "Maildir" / "new"
    maildir.mkdir(parents=True)
    (maildir / "1.host").write_bytes(BOUNCE.replace(b"who@", b"third@"))
    done = run_cli(*data(tmp_path), "inbound", "import", str(mbox), str(maildir.parent))
    assert done.stdout == b"3 mails taken, 0 were here already\n"


def test_nobody_is_suppressed_at_first(run_cli: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert run_cli(*data(tmp_path), "suppressions").stdout == b""
    done = run_cli(*data(tmp_path), "unsuppress", "who@example.net")
    assert done.returncode == 65
    assert b"is not suppressed" in done.stderr


def test_a_log_is_read(run_cli: Run, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(
        "Nov 22 09:00:00 mx postfix/smtp[1]: 4ABCDE12345: to=<who@example.net>, "
        "relay=mx.example.net[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=5.1.1, "
        "status=bounced (host mx.example.net[192.0.2.1] said: 550 5.1.1 user unknown)\n"
    )
    told = json.loads(run_cli("inbound", "log", str(log), "--json").stdout)
    assert (told["queue_id"], told["class"]) == ("4ABCDE12345", "unknown-user")


def test_a_files_name_that_is_no_utf_8_still_makes_json(run_cli: Run, bounce: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(bounce.parent) + b"/odd\xff.eml"))
    odd.write_bytes(BOUNCE)
    told = json.loads(run_cli("inbound", "parse", str(odd), "--json").stdout.decode("utf-8"))
    assert os.fsencode(told["file"]) == os.fsencode(odd)


def test_what_came_back_is_listed_and_shown(run_cli: Run, bounce: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    to = ["--to", "back@sender.example"]
    run_cli(*data(tmp_path), "inbound", "import", *to, str(bounce))
    told = json.loads(run_cli(*data(tmp_path), "inbound", "list", "--json").stdout)
    assert (told["to"], told["state"]) == ("back@sender.example", "new")
    shown = run_cli(*data(tmp_path), "inbound", "show", str(told["id"]))
    assert shown.stdout == BOUNCE
    missing = run_cli(*data(tmp_path), "inbound", "show", "77")
    assert missing.returncode == 65
    assert b"inbound list" in missing.stderr
    assert run_cli(*data(tmp_path), "inbound", "list", "--state", "apart").stdout == b""
