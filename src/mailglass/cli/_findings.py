"""How commands show findings: the same readable and JSON forms everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace

import click

from ..model import Finding, FindingStatus
from ..postmaster import worst
from ._language import Speech

__all__ = ["exit_status", "finding_rows", "print_findings", "print_json", "told"]

# The numbers of monitoring plugins (monitoring-plugins.org), so that a cron job can be one.
_EXIT = {
    FindingStatus.OK: 0,
    FindingStatus.INFO: 0,
    FindingStatus.WARN: 1,
    FindingStatus.FAIL: 2,
    FindingStatus.UNKNOWN: 3,
}
_COLOURS = {
    FindingStatus.OK: "green",
    FindingStatus.INFO: "blue",
    FindingStatus.WARN: "yellow",
    FindingStatus.FAIL: "red",
    FindingStatus.UNKNOWN: "magenta",
}


def exit_status(findings: list[Finding]) -> int:
    """0 all well, 1 a warning, 2 a failure, 3 nothing bad but something unknown."""
    return _EXIT[worst(findings)]


def finding_rows(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """The findings as JSON objects."""
    return [asdict(each) for each in findings]


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def told(findings: Iterable[Finding], spoken: Speech) -> list[Finding]:
    """The findings with what is expected, why, and the remedy in a language."""
    tell = spoken.tell
    return [
        replace(each, expected=tell(each.expected), why=tell(each.why), fix=tell(each.fix))
        for each in findings
    ]


def print_findings(
    findings: Iterable[Finding], *, brief: bool = False, spoken: Speech | None = None
) -> None:
    """The findings for a person; `brief` leaves out those that are well."""
    say = spoken.say if spoken else str
    for each in findings:
        if brief and each.status is FindingStatus.OK:
            continue
        mark = click.style(f"{each.status:<7}", fg=_COLOURS[each.status])
        click.echo(f"{mark} {each.id:<22} {_short(each.observed)}")
        if each.status in (FindingStatus.OK, FindingStatus.INFO) and not each.fix:
            continue
        _detail(say("expected"), each.expected)
        _detail(say("why"), each.why)
        _detail(say("fix"), each.fix)
        _detail(say("matters to"), ", ".join(each.providers))
        _detail(say("source"), each.source)


def _detail(label: str, text: str) -> None:
    if text:
        click.echo(f"        {label}: {_short(text)}")


def _short(text: str) -> str:
    # Odd bytes of the DNS came in as surrogates, which no terminal takes.
    return text.encode("utf-8", "replace").decode()[:1200]
