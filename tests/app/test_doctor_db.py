"""`mailglass doctor-db` finds what was broken, one thing at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from mailglass.app import DATABASE_FINDINGS, examine_database, prepare, rebuild_counts
from mailglass.cli import cli
from mailglass.evidence import load_rules
from mailglass.history import Filters, History, TaskReport, schema
from mailglass.ingest import NIGHTLY, Ingest
from mailglass.journal import Writer, encode
from mailglass.model import Delivery, EventType, Finding, Hit
from mailglass.notify.notices import owe_notices
from mailglass.settings import Settings, load_settings
from mailglass.spool import Spool, Submission

SENT_AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


class House:
    """An installation with a message that was opened."""

    def __init__(self, directory: Path, address: str) -> None:
        overrides = [f"data.directory={directory}", f"history.url={address}"]
        self.settings: Settings = load_settings(overrides=overrides)[0]
        self.directory = directory
        prepare(self.settings)
        self.history = History(self.settings.history_address)
        spool = Spool(directory / "spool.db")
        delivery = Delivery(id=100, message_id=1, recipient="a@x.test")
        facts = {
            "account_id": 1,
            "submitter": "me",
            "author": "me@home.test",
            "subject": "x",
            "message_id_field": "<1@home.test>",
            "tag": None,
            "campaign": None,
            "targets": [{"number": 0, "kind": "beacon"}],
        }
        spool.accept(
            Submission(
                message_id=1,
                accepted_at=SENT_AT,
                return_path="me@home.test",
                raw=b"Subject: x\r\n\r\n",
                deliveries=(delivery,),
                tracking={},
                facts=facts,
            )
        )
        spool.end(delivery, EventType.DELIVERED, SENT_AT, {"reply_code": 250})
        writer = Writer(directory / "journal")
        writer.commit([encode(hit())])
        writer.close()
        ingest = Ingest(
            history=self.history,
            spool=spool,
            journal_directory=directory / "journal",
            rules=load_rules(),
            clock=lambda: SENT_AT + timedelta(days=1),
        )
        while ingest.step():
            pass
        spool.close()
        now = datetime.now(UTC)
        with self.history.transaction() as t:
            t.add_report(TaskReport(name=NIGHTLY, began_at=now, ended_at=now, result={}))

    def change(self, statement: sa.Executable) -> None:
        with self.history._engine.begin() as connection:
            connection.execute(statement)

    def found(self) -> dict[str, Finding]:
        return {f.id: f for f in examine_database(self.settings)}


def hit() -> Hit:
    return Hit(
        at=SENT_AT + timedelta(hours=1),
        path_kind="o",
        method="GET",
        token="a" * 29,
        delivery_id=100,
        target=0,
        address="192.0.2.1",
        http_version="1.1",
        headers={"user-agent": "Thunderbird"},
    )


@pytest.fixture
def house(tmp_path: Path, history_address: str) -> Iterator[House]:
    directory = tmp_path / "data"
    directory.mkdir()
    house = House(directory, "" if history_address.startswith("sqlite") else history_address)
    yield house
    house.history.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[House]:
    """On SQLite alone, for what does not depend on the database."""
    directory = tmp_path / "data"
    directory.mkdir()
    house = House(directory, "")
    yield house
    house.history.close()


def test_a_sound_installation_is_well(house: House) -> None:
    found = house.found()
    assert set(found) == set(DATABASE_FINDINGS)
    assert {f.id for f in found.values() if f.status != "ok"} <= {"db.disk"}


def test_a_count_that_is_not_that_of_its_events_is_found(house: House) -> None:
    house.change(schema.rollup.update().values(delivered=schema.rollup.c.delivered + 3))
    found = house.found()["db.rollups"]
    assert found.status == "fail"
    assert "message 1: delivered is 4, counted 1" in found.observed


def test_counts_are_made_anew_from_the_events(house: House) -> None:
    house.change(schema.rollup.update().values(delivered=schema.rollup.c.delivered + 3))
    rebuild_counts(house.settings)
    assert house.found()["db.rollups"].status == "ok"


def test_a_delivery_whose_counters_are_wrong_is_found(house: House) -> None:
    house.change(schema.delivery.update().values(beacon_machine=7))
    assert "beacon_machine" in house.found()["db.rollups"].observed


def test_rows_that_lead_nowhere_are_found(house: House) -> None:
    house.change(schema.hit.delete())
    found = house.found()["db.orphans"]
    assert found.status == "warn"
    assert "1 rows of event without their hit" in found.observed


def test_a_notice_of_an_event_that_was_judged_otherwise_since_is_no_fault(house: House) -> None:
    """The event has a new number then, and what was told under the old one was told."""
    with house.history.transaction() as t:
        (event,) = (e for e in t.events_of([100]) if e.hit_id is not None)
        endpoint = t.add_endpoint(
            1,
            "https://hook.test/",
            "s",
            filters=Filters(),
            description="",
            last_event_id=0,
            at=SENT_AT,
        )
        owe_notices(t, SENT_AT)
    house.change(schema.event.update().where(schema.event.c.id == event.id).values(id=event.id + 1))
    house.change(schema.counter.update().where(schema.counter.c.name == "event").values(value=99))
    assert house.found()["db.orphans"].status == "ok"
    for number, delivery in ((98, "4711"), (1000, "100")):  # none of ours; a number never given
        body = f'{{"data":{{"delivery_id":"{delivery}"}}}}'
        with house.history.transaction() as t:
            t.add_notices(endpoint.id, [(number, body)], SENT_AT)
    assert "2 rows of webhook_notice without their event" in house.found()["db.orphans"].observed


def test_what_was_set_aside_and_a_task_that_does_not_run_are_found(house: House) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=5)).timestamp()
    house.change(schema.task_report.update().values(began_at=long_ago))
    with house.history.transaction() as t:
        t.add_poison("journal:1:2", SENT_AT, "ValueError: odd", b"raw")
    found = house.found()
    assert "journal:1:2: ValueError: odd" in found["db.poison"].observed
    assert found["db.nightly"].status == "warn"


def test_a_history_that_is_ahead_of_journal_and_spool_is_found(house: House) -> None:
    with house.history.transaction() as t:
        t.set_cursor("journal", "9:999")
        t.set_cursor("spool", "999")
    found = house.found()
    assert found["db.journal"].status == found["db.spool"].status == "fail"
    assert "same backup" in found["db.journal"].fix


def test_a_damaged_record_of_the_journal_is_found(plain: House) -> None:
    segment = plain.directory / "journal" / "0000000001.log"
    data = bytearray(segment.read_bytes())
    data[data.index(b"Thunderbird")] ^= 1
    segment.write_bytes(data)
    found = plain.found()["db.journal"]
    assert found.status == "warn"
    assert "1 damaged" in found.observed


def test_a_damaged_database_is_found_and_hides_no_other_check(plain: House) -> None:
    plain.history.close()
    with sqlite3.connect(plain.directory / "history.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = db.execute(
            "SELECT rootpage FROM sqlite_master"
            " WHERE name = 'ix_event_delivery_id_path_kind_who_at'"
        ).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with (plain.directory / "history.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)
    found = plain.found()
    assert found["db.integrity"].status == "fail"
    assert found["db.spool"].status == "ok"
    assert found["db.disk"].status in ("ok", "warn")


def test_a_database_that_does_not_answer_is_found(plain: House) -> None:
    plain.settings = load_settings(
        overrides=[
            f"data.directory={plain.directory}",
            "history.url=postgresql+psycopg://nobody@127.0.0.1:1/none",
        ]
    )[0]
    found = plain.found()
    assert found["db.connection"].status == "fail"
    assert found["db.rollups"].status == "unknown"
    assert found["db.disk"].status in ("ok", "warn")


def test_the_command_shows_findings_and_ends_with_the_worst(plain: House) -> None:
    with plain.history.transaction() as t:
        t.add_poison("journal:1:2", SENT_AT, "odd", b"raw")
    shown = CliRunner().invoke(cli, ["--data", str(plain.directory), "doctor-db"])
    assert shown.exit_code == 1
    assert "db.poison" in shown.stdout
    told = CliRunner().invoke(
        cli, ["--data", str(plain.directory), "doctor-db", "--migrate", "--json"]
    )
    assert json.loads(told.stdout)["migrated"] == []
    assert {f["id"] for f in json.loads(told.stdout)["findings"]} == set(DATABASE_FINDINGS)


def test_looking_at_nothing_makes_nothing(tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli, ["--data", str(tmp_path), "doctor-db"])
    assert shown.exit_code == 2
    assert list(tmp_path.iterdir()) == []
