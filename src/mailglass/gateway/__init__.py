"""The way in: SMTP submission, and the intake that every other way in shares.

Leaves the sending to `delivery` and the edits to `instrument`: here a message is checked, given its
numbers, and put into the spool before anybody is told that it was taken.
"""

from .intake import Intake, Receipt, Submitter, TrackingDefaults
from .mailbox import Mailbox, MailboxConfig, Position
from .returns import ReturnServer, ReturnServerConfig
from .submission import Config, SubmissionServer

__all__ = [
    "Config",
    "Intake",
    "Mailbox",
    "MailboxConfig",
    "Position",
    "Receipt",
    "ReturnServer",
    "ReturnServerConfig",
    "SubmissionServer",
    "Submitter",
    "TrackingDefaults",
]
