"""Reads the fields of a delivery report (RFC 3464, internationalised by RFC 6533).

A report has one group of fields on the message and one for each recipient, empty lines between.
Servers leave out empty lines, repeat groups, name a pipe or a bare user as the recipient, and put
the whole into the text part; all of that is read. What the diagnostic words mean is left to
`mailglass.replies`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..addresses import domain_of
from ..replies import is_status
from .addresses import clean_address
from .parts import Fields, read_fields
from .records import Action

__all__ = ["Group", "Status", "read_status"]

_MAX_GROUPS = 1000  # recipients; RFC 5321 section 4.5.3.1.10 guarantees 100 a transaction
_TYPE = re.compile(r"\s*[\w-]{1,20}\s*;\s*")
_STATUS = re.compile(r"\s*(\d\.\d{1,3}\.\d{1,3})\s*(?:\(([^()]*)\))?")
_ACTIONS = {
    **{action.value: action for action in Action},
    "fail": Action.FAILED,
    "failure": Action.FAILED,
    "error": Action.FAILED,
    "deferred": Action.DELAYED,
    "delay": Action.DELAYED,
    "success": Action.DELIVERED,
    "deliverable": Action.DELIVERED,
    "delivery": Action.DELIVERED,
    "expired": Action.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a report says of one recipient."""

    recipient: str | None
    original_recipient: str | None
    action: Action | None
    status: str | None  # the Status field, when it is one
    diagnostic: str
    comment: str  # the reporting server's own words behind the status
    remote_mta: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A whole report."""

    groups: tuple[Group, ...]
    reporting_mta: str | None
    envelope_id: str | None


def read_status(text: str) -> Status:
    """The groups of a report, whatever lies between them."""
    blocks = [read_fields(block) for block in _blocks(text)]
    groups = [_group(block) for block in blocks if _is_group(block)]
    return Status(
        groups=tuple(groups[:_MAX_GROUPS]),
        reporting_mta=_value(_first(blocks, "reporting-mta")),
        envelope_id=_first(blocks, "original-envelope-id") or None,
    )


def _blocks(text: str) -> list[str]:
    found: list[str] = []
    for block in text.split("\n\n"):
        lowered = block.lower()
        if lowered.count("final-recipient") > 1:
            found += _regrouped(block)
        elif block.strip():
            found.append(block)
    return found


def _regrouped(block: str) -> list[str]:
    """The groups of a block without empty lines: one ends where one of its names comes again."""
    groups: list[list[str]] = [[]]
    seen: set[str] = set()
    for line in block.split("\n"):
        name = line.partition(":")[0].strip().lower()
        if name in ("original-recipient", "final-recipient"):
            if name in seen:
                groups.append([])
                seen.clear()
            seen.add(name)
        groups[-1].append(line)
    return ["\n".join(lines) for lines in groups]


def _is_group(fields: Fields) -> bool:
    return "final-recipient" in fields or ("original-recipient" in fields and "action" in fields)


def _first(blocks: list[Fields], name: str) -> str:
    return next((fields[name][0] for fields in blocks if name in fields), "")


def _value(text: str) -> str | None:
    """A typed value without its type: `dns; mx.example` is mx.example."""
    return _TYPE.sub("", text, count=1).strip(" ()[]") or None


def _group(fields: Fields) -> Group:
    def get(name: str) -> str:
        return fields.get(name, ("",))[0]

    diagnostic = get("diagnostic-code")
    kind = _TYPE.match(diagnostic)
    status = _STATUS.match(get("status"))
    original = clean_address(get("original-recipient"))
    return Group(
        recipient=_recipient(fields, original),
        original_recipient=original,
        action=_ACTIONS.get((get("action").lower().split() or [""])[0].strip("()\"';,.")),
        status=status[1] if status and is_status(status[1]) else None,
        diagnostic=_words(diagnostic[kind.end() :] if kind else diagnostic),
        comment=(status[2] or "") if status else "",
        remote_mta=_value(get("remote-mta")),
    )


def _recipient(fields: Fields, original: str | None) -> str | None:
    """The final recipient, but the original one when the final is a name inside its own site.

    Such a name (of the same domain or below, or without a dot) means nothing to the sender, while
    an alias that leads to another site failed there.
    """
    names = fields.get("final-recipient", []) + fields.get("x-actual-recipient", [])
    found = [address for name in names for address in (clean_address(name),) if address]
    final = next(iter(found), None)
    if original is None or final is None:
        return final or original
    home, place = domain_of(original), domain_of(final)
    return original if "." not in place or f".{place}".endswith(f".{home}") else final


def _words(diagnostic: str) -> str:
    """The diagnostic, unless it is the exit status of a program (sendmail's `X-Unix; 71`)."""
    return diagnostic if any(letter.isalpha() for letter in diagnostic) else ""
