"""How closely the recipients of a message are tracked, when the spool tells of it.

The gateway froze each recipient's policy when it took the message. Who said no since is not tracked
by name; their copy may carry tokens that would.

While the history is down the gateway takes a message and holds it. Who may not be written to, and
how closely each of the others may be tracked, is looked up here, before a copy leaves.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from ..addresses import canonical_address
from ..history import ConsentState, Transaction
from ..model import TrackingPolicy
from ..spool import Spool, SpoolEvent

__all__ = ["tracking_policies"]

_log = logging.getLogger("mailglass.ingest")


def tracking_policies(
    t: Transaction, spool: Spool, queued: SpoolEvent, now: datetime
) -> Mapping[int, TrackingPolicy]:
    """The policy of each delivery of a message that is not tracked by name.

    A held message is let go: before the history commits, and harmless when repeated.
    """
    by_id = {
        number: canonical_address(recipient) for number, recipient in queued.body["deliveries"]
    }
    if queued.body.get("is_held"):
        return _release(t, spool, queued, by_id, now)
    frozen = {int(i): TrackingPolicy(p) for i, p in queued.body.get("policies", {}).items()}
    said = t.consent_states(queued.body["account_id"], tuple(by_id.values()))
    late = {
        number: TrackingPolicy.ANONYMOUS
        for number, recipient in by_id.items()
        if said.get(recipient, ConsentState.GIVEN) is not ConsentState.GIVEN
    }
    return late | frozen


def _release(
    t: Transaction, spool: Spool, queued: SpoolEvent, by_id: Mapping[int, str], now: datetime
) -> Mapping[int, TrackingPolicy]:
    body, recipients = queued.body, tuple(by_id.values())
    entries = t.suppressions(now, account_id=body["account_id"], recipients=recipients)
    reasons = {entry.recipient: entry.reason for entry in entries}
    found = t.policies_for(
        body["account_id"], body.get("author_domain", ""), body["campaign"], recipients
    )
    policies = {i: found[name] for i, name in by_id.items() if name in found}
    spool.release(
        queued.message_id,
        now,
        policies=policies,
        suppressed={i: reasons[name] for i, name in by_id.items() if name in reasons},
    )
    _log.info("message %d is let go", queued.message_id, extra={"action": "released"})
    return policies
