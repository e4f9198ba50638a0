"""What came back by mail, from the bytes to events and suppressions.

One mail is taken in the transaction that also says so, hence counts once. A mail that names no
delivery of ours, or whose address has the shape of ours and is not signed by us, is kept apart and
changes nothing.

A suppression needs more than a name that others know: every recipient of a mailing knows its
Message-ID and could write a bounce for a neighbour. So it follows only from a signed address, or
from a signed envelope id or token in the returned message together with the right recipient.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr

from ..addresses import canonical_address
from ..history import (
    Returned,
    StoredDelivery,
    StoredEvent,
    StoredMessage,
    Transaction,
)
from ..inbound import (
    Candidate,
    Kind,
    Record,
    Report,
    Trust,
    candidates,
    is_stop,
    parse,
    plain_address,
)
from ..model import Event, EventType, Evidence
from ..tokens import Kind as TokenKind
from ..tokens import Ring
from .effects import EVENT_OF_ACTION, facts_of, suppress

__all__ = ["is_about_ours", "new_returned", "take_returned"]

_log = logging.getLogger("mailglass.ingest")

# How long after the smarthost took a mail a report without any name can be about it: servers try
# for 4 to 5 days (RFC 5321 section 4.5.4.1), and report then.
_GUESS_TIME = timedelta(days=6)
_BATCH = 100  # mails in one transaction, some megabytes
_BY_KIND = {
    Kind.COMPLAINT: EventType.COMPLAINED,
    Kind.AUTO_REPLY: EventType.AUTORESPONDED,
    Kind.REPLY: EventType.REPLIED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    delivery: StoredDelivery
    candidate: Candidate
    message: StoredMessage
    is_only_copy: bool  # the message went to nobody else

    def names(self, record: Record) -> bool:
        """Whether the record speaks of this recipient by name."""
        return canonical_address(self.delivery.recipient) in _names(record)


def new_returned(t: Transaction) -> list[Returned]:
    """The next mails that came back.

    To be read before the spool: whatever a mail is about was queued before it came back.
    """
    return t.returned(limit=_BATCH)


def take_returned(t: Transaction, news: Sequence[Returned], ring: Ring, now: datetime) -> set[int]:
    """Take mails that came back; returns the deliveries with news."""
    touched: set[int] = set()
    for returned in news:
        try:
            report = parse(returned.raw)
            ways = candidates(report, envelope_recipient=returned.envelope_recipient, ring=ring)
            match = _match(t, ways, report, returned.at)
            doubt = _doubt(t, report, match) if match else None
        except Exception:
            # a fault of ours with one mail must not stop those behind it; its bytes are kept
            _log.exception("mail %s cannot be read", returned.id, extra={"action": "unreadable"})
            t.settle_returned(returned.id, kind="unreadable", trust=None, delivery_id=None)
            continue
        if match is not None and doubt is None:
            _take(t, returned, report, match, now)
            touched.add(match.delivery.id)
        t.settle_returned(
            returned.id,
            kind=str(report.kind),
            trust=doubt or _trust(match, ways),
            delivery_id=match.delivery.id if match and doubt is None else None,
        )
    return touched


def is_about_ours(t: Transaction, ring: Ring, raw: bytes, at: datetime) -> bool:
    """Whether a mail out of a mailbox that holds other mail too is about a delivery of ours."""
    report = parse(raw)
    ways = candidates(report, envelope_recipient="", ring=ring)
    return _match(t, ways, report, at) is not None


def _trust(match: _Match | None, ways: tuple[Candidate, ...]) -> str | None:
    if match is not None:
        return match.candidate.trust.name.lower()
    return "forged" if ways and ways[0].trust is Trust.FORGED else None


def _match(
    t: Transaction, ways: tuple[Candidate, ...], report: Report, at: datetime
) -> _Match | None:
    """The first way that leads to exactly one delivery of ours."""
    named = {name for record in report.records for name in _names(record)}
    for way in ways:
        found = _deliveries(t, way, report, at)
        mine = found
        if len(found) > 1:
            mine = [d for d in found if canonical_address(d.recipient) in named]
        if len(mine) == 1:
            message = t.message(None, str(mine[0].message_id))
            if message is not None:
                return _Match(
                    delivery=mine[0],
                    candidate=way,
                    message=message,
                    is_only_copy=len(t.deliveries_of([message.id])) == 1,
                )
    return None


def _names(record: Record) -> set[str]:
    named = [name for name in (record.recipient, record.original_recipient) if name]
    return {canonical_address(form) for name in named for form in (name, plain_address(name))}


def _deliveries(
    t: Transaction, way: Candidate, report: Report, at: datetime
) -> list[StoredDelivery]:
    if way.delivery_id is not None:
        return t.deliveries([way.delivery_id])
    if way.message_id is not None:
        message = t.message(None, way.message_id)
        return t.deliveries_of([message.id]) if message is not None else []
    if way.recipient is not None and report.kind in (Kind.BOUNCE, Kind.DELAY):
        return _lately_sent(t, way.recipient, at)
    return []


def _lately_sent(t: Transaction, recipient: str, at: datetime) -> list[StoredDelivery]:
    """The deliveries that a report without any other name can be about.

    Only when there is one: of two mails to the same address nobody can say which bounced.
    """
    found = [
        d
        for d in t.deliveries_to(None, recipient)
        if d.delivered_at is not None and timedelta() <= at - d.delivered_at <= _GUESS_TIME
    ]
    return found if len(found) == 1 else []


def _doubt(t: Transaction, report: Report, match: _Match) -> str | None:
    """Why a report that names a delivery of ours is kept apart all the same; None when it is not.

    Everybody who got a mailing knows its Message-ID. A report of a delivery that went out with a
    signed return path comes back to it, or brings the token along; one that does neither can have
    been written by anybody. So can an answer whose author is not the one we wrote to, when the
    message went to others too.
    """
    if match.candidate.trust >= Trust.SIGNED:
        return None
    is_report = report.kind in (Kind.BOUNCE, Kind.DELAY, Kind.DELIVERED)
    if is_report and _was_signed(t, match.delivery):
        return "unproven"
    if not match.is_only_copy and not any(match.names(record) for record in report.records):
        return "unproven"
    return None


def _was_signed(t: Transaction, delivery: StoredDelivery) -> bool:
    told = t.events_of([delivery.id], told_only=True)
    return any(stored.event.raw.get("signed_return_path") for stored in told)


def _take(t: Transaction, returned: Returned, report: Report, match: _Match, now: datetime) -> None:
    events = list(_events(report, match, returned.at))
    t.add_events([StoredEvent(delivery_id=match.delivery.id, event=event) for event in events])
    for event in events:
        if event.type is EventType.DELIVERED:
            t.set_delivered({match.delivery.id: event.at})
    reason = _suppression_reason(report, match)
    if reason is not None:
        suppress(
            t,
            match.message.account_id,
            match.delivery.recipient,
            reason=reason,
            evidence=_said(report, match),
            now=now,
        )


def _said(report: Report, match: _Match) -> str:
    """What a suppression goes back to, in the sender's words where there are any."""
    if _is_unsubscription(report, match):
        return "mail to the message's unsubscribe address"
    words = next((r.diagnostic for r in report.records if r.diagnostic), None)
    return f"{report.kind}: {words}" if words else f"{report.kind} by mail"


def _events(report: Report, match: _Match, at: datetime) -> Iterator[Event]:
    if _is_unsubscription(report, match):
        yield _event(EventType.UNSUBSCRIBED, at, report, match, None)
        return
    if report.kind is Kind.REPLY and not _is_answer(report, match):
        return
    for record in _records_about(report, match.delivery):
        kind = _event_type(report.kind, record)
        if kind is not None:
            yield _event(kind, at, report, match, record)


def _is_unsubscription(report: Report, match: _Match) -> bool:
    """Mail of a person or their program to a signed unsubscribe address, whatever it says.

    The same token inside a returned message is no wish: every bounce brings it along.
    """
    asked = match.candidate.purpose is TokenKind.UNSUBSCRIBE
    addressed = match.candidate.trust is Trust.ADDRESSED
    return asked and addressed and report.kind in (Kind.REPLY, Kind.OTHER)


def _is_answer(report: Report, match: _Match) -> bool:
    """Whether a reply answers this message; a return path that leaked gets other mail too.

    The author who goes on in their own thread answers nobody.
    """
    return not _is_by_author(report, match) and (
        match.candidate.purpose is TokenKind.REPLY
        or match.message.message_id_field in report.message_ids
        or any(match.names(record) for record in report.records)
    )


def _is_by_author(report: Report, match: _Match) -> bool:
    author = canonical_address(parseaddr(match.message.author)[1])
    recipient = canonical_address(match.delivery.recipient)
    return canonical_address(report.author or "") == author != recipient


def _is_by_another(report: Report, match: _Match) -> bool:
    """Whether an answer only names the message, and comes from another address than we wrote to.

    The recipient may have written from an alias; but whoever got the mail by a forward, or a copy
    that went another way, knows its Message-ID too.
    """
    return (
        report.kind is Kind.REPLY
        and match.candidate.trust < Trust.SIGNED
        and not any(match.names(record) for record in report.records)
    )


def _records_about(report: Report, delivery: StoredDelivery) -> list[Record]:
    """The records of this recipient, or the only one there is: an alias or provider may hide it.

    Of several records that name others, none is about this delivery.
    """
    wanted = canonical_address(delivery.recipient)
    mine = [
        r
        for r in report.records
        if wanted in map(canonical_address, (r.recipient or "", r.original_recipient or ""))
    ]
    return mine or (list(report.records) if len(report.records) == 1 else [])


def _event_type(kind: Kind, record: Record) -> EventType | None:
    if record.action is not None:
        return EVENT_OF_ACTION[record.action]
    if kind is Kind.MDN:
        return EventType.DISPLAYED if _is_displayed(record.disposition or "") else None
    return _BY_KIND.get(kind)


def _is_displayed(disposition: str) -> bool:
    """RFC 8098 section 3.2.6: an automatic action is no person's."""
    mode, _, kind = disposition.lower().partition(";")
    return mode.startswith("manual-action") and kind.strip().startswith("displayed")


def _event(
    kind: EventType, at: datetime, report: Report, match: _Match, record: Record | None
) -> Event:
    raw: dict[str, object] = {
        "out_of_band": True,
        "matched_by": match.candidate.trust.name.lower(),
        "kind": str(report.kind),
    }
    if record is not None:
        raw |= facts_of(record)
    words = (record.diagnostic or record.disposition) if record else None
    text = f"By mail, {report.kind}: {words}" if words else f"By mail, {report.kind}."
    if _is_by_another(report, match):
        raw["by_another"] = True
        text = "By mail, reply, from another address; it only names the message."
    evidence = Evidence(signal=f"returned-{report.kind}", weight=0.0, text=text[:500])
    return Event(type=kind, at=at, evidence=(evidence,), raw=raw)


def _suppression_reason(report: Report, match: _Match) -> str | None:
    if _is_unsubscription(report, match):
        return "unsubscribed"
    wanted = [r for r in _records_about(report, match.delivery) if _stops(r, report)]
    if not wanted or not _is_trusted(wanted[0], report, match):
        return None
    return "complaint" if report.kind is Kind.COMPLAINT else str(wanted[0].class_)


def _stops(record: Record, report: Report) -> bool:
    """A complaint that hides its recipient stops as much as one that names it."""
    hidden = report.kind is Kind.COMPLAINT and record.recipient is None
    return record.suppress or (hidden and is_stop(record.feedback_type))


def _is_trusted(record: Record, report: Report, match: _Match) -> bool:
    """Whether what it says is enough to send no more.

    A token inside it is known to whoever got the copy, also by a forward, so the report must name
    the recipient too, unless it is a complaint, which by custom hides them.
    """
    if match.candidate.trust is Trust.ADDRESSED:
        return True
    if match.candidate.trust is not Trust.SIGNED:
        return False
    return report.kind is Kind.COMPLAINT or match.names(record)
