"""What came back by mail, from the bytes to events and suppressions.

One mail is taken in the transaction that also says so, hence counts once. A mail that names no
delivery of ours, or whose address has the shape of ours and is not signed by us, is kept apart and
changes nothing.

A suppression needs more than a name that others know: every recipient of a mailing knows its
Message-ID and could write a bounce for a neighbour. So it follows only from a signed address, a
token of ours in the returned message, or the envelope id together with the right recipient.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..history import Returned, StoredDelivery, StoredEvent, Suppression, Transaction
from ..inbound import Action, Candidate, Kind, Record, Report, Trust, candidates, parse
from ..model import Event, EventType, Evidence
from ..tokens import Kind as TokenKind
from ..tokens import Ring

__all__ = ["take_returned"]

_log = logging.getLogger("mailglass.ingest")

_BATCH = 100  # mails in one transaction, some megabytes
# A switched-off mailbox may be opened again, a mailbox that never was seldom comes to be (ours).
_EXPIRES = {"mailbox-disabled": timedelta(days=90), "dns": timedelta(days=30)}
_BY_ACTION = {
    Action.FAILED: EventType.BOUNCED,
    Action.DELAYED: EventType.DEFERRED,
    Action.DELIVERED: EventType.DELIVERED,
    Action.RELAYED: EventType.DELIVERED,
    Action.EXPANDED: EventType.DELIVERED,
}
_BY_KIND = {
    Kind.COMPLAINT: EventType.COMPLAINED,
    Kind.AUTO_REPLY: EventType.AUTORESPONDED,
    Kind.REPLY: EventType.REPLIED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    delivery: StoredDelivery
    candidate: Candidate


def take_returned(t: Transaction, ring: Ring, now: datetime) -> tuple[int, set[int]]:
    """Take the new mails that came back; returns their number, and the deliveries with news."""
    touched: set[int] = set()
    news = t.returned(limit=_BATCH)
    for returned in news:
        try:
            report = parse(returned.raw)
            ways = candidates(report, envelope_recipient=returned.envelope_recipient, ring=ring)
            match = _match(t, ways, report)
        except Exception:
            # a fault of ours with one mail must not stop those behind it; its bytes are kept
            _log.exception("mail %s cannot be read", returned.id, extra={"action": "unreadable"})
            t.settle_returned(returned.id, kind="unreadable", trust=None, delivery_id=None)
            continue
        if match is not None:
            _take(t, returned, report, match, now)
            touched.add(match.delivery.id)
        t.settle_returned(
            returned.id,
            kind=str(report.kind),
            trust=_trust(match, ways),
            delivery_id=match.delivery.id if match else None,
        )
    return len(news), touched


def _trust(match: _Match | None, ways: tuple[Candidate, ...]) -> str | None:
    if match is not None:
        return match.candidate.trust.name.lower()
    return "forged" if ways and ways[0].trust is Trust.FORGED else None


def _match(t: Transaction, ways: tuple[Candidate, ...], report: Report) -> _Match | None:
    """The first way that leads to exactly one delivery of ours.

    Recipient and time alone are too little to change a delivery, so that way is not taken.
    """
    for way in ways:
        found = list(_deliveries(t, way))
        if len(found) > 1:
            named = {(r.original_recipient or r.recipient or "").lower() for r in report.records}
            found = [d for d in found if d.recipient.lower() in named]
        if len(found) == 1:
            return _Match(delivery=found[0], candidate=way)
    return None


def _deliveries(t: Transaction, way: Candidate) -> Iterator[StoredDelivery]:
    if way.delivery_id is not None:
        yield from t.deliveries([way.delivery_id])
    elif way.envelope_id is not None and way.envelope_id.isdecimal():
        if int(way.envelope_id) < 2**63:
            yield from t.deliveries([int(way.envelope_id)])
    elif way.message_id is not None:
        message = t.message(None, way.message_id)
        if message is not None:
            yield from t.deliveries_of([message.id])


def _take(t: Transaction, returned: Returned, report: Report, match: _Match, now: datetime) -> None:
    events = list(_events(report, match, returned.at))
    t.add_events([StoredEvent(delivery_id=match.delivery.id, event=event) for event in events])
    for event in events:
        if event.type is EventType.DELIVERED:
            t.set_delivered(match.delivery.id, event.at)
    reason = _suppression_reason(report, match)
    if reason is not None:
        _suppress(t, reason, report, match, now)


def _events(report: Report, match: _Match, at: datetime) -> Iterator[Event]:
    if match.candidate.purpose is TokenKind.UNSUBSCRIBE:
        yield _event(EventType.UNSUBSCRIBED, at, report, match, None)
        return
    for record in _records_about(report, match.delivery):
        kind = _event_type(report.kind, record)
        if kind is not None:
            yield _event(kind, at, report, match, record)


def _records_about(report: Report, delivery: StoredDelivery) -> list[Record]:
    """The records of this recipient, or the only one there is: an alias or provider may hide it.

    Of several records that name others, none is about this delivery.
    """
    wanted = delivery.recipient.lower()
    mine = [
        r
        for r in report.records
        if wanted in ((r.recipient or "").lower(), (r.original_recipient or "").lower())
    ]
    return mine or (list(report.records) if len(report.records) == 1 else [])


def _event_type(kind: Kind, record: Record) -> EventType | None:
    if record.action is not None:
        return _BY_ACTION[record.action]
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
        raw |= {name: value for name, value in _facts(record).items() if value is not None}
    words = (record.diagnostic or record.disposition) if record else None
    text = f"By mail, {report.kind}: {words}" if words else f"By mail, {report.kind}."
    evidence = Evidence(signal=f"returned-{report.kind}", weight=0.0, text=text[:500])
    return Event(type=kind, at=at, evidence=(evidence,), raw=raw)


def _facts(record: Record) -> Mapping[str, object]:
    return {
        "recipient": record.recipient,
        "reply_code": record.reply_code,
        "enhanced_status": record.enhanced_status,
        "reply_text": record.diagnostic,
        "class": str(record.class_) if record.class_ else None,
        "permanent": record.permanent if record.class_ else None,
        "remote_mta": record.remote_mta,
        "feedback_type": record.feedback_type,
        "disposition": record.disposition,
    }


def _suppression_reason(report: Report, match: _Match) -> str | None:
    if match.candidate.purpose is TokenKind.UNSUBSCRIBE:
        return "unsubscribed" if match.candidate.trust is Trust.ADDRESSED else None
    wanted = [r for r in _records_about(report, match.delivery) if r.suppress]
    if not wanted or not _is_trusted(wanted[0], match):
        return None
    return "complaint" if report.kind is Kind.COMPLAINT else str(wanted[0].class_)


def _is_trusted(record: Record, match: _Match) -> bool:
    if match.candidate.trust >= Trust.SIGNED:
        return True
    named = {(record.recipient or "").lower(), (record.original_recipient or "").lower()}
    return match.candidate.envelope_id is not None and match.delivery.recipient.lower() in named


def _suppress(t: Transaction, reason: str, report: Report, match: _Match, now: datetime) -> None:
    message = t.message(None, str(match.delivery.message_id))
    if message is None:
        return
    lasting = _EXPIRES.get(reason)
    words = next((r.diagnostic for r in report.records if r.diagnostic), "")
    t.suppress(
        Suppression(
            account_id=message.account_id,
            recipient=match.delivery.recipient.lower(),
            reason=reason,
            evidence=f"{report.kind}: {words}"[:1000],
            since=now,
            expires_at=now + lasting if lasting else None,
        )
    )
    _log.info("a recipient is suppressed: %s", reason, extra={"action": "suppressed"})
