"""`mailglass journal` as a user runs it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from journal.faults import make_hit
from mailglass.journal import START, Writer, encode, read

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    directory = tmp_path / "journal"
    writer = Writer(directory)
    writer.commit([encode(make_hit(n, headers={"user-agent": f"\x1b[1m{n}"})) for n in (1, 2, 3)])
    writer.close()
    return directory


def damage(directory: Path) -> None:
    path = directory / "0000000001.log"
    data = bytearray(path.read_bytes())
    data[data.index(b"\n") + 40] ^= 1
    path.write_bytes(data)


def test_verify_reports_a_whole_journal(run_cli: Run, journal: Path) -> None:
    done = run_cli("journal", "verify", str(journal))
    assert done.returncode == 0
    assert b"3 hits, 0 damaged" in done.stdout


def test_verify_fails_on_damage_and_says_where(run_cli: Run, journal: Path) -> None:
    damage(journal)
    done = run_cli("journal", "verify", "--json", str(journal))
    report = json.loads(done.stdout)
    assert done.returncode == 70
    assert b"1 stretches" in done.stderr
    assert report["hits"] == 2
    assert report["poison"][0]["at"].startswith("1:")


def test_dump_prints_each_hit_on_a_line_without_control_characters(
    run_cli: Run, journal: Path
) -> None:
    lines = run_cli("journal", "dump", str(journal)).stdout.decode().splitlines()
    assert len(lines) == 3
    assert "2026-11-22T08:00:00.001+00:00  o GET 1 192.0.2.7" in lines[0]
    assert "\x1b" not in "".join(lines)


def test_dump_goes_on_behind_a_cursor(run_cli: Run, journal: Path) -> None:
    lines = run_cli("journal", "dump", "--json", str(journal)).stdout.splitlines()
    cursor = json.loads(lines[0])["cursor"]
    rest = run_cli("journal", "dump", "--json", "--since", cursor, "--limit", "1", str(journal))
    assert rest.stdout.splitlines() == lines[1:2]


def test_replay_puts_the_hits_of_a_time_into_another_journal(
    run_cli: Run, journal: Path, tmp_path: Path
) -> None:
    damage(journal)
    done = run_cli("journal", "replay", str(journal), "--into", str(tmp_path / "new"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hits"] == 2
    assert json.loads(done.stdout)["poison"] == 1
    expected = [make_hit(n, headers={"user-agent": f"\x1b[1m{n}"}) for n in (2, 3)]
    assert [item for _, item in read(tmp_path / "new", START, 10)] == expected
    limited = run_cli(
        "journal", "replay", str(journal), "--into", str(tmp_path / "b"), "--after", "2027-01-01"
    )
    assert b"0 hits replayed" in limited.stdout


def test_replay_refuses_a_journal_that_is_being_written(
    run_cli: Run, journal: Path, tmp_path: Path
) -> None:
    writer = Writer(tmp_path / "live")
    done = run_cli("journal", "replay", str(journal), "--into", str(tmp_path / "live"))
    writer.close()
    assert done.returncode == 78
    assert b"another process writes the journal" in done.stderr


@pytest.mark.parametrize("arguments", [["--since", "x"], ["--since", "1"]])
def test_a_cursor_that_is_none_is_refused(
    run_cli: Run, journal: Path, arguments: list[str]
) -> None:
    done = run_cli("journal", "dump", *arguments, str(journal))
    assert done.returncode == 65
    assert b"is no position in a journal" in done.stderr


@pytest.fixture
def long_journal(tmp_path: Path) -> Path:
    """Three segments of one hit each."""
    directory = tmp_path / "journal"
    writer = Writer(directory, segment_bytes=1)
    for number in (1, 2, 3):
        writer.commit([encode(make_hit(number))])
    writer.close()
    return directory


def test_a_segment_that_is_missing_between_others_is_named_and_hides_no_hits(
    run_cli: Run, long_journal: Path
) -> None:
    (long_journal / "0000000002.log").unlink()
    done = run_cli("journal", "verify", str(long_journal))
    assert done.returncode == 70
    assert b"missing: segment 2\n" in done.stdout
    assert b"2 hits, 0 damaged" in done.stdout
    assert len(run_cli("journal", "dump", str(long_journal)).stdout.splitlines()) == 2


def test_segments_that_retention_removed_are_not_missed(run_cli: Run, long_journal: Path) -> None:
    (long_journal / "0000000001.log").unlink()
    assert run_cli("journal", "verify", str(long_journal)).returncode == 0


def test_the_last_segment_is_missed_wholly_or_in_part(run_cli: Run, long_journal: Path) -> None:
    last = long_journal / "0000000003.log"
    last.write_bytes(last.read_bytes()[:-10])
    assert b"missing: the last 10 bytes" in run_cli("journal", "verify", str(long_journal)).stdout
    last.unlink()
    assert b"missing: segment 3\n" in run_cli("journal", "verify", str(long_journal)).stdout


def test_a_journal_without_its_end_is_not_called_whole(run_cli: Run, journal: Path) -> None:
    (journal / "end").unlink()
    done = run_cli("journal", "verify", str(journal))
    assert done.returncode == 70
    assert b"the file end" in done.stderr


@pytest.mark.parametrize("call", ["verify {}", "dump {}", "replay {} --into {}/new"])
def test_a_directory_that_holds_no_journal_is_not_called_whole(
    run_cli: Run, tmp_path: Path, call: str
) -> None:
    done = run_cli("journal", *call.format(tmp_path, tmp_path).split())
    assert (done.returncode, done.stdout) == (65, b"")
    assert b"holds no journal" in done.stderr
