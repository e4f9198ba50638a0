"""`mailglass instrument` and `mailglass restore`, run as a user runs them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

from mailglass.journal import Attachments

MESSAGE = (
    b"From: a@example.com\r\nSubject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b'<html><body><a href="https://e.example/?a=1&amp;b=2">x</a>\r\n'
    b'<a href="mailto:a@b.example">y</a></body></html>\r\n'
)

BASE = ("--base-url", "https://t.example.org")


def applied(original: bytes, plan: dict) -> bytes:
    """The plan's edits made by hand, as its contract describes them."""
    out, position = b"", 0
    for edit in plan["edits"]:
        out += original[position : edit["offset"]] + base64.b64decode(edit["new"])
        position = edit["offset"] + edit["length"]
    return out + original[position:]


def test_a_message_goes_through_and_comes_back(run_cli, tmp_path: Path) -> None:
    plan_file, out_file = tmp_path / "plan.json", tmp_path / "out.eml"
    url = "https://t.example.org"
    done = run_cli("instrument", "-", "--base-url", url, "--plan", str(plan_file), stdin=MESSAGE)
    assert (done.returncode, done.stderr) == (0, b"")
    plan = json.loads(plan_file.read_text())
    assert applied(MESSAGE, plan) == done.stdout
    assert [(e["kind"], e["target"]) for e in plan["edits"] if e["kind"] != "line-break"] == [
        ("link", "https://e.example/?a=1&b=2"),
        ("beacon", None),
    ]
    assert [(i["what"], i["reason"]) for i in plan["left_alone"]] == [
        ("link mailto:a@b.example", "scheme mailto")
    ]
    out_file.write_bytes(done.stdout)
    back = run_cli("restore", str(out_file), "--plan", str(plan_file))
    assert (back.returncode, back.stdout) == (0, MESSAGE)


def test_a_changed_message_is_not_restored(run_cli, tmp_path: Path) -> None:
    plan_file = tmp_path / "plan.json"
    done = run_cli("instrument", "--plan", str(plan_file), stdin=MESSAGE)
    back = run_cli("restore", "-", "--plan", str(plan_file), stdin=done.stdout + b"x")
    assert (back.returncode, back.stdout) == (65, b"")
    assert len(back.stderr.splitlines()) == 1


def test_what_is_no_message_ends_with_65_and_one_line(run_cli) -> None:
    done = run_cli("instrument", *BASE, stdin=b"<html></html>")
    assert (done.returncode, done.stdout) == (65, b"")
    assert len(done.stderr.splitlines()) == 1


def test_many_files_keep_their_names(run_cli, tmp_path: Path) -> None:
    for name, raw in (("a.eml", MESSAGE), ("b.eml", b"no message"), ("c.eml", MESSAGE)):
        (tmp_path / name).write_bytes(raw)
    files = [str(tmp_path / name) for name in ("a.eml", "b.eml", "c.eml")]
    out, plans = tmp_path / "out", tmp_path / "plans"
    done = run_cli("instrument", *files, *BASE, "--output-dir", str(out), "--plan-dir", str(plans))
    assert done.returncode == 65
    assert len(done.stderr.splitlines()) == 1
    assert sorted(p.name for p in out.iterdir()) == ["a.eml", "b.eml", "c.eml"]
    assert (out / "b.eml").read_bytes() == b"no message"
    for name in ("a.eml", "c.eml"):
        plan = json.loads((plans / f"{name}.json").read_text())
        assert applied(MESSAGE, plan) == (out / name).read_bytes()


def test_the_same_key_and_delivery_give_the_same_bytes(run_cli, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("00" * 32 + "\n")
    options = ("--key-file", str(tmp_path / "keys"), "--delivery-id", "7")
    outs = {run_cli("instrument", *options, stdin=MESSAGE).stdout for _ in range(2)}
    assert len(outs) == 1


def test_a_linked_attachment_is_kept_where_asked(run_cli, tmp_path: Path) -> None:
    raw = (
        b'From: a@b\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\nhello\n--b\n'
        b"Content-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n\n"
        b"PDF\n--b--\n"
    )
    store = tmp_path / "store"
    done = run_cli("instrument", "--attachments", "link", "--attachment-dir", str(store), stdin=raw)
    assert done.returncode == 0
    (digest,) = re.findall(rb"f=([a-z2-7]{26})", done.stdout)
    with Attachments(store).open(digest.decode()) as kept:  # as the collector opens it
        assert kept.read() == b"PDF"


def test_a_fault_has_its_one_line_for_itself_also_without_a_base_url(run_cli) -> None:
    done = run_cli("instrument", stdin=b"")
    assert (done.returncode, done.stdout) == (65, b"")
    assert len(done.stderr.splitlines()) == 1


def test_without_a_base_url_a_warning_says_where_the_links_lead(run_cli) -> None:
    done = run_cli("instrument", stdin=MESSAGE)
    assert done.returncode == 0
    assert b"no --base-url" in done.stderr


def test_several_files_without_a_place_to_go_are_refused(run_cli, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(MESSAGE)
    done = run_cli("instrument", str(tmp_path / "a"), str(tmp_path / "a"))
    assert done.returncode == 78
    assert b"--output-dir" in done.stderr
