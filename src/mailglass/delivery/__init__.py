"""The way out: takes deliveries from the spool when they are due, instruments, hands them over.

Leaves bounces that come back later to `inbound`; knows one smarthost.
"""

from .courier import Courier, Outcome, Smarthost
from .queue import Delivering, Schedule

__all__ = ["Courier", "Delivering", "Outcome", "Schedule", "Smarthost"]
