"""Standard output that cannot be written: one sentence and EX_IOERR, whatever the command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from journal.faults import make_hit
from mailglass.journal import Writer, encode
from product import environment

COMMANDS = {
    "rows": ["journal", "dump", "JOURNAL"],
    "a table": ["rules"],
    "bytes": ["rules", "--json"],
    "a sentence": ["explain", "550 5.1.1 no such user"],
    "help": ["--help"],
}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("output") / "journal"
    writer = Writer(directory)
    writer.commit([encode(make_hit(n)) for n in range(1, 2000)])
    writer.close()
    return directory


def run(words: list[str], journal: Path, output: int | None, **more: int) -> tuple[int, str]:
    """Status and complaint; None for the output: the descriptor is closed."""
    done = subprocess.run(
        [sys.executable, "-m", "mailglass", *(w.replace("JOURNAL", str(journal)) for w in words)],
        stdout=output,
        stderr=more.get("stderr", subprocess.PIPE),
        env=environment(),
        preexec_fn=(lambda: os.close(1)) if output is None else None,
        timeout=300,
    )
    return done.returncode, (done.stderr or b"").decode()


@contextmanager
def full() -> Iterator[int]:
    with open("/dev/full", "wb") as file:
        yield file.fileno()


@contextmanager
def left() -> Iterator[int]:
    """A pipe whose reader has gone, as behind `| head`."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_full_disk_is_told_in_one_sentence(words: list[str], journal: Path) -> None:
    with full() as output:
        assert run(words, journal, output) == (
            74,
            "mailglass: standard output cannot be written: No space left on device\n",
        )


@pytest.mark.parametrize("name", ["rows", "bytes"])
def test_so_is_a_reader_that_went_away(name: str, journal: Path) -> None:
    with left() as output:
        assert run(COMMANDS[name], journal, output) == (
            74,
            "mailglass: standard output cannot be written: Broken pipe\n",
        )


def test_so_is_an_output_that_was_never_there(journal: Path) -> None:
    status = run(COMMANDS["a sentence"], journal, None)
    assert status == (74, "mailglass: standard output is closed\n")


def test_a_command_that_has_nothing_to_say_needs_no_output(tmp_path: Path) -> None:
    message = tmp_path / "a.eml"
    message.write_bytes(b"From: a@x.test\n\nhello\n")
    words = ["clean", str(message), "--output-dir", str(tmp_path / "out")]
    assert run(words, tmp_path, None) == (0, "")


def test_whoever_cannot_be_told_still_sees_the_status(journal: Path) -> None:
    with full() as output:
        status, _ = run(COMMANDS["rows"], journal, output, stderr=output)
    assert status != 0
