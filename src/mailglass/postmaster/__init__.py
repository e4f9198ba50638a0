"""Postmaster: will my mail arrive, and why did it not.

`examine` looks at a domain from outside as receivers do, `try_connection` walks a delivery up to
RCPT, `lint` reads one message against each provider's rules. All reach the network through what
they are given (mailglass.lookup). What SMTP replies mean is in mailglass.replies.
"""

from __future__ import annotations

from .blocklists import ZONES, Listing, Zone, ZoneState, ask_zone, dead_zone, own_zone
from .case import Case
from .connection import ConnectionReport, StepResult, try_connection
from .dialogue import Conversation, Step, converse
from .doctor import examine
from .findings import FINDINGS, FindingKind, finding, worst
from .lint import FilterScore, Forecast, LintReport, forecasts, lint
from .organization import same_organization, suffix_organization, tree_walk
from .placement import Placement, Seed, Where, place
from .reports import BadReport, DomainReport, ReportFile, ReportRow, read_report, summarise
from .sentences import sentences
from .spf import SpfResult, SpfVerdict, Survey, check_host, survey

__all__ = [
    "FINDINGS",
    "ZONES",
    "BadReport",
    "Case",
    "ConnectionReport",
    "Conversation",
    "DomainReport",
    "FilterScore",
    "FindingKind",
    "Forecast",
    "LintReport",
    "Listing",
    "Placement",
    "ReportFile",
    "ReportRow",
    "Seed",
    "SpfResult",
    "SpfVerdict",
    "Step",
    "StepResult",
    "Survey",
    "Where",
    "Zone",
    "ZoneState",
    "ask_zone",
    "check_host",
    "converse",
    "dead_zone",
    "examine",
    "finding",
    "forecasts",
    "lint",
    "own_zone",
    "place",
    "read_report",
    "same_organization",
    "sentences",
    "suffix_organization",
    "summarise",
    "survey",
    "tree_walk",
    "try_connection",
    "worst",
]
