"""The command and the file system: no file is lost, and every fault is one line."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailglass.cli._files import BrokenOutput, write_file
from mailglass.cli.instrument import command
from mailglass.instrument import compile_message
from product import environment

MESSAGE = b"A: b\nContent-Type: text/html\n\n<a href='https://e.example/'>x</a>\n"
BASE = ("--base-url", "https://t.example.org")
PDF = (
    b'A: b\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\nhello\n--b\n'
    b"Content-Disposition: attachment; filename=a.pdf\n\nPDF\n--b--\n"
)


def is_one_line(stderr: bytes) -> bool:
    return len(stderr.splitlines()) == 1 and stderr.startswith(b"mailglass: ")


def put(directory: Path, name: str, raw: bytes = MESSAGE) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(raw)
    return directory / name


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_two_inputs_of_one_name_are_refused_before_anything_is_written(run_cli, tmp_path) -> None:
    files = [put(tmp_path / "a", "m.eml"), put(tmp_path / "b", "m.eml", MESSAGE + b"2")]
    done = run_cli("instrument", *BASE, *map(str, files), "--output-dir", str(tmp_path / "out"))
    assert (done.returncode, is_one_line(done.stderr)) == (65, True)
    assert all(str(file).encode() in done.stderr for file in files)
    assert not (tmp_path / "out").exists()


def test_the_same_file_twice_is_refused(run_cli, tmp_path: Path) -> None:
    file = str(put(tmp_path, "m.eml"))
    done = run_cli("instrument", *BASE, file, file, "--output-dir", str(tmp_path / "out"))
    assert (done.returncode, is_one_line(done.stderr)) == (65, True)


@pytest.mark.parametrize(
    "way", ["itself", "link", "hard link", "plan", "plan of one", "plan on output"]
)
def test_an_output_is_never_written_over_an_input_or_another_output(run_cli, tmp_path, way) -> None:
    file = put(tmp_path / "in", "m.eml")
    named = put(tmp_path / "in", "m.eml.json")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "hard").mkdir()
    (tmp_path / "hard" / "m.eml").hardlink_to(file)
    before = contents(tmp_path)
    inside, out = str(tmp_path / "in"), str(tmp_path / "out")
    options = {
        "itself": (str(file), "--output-dir", inside),
        "link": (str(file), "--output-dir", str(tmp_path / "link")),
        "hard link": (str(file), "--output-dir", str(tmp_path / "hard")),
        "plan": (str(named), str(file), "--output-dir", out, "--plan-dir", inside),
        "plan of one": (str(file), "--plan", str(file)),
        "plan on output": (str(file), str(named), "--output-dir", out, "--plan-dir", out),
    }
    done = run_cli("instrument", *BASE, *options[way])
    assert (done.returncode, is_one_line(done.stderr), done.stdout) == (65, True, b"")
    assert contents(tmp_path) == before


NO_INPUT = {
    "missing": ("instrument", "{}/missing"),
    "directory": ("instrument", "{}"),
    "missing, restored": ("restore", "{}/missing", "--plan", "{}/plan"),
    "directory, restored": ("restore", "{}", "--plan", "{}/plan"),
    "missing plan": ("restore", "{}/m.eml", "--plan", "{}/missing"),
    "plan is a directory": ("restore", "{}/m.eml", "--plan", "{}"),
}
NO_OUTPUT = {
    "plan into a missing directory": ("instrument", "{}/m.eml", "--plan", "{}/no/plan.json"),
    "plan over a directory": ("instrument", "{}/m.eml", "--plan", "{}"),
    "directory over a file": ("instrument", "{}/m.eml", "--output-dir", "{}/plan"),
    "plans over a file": (
        *("instrument", "{}/m.eml", "--output-dir", "{}/o", "--plan-dir", "{}/plan"),
    ),
    "attachments over a file": (
        *("instrument", "{}/pdf.eml", "--attachments", "link", "--attachment-dir", "{}/plan"),
    ),
}


@pytest.mark.parametrize(
    ("call", "status"), [*((c, 66) for c in NO_INPUT), *((c, 73) for c in NO_OUTPUT)]
)
def test_what_cannot_be_opened_is_one_line_and_its_status(run_cli, tmp_path, call, status) -> None:
    put(tmp_path, "m.eml")
    put(tmp_path, "pdf.eml", PDF)
    made = run_cli("instrument", *BASE, "--plan", str(tmp_path / "plan"), stdin=MESSAGE)
    assert made.returncode == 0
    name, *rest = ({**NO_INPUT, **NO_OUTPUT})[call]
    base = BASE if name == "instrument" else ()
    done = run_cli(name, *base, *(word.format(tmp_path) for word in rest))
    assert (done.returncode, done.stdout) == (status, b"")
    assert is_one_line(done.stderr), done.stderr


@pytest.mark.parametrize("end", [">&-", ">/dev/full"])
@pytest.mark.parametrize("command", ["instrument", "restore"])
def test_an_output_that_breaks_off_is_one_line_and_74(run_cli, tmp_path, end, command) -> None:
    plan, file = tmp_path / "plan", put(tmp_path, "m.eml")
    made = run_cli("instrument", *BASE, str(file), "--plan", str(plan))
    put(tmp_path, "out.eml", made.stdout)
    words = {
        "instrument": f"instrument {file} {' '.join(BASE)}",
        "restore": f"restore {tmp_path}/out.eml --plan {plan}",
    }
    line = f"{sys.executable} -m mailglass {words[command]} {end}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=environment(), timeout=60)
    assert (done.returncode, is_one_line(done.stderr)) == (74, True), done.stderr


def test_a_file_that_fails_does_not_stop_the_others(run_cli, tmp_path: Path) -> None:
    raws = {
        "a.eml": MESSAGE,
        "b.eml": b"no message",
        "d.eml": b"A: b\nContent-Type: text/html; charset=rot13\n\n<p>x</p>",
        "e.eml": MESSAGE,
    }
    files = [str(put(tmp_path, name, raw)) for name, raw in raws.items()]
    files.insert(2, str(tmp_path / "missing.eml"))
    files.insert(3, str(tmp_path))
    out, plans = tmp_path / "out", tmp_path / "plans"
    done = run_cli("instrument", *BASE, *files, "--output-dir", str(out), "--plan-dir", str(plans))
    assert done.returncode == 66
    assert len(done.stderr.splitlines()) == 3
    assert sorted(p.name for p in out.iterdir()) == sorted(raws)
    assert (out / "b.eml").read_bytes() == raws["b.eml"]
    assert (out / "d.eml").read_bytes() == raws["d.eml"]
    assert b"t.example.org" in (out / "e.eml").read_bytes()
    assert (
        "no header field"
        in json.loads((plans / "b.eml.json").read_text())["left_alone"][0]["reason"]
    )


def test_a_message_whose_attachments_cannot_be_stored_is_copied(run_cli, tmp_path: Path) -> None:
    files = [put(tmp_path, "a.eml", PDF), put(tmp_path, "b.eml")]
    store, out, plans = put(tmp_path, "store"), tmp_path / "out", tmp_path / "plans"
    options = ("--attachments", "link", "--attachment-dir", str(store))
    place = ("--output-dir", str(out), "--plan-dir", str(plans))
    done = run_cli("instrument", *BASE, *options, *place, *map(str, files))
    assert (done.returncode, is_one_line(done.stderr)) == (73, True)
    assert (out / "a.eml").read_bytes() == PDF
    assert str(store) in json.loads((plans / "a.eml.json").read_text())["left_alone"][0]["reason"]
    assert b"t.example.org" in (out / "b.eml").read_bytes()


def test_without_a_base_url_one_line_warns(run_cli) -> None:
    done = run_cli("instrument", stdin=MESSAGE)
    assert (done.returncode, is_one_line(done.stderr)) == (0, True)
    assert b"--base-url" in done.stderr


def test_even_a_fault_of_the_program_costs_no_other_message(monkeypatch, tmp_path: Path) -> None:
    files = [str(put(tmp_path, name)) for name in ("a.eml", "b.eml", "c.eml")]
    calls = iter((None, ZeroDivisionError("two\nlines"), None))

    def compile_or_fail(*args, **kwargs):
        fault = next(calls)
        if fault is not None:
            raise fault
        return compile_message(*args, **kwargs)

    monkeypatch.setattr("mailglass.cli.instrument.compile_message", compile_or_fail)
    out = tmp_path / "out"
    done = CliRunner().invoke(command, [*BASE, *files, "--output-dir", str(out)])
    assert done.exit_code == 70
    assert "b.eml: ZeroDivisionError: two lines\n" in done.output
    assert [(out / name).read_bytes() == MESSAGE for name in ("a.eml", "b.eml", "c.eml")] == [
        *(False, True, False)
    ]


def test_nobody_who_takes_the_faults_costs_no_other_message(tmp_path: Path) -> None:
    files = [put(tmp_path, "a.eml", b""), put(tmp_path, "b.eml"), put(tmp_path, "c.eml")]
    words = ["instrument", *BASE, *map(str, files), "--output-dir", str(tmp_path / "out")]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mailglass", *words],
            stderr=full,
            env=environment(),
            check=False,
        )
    assert done.returncode == 65
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.eml", "b.eml", "c.eml"]


def test_half_a_file_is_not_left_where_a_whole_message_is_looked_for(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"From: a@b\n"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BrokenOutput):
        write_file(tmp_path / "m.eml", pieces())
    assert list(tmp_path.iterdir()) == []
