"""A disk that is full, fails or hangs: readers are answered, hits are kept or counted."""

from __future__ import annotations

import errno
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.running import RING, Running, serve
from journal.faults import FaultyDisk
from mailglass.journal import Disk
from mailglass.tokens import Kind, beacon_url, link_bound, link_url, notice_url, unsubscribe_url

TO = "https://shop.example/"
LINK = link_url("", RING.mint(Kind.CLICK, 7, 1, bound=link_bound(TO)), TO)


def beacon(number: int) -> str:
    return beacon_url("", RING.mint(Kind.OPEN, number))


def wait_until(server: Running, name: str, value: float) -> None:
    while server.metric(name) != value:
        pass


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("failing", [{"write"}, {"sync"}, {"open", "sync"}])
def test_readers_are_answered_while_the_disk_fails_and_nothing_is_lost_when_it_recovers(
    tmp_path: Path, failing: set[str], error: int
) -> None:
    disk = FaultyDisk()
    disk.error = error
    with serve(tmp_path, disk=disk) as server:
        server.get(beacon(1))
        assert server.private("/readyz").status == 200
        disk.failing = failing
        for number in (2, 3, 4):
            assert len(server.get(beacon(number)).body) == 43
        assert server.get(LINK).headers["location"] == TO
        ready = server.private("/readyz")
        assert ready.status == 503
        assert b"could not be written" in ready.body
        assert server.private("/healthz").status == 200
        assert server.metric("late_total") == 4
        assert server.metric("ready") == 0
        disk.failing = set()
        wait_until(server, "ready", 1)
        server.get(beacon(5))
        assert [hit.delivery_id for hit in server.hits()] == [1, 2, 3, 4, 7, 5]
        assert server.metric("written_total") == 6


def test_what_does_not_fit_in_the_backlog_is_shed_and_counted(tmp_path: Path) -> None:
    disk = FaultyDisk()
    with serve(tmp_path, disk=disk, backlog_bytes=2000) as server:
        disk.failing = {"write"}
        answers = [server.get(beacon(number)) for number in range(50)]
        assert {len(answer.body) for answer in answers} == {43}
        assert server.metric("backlog_bytes") <= 2000
        assert server.metric("shed_total") + server.metric("late_total") == 50
        assert server.metric("shed_total") > 30
        disk.failing = set()


def test_a_disk_that_hangs_keeps_no_reader_waiting(tmp_path: Path) -> None:
    class Hanging(Disk):
        def __init__(self) -> None:
            self.let_go = threading.Event()
            self.let_go.set()

        def sync(self, file: int) -> None:
            self.let_go.wait()
            super().sync(file)

    disk = Hanging()
    with serve(tmp_path, disk=disk, patience_seconds=0.1) as server:
        server.get(beacon(1))
        disk.let_go.clear()
        assert len(server.get(beacon(2)).body) == 43
        assert server.private("/readyz").status == 503
        assert server.get(LINK).status == 302
        disk.let_go.set()
        wait_until(server, "ready", 1)
        wait_until(server, "written_total", 3)
        assert [hit.delivery_id for hit in server.hits()] == [1, 2, 7]


@pytest.mark.parametrize("kind", [Kind.UNSUBSCRIBE, Kind.NOTICE])
def test_a_wish_that_may_be_lost_is_not_called_done(tmp_path: Path, kind: Kind) -> None:
    disk = FaultyDisk()
    write = unsubscribe_url if kind is Kind.UNSUBSCRIBE else notice_url
    url = write("", RING.mint(kind, 7))
    with serve(tmp_path, disk=disk) as server:
        disk.failing = {"sync"}
        server.get(beacon(1))
        answer = server.get(url, "POST", b"confirm=yes")
        assert answer.status == 503
        assert b"Please try again" in answer.body
        disk.failing = set()
        wait_until(server, "ready", 1)
        assert [hit.action for hit in server.hits()][1:] in (["unsubscribe"], ["object"])


@pytest.mark.parametrize("kind", [Kind.UNSUBSCRIBE, Kind.NOTICE])
def test_a_wish_whose_own_commit_fails_is_not_called_done(tmp_path: Path, kind: Kind) -> None:
    disk = FaultyDisk()
    write = unsubscribe_url if kind is Kind.UNSUBSCRIBE else notice_url
    with serve(tmp_path, disk=disk) as server:
        disk.failing = {"sync"}
        assert server.get(write("", RING.mint(kind, 7)), "POST", b"confirm=yes").status == 503
        disk.failing = set()
        wait_until(server, "ready", 1)
        assert server.get(write("", RING.mint(kind, 7)), "POST", b"confirm=yes").status == 200


def test_an_objection_that_cannot_be_kept_is_tried_again(tmp_path: Path) -> None:
    url = notice_url("", RING.mint(Kind.NOTICE, 7))
    with serve(tmp_path, drain_seconds=1) as server:
        switch = server.collector._switch
        switch._objections = tmp_path / "none" / "objections"
        assert server.get(url, "POST", b"confirm=yes").status == 503
        assert server.private("/readyz").status == 503
        switch._objections = tmp_path / "kept"
        wait_until(server, "ready", 1)
        assert (tmp_path / "kept").read_text() == "7\n"
        assert server.get(url, "POST", b"confirm=yes").status == 200


def test_an_answer_takes_a_sync_whether_or_not_its_hit_is_recorded(tmp_path: Path) -> None:
    class Counting(Disk):
        syncs = 0

        def sync(self, file: int) -> None:
            self.syncs += 1
            super().sync(file)

    disk = Counting()
    (tmp_path / "switch").write_text("untracked 9")
    limits = {"hits_a_second": 0.1, "junk_a_second": 0.1, "hosts": ("track.example.com",)}
    with serve(tmp_path, disk=disk, kill_switch_file=tmp_path / "switch", **limits) as server:
        size = (tmp_path / "journal" / "end").stat().st_size
        for target in [beacon(9), *([beacon(1)] * 3), *(["/o/junk.gif"] * 3), *([LINK] * 3)]:
            before = disk.syncs
            server.get(target, Host="other.example")
            assert disk.syncs > before, target
        assert len(server.hits()) == 1
        assert server.metric("shed_total") == 8
        assert server.metric("untracked_total") == 1
        assert (tmp_path / "journal" / "end").stat().st_size == size


def test_a_stop_while_the_disk_fails_counts_what_it_loses(tmp_path: Path) -> None:
    disk = FaultyDisk()
    with serve(tmp_path, disk=disk, drain_seconds=0) as server:
        disk.failing = {"write"}
        server.get(beacon(1))
    assert server.collector.counters.shed["stopped"] == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "small"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(directory)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as opened:
        while opened.write(bytes(4096)):
            pass


def test_a_disk_that_is_really_full(small_disk: Path, tmp_path: Path) -> None:
    filler = small_disk / "filler"
    with serve(tmp_path, journal_directory=small_disk / "journal") as server:
        server.directory = small_disk
        server.get(beacon(1))
        with pytest.raises(OSError, match="No space"):
            fill(filler)
        for number in range(2, 100):  # past the room made ready
            if server.private("/readyz").status == 503:
                break
            for _ in range(50):
                answer = server.get(beacon(number), User_Agent="u" * 1000, Referer="r" * 1000)
                assert len(answer.body) == 43
        assert server.private("/readyz").status == 503
        filler.unlink()
        wait_until(server, "ready", 1)
        server.get(beacon(9_999_999))
        hits = server.hits()
        assert hits[0].delivery_id == 1
        assert hits[-1].delivery_id == 9_999_999
        assert len(hits) == server.metric("written_total")
        assert server.metric("shed_total") == 0
