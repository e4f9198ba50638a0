"""Webhooks: tells an account's endpoints what happened, signed, at least once, for three days.

Follows the events of the history; knows nothing of how they came about.
"""

from .dispatch import Notifying
from .posting import TIMEOUT_SECONDS, Posted, check_url, post
from .schedule import DEFAULT_RETRY_SECONDS, RetrySchedule
from .signing import new_secret, read_secret, signed_headers

__all__ = [
    "DEFAULT_RETRY_SECONDS",
    "TIMEOUT_SECONDS",
    "Notifying",
    "Posted",
    "RetrySchedule",
    "check_url",
    "new_secret",
    "post",
    "read_secret",
    "signed_headers",
]
