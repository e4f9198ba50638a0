"""Reads the log of a local Postfix: what the next server said, without waiting for a bounce.

A line of smtp(8) names recipient, relay, enhanced status and the reply; the Message-ID stands in an
earlier line of cleanup(8) under the same queue id. What the words mean is left to
`mailglass.replies`. The log is believed as far as whoever can write to it is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..replies import explain_reply
from .records import Action, Record

__all__ = ["LogEntry", "read_postfix_log"]

_MAX_LINE = 8192  # characters; syslog lines are shorter, and a reply is cut by Postfix
_MAX_QUEUE = 100_000  # queue ids remembered, some 20 MB; the oldest are forgotten
_QUEUE_ID = r"([0-9A-Za-z]{6,20})"
_MESSAGE_ID = re.compile(rf"/cleanup\[\d+\]: {_QUEUE_ID}: message-id=(<[^<>\s]{{1,998}}>)")
_STATUS = re.compile(
    rf"/(?:smtp|lmtp|error|local|virtual|pipe|relay)\[\d+\]: {_QUEUE_ID}: to=<([^<>]{{1,400}})>, "
    r"(?:orig_to=<([^<>]{1,400})>, )?relay=([^,]{1,300}), .{0,200}?dsn=(\d\.\d{1,3}\.\d{1,3}), "
    r"status=(sent|bounced|deferred|expired) \((.*)\)"
)
_ACTIONS = {
    "sent": Action.RELAYED,
    "bounced": Action.FAILED,
    "expired": Action.FAILED,
    "deferred": Action.DELAYED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """What one line says of one recipient."""

    queue_id: str
    message_id: str | None  # None when cleanup's line was not read
    record: Record


def read_postfix_log(lines: Iterable[str]) -> Iterator[LogEntry]:
    """The entries of a log, in its order; lines about anything else are passed over."""
    message_ids: OrderedDict[str, str] = OrderedDict()
    for raw in lines:
        line = raw[:_MAX_LINE]
        named = _MESSAGE_ID.search(line)
        if named:
            message_ids[named[1]] = named[2]
            if len(message_ids) > _MAX_QUEUE:
                message_ids.popitem(last=False)
            continue
        found = _STATUS.search(line)
        if found:
            yield LogEntry(
                queue_id=found[1], message_id=message_ids.get(found[1]), record=_record(found)
            )


def _record(found: re.Match[str]) -> Record:
    _, recipient, original, relay, status, word, words = found.groups()
    action = _ACTIONS[word]
    host = None if relay == "none" else relay.partition("[")[0]
    if action is Action.RELAYED:
        return Record(
            recipient=recipient,
            original_recipient=original,
            action=action,
            enhanced_status=status,
            diagnostic=words or None,
            remote_mta=host,
        )
    explained = explain_reply(words, mx=host, recipient=recipient, status=status)
    return Record(
        recipient=recipient,
        original_recipient=original,
        action=action,
        enhanced_status=explained.enhanced_status,
        reply_code=explained.reply_code,
        class_=explained.class_,
        permanent=explained.permanent,
        suppress=explained.suppress and action is Action.FAILED,
        diagnostic=words or None,
        remote_mta=host,
    )
