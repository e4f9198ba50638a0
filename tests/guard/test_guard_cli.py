"""`mailglass inspect` and `mailglass clean`, as a person and as a program call them."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from guard_mail import mail

Run = Callable[..., subprocess.CompletedProcess[bytes]]
BEACON = "https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
TRACKED = mail(
    f"<p>hello</p><img src='{BEACON}' width=1 height=1><img src='https://a.example/images/l.png'>"
    "<a href='https://t.example/click?url=https%3A%2F%2Fa.example%2Fb'>x</a>",
    head="Disposition-Notification-To: news@shop.example\r\n",
)
MBOX = b"From news@shop.example Sun Nov 22 08:00:00 2026\r\n"


@pytest.fixture
def message(tmp_path: Path) -> Path:
    file = tmp_path / "a.eml"
    file.write_bytes(TRACKED)
    return file


def test_inspect_prints_the_object_that_other_programs_read(run_cli: Run, message: Path) -> None:
    done = run_cli("inspect", str(message), "--json", "--no-easyprivacy")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["file"] == str(message)
    assert found["error"] is None
    assert found["plain"] == 1
    assert found["receipt_requests"] == ["Disposition-Notification-To: news@shop.example"]
    (tracker,) = found["trackers"]
    assert {key: tracker[key] for key in ("url", "loader", "band", "vendor", "part")} == {
        "url": BEACON, "loader": "img-src", "band": "tracker", "vendor": None, "part": "0",
    }  # fmt: skip
    assert tracker["score"] > 0.9
    assert {item["signal"] for item in tracker["evidence"]} >= {"invisible", "token"}
    (link,) = found["links"]
    assert link["unwrapped"] == "https://a.example/b"
    assert (link["vendor"], link["opaque"]) == (None, False)


def test_inspect_tells_a_person_what_it_found(run_cli: Run, message: Path) -> None:
    text = run_cli("inspect", str(message)).stdout.decode()
    assert "1 tracker, 0 maybe, 1 plain" in text
    assert "too small to see (1×1)" in text
    assert "receipt asked for" in text


def test_inspect_reads_standard_input(run_cli: Run) -> None:
    found = json.loads(run_cli("inspect", "-", "--json", stdin=TRACKED).stdout)
    assert found["file"] == "-"


def test_an_mbox_and_a_maildir_give_an_object_for_each_message(
    run_cli: Run, tmp_path: Path
) -> None:
    mbox = tmp_path / "box"
    mbox.write_bytes((MBOX + TRACKED + b"\r\n\r\n") * 3)
    (tmp_path / "dir" / "cur").mkdir(parents=True)
    (tmp_path / "dir" / "new").mkdir()
    (tmp_path / "dir" / "cur" / "1:2,S").write_bytes(TRACKED)
    done = run_cli("inspect", str(mbox), str(tmp_path / "dir"), "--json")
    names = [json.loads(line)["file"] for line in done.stdout.splitlines()]
    assert names == [*(f"{mbox}#{n}" for n in (1, 2, 3)), str(tmp_path / "dir/cur/1:2,S")]


def test_what_is_no_message_ends_with_65_and_the_others_are_read(
    run_cli: Run, message: Path, tmp_path: Path
) -> None:
    (tmp_path / "b.eml").write_bytes(b"\x00 nothing")
    done = run_cli("inspect", str(tmp_path / "b.eml"), str(message), str(tmp_path / "no"), "--json")
    assert done.returncode == 65
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert "no mail message" in first["error"]
    assert second["error"] is None
    assert "cannot be read" in third["error"]


@pytest.mark.parametrize("command", ["inspect", "clean"])
@pytest.mark.parametrize(
    ("names", "status"),
    [
        (["a.eml"], 0),
        (["no"], 66),
        (["box/no"], 66),
        (["a.eml/no"], 66),
        (["b.eml"], 65),
        (["a.eml", "no"], 66),
        (["no", "b.eml"], 65),
        (["empty"], 65),
    ],
)
def test_a_file_that_is_not_there_is_another_fault_than_one_that_is_no_message(
    run_cli: Run, message: Path, command: str, names: list[str], status: int
) -> None:
    place = message.parent
    (place / "b.eml").write_bytes(b"\x00 nothing")
    (place / "empty").mkdir()
    output = ["--output-dir", str(place / "out")] if command == "clean" else []
    done = run_cli(command, *(str(place / name) for name in names), *output)
    assert done.returncode == status
    assert done.stderr.count(b"cannot be read") == sum("no" in name for name in names)


def test_clean_writes_the_copy_and_the_report_and_undoes_it(run_cli: Run, message: Path) -> None:
    out, report = message.parent / "out.eml", message.parent / "report.json"
    done = run_cli("clean", str(message), "-o", str(out), "--report", str(report))
    assert done.returncode == 0
    assert BEACON.encode() not in out.read_bytes()
    assert json.loads(report.read_text())["trackers"][0]["url"] == BEACON
    undone = run_cli("clean", str(out), "--undo", "--report", str(report))
    assert undone.stdout == TRACKED


def test_clean_is_a_filter(run_cli: Run) -> None:
    done = run_cli("clean", stdin=TRACKED)
    assert done.stdout.startswith(b"X-Mailglass-Guard: v=1; trackers=1;")


def test_clean_takes_many_files(run_cli: Run, message: Path, tmp_path: Path) -> None:
    mbox = tmp_path / "box"
    mbox.write_bytes((MBOX + TRACKED + b"\r\n\r\n") * 2)
    (tmp_path / "b.eml").write_bytes(b"\x00 nothing")
    out = tmp_path / "out"
    files = [str(message), str(mbox), str(tmp_path / "b.eml")]
    done = run_cli("clean", *files, "--output-dir", str(out))
    assert done.returncode == 65
    assert sorted(file.name for file in out.iterdir()) == ["a.eml", "box"]
    assert (out / "box").read_bytes().count(MBOX) == 2
    assert BEACON.encode() not in (out / "box").read_bytes()


def test_no_clean_copy_is_written_over_another_or_over_its_original(
    run_cli: Run, message: Path
) -> None:
    other = message.parent / "other" / message.name
    other.parent.mkdir()
    other.write_bytes(TRACKED)
    out = message.parent / "out"
    done = run_cli("clean", str(message), str(other), "--output-dir", str(out))
    assert (done.returncode, out.exists()) == (65, False)
    assert b"would overwrite" in done.stderr
    done = run_cli("clean", str(message), "-o", str(message))
    assert done.returncode == 65
    assert message.read_bytes() == TRACKED


def test_an_output_that_cannot_be_written_is_one_line(run_cli: Run, message: Path) -> None:
    done = run_cli("clean", str(message), "-o", str(message / "below a file"))
    assert done.returncode == 73
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("command", ["guard-filter", "guard-milter"])
def test_an_address_that_cannot_be_listened_on_is_named(run_cli: Run, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = f"127.0.0.1:{held.getsockname()[1]}"
        for listen in (taken, "nonsense", "127.0.0.1:99999"):
            done = run_cli(command, "--listen", listen)
            assert done.returncode == 78
            assert f"--listen {listen}".encode() in done.stderr
            assert done.stderr.count(b"\n") == 1


def test_clean_of_what_is_no_message_writes_nothing(run_cli: Run, tmp_path: Path) -> None:
    (tmp_path / "b.eml").write_bytes(b"\x00 nothing")
    done = run_cli("clean", str(tmp_path / "b.eml"), "-o", str(tmp_path / "out"))
    assert done.returncode == 65
    assert not (tmp_path / "out").exists()
    assert done.stderr.count(b"\n") == 1
