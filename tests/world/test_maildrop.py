"""What was accepted is there after a crash, and repeated copies are seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mailglass.errors import StorageUnavailable
from mailglass.world import Maildrop
from product import environment


def test_copies_are_counted_by_message_and_recipient(tmp_path: Path) -> None:
    maildrop = Maildrop(tmp_path)
    maildrop.keep("<1@x>", ["a@x", "b@x"], b"one")
    maildrop.keep("<1@x>", ["a@x"], b"one, once more")
    assert (maildrop.raw, maildrop.distinct) == (3, 2)
    assert maildrop.repeated == {("<1@x>", "a@x"): 2}


def test_a_new_process_finds_what_the_old_one_kept(tmp_path: Path) -> None:
    Maildrop(tmp_path).keep("<1@x>", ["a@x", "b@x"], b"one")
    again = Maildrop(tmp_path)
    again.keep("<1@x>", ["a@x"], b"one")
    assert Maildrop(tmp_path).arrivals == {("<1@x>", "a@x"): 2, ("<1@x>", "b@x"): 1}


@pytest.mark.parametrize("torn", [b"{", b'{"message_id": "<2@x>", "recipients": ["a@x"]'])
def test_a_torn_line_was_never_accepted(tmp_path: Path, torn: bytes) -> None:
    Maildrop(tmp_path).keep("<1@x>", ["a@x"], b"one")
    with (tmp_path / "arrivals.jsonl").open("ab") as index:
        index.write(torn)
    maildrop = Maildrop(tmp_path)
    maildrop.keep("<3@x>", ["c@x"], b"three")
    assert set(Maildrop(tmp_path).arrivals) == {("<1@x>", "a@x"), ("<3@x>", "c@x")}


def test_a_killed_process_has_kept_all_that_it_said_it_had(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from mailglass.world import Maildrop\n"
        "maildrop = Maildrop(Path(sys.argv[1]))\n"
        "for number in range(10**6):\n"
        "    maildrop.keep(f'<{number}@x>', ['a@x'], b'%d' % number)\n"
        "    print(number, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, env=environment()
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(40)]
    os.kill(child.pid, signal.SIGKILL)
    said += child.stdout.readlines()
    child.stdout.close()
    child.wait()
    kept = Maildrop(tmp_path)
    assert kept.repeated == {}
    for line in (line for line in said if line.endswith(b"\n")):
        assert kept.arrivals[f"<{int(line)}@x>", "a@x"] == 1
    assert kept.raw - len(said) in (0, 1)  # the one that was kept and not yet told


def test_a_place_that_cannot_hold_mail_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable, match="file"):
        Maildrop(tmp_path / "file")
