"""The durable log: what was committed is read once, whatever happened in between."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.faults import FaultyDisk, make_hit
from mailglass.errors import ConfigurationError, CorruptRecord, InputError, StorageUnavailable
from mailglass.journal import (
    START,
    Cursor,
    Poison,
    Writer,
    decode,
    encode,
    encode_beacon,
    expire,
    prepare,
    published_end,
    read,
    verify,
)
from mailglass.model import Hit

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def lines(*numbers: int) -> list[bytes]:
    return [encode(make_hit(number)) for number in numbers]


def hits(directory: Path, cursor: Cursor = START) -> list[int | None]:
    """The numbers of the hits behind a cursor; None for poison."""
    return [
        item.delivery_id if isinstance(item, Hit) else None
        for _, item in read(directory, cursor, 1_000_000)
    ]


def segment_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.log"))


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
any_hit = st.builds(
    Hit,
    at=st.datetimes(min_value=datetime(2025, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    path_kind=st.sampled_from("ocauns"),
    method=text,
    token=text,
    delivery_id=st.none(),
    target=st.none(),
    address=text,
    http_version=text,
    headers=st.dictionaries(text, text, max_size=5),
    to=st.none() | text,
    name=st.none() | text,
    bytes_sent=st.none() | st.integers(0, 2**40),
    completed=st.none() | st.booleans(),
    action=st.none() | text,
) | st.builds(
    make_hit, st.integers(0, 2**32), target=st.integers(0, 32767), anonymous=st.booleans()
)


@given(any_hit)
def test_a_hit_comes_back_from_its_line_as_it_was(hit: Hit) -> None:
    line = encode(hit)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == hit


@given(st.integers(0, 2**62), st.integers(0, 32767), st.dictionaries(text, text, max_size=5))
def test_a_line_from_prepared_parts_is_the_line_of_the_same_hit(
    number: int, target: int, headers: dict[str, str]
) -> None:
    hit = make_hit(7, delivery_id=number, target=target, headers=headers)
    at, head = b"2026-11-22T08:00:00.007Z", prepare(hit.method, hit.http_version, headers)
    line = encode_beacon(at, hit.token.encode(), hit.address, number, target, head)
    assert decode(line) == hit


@given(any_hit, st.data())
def test_a_line_with_one_changed_byte_is_not_taken_for_a_hit(hit: Hit, data: st.DataObject) -> None:
    line = bytearray(encode(hit))
    line[data.draw(st.integers(0, len(line) - 2))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptRecord):
        decode(bytes(line))


def test_what_was_committed_is_read_in_its_order(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.commit(lines(1, 2, 3))
    end = writer.commit(lines(4))
    assert hits(tmp_path) == [1, 2, 3, 4]
    assert end == writer.end == published_end(tmp_path)


def test_an_empty_directory_reads_as_an_empty_journal(tmp_path: Path) -> None:
    assert read(tmp_path / "none", START, 10) == []


@given(st.integers(1, 7))
def test_a_reader_goes_on_where_its_cursor_stood(tmp_path_factory, limit: int) -> None:  # type: ignore[no-untyped-def]
    directory = tmp_path_factory.mktemp("journal")
    writer = Writer(directory, segment_bytes=1500)
    for number in range(20):
        writer.commit(lines(number))
    seen, cursor = [], START
    while found := read(directory, cursor, limit):
        assert len(found) <= limit
        seen += [item.delivery_id for _, item in found if isinstance(item, Hit)]
        cursor = Cursor.parse(str(found[-1][0]))
    assert seen == list(range(20))
    assert cursor == writer.end
    assert len(segment_files(directory)) > 2
    writer.close()


def test_cursors_compare_as_positions_do() -> None:
    assert START < Cursor(1, 900) < Cursor(2, 80) < Cursor(10, 70)


@pytest.mark.parametrize("text", ["", "1", "1:", ":1", "-1:5", "1:2:3", "a:b", " 1:2"])
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no position in a journal"):
        Cursor.parse(text)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    with pytest.raises(ConfigurationError, match="another process writes the journal"):
        Writer(tmp_path)
    writer.close()
    Writer(tmp_path).close()


def test_a_reader_sees_nothing_behind_the_published_end(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.commit(lines(1))
    with segment_files(tmp_path)[0].open("r+b") as file:
        file.seek(writer.end.offset)
        file.write(lines(2)[0])
    assert hits(tmp_path) == [1]


def test_a_closed_segment_is_plain_text(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.commit(lines(1, 2))
    writer.close()
    assert b"\0" not in segment_files(tmp_path)[0].read_bytes()


def leave_behind(directory: Path, tail: bytes) -> Cursor:
    """A journal with hits 1 and 2 whose writer died with `tail` behind them."""
    writer = Writer(directory)
    end = writer.commit(lines(1, 2))
    with segment_files(directory)[0].open("r+b") as file:
        file.seek(end.offset)
        file.write(tail)
    os.close(writer._lock)
    return end


@pytest.mark.parametrize("cut_at", [1, 8, 9, 40, -2, -1])
def test_a_torn_tail_is_cut_kept_and_reported(tmp_path: Path, cut_at: int) -> None:
    tail = lines(3)[0][:cut_at]
    end = leave_behind(tmp_path, tail)
    writer = Writer(tmp_path)
    assert writer.cut is not None
    assert (writer.cut.segment, writer.cut.offset) == (end.segment, end.offset)
    assert writer.cut.kept_in.read_bytes() == tail
    writer.commit(lines(4))
    assert hits(tmp_path) == [1, 2, 4]


def test_a_whole_record_behind_the_published_end_is_kept_after_a_crash(tmp_path: Path) -> None:
    leave_behind(tmp_path, lines(3)[0])
    writer = Writer(tmp_path)
    assert writer.cut is None
    assert hits(tmp_path) == [1, 2, 3]


def test_a_hole_before_whole_records_is_poison_and_they_are_kept(tmp_path: Path) -> None:
    leave_behind(tmp_path, bytes(100) + b"\n" + lines(3)[0] + b"half")
    writer = Writer(tmp_path)
    assert writer.cut is not None
    assert writer.cut.kept_in.read_bytes() == b"half"
    assert hits(tmp_path) == [1, 2, None, 3]


@pytest.mark.parametrize("left", [b"", bytes(5000), b"garbage"])
def test_a_segment_without_a_header_is_set_aside_at_start(tmp_path: Path, left: bytes) -> None:
    leave_behind(tmp_path, b"")
    (tmp_path / "0000000002.log").write_bytes(left)
    writer = Writer(tmp_path)
    writer.commit(lines(3))
    assert hits(tmp_path) == [1, 2, 3]
    assert [p.read_bytes() for p in tmp_path.glob("torn-*")] == (
        [left] if left.strip(b"\0") else []
    )


@pytest.mark.parametrize("damage", [b"", b"x" * 41, b"0000000009"])
def test_a_lost_or_damaged_end_is_put_right_by_the_next_writer(
    tmp_path: Path, damage: bytes
) -> None:
    end = leave_behind(tmp_path, b"")
    (tmp_path / "end").write_bytes(damage)
    with pytest.raises(CorruptRecord, match="the collector's next start repairs it"):
        published_end(tmp_path)
    Writer(tmp_path)
    assert published_end(tmp_path) == end
    assert hits(tmp_path) == [1, 2]


def test_a_damaged_record_is_poison_and_reading_goes_on(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    start = writer.commit(lines(1))
    writer.commit(lines(2, 3))
    with segment_files(tmp_path)[0].open("r+b") as file:
        file.seek(start.offset + 30)
        file.write(b"#")
    found = read(tmp_path, START, 10)
    assert [type(item) for _, item in found] == [Hit, Poison, Hit]
    poison = found[1][1]
    assert isinstance(poison, Poison)
    assert poison.at == start
    assert poison.raw == lines(2)[0][:30] + b"#" + lines(2)[0][31:]


def test_a_damaged_stretch_without_line_feeds_comes_in_pieces(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    start = writer.commit(lines(1))
    writer.commit([b"x" * 200_000, b"\n", *lines(2)])
    found = [item for _, item in read(tmp_path, start, 100)]
    assert b"".join(p.raw for p in found if isinstance(p, Poison)) == b"x" * 200_000 + b"\n"
    assert max(len(p.raw) for p in found if isinstance(p, Poison)) <= 65536
    assert isinstance(found[-1], Hit)


def test_a_damaged_header_hides_no_record(tmp_path: Path) -> None:
    writer = Writer(tmp_path, segment_bytes=700)
    for number in range(8):
        writer.commit(lines(number))
    writer.close()
    path = segment_files(tmp_path)[1]
    path.write_bytes(b"!" + path.read_bytes()[1:])
    found = hits(tmp_path)
    assert [n for n in found if n is not None] == list(range(8))
    assert found.count(None) == 1


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("failing", [{"write"}, {"sync"}, {"sync", "truncate"}])
def test_a_commit_that_failed_can_be_repeated_and_is_read_once(
    tmp_path: Path, failing: set[str], error: int
) -> None:
    disk = FaultyDisk()
    disk.error = error
    writer = Writer(tmp_path, disk=disk)
    writer.commit(lines(1))
    disk.failing = failing
    for _ in range(3):
        with pytest.raises(StorageUnavailable, match="1 records could not be written"):
            writer.commit(lines(2))
    disk.failing = set()
    writer.commit(lines(2))
    writer.commit(lines(3))
    assert hits(tmp_path) == [1, 2, 3]
    writer.close()
    Writer(tmp_path).close()
    assert hits(tmp_path) == [1, 2, 3]


def test_one_failed_sync_moves_the_records_to_a_new_segment(tmp_path: Path) -> None:
    class OneFailure(FaultyDisk):
        def sync(self, file: int) -> None:
            if self.failing:
                self.failing.clear()
                raise OSError(errno.EIO, "injected")
            super().sync(file)

    disk = OneFailure()
    writer = Writer(tmp_path, disk=disk)
    writer.commit(lines(1))
    disk.failing = {"sync"}
    end = writer.commit(lines(2))
    assert end.segment == 2
    assert hits(tmp_path) == [1, 2]


def test_a_directory_that_cannot_be_made_is_a_storage_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="cannot be used"):
        Writer(tmp_path / "file" / "journal")


def rotated(directory: Path) -> Writer:
    writer = Writer(directory, segment_bytes=700)
    for number in range(10):
        writer.commit(lines(number))
    for path in segment_files(directory):
        old = (NOW - timedelta(days=10)).timestamp()
        os.utime(path, (old, old))
    return writer


def test_retention_removes_what_is_old_and_read_by_all(tmp_path: Path) -> None:
    writer = rotated(tmp_path)
    count = len(segment_files(tmp_path))
    removed = expire(tmp_path, [writer.end, writer.end], keep=timedelta(days=7), now=NOW)
    assert len(removed) == count - 1
    assert segment_files(tmp_path) == [tmp_path / f"{writer.end.segment:010d}.log"]
    writer.commit(lines(10))
    assert hits(tmp_path, writer.end) == []


def test_retention_never_removes_what_a_consumer_has_not_read(tmp_path: Path) -> None:
    writer = rotated(tmp_path)
    slow = read(tmp_path, START, 4)[-1][0]
    expire(tmp_path, [writer.end, slow], keep=timedelta(0), now=NOW)
    assert hits(tmp_path, slow) == list(range(4, 10))


@pytest.mark.parametrize("consumers", [[], [START]])
def test_retention_without_a_reader_removes_nothing(
    tmp_path: Path, consumers: list[Cursor]
) -> None:
    rotated(tmp_path)
    assert expire(tmp_path, consumers, keep=timedelta(0), now=NOW) == []


def test_retention_keeps_what_is_young(tmp_path: Path) -> None:
    writer = rotated(tmp_path)
    assert expire(tmp_path, [writer.end], keep=timedelta(days=11), now=NOW) == []


def test_a_cursor_in_a_removed_segment_goes_on_at_the_oldest_kept(tmp_path: Path) -> None:
    writer = rotated(tmp_path)
    expire(tmp_path, [Cursor(3, 0)], keep=timedelta(0), now=NOW)
    assert hits(tmp_path, START) == list(range(4, 10))  # two a segment, two segments removed
    writer.close()


def test_a_segment_is_left_when_it_is_old(tmp_path: Path) -> None:
    writer = Writer(tmp_path, segment_seconds=0)
    for number in range(3):
        writer.commit(lines(number))
    assert len(segment_files(tmp_path)) == 3
    assert hits(tmp_path) == [0, 1, 2]


def test_a_start_without_a_hit_leaves_no_segment(tmp_path: Path) -> None:
    for _ in range(3):
        Writer(tmp_path).close()
    assert segment_files(tmp_path) == []


def test_verify_counts_records_poison_and_torn_tails(tmp_path: Path) -> None:
    leave_behind(tmp_path, b"half a rec")
    writer = Writer(tmp_path)
    writer.commit([b"damaged\n", *lines(3)])
    report = verify(tmp_path)
    assert report.hits == 3
    assert [p.raw for p in report.poison] == [b"damaged\n"]
    assert [p.read_bytes() for p in report.torn] == [b"half a rec"]
    assert report.segments[0].first_at == make_hit(1).at
    assert report.segments[-1].last_at == make_hit(3).at
