"""`mailglass clean --undo`: the original byte for byte, or a sentence that says why not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from guard_mail import mail
from hypothesis import given
from hypothesis import strategies as st

from mailglass.errors import InputError, NotAMessage
from mailglass.guard import clean
from mailglass.guard.describe import clean_object, failure_object, kept_object
from mailglass.guard.undoing import read_report, undo

Run = Callable[..., subprocess.CompletedProcess[bytes]]
BEACON = "https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
TRACKED = mail(f"<p>hello</p><img src='{BEACON}' width=1 height=1>")
PLAIN = mail("<p>hello</p>")
NO_MESSAGE = b"From x Sun Nov 22 08:00:00 2026\r\n\x00 nothing\r\n\r\n"
FROM = b"From news@shop.example Sun Nov 22 08:00:00 2026\r\n"
MBOX = b"".join(
    (FROM + TRACKED + b"\r\n\r\n", NO_MESSAGE, FROM + PLAIN + b"\r\n\r\n", FROM + TRACKED)
)


def report_of(*mails: bytes) -> tuple[bytes, bytes]:
    """The clean copies of one mbox, and the report on them."""
    offset, copies, objects = 0, b"", []
    for number, raw in enumerate(mails, 1):
        try:
            done = clean(raw)
        except NotAMessage as error:
            copies += raw
            objects.append(kept_object(f"box#{number}", error, raw, offset=offset))
        else:
            copies += done.data
            objects.append(clean_object(done, f"box#{number}", raw, offset=offset))
        offset += len(raw)
    return copies, "\n".join(json.dumps(one) for one in objects).encode()


SEVERAL = (FROM + TRACKED + b"\r\n", NO_MESSAGE, FROM + PLAIN)
COPIES, REPORT = report_of(*SEVERAL)


def test_an_mbox_is_made_again_byte_for_byte_also_from_standard_input(
    run_cli: Run, tmp_path: Path
) -> None:
    box, copy, report = (tmp_path / name for name in ("box", "copy", "report.json"))
    box.write_bytes(MBOX)
    done = run_cli("clean", str(box), "-o", str(copy), "--report", str(report))
    assert done.returncode == 65, "one of the four is no message"
    assert BEACON.encode() not in copy.read_bytes()
    assert NO_MESSAGE in copy.read_bytes(), "and stays where it was"
    again = tmp_path / "again"
    done = run_cli("clean", str(copy), "--undo", "--report", str(report), "-o", str(again))
    assert (done.returncode, done.stderr) == (0, b"")
    assert again.read_bytes() == MBOX
    done = run_cli("clean", "--undo", "--report", str(report), stdin=copy.read_bytes())
    assert done.stdout == MBOX


def test_many_files_and_a_maildir_are_made_again(run_cli: Run, tmp_path: Path) -> None:
    source, copies, again = (tmp_path / name for name in ("source", "copies", "again"))
    files = {
        "a.eml": TRACKED,
        "box": MBOX,
        "Maildir/cur/1:2,S": TRACKED,
        "Maildir/new/2": PLAIN,
        "Maildir/cur/3:2,": b"\x00 nothing",
        "Maildir/.Sent/cur/4:2,S": TRACKED,
        "Maildir/.Sent/new/5": TRACKED,
    }
    for name, data in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    names = ("a.eml", "box", "Maildir")
    report = tmp_path / "report.json"
    done = run_cli(
        "clean", *(str(source / name) for name in names), "--output-dir", str(copies),
        "--report", str(report),
    )  # fmt: skip
    assert done.returncode == 65
    done = run_cli(
        "clean", *(str(copies / name) for name in names), "--undo", "--report", str(report),
        "--output-dir", str(again),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    found = {str(f.relative_to(again)): f.read_bytes() for f in again.rglob("*") if f.is_file()}
    assert found == files


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (b"", "no message that was cleaned"),
        (b"  \n", "no message that was cleaned"),
        (REPORT[:-10], "no JSON, or cut short"),
        (b"\xff\xfe", "no text"),
        (b"[]", "JSON list"),
        (b"null", "JSON NoneType"),
        (b"{}", "names no file"),
        (b"[" * 100_000, "no JSON"),
        (b'{"file": "a", "edits": []}', "`original` is missing"),
        (b'{"file": "a", "edits": 1}', "`edits` is of another type"),
        (b'{"file": "a", "error": null}', "only `clean`"),
        (json.dumps(failure_object("a", InputError("no message"))).encode(), "no message that was"),
    ],
)
def test_what_is_no_report_is_refused_with_a_sentence(report: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_report(report)


@pytest.mark.parametrize("report", [b"", b"[1, 2]", REPORT, REPORT[:200], b"\x00", b'{"file":"x"}'])
def test_the_command_refuses_in_one_line_and_writes_nothing(
    run_cli: Run, tmp_path: Path, report: bytes
) -> None:
    (tmp_path / "one.json").write_bytes(report)
    (tmp_path / "box").write_bytes(MBOX)
    done = run_cli(
        "clean", str(tmp_path / "box"), "--undo", "--report", str(tmp_path / "one.json"),
        "-o", str(tmp_path / "x"),
    )  # fmt: skip
    assert done.returncode == 65
    assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "x").exists()


def test_another_file_than_the_clean_copy_is_refused() -> None:
    known = read_report(REPORT)
    assert undo(COPIES, known) == b"".join(SEVERAL)
    for other in (b"", COPIES[:-1], COPIES + b"x", COPIES.replace(b"hello", b"hallo"), TRACKED):
        with pytest.raises(InputError, match="clean copy of box#1"):
            undo(other, known)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.just("AAAA") | st.just("e30="),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["offset", "old", "new", "bytes", "sha256"]), inner),
    max_leaves=8,
)  # fmt: skip
OBJECTS = [json.loads(line) for line in REPORT.splitlines()]


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    found = []
    for key in keys:
        found.append((*here, key))
        if isinstance(value[key], dict | list):
            found += paths(value[key], (*here, key))
    return found


PLACES = [p for p in paths(OBJECTS) if len(p) == 1 or p[1] not in ("trackers", "links")]


@given(st.sampled_from(PLACES), VALUES)
def test_a_report_with_anything_in_any_place_gives_the_original_or_a_refusal(
    place: tuple[Any, ...], value: Any
) -> None:
    changed = json.loads(json.dumps(OBJECTS))
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    try:
        made = undo(COPIES, read_report("\n".join(json.dumps(o) for o in changed).encode()))
    except InputError:
        return
    assert made == b"".join(SEVERAL)


@given(st.binary(max_size=60) | st.integers(0, len(REPORT)).map(lambda end: REPORT[:end]))
def test_any_bytes_are_a_report_or_refused(report: bytes) -> None:
    try:
        known = read_report(report)
        assert undo(COPIES, known) == b"".join(SEVERAL)
    except InputError:
        return
