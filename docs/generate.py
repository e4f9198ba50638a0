"""Writes docs/reference from the records themselves: commands, settings, events, errors, findings.

`python docs/generate.py` writes the pages; a test compares them with what this would write.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click

import mailglass
from mailglass import postmaster
from mailglass.app import DATABASE_FINDINGS
from mailglass.cli import cli
from mailglass.errors import Error
from mailglass.history.timeline import SENTENCES
from mailglass.model import Actor, EventType, TargetKind, VerdictLevel
from mailglass.settings import Settings, variable_name

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py; change the records, then run `make docs`. -->\n\n"


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    return {
        "commands.md": NOTE + "# Commands\n\n" + "\n".join(_commands(cli, "mailglass")),
        "settings.md": NOTE + _settings(),
        "events.md": NOTE + _events(),
        "errors.md": NOTE + _errors(),
        "findings.md": NOTE + _findings(),
    }


def _commands(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path, help_option_names=["-h", "--help"])
    command._help_option = None  # click keeps that of the first context it was asked in
    if path != "mailglass":
        text = command.get_help(context).replace("\b", "")
        yield f"## {path}\n\n```\n{text}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from _commands(found, f"{path} {name}")


def _settings() -> str:
    rows = [
        "# Settings",
        "",
        "Defaults, then the file (`--settings`, TOML, `[section]` and name), then the environment,",
        "then `--set section.name=value`. `mailglass config` shows each value and its origin.",
        "",
        "| setting | variable | default | meaning |",
        "|---|---|---|---|",
    ]
    for field in fields(Settings):
        meta = field.metadata
        default = "`/var/lib/mailglass` as root, else `~/.local/share/mailglass`"
        if meta["name"] != "data.directory":
            default = f"`{meta['default']}`" if meta["default"] else "(empty)"
        choices = f" One of: {', '.join(meta['choices'])}." if meta["choices"] else ""
        name = meta["name"]
        rows.append(
            f"| `{name}` | `{variable_name(name)}` | {default} | {meta['about']}{choices} |"
        )
    return "\n".join(rows) + "\n"


def _events() -> str:
    rows = ["# Events, actors, targets, verdicts", "", "| event | meaning |", "|---|---|"]
    rows += [f"| `{type_.value}` | {SENTENCES[type_]} |" for type_ in EventType]
    for title, words in (("Actors", Actor), ("Targets", TargetKind), ("Verdicts", VerdictLevel)):
        rows += ["", f"## {title}", ""] + [f"- `{word.value}`" for word in words]
    return "\n".join(rows) + "\n"


def all_errors() -> list[type[Error]]:
    """Every error of the tree, by its id."""
    for module in pkgutil.walk_packages(mailglass.__path__, "mailglass."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: set[type[Error]] = set()
    waiting = [Error]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting += kind.__subclasses__()
    return sorted(found, key=lambda kind: (kind.id, kind.__name__))


def _errors() -> str:
    rows = ["# Errors", "", "| id | class | exit status | meaning |", "|---|---|---|---|"]
    for kind in all_errors():
        meaning = " ".join((kind.__doc__ or "").split())
        name = f"{kind.__module__}.{kind.__name__}"
        rows.append(f"| `{kind.id}` | `{name}` | {kind.exit_status} | {meaning} |")
    return "\n".join(rows) + "\n"


def _findings() -> str:
    rows = [
        "# Findings",
        "",
        "What `mailglass doctor`, `lint` and `doctor-db` check. A finding is `ok`, `info`, `warn`,",
        "`fail`, or `unknown` when it could not be checked. Names in braces are filled in.",
    ]
    for kind in (*postmaster.FINDINGS.values(), *DATABASE_FINDINGS.values()):
        rows += ["", f"## {kind.id}", "", f"{kind.about}.", "", f"- expected: {kind.expected}"]
        rows += [f"- why: {kind.why}"] if "{" not in kind.why else []
        rows += [f"- matters to: {', '.join(kind.providers)}"] if kind.providers else []
        rows += [f"- source: {kind.source}"] if kind.source else []
        rows += [f"- fix ({name}): {text}" for name, text in kind.fixes.items()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
