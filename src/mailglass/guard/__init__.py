"""The recipient's side: who watches a message, and the message without being watched.

Pure: bytes in, a report and a clean copy out; nothing is ever asked of a network.
"""

from .judge import Band, sentences
from .learn import Mailbox
from .links import Link, examine_link
from .marks import Looked, Mark, MarkedPart, look
from .parameters import strip_parameters
from .report import Examined, Report, Resource, examine, inspect, resources
from .rules import MailList, load_easyprivacy
from .sanitise import HEADER, Clean, GuardEdit, Remove, clean, restore
from .unwrap import Unwrapped, unwrap

__all__ = [
    "HEADER",
    "Band",
    "Clean",
    "Examined",
    "GuardEdit",
    "Link",
    "Looked",
    "MailList",
    "Mailbox",
    "Mark",
    "MarkedPart",
    "Remove",
    "Report",
    "Resource",
    "Unwrapped",
    "clean",
    "examine",
    "examine_link",
    "inspect",
    "load_easyprivacy",
    "look",
    "resources",
    "restore",
    "sentences",
    "strip_parameters",
    "unwrap",
]
