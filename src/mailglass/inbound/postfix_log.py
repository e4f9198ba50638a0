"""Reads the log of a local Postfix: what the next server said, without waiting for a bounce.

A line of smtp(8) names recipient, relay, enhanced status and the reply; the envelope sender stands
in an earlier line of qmgr(8) under the same queue id, the Message-ID in one of cleanup(8). What the
words mean is left to `mailglass.replies`. The log is believed as far as whoever can write to it is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..replies import explain_reply
from .records import Action, Record

__all__ = ["LogEntry", "PostfixLog", "read_postfix_log"]

_MAX_LINE = 8192  # characters; syslog lines are shorter, and a reply is cut by Postfix
# Queue ids remembered, some 20 MB; the oldest are forgotten. qmgr(8) names the sender again before
# each attempt and has at most 20,000 messages under way (qmgr_message_active_limit).
_MAX_QUEUE = 100_000
_QUEUE_ID = r"([0-9A-Za-z]{6,20})"
_MESSAGE_ID = re.compile(rf"/cleanup\[\d+\]: {_QUEUE_ID}: message-id=(<[^<>\s]{{1,998}}>)")
_SENDER = re.compile(rf"/qmgr\[\d+\]: {_QUEUE_ID}: from=<([^<>\s]{{0,400}})>")
_REMOVED = re.compile(rf"/qmgr\[\d+\]: {_QUEUE_ID}: removed")
_STATUS = re.compile(
    rf"/(?:smtp|lmtp|error|local|virtual|pipe|relay)\[\d+\]: {_QUEUE_ID}: to=<([^<>]{{1,400}})>, "
    r"(?:orig_to=<([^<>]{1,400})>, )?relay=([^,]{1,300}), .{0,200}?dsn=(\d\.\d{1,3}\.\d{1,3}), "
    r"status=(sent|bounced|deferred|expired) \((.*)\)"
)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)")
_TRADITIONAL = re.compile(r"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d) ")
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
    sender: str | None  # the envelope sender; None when qmgr's line was not read
    at: datetime | None  # None when the line does not begin with a time
    record: Record


class PostfixLog:
    """Reads the lines of a log in their order, and remembers who sent what is under way."""

    def __init__(self, known: Mapping[str, tuple[str | None, str | None]] | None = None) -> None:
        """`known` is what `under_way` said when reading stopped."""
        self._queue = OrderedDict(known or {})

    def under_way(self, most: int) -> dict[str, tuple[str | None, str | None]]:
        """Message-ID and sender by queue id, of the `most` that were named last."""
        return dict(list(self._queue.items())[-most:])

    def read(self, raw: str, now: datetime) -> LogEntry | None:
        """What one line says; `now` tells the year, which traditional log lines leave out."""
        line = raw[:_MAX_LINE]
        if "/qmgr[" in line or "/cleanup[" in line:
            self._remember(line)
            return None
        found = _STATUS.search(line) if "status=" in line else None
        if found is None:
            return None
        message_id, sender = self._queue.get(found[1], (None, None))
        return LogEntry(
            queue_id=found[1],
            message_id=message_id,
            sender=sender,
            at=_time(line, now),
            record=_record(found),
        )

    def _remember(self, line: str) -> None:
        if named := _MESSAGE_ID.search(line):
            self._note(named[1], named[2], self._queue.get(named[1], (None, None))[1])
        elif sent := _SENDER.search(line):
            self._note(sent[1], self._queue.get(sent[1], (None, None))[0], sent[2])
        elif done := _REMOVED.search(line):
            self._queue.pop(done[1], None)

    def _note(self, queue_id: str, message_id: str | None, sender: str | None) -> None:
        self._queue[queue_id] = message_id, sender
        self._queue.move_to_end(queue_id)
        if len(self._queue) > _MAX_QUEUE:
            self._queue.popitem(last=False)


def read_postfix_log(lines: Iterable[str]) -> Iterator[LogEntry]:
    """The entries of a log, in its order; lines about anything else are passed over."""
    log, now = PostfixLog(), datetime.now(UTC)
    for line in lines:
        entry = log.read(line, now)
        if entry is not None:
            yield entry


def _time(line: str, now: datetime) -> datetime | None:
    """When the line was written; a traditional one in the machine's own zone and the year that
    brings it nearest before `now`.
    """
    if found := _RFC_3339.match(line):
        return datetime.fromisoformat(found[0]).astimezone(UTC)
    if not (found := _TRADITIONAL.match(line)):
        return None
    here = now.astimezone()
    for year in (here.year, here.year - 1):
        try:
            text = f"{year} {found[1]} {found[2]} {found[3]}"
            at = datetime.strptime(text, "%Y %b %d %H:%M:%S").astimezone()
        except ValueError:  # 29 February of another year, or no month
            continue
        if at <= here + timedelta(days=1):
            return at.astimezone(UTC)
    return None


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
            reply_code=250 if words.startswith("250 ") else None,
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
