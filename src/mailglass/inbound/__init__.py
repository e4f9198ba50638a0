"""What comes back by mail: bounces, complaints, receipts, automatic and human answers.

Bytes in, records out; no sockets, no store. `parse` reads one message, `match` says which delivery
it belongs to and how sure that is. What follows for the delivery is decided where the history is.
"""

from .addresses import plain_address
from .complaints import is_stop
from .matching import Candidate, Trust, candidates, delivery_of_address
from .parse import parse
from .postfix_log import LogEntry, PostfixLog, read_postfix_log
from .records import Action, Kind, Record, Report

__all__ = [
    "Action",
    "Candidate",
    "Kind",
    "LogEntry",
    "PostfixLog",
    "Record",
    "Report",
    "Trust",
    "candidates",
    "delivery_of_address",
    "is_stop",
    "parse",
    "plain_address",
    "read_postfix_log",
]
