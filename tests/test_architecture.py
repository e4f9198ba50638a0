"""The directions of import: each room uses only those in the layers above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mailglass

ROOT = Path(mailglass.__file__).parent

LAYERS = [
    {"errors", "model"},
    {"addresses", "mime", "tokens", "ids", "languages", "replies", "lookup"},
    {"instrument", "evidence", "postmaster", "inbound", "guard"},
    {"journal", "history", "spool"},
    {"collector", "ingest", "gateway", "delivery", "notify", "proxy"},
    {"web", "world"},
    {"settings", "app", "cli", "__main__", "__init__"},
]
LAYER = {room: number for number, layer in enumerate(LAYERS) for room in layer}
ONLY = {"collector": {"tokens", "ids", "journal", "errors", "model", "addresses", "__init__"}}
SETTINGS_READERS = {"app", "cli"}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms of ours that a file imports, whichever way the import is spelled."""
    package = ["mailglass", *path.relative_to(ROOT).parts[:-1]]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == "mailglass":
                found.add(name[1] if len(name) > 1 and name[1] in LAYER else "__init__")
    return found


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_from_the_layers_above_it(path: Path) -> None:
    room = room_of(path)
    assert room in LAYER, f"{room} has no place in the layers"
    for other in imported_rooms(path) - {room, "__init__"}:
        if room in ("app", "cli", "settings", "__main__"):
            continue
        assert LAYER[other] < LAYER[room], f"{room} imports {other}"
    if room in ONLY:
        assert imported_rooms(path) <= ONLY[room] | {room}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_app_and_the_command_line_read_settings(path: Path) -> None:
    if room_of(path) not in SETTINGS_READERS | {"settings"}:
        assert "settings" not in imported_rooms(path)
