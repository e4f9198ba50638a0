"""`mailglass key`, run as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

Run = Callable[..., CompletedProcess[bytes]]


def test_a_key_is_made_shown_once_listed_and_revoked(run_cli: Run, tmp_path: Path) -> None:
    def key(*words: str) -> CompletedProcess[bytes]:
        return run_cli("--data", str(tmp_path / "data"), "key", *words)

    assert run_cli("--data", str(tmp_path / "data"), "setup").returncode == 0
    made = key("add", "商店", "--scope", "messages:read", "--days", "9", "--json")
    assert made.returncode == 0, made.stderr
    first = json.loads(made.stdout)
    assert (first["name"], first["scopes"]) == ("商店", ["messages:read"])
    text = key("add", "other").stdout.decode().strip()
    assert text.startswith("mg_")
    listed = key("list").stdout.decode()
    assert "商店" in listed
    assert text not in listed
    assert key("revoke", first["id"]).returncode == 0
    again = key("revoke", first["id"])
    assert (again.returncode, len(again.stderr.splitlines())) == (65, 1)
    kept = [json.loads(line) for line in key("list", "--json").stdout.splitlines()]
    assert [k["revoked_at"] is None for k in kept] == [False, True]
    assert "hits:read" not in kept[1]["scopes"]
