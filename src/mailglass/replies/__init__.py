"""What the answer of a mail server means: class, permanence, who must act.

The courier asks about the reply it just got, the postmaster about one that a person pasted, the
reader of bounces about the reply inside a report; all of them get the same `Explanation`.
The knowledge lies in the TSV files under `data/`, each row with its source and date; the code only
finds the row. A provider's own code decides before any word, words before the enhanced status
(RFC 3463), the status before the reply code (RFC 5321 section 4.2).
"""

from .codes import Codes, find_codes, is_status
from .explain import Explanation, explain_reply, sentences
from .knowledge import ReplyClass, provider_codes, provider_names, provider_of_host

__all__ = [
    "Codes",
    "Explanation",
    "ReplyClass",
    "explain_reply",
    "find_codes",
    "is_status",
    "provider_codes",
    "provider_names",
    "provider_of_host",
    "sentences",
]
