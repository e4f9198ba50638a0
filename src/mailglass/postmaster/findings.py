"""The register of findings: every check has one entry in data/*.toml.

A check says what it saw and how bad that is; what was expected, why it matters, to whom, and the
text of the remedy stand in the table, so that the reference page and the output cannot disagree.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from ..model import Finding, FindingStatus

__all__ = ["FINDINGS", "FindingKind", "finding", "worst"]

# From best to worst, for the exit status: what is unknown hides neither a warning nor a failure.
_ORDER = (
    FindingStatus.OK,
    FindingStatus.INFO,
    FindingStatus.UNKNOWN,
    FindingStatus.WARN,
    FindingStatus.FAIL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingKind:
    """What the register says of one check."""

    id: str
    about: str  # what is checked
    expected: str
    why: str
    providers: tuple[str, ...]
    source: str
    fixes: Mapping[str, str]  # by kind of fault, with {names} to fill in


def _load(file: str) -> dict[str, FindingKind]:
    text = files(__package__).joinpath("data", file).read_text("utf-8")
    return {
        name: FindingKind(
            id=name,
            about=row["about"],
            expected=row["expected"],
            why=row["why"],
            providers=tuple(row["providers"]),
            source=row["source"],
            fixes=row.get("fix", {}),
        )
        for name, row in tomllib.loads(text).items()
    }


FINDINGS: Mapping[str, FindingKind] = {**_load("findings.toml"), **_load("lint.toml")}


def finding(
    kind_id: str,
    status: FindingStatus,
    observed: str,
    /,
    *,
    fix: str | None = None,
    **values: object,
) -> Finding:
    """A finding of a registered kind; `fix` names the remedy and `values` fill the templates."""
    kind = FINDINGS[kind_id]
    return Finding(
        id=kind_id,
        status=status,
        observed=_printable(observed),
        expected=kind.expected,
        why=kind.why.format_map(values),
        fix=_printable(kind.fixes[fix].format_map(values)) if fix else "",
        providers=kind.providers,
        source=kind.source,
    )


def worst(findings: list[Finding]) -> FindingStatus:
    """The worst status among the findings; ok when there are none."""
    return max((found.status for found in findings), key=_ORDER.index, default=FindingStatus.OK)


def _printable(text: str) -> str:
    """What comes out of the DNS is a stranger's text: no escapes reach the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
