"""What a sender adds to a message: beacon, links, attachments; the plan of edits, and undo.

A pure function from bytes and options to a template, and from a template and a delivery to bytes
and their plan.  Bytes outside the edits of the plan stay as they are.
"""

from .attachments import Store, attachment_digest
from .compile import compile_message
from .merge import fill, mark, placeholders, substitute
from .options import Options, under_policy
from .plan import LeftAlone, Plan, PlannedEdit, apply, read_plan, restore, untouched, write_plan
from .reasons import sentences
from .template import Template

__all__ = [
    "LeftAlone",
    "Options",
    "Plan",
    "PlannedEdit",
    "Store",
    "Template",
    "apply",
    "attachment_digest",
    "compile_message",
    "fill",
    "mark",
    "placeholders",
    "read_plan",
    "restore",
    "sentences",
    "substitute",
    "under_policy",
    "untouched",
    "write_plan",
]
