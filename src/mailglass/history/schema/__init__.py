"""The tables, a file for each subject; a further subject is a further file, named below.

Times are seconds since 1970 UTC as floating point: both databases order and subtract them alike,
and no driver can lose their zone. Lists and mappings are JSON texts that no query looks into.
A change to a table is a further step in `migrations/steps`.
"""

from .access import account, api_key, failed_sign_in, login_link, session, user
from .base import metadata
from .domains import sending_domain, tracking_domain
from .facts import event, hit, judgement, wording
from .following import counter, cursor, poison, returned
from .learned import learned, learned_count
from .mail import campaign, delivery, message, message_tag, recipient_domain, tag, target
from .outgoing import (
    draft,
    own_device,
    own_network,
    webhook_attempt,
    webhook_endpoint,
    webhook_notice,
)
from .rights import consent, policy, retention, secret, suppression, task_report
from .rollups import rollup, target_rollup
from .versions import schema_step

__all__ = [
    "account",
    "api_key",
    "campaign",
    "consent",
    "counter",
    "cursor",
    "delivery",
    "draft",
    "event",
    "failed_sign_in",
    "hit",
    "judgement",
    "learned",
    "learned_count",
    "login_link",
    "message",
    "message_tag",
    "metadata",
    "own_device",
    "own_network",
    "poison",
    "policy",
    "recipient_domain",
    "retention",
    "returned",
    "rollup",
    "schema_step",
    "secret",
    "sending_domain",
    "session",
    "suppression",
    "tag",
    "target",
    "target_rollup",
    "task_report",
    "tracking_domain",
    "user",
    "webhook_attempt",
    "webhook_endpoint",
    "webhook_notice",
    "wording",
]
