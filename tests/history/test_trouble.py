"""When the database is down, full or damaged: a named error with a way out, and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from mailglass.errors import StorageUnavailable
from mailglass.history import History
from mailglass.history.trouble import HistoryDamaged, HistoryFull
from postgres import PostgresServer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    if PostgresServer.missing():
        pytest.skip("PostgreSQL 15 is not installed; tests/install-servers does it")
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def accounts(history: History) -> list[str]:
    with history.reading() as t:
        return [account.name for account in t.accounts()]


def add(history: History, name: str) -> None:
    with history.transaction() as t:
        t.add_account(name, NOW)


def test_a_server_that_goes_down_and_returns_is_used_again(server: PostgresServer) -> None:
    history = History(server.new_database())
    add(history, "before")
    server.stop()
    with pytest.raises(StorageUnavailable, match="the history cannot be used"):
        accounts(history)
    with pytest.raises(StorageUnavailable):
        add(history, "meanwhile")
    server.start()
    add(history, "after")
    assert accounts(history) == ["before", "after"]
    history.close()


def test_a_server_that_falls_in_a_transaction_keeps_nothing_of_it(server: PostgresServer) -> None:
    history = History(server.new_database())
    add(history, "before")

    def write_while_it_falls() -> None:
        with history.transaction() as t:
            t.add_account("half", NOW)
            server.stop()
            t.add_account("other half", NOW)

    with pytest.raises(StorageUnavailable):
        write_while_it_falls()
    server.start()
    assert accounts(history) == ["before"]
    history.close()


def test_a_full_disk_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    history = History(f"sqlite:///{tmp_path}/history.db")
    add(history, "before")
    with history._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    history._engine.dispose()

    def limit(connection: object, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + most}")  # type: ignore[attr-defined]

    most = 1
    sa.event.listen(history._engine, "connect", limit)

    def fill() -> None:
        with history.transaction() as t:
            for n in range(10_000):
                t.add_returned(NOW, "", b"x" * 1000 + str(n).encode())

    with pytest.raises(HistoryFull, match="make room"):
        fill()
    with history.reading() as t:
        assert t.returned() == []
    history._engine.dispose()
    most = 10_000
    fill()
    with history.reading() as t:
        assert len(t.returned(limit=10_000)) == 10_000
    history.close()


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = History(f"sqlite:///{path}")
    with history.transaction() as t:
        for n in range(200):
            t.add_account(f"account {n}", NOW)
    history.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(HistoryDamaged, match="backup"):
        accounts(History(f"sqlite:///{path}"))
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(HistoryDamaged):
        History(f"sqlite:///{path}")
