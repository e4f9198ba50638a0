"""What a data directory is given at its first use, and the commands around it."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mailglass.app import add_key, prepare, read_keys
from mailglass.errors import ConfigurationError, StorageUnavailable
from mailglass.settings import Settings, load_settings
from mailglass.tokens import Kind, Ring

RunCli = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(overrides=[f"data.directory={tmp_path / 'data'}"])[0]


def test_the_first_start_makes_keys_and_an_administrator_and_the_second_nothing(
    settings: Settings,
) -> None:
    made = prepare(settings)
    assert made is not None
    assert made.login_link.startswith("http://127.0.0.1:8482/login/")
    assert len(read_keys(settings.data_directory)) == 1
    assert prepare(settings) is None


def test_a_restart_does_not_wait_for_a_database_that_is_down(settings: Settings) -> None:
    prepare(settings)
    for file in settings.data_directory.glob("history.db*"):
        file.unlink()
    (settings.data_directory / "history.db").mkdir()  # as nothing that can be opened
    assert prepare(settings) is None
    fresh = settings.data_directory.parent / "fresh"
    (fresh / "history.db").mkdir(parents=True)
    with pytest.raises(StorageUnavailable):
        prepare(load_settings(overrides=[f"data.directory={fresh}"])[0])


def test_the_keys_are_for_their_owner_alone(settings: Settings) -> None:
    prepare(settings)
    mode = (settings.data_directory / "token-keys").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(settings.data_directory.stat().st_mode) == 0o700


def test_a_new_key_signs_and_the_old_ones_still_verify(settings: Settings) -> None:
    prepare(settings)
    old = Ring(read_keys(settings.data_directory)).mint(Kind.OPEN, 7)
    assert add_key(settings.data_directory) == 2
    ring = Ring(read_keys(settings.data_directory))
    assert ring.read(old, Kind.OPEN).delivery_id == 7
    assert ring.mint(Kind.OPEN, 7) != old


def test_a_spoiled_key_file_is_refused_and_not_replaced(settings: Settings) -> None:
    prepare(settings)
    path = settings.data_directory / "token-keys"
    path.write_text(path.read_text() + "not hex\n")
    with pytest.raises(ConfigurationError, match="holds a line that is no key"):
        read_keys(settings.data_directory)
    prepare(settings)
    assert "not hex" in path.read_text()


def test_lost_keys_are_not_replaced_in_silence(settings: Settings) -> None:
    """New keys would orphan every link and beacon in mail already sent."""
    prepare(settings)
    (settings.data_directory / "spool.db").touch()  # the gateway has run here
    (settings.data_directory / "token-keys").unlink()
    with pytest.raises(ConfigurationError, match="restore it from a backup"):
        prepare(settings)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings, _ = load_settings(overrides=[f"data.directory={tmp_path / 'file' / 'data'}"])
    with pytest.raises(ConfigurationError, match="cannot be made"):
        prepare(settings)


def test_setup_says_what_to_type_into_a_mail_client(run_cli: RunCli, tmp_path: Path) -> None:
    done = run_cli("--data", str(tmp_path / "data"), "setup")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "Server    127.0.0.1, port 8587" in text
    assert "User name admin" in text
    assert "/login/" in text
    again = run_cli("--data", str(tmp_path / "data"), "setup")
    assert b"already set up" in again.stdout


def test_config_shows_values_and_origins(run_cli: RunCli, tmp_path: Path) -> None:
    done = run_cli(
        "--set", "web.port=1", "config", "--json", MAILGLASS_GATEWAY_PORT="2", COLUMNS="300"
    )
    told = json.loads(done.stdout)
    assert told["web.port"]["value"] == "1"
    assert told["web.port"]["origin"] == "command line"
    assert told["gateway.port"]["origin"] == "MAILGLASS_GATEWAY_PORT"
    readable = run_cli("config", COLUMNS="300").stdout.decode()
    assert "collector.port" in readable
    assert "default" in readable


@pytest.mark.parametrize("columns", [{}, {"COLUMNS": "20"}])
def test_a_program_that_reads_the_settings_gets_them_whole(
    run_cli: RunCli, columns: dict[str, str]
) -> None:
    address = f"https://{'long.' * 40}example"
    wanted = ("--set", f"tracking.url={address}")
    told = json.loads(run_cli(*wanted, "config", "--json").stdout)
    shown = run_cli(*wanted, "config", **columns).stdout.decode()
    assert len(shown.splitlines()) == len(told) + 1
    for line, (name, setting) in zip(shown.splitlines()[1:], told.items(), strict=True):
        assert line.split()[0] == name
        assert setting["value"] in line
        assert setting["about"] in line
    assert "…" not in shown


def test_wrong_settings_stop_every_command_with_all_faults_and_a_status(run_cli: RunCli) -> None:
    done = run_cli("--set", "web.port=x", "--set", "gateway.port=y", "serve")
    assert done.returncode == 78
    assert b"web.port" in done.stderr
    assert b"gateway.port" in done.stderr


def test_a_message_that_is_not_there_is_said_in_one_line(run_cli: RunCli, tmp_path: Path) -> None:
    run_cli("--data", str(tmp_path / "data"), "setup")
    done = run_cli("--data", str(tmp_path / "data"), "timeline", "<none@x>")
    assert done.returncode == 65
    assert done.stderr.decode().splitlines() == [
        "mailglass: there is no message '<none@x>' in the history"
    ]
