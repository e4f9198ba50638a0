"""SPF (RFC 7208): what a receiver would decide, and what a whole tree of records costs.

`check_host` gives a receiver's answer for one address; `survey` reads every record that could be
reached, whatever the address, and counts the lookups on each path.
"""

from __future__ import annotations

from .evaluation import MAX_LOOKUPS, MAX_VOIDS, SpfResult, SpfVerdict, check_host
from .record import SpfRecord, SpfSyntaxError, Term, parse_record, spf_records
from .survey import Survey, SurveyedTerm, survey

__all__ = [
    "MAX_LOOKUPS",
    "MAX_VOIDS",
    "SpfRecord",
    "SpfResult",
    "SpfSyntaxError",
    "SpfVerdict",
    "Survey",
    "SurveyedTerm",
    "Term",
    "check_host",
    "parse_record",
    "spf_records",
    "survey",
]
