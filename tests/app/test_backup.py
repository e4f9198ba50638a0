"""A backup of a running installation restores to the same history."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from mailglass.app import BadBackup, make_backup, prepare, restore_backup
from mailglass.app.first_run import picture_key
from mailglass.cli import cli
from mailglass.errors import InputError, StorageUnavailable
from mailglass.evidence import load_rules
from mailglass.history import Filters, History, schema
from mailglass.ingest import Ingest
from mailglass.journal import Attachments, Writer, encode, verify
from mailglass.model import Delivery, EventType, Hit
from mailglass.postmaster.reports import ReportFile, ReportRow
from mailglass.settings import Settings, load_settings
from mailglass.spool import Spool, Submission

SENT_AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def settings_for(directory: Path, address: str) -> Settings:
    return load_settings(overrides=[f"data.directory={directory}", f"history.url={address}"])[0]


class House:
    """An installation in which mail is taken and hits stream in while somebody looks at it."""

    def __init__(self, settings: Settings) -> None:
        prepare(settings)
        self.settings = settings
        self.directory = settings.data_directory
        self.spool = Spool(self.directory / "spool.db")
        self.history = History(settings.history_address)
        self.ingest = Ingest(
            history=self.history,
            spool=self.spool,
            journal_directory=self.directory / "journal",
            rules=load_rules(),
            clock=lambda: SENT_AT + timedelta(days=1),
        )

    def close(self) -> None:
        self.history.close()
        self.spool.close()

    def send(self, number: int) -> None:
        delivery = Delivery(id=number * 100, message_id=number, recipient=f"r{number}@x.test")
        self.spool.accept(
            Submission(
                message_id=number,
                accepted_at=SENT_AT,
                return_path="me@home.test",
                raw=b"Subject: x\r\n\r\n",
                deliveries=(delivery,),
                tracking={},
                facts={
                    "account_id": 1,
                    "submitter": "me",
                    "author": "me@home.test",
                    "subject": "x",
                    "message_id_field": f"<{number}@home.test>",
                    "tag": None,
                    "campaign": None,
                    "targets": [{"number": 0, "kind": "beacon"}],
                },
            )
        )
        self.spool.end(delivery, EventType.DELIVERED, SENT_AT, {"reply_code": 250})

    def catch_up(self) -> None:
        while self.ingest.step():
            pass

    def facts(self) -> dict[int, tuple[str, str, list[str]]]:
        """Of each message: its recipient, its verdict and its events."""
        with self.history.reading() as t:
            found = {}
            for message in t.messages(None, limit=10_000):
                (copy,) = t.deliveries_of([message.id])
                events = [e.event.type.value for e in t.events_of([copy.id])]
                found[message.id] = copy.recipient, copy.verdict.level.value, events
        return found

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        with self.history._engine.connect() as connection:
            return {
                table.name: sorted(
                    (tuple(row) for row in connection.execute(sa.select(table))), key=repr
                )
                for table in schema.metadata.sorted_tables
                if table.name != "schema_step"
            }


def hit(number: int) -> Hit:
    return Hit(
        at=SENT_AT + timedelta(hours=1),
        path_kind="o",
        method="GET",
        token="a" * 29,
        delivery_id=number * 100,
        target=0,
        # each from elsewhere: how many come from one place together would depend on the moment
        address=f"{20 + number % 150}.{number // 150 % 250}.7.9",
        http_version="1.1",
        headers={"user-agent": "Thunderbird"},
    )


@pytest.fixture
def house(tmp_path: Path, history_address: str) -> Iterator[House]:
    directory = tmp_path / "data"
    directory.mkdir()
    if history_address.startswith("sqlite"):
        history_address = ""
    house = House(settings_for(directory, history_address))
    yield house
    house.close()


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, house: House) -> tuple[Path, str]:
    """An empty place for the directory, and an empty database of the same kind."""
    address = house.settings.history_url
    if address:
        address = request.getfixturevalue("postgres").new_database()
    return tmp_path / "restored", address


def test_a_backup_that_is_made_while_hits_stream_in_restores_to_the_same_history(
    house: House, elsewhere: tuple[Path, str], tmp_path: Path
) -> None:
    (house.directory / "objections").write_text("123\n")
    digest = Attachments(house.directory / "attachments").add(b"a file")
    for number in range(1, 6):
        house.send(number)
    house.catch_up()
    stopping = threading.Event()
    writer = Writer(house.directory / "journal")

    def stream() -> None:
        number = 6
        while not stopping.is_set():
            house.send(number)
            writer.commit([encode(hit(number)), encode(hit(1 + number % 5))])
            number += 1

    def follow() -> None:
        while not stopping.is_set():
            house.ingest.step()

    threads = [threading.Thread(target=work) for work in (stream, follow)]
    for thread in threads:
        thread.start()
    try:
        while len(house.facts()) < 15:  # it is under way
            pass
        made = make_backup(house.settings, tmp_path / "house.tar")
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    writer.close()
    house.catch_up()

    directory, address = elsewhere
    assert (
        restore_backup(tmp_path / "house.tar", directory, history_address=address or None) == made
    )
    restored = House(settings_for(directory, address))
    restored.catch_up()
    report = verify(directory / "journal")
    assert not report.poison
    with restored.history._engine.connect() as connection:
        hits = connection.execute(sa.select(sa.func.count()).select_from(schema.hit)).scalar()
    assert hits == report.hits
    whole, part = house.facts(), restored.facts()
    waiting = {w.delivery.message_id for w in restored.spool.waiting()}
    assert len(waiting) <= 1
    assert 15 <= len(part) <= len(whole)
    for number in part.keys() - set(range(1, 6)):
        assert part[number][0] == whole[number][0]
        if number in waiting:  # the moment lay between its acceptance and its delivery
            assert part[number][2][0] == "queued"
        else:
            assert part[number][2] in (whole[number][2], whole[number][2][:-1])
    assert (directory / "objections").read_text() == "123\n"
    assert (directory / "token-keys").read_bytes() == (house.directory / "token-keys").read_bytes()
    with Attachments(directory / "attachments").open(digest) as file:
        assert file.read() == b"a file"
    restored.send(9999)  # numbers go on where they were
    restored.catch_up()
    assert restored.facts()[9999][2] == ["queued", "delivered"]
    restored.close()


def test_a_backup_of_a_resting_installation_restores_every_row(
    house: House, elsewhere: tuple[Path, str], tmp_path: Path
) -> None:
    writer = Writer(house.directory / "journal")
    for number in range(1, 4):
        house.send(number)
        writer.commit([encode(hit(number))])
    house.catch_up()
    writer.close()
    make_backup(house.settings, tmp_path / "house.tar.gz")
    directory, address = elsewhere
    restore_backup(tmp_path / "house.tar.gz", directory, history_address=address or None)
    restored = House(settings_for(directory, address))
    assert restored.rows() == house.rows()
    assert restored.ingest.step() == 0
    assert (directory / "history.db").exists() == (not address)
    assert not (directory / "history").exists()
    restored.close()


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    house = House(settings_for(directory, ""))
    house.send(1)
    house.close()
    make_backup(house.settings, tmp_path / "house.tar")
    return tmp_path / "house.tar"


def test_a_backup_is_for_its_owner_alone(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600


def test_a_damaged_backup_is_refused_by_the_member_that_is_damaged(
    backup: Path, tmp_path: Path
) -> None:
    data = bytearray(backup.read_bytes())
    with tarfile.open(backup) as archive:
        place = archive.getmember("token-keys").offset_data
    data[place] ^= 1
    backup.write_bytes(data)
    with pytest.raises(BadBackup, match="token-keys"):
        restore_backup(backup, tmp_path / "restored")


def test_a_backup_that_was_cut_off_is_refused(backup: Path, tmp_path: Path) -> None:
    backup.write_bytes(backup.read_bytes()[:20_000])
    with pytest.raises(BadBackup):
        restore_backup(backup, tmp_path / "restored")


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_no_member_leaves_the_directory(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(BadBackup, match="no member of a backup"):
        restore_backup(tmp_path / "evil.tar", tmp_path / "restored")
    assert not (tmp_path / "outside").exists()


def test_everything_that_cannot_be_made_anew_is_in_a_backup(tmp_path: Path) -> None:
    """A file of the data directory that is not copied stands here with the reason."""
    made_anew = {"*.lock": "of a running role", "guard-proxy": "pictures, fetched again"}
    directory = tmp_path / "data"
    directory.mkdir()
    house = House(settings_for(directory, ""))
    house.close()
    picture_key(directory)
    rows = [ReportRow(**dict.fromkeys(ReportRow.__dataclass_fields__, ""))]  # type: ignore[arg-type]
    ReportFile(directory / "reports.jsonl").add(rows)
    for name in ("objections", "kill-switch"):
        (directory / name).write_text("# by hand\n")
    (directory / "guard-proxy").mkdir()
    (directory / "networks").mkdir()
    (directory / "networks" / "list").touch()
    make_backup(house.settings, tmp_path / "house.tar")
    restore_backup(tmp_path / "house.tar", tmp_path / "restored")
    wanted = {p.name for p in directory.iterdir() if not p.name.endswith(("-wal", "-shm"))}
    there = {p.name for p in (tmp_path / "restored").iterdir()}
    missing = {n for n in wanted - there if not any(fnmatch(n, pattern) for pattern in made_anew)}
    assert missing == set()
    name = "reports.jsonl"
    assert (tmp_path / "restored" / name).read_text() == (directory / name).read_text()


@pytest.mark.parametrize("how", ["damaged", "cut off", "no space"])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_restore_that_fails_leaves_nothing_and_can_be_made_again(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, is_there: bool
) -> None:
    good, target = backup.read_bytes(), tmp_path / "restored"
    if is_there:
        target.mkdir()
    with monkeypatch.context() as patched:
        if how == "damaged":
            with tarfile.open(backup) as archive:
                place = archive.getmember("token-keys").offset_data
            backup.write_bytes(good[:place] + b"\x00" + good[place + 1 :])
        elif how == "cut off":
            backup.write_bytes(good[: len(good) // 2])
        else:

            def full(descriptor: int) -> None:
                if (target / "spool.db").exists():
                    raise OSError(28, "No space left on device")

            patched.setattr("mailglass.app.backup.os.fsync", full)
        with pytest.raises((BadBackup, StorageUnavailable)):
            restore_backup(backup, target)
    assert list(target.iterdir()) == []
    backup.write_bytes(good)
    restore_backup(backup, target)
    assert (target / "history.db").exists()


def test_what_a_restore_left_that_was_killed_is_taken_away_by_the_next(
    backup: Path, tmp_path: Path
) -> None:
    target = tmp_path / "restored"
    (target / "journal").mkdir(parents=True)
    for name in (".restoring", "history.db", "journal/1.log"):
        (target / name).write_text("half")
    restore_backup(backup, target)
    assert not (target / "journal" / "1.log").exists()
    assert not (target / ".restoring").exists()


def test_nothing_is_restored_over_something(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="not empty"):
        restore_backup(backup, tmp_path / "full")


def test_the_commands_say_what_was_done_and_what_comes_next(backup: Path, tmp_path: Path) -> None:
    data, again = tmp_path / "data", tmp_path / "again.tar"
    made = CliRunner().invoke(cli, ["--data", str(data), "backup", str(again), "--json"])
    assert json.loads(made.stdout)["database"] == "sqlite"
    words = ["restore", str(again), "--data-directory", str(tmp_path / "restored")]
    shown = CliRunner().invoke(cli, words).stdout
    assert "0 deliveries wait in its queue" in shown
    assert "doctor-db" in shown
    neither = CliRunner().invoke(cli, ["restore", str(again)])
    assert neither.exit_code == 2
    assert "--plan" in neither.output
    assert "--data-directory" in neither.output


def test_what_waited_can_be_left_out_of_a_restore(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    house = House(settings_for(directory, ""))
    house.spool.accept(
        Submission(
            message_id=7,
            accepted_at=SENT_AT,
            return_path="me@home.test",
            raw=b"Subject: x\r\n\r\n",
            deliveries=(Delivery(id=700, message_id=7, recipient="a@x.test"),),
            tracking={},
        )
    )
    with house.history.transaction() as t:
        account = t.accounts()[0]
        endpoint = t.add_endpoint(
            account.id,
            "https://hook.test/",
            "whsec_x",
            filters=Filters(),
            description="",
            last_event_id=0,
            at=SENT_AT,
        )
        t.add_notices(endpoint.id, [(1, "{}")], SENT_AT)
    house.close()
    make_backup(house.settings, tmp_path / "house.tar")
    words = ["restore", str(tmp_path / "house.tar"), "--json", "--data-directory"]
    kept = CliRunner().invoke(cli, [*words, str(tmp_path / "a")])
    left = CliRunner().invoke(cli, [*words, str(tmp_path / "b"), "--without-queue"])
    assert json.loads(kept.stdout)["waiting"] == 1
    assert json.loads(left.stdout)["waiting"] == 0
    assert json.loads(kept.stdout)["waiting_notices"] == 1
    assert json.loads(left.stdout)["waiting_notices"] == 0
    restored = History(f"sqlite:///{tmp_path / 'b' / 'history.db'}")
    with restored.transaction() as t:
        (endpoint,) = t.endpoints(None)
        assert t.replay_notices(endpoint.id, SENT_AT) == 1  # a dead letter, which is not lost
    restored.close()
