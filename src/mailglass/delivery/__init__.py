"""The way out: takes deliveries from the spool when they are due, instruments, hands them over.

Leaves bounces that come back later to `inbound`; knows one smarthost.
"""

from .courier import Courier, Outcome, Reports, Smarthost
from .queue import Delivering, Returns, Schedule

__all__ = ["Courier", "Delivering", "Outcome", "Reports", "Returns", "Schedule", "Smarthost"]
