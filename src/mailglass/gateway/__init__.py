"""The way in: SMTP submission, and the intake that every other way in shares.

Leaves the sending to `delivery` and the edits to `instrument`: here a message is checked, given its
numbers, and put into the spool before anybody is told that it was taken.
"""

from .compose import (
    AttachedFile,
    Composed,
    Fields,
    NamedAddress,
    check_size,
    compose,
    read_address,
    recipients_of,
    without_bcc,
)
from .intake import (
    Instrumented,
    Intake,
    KeyReused,
    Permissions,
    Receipt,
    Submitter,
    TrackingDefaults,
    Wishes,
)
from .mailbox import Mailbox, MailboxConfig, Position
from .returns import ReturnServer, ReturnServerConfig
from .submission import Config, SubmissionServer

__all__ = [
    "AttachedFile",
    "Composed",
    "Config",
    "Fields",
    "Instrumented",
    "Intake",
    "KeyReused",
    "Mailbox",
    "MailboxConfig",
    "NamedAddress",
    "Permissions",
    "Position",
    "Receipt",
    "ReturnServer",
    "ReturnServerConfig",
    "SubmissionServer",
    "Submitter",
    "TrackingDefaults",
    "Wishes",
    "check_size",
    "compose",
    "read_address",
    "recipients_of",
    "without_bcc",
]
