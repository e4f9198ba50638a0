"""`mailglass inbound parse`, as other programs call it."""

from __future__ import annotations

import json
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
