"""What `inspect` and `clean` read, and where `clean` writes: nothing is skipped or overwritten."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from guard_mail import mail

from mailglass.cli import main
from mailglass.guard.mailboxes import Stored, gather, maildir_folders
from mailglass.guard.pictures import PictureUrls
from product import environment

Run = Callable[..., subprocess.CompletedProcess[bytes]]
BEACON = "https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
PICTURE = "https://a.example/images/l.png"
TRACKED = mail(
    f"<p>hello</p><img src='{BEACON}' width=1 height=1><img src='{PICTURE}' width=200 height=80>"
)
FROM = b"From news@shop.example Sun Nov 22 08:00:00 2026\r\n"


@pytest.fixture
def message(tmp_path: Path) -> Path:
    file = tmp_path / "a.eml"
    file.write_bytes(TRACKED)
    return file


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    place = tmp_path / "Maildir"
    for name in (
        "cur/1:2,S",
        "new/2",
        ".Sent/cur/3:2,S",
        ".Archive.2025/new/4",
        "Lists/a/cur/5:2,",
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(TRACKED)
    for name in ("tmp/6", "cur/.hidden", "courierimapkeywords/7", ".Sent/subscriptions"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(TRACKED)
    (place / ".Loop").symlink_to(place)
    return place


def call(*args: object) -> object:
    """The status of a call, 0 when it says none."""
    try:
        main([str(arg) for arg in args])
    except SystemExit as ended:
        return ended.code or 0
    return 0


def files_in(folder: Path) -> list[str]:
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


IN_MAILDIR = [".Archive.2025/new/4", ".Sent/cur/3:2,S", "Lists/a/cur/5:2,", "cur/1:2,S", "new/2"]


def test_a_maildir_is_read_with_the_folders_below_it(
    capsys: pytest.CaptureFixture[str], maildir: Path
) -> None:
    assert call("inspect", maildir, "--json", "--no-easyprivacy") == 0
    names = [json.loads(line)["file"] for line in capsys.readouterr().out.splitlines()]
    assert sorted(str(Path(name).relative_to(maildir)) for name in names) == IN_MAILDIR


def test_a_maildir_is_cleaned_with_the_folders_below_it(tmp_path: Path, maildir: Path) -> None:
    out = tmp_path / "out"
    assert call("clean", maildir, "--output-dir", out) == 0
    assert files_in(out / "Maildir") == IN_MAILDIR
    for folder in maildir_folders(maildir):
        copy = out / "Maildir" / folder.relative_to(maildir)
        assert {f.name for f in copy.iterdir()} >= {"cur", "new", "tmp"}, "it is a Maildir again"
    for name in IN_MAILDIR:
        assert BEACON.encode() not in (out / "Maildir" / name).read_bytes()


def test_a_message_of_a_maildir_that_cannot_be_read_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch, maildir: Path
) -> None:
    read = Path.read_bytes

    def read_bytes(file: Path) -> bytes:
        if file.name == "1:2,S":
            raise PermissionError(13, "Permission denied")
        return read(file)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    found = list(gather((maildir,), bytes))
    assert [isinstance(one, Stored) for one in found].count(False) == 1
    assert len(found) == len(IN_MAILDIR)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["-o", "out", "--output-dir", "dir"], "give one"),
        (["MAILDIR", "-o", "out"], "needs --output-dir"),
        (["MAILDIR"], "needs --output-dir"),
        (["a.eml", "b.eml"], "several files need --output-dir"),
        (["-", "-", "--output-dir", "dir"], "once only"),
        (["a.eml", "--report", "-"], "--report needs the name"),
        (["a.eml", "--undo"], "--undo needs the --report"),
        (["a.eml", "--undo", "--report", "r", "-o", "x", "--output-dir", "y"], "give one"),
    ],
)
def test_places_that_contradict_each_other_are_refused(
    capsys: pytest.CaptureFixture[str], maildir: Path, args: list[str], told: str
) -> None:
    before = files_in(maildir.parent)
    args = [str(maildir) if arg == "MAILDIR" else arg for arg in args]
    assert call("clean", *args) == 2
    assert told in capsys.readouterr().err
    assert files_in(maildir.parent) == before


def test_inspect_reads_standard_input_once_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("inspect", "-", "-") == 2
    assert "once only" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-o", "--report"])
def test_a_folder_that_is_not_there_is_not_made_for_a_single_file(
    capsys: pytest.CaptureFixture[str], message: Path, option: str
) -> None:
    missing = message.parent / "no/such/out"
    assert call("clean", message, option, missing) == 73
    said = capsys.readouterr()
    assert f"there is no folder {missing.parent}" in said.err
    assert said.out == ""
    assert not missing.parent.parent.exists()


def test_nothing_is_written_over_or_into_what_is_read(
    capsys: pytest.CaptureFixture[str], message: Path, maildir: Path
) -> None:
    link = message.parent / "link"
    link.symlink_to(message)
    for args in (
        (message, "-o", message),
        (message, "-o", link),
        (message, "-o", message.parent / "x", "--report", message),
        (message, "-o", message.parent / "x", "--report", message.parent / "x"),
        (maildir, "--output-dir", maildir.parent),
        (maildir, "--output-dir", maildir),
        (maildir, "--output-dir", maildir / ".Sent"),
        (maildir, "--output-dir", maildir.parent / "out", "--report", maildir / "cur/1:2,S"),
        (maildir, "--output-dir", maildir.parent / "out", "--report", maildir / "report"),
    ):
        before = files_in(message.parent)
        assert call("clean", *args) == 65, args
        assert "nothing was written" in capsys.readouterr().err
        assert files_in(message.parent) == before
        assert message.read_bytes() == TRACKED


def test_a_file_that_is_there_is_replaced_and_a_maildir_is_not_mixed_with_another(
    capsys: pytest.CaptureFixture[str], message: Path, maildir: Path
) -> None:
    out = message.parent / "out"
    out.mkdir()
    (out / "a.eml").write_bytes(b"older")
    assert call("clean", message, "--output-dir", out) == 0
    assert b"hello" in (out / "a.eml").read_bytes()
    assert call("clean", maildir, "--output-dir", out) == 0
    first = files_in(out)
    assert call("clean", maildir, "--output-dir", out) == 73
    assert "is there and not empty" in capsys.readouterr().err
    assert files_in(out) == first


def test_a_folder_that_is_no_maildir_is_no_message(
    capsys: pytest.CaptureFixture[str], message: Path
) -> None:
    folder = message.parent / "folder"
    folder.mkdir()
    (folder / "b.eml").write_bytes(TRACKED)
    out = message.parent / "out"
    assert call("clean", folder, message, "--output-dir", out) == 65
    assert "no Maildir" in capsys.readouterr().err
    assert files_in(out) == ["a.eml"]
    assert call("inspect", folder) == 65


def test_a_mailbox_named_by_a_dot_keeps_its_name(
    monkeypatch: pytest.MonkeyPatch, maildir: Path
) -> None:
    monkeypatch.chdir(maildir)
    out = maildir.parent / "out"
    assert call("clean", ".", "--output-dir", out) == 0
    assert files_in(out / "Maildir") == IN_MAILDIR


def test_what_is_no_message_stays_in_its_mbox(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = FROM + b"\x00 nothing\r\n\r\n"
    (tmp_path / "box").write_bytes(FROM + TRACKED + b"\r\n\r\n" + broken + FROM + TRACKED)
    assert call("clean", tmp_path / "box", "-o", tmp_path / "out") == 65
    assert f"{tmp_path / 'box'}#2: " in capsys.readouterr().err
    assert broken in (tmp_path / "out").read_bytes()
    assert BEACON.encode() not in (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("name", ["-", "FILE"])
def test_a_second_from_line_does_not_cut_a_message_of_a_pipe(
    run_cli: Run, tmp_path: Path, name: str
) -> None:
    inside = b"<p>hello</p>\r\n\r\nFrom me Sun Nov 22 08:00:00 2026\r\nX-Y: z\r\n\r\n"
    raw = FROM + TRACKED.replace(b"<p>hello</p>", inside)
    (tmp_path / "a").write_bytes(raw)
    file = "-" if name == "-" else str(tmp_path / "a")
    done = run_cli("clean", file, "--single", stdin=raw)
    assert done.returncode == 0
    assert inside in done.stdout
    assert BEACON.encode() not in done.stdout


def test_a_stream_under_a_name_is_read_once(run_cli: Run) -> None:
    done = run_cli("clean", "/dev/stdin", stdin=TRACKED)
    assert done.returncode == 0
    assert done.stdout.startswith(b"X-Mailglass-Guard: v=1; trackers=1;")


def test_a_closed_standard_input_is_said_in_one_line() -> None:
    for command in ("clean", "inspect"):
        done = subprocess.run(
            ["sh", "-c", f"exec {sys.executable} -m mailglass {command} <&-"],
            capture_output=True,
            env=environment(),
        )
        assert done.returncode == 66
        assert done.stderr.count(b"\n") == 1
        assert b"standard input is closed" in done.stderr


KEY = bytes(range(32))


class Proxy(ThreadingHTTPServer):
    """Takes what is sealed with the key, and remembers it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.wanted: list[str] = []


class Taking(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        urls = PictureUrls("https://pictures.example.org", KEY)
        is_ours = self.path == "/fetch" and urls.is_sealed(self.headers["X-Mailglass-Seal"], body)
        self.server.wanted += json.loads(body) if is_ours else []
        self.send_response(202 if is_ours else 403)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def proxy_running() -> Iterator[Proxy]:
    with Proxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


def test_clean_lets_the_image_proxy_stand_between(tmp_path: Path, message: Path) -> None:
    key, out, report = tmp_path / "key", tmp_path / "out", tmp_path / "report"
    key.write_text(KEY.hex())
    with proxy_running() as proxy:
        status = call(
            "clean", message, "-o", out, "--proxy-url", "https://pictures.example.org",
            "--proxy-key", key, "--report", report,
            "--proxy-server", f"http://127.0.0.1:{proxy.server_address[1]}",
        )  # fmt: skip
    assert (status, proxy.wanted) == (0, [PICTURE])
    cleaned = out.read_bytes()
    there = PictureUrls("https://pictures.example.org", KEY).address(PICTURE)
    assert there is not None
    assert there.encode() in cleaned
    assert f"'{PICTURE}'".encode() not in cleaned
    assert BEACON.encode() not in cleaned
    assert call("clean", out, "--undo", "--report", report, "-o", tmp_path / "again") == 0
    assert (tmp_path / "again").read_bytes() == TRACKED


def test_without_the_proxy_a_message_keeps_its_own_pictures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    (tmp_path / "box").write_bytes((FROM + TRACKED + b"\r\n\r\n") * 5)
    options = ("--proxy-url", "http://127.0.0.1:1", "--proxy-key", key)
    assert call("clean", tmp_path / "box", "-o", tmp_path / "out", *options) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3, "then it is taken to be down"
    assert "took no pictures" in said[0]
    assert "is not asked again" in said[2]
    assert (tmp_path / "out").read_bytes().count(f"'{PICTURE}'".encode()) == 5
    assert BEACON.encode() not in (tmp_path / "out").read_bytes()
