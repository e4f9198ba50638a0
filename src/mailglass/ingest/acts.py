"""What recipients ask for on the collector's pages: to get no more mail, or not to be tracked.

An act is carried out before the hits of its batch are written, so that nothing of whoever said no
is written under their name, not even what came in with the no.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ..addresses import canonical_address
from ..history import StoredDelivery, StoredEvent, Suppression, Transaction
from ..model import Event, EventType, Evidence, Hit, Judgement, TrackingPolicy
from ..spool import Spool
from ..tokens import recipient_mark

__all__ = ["Act", "acts_among", "acts_by_mark", "carry_out"]

_log = logging.getLogger("mailglass.ingest")

Act = tuple[StoredDelivery, Hit]

# The page is `notice` of collector/pages.toml; its words change with the program, so the proof
# keeps which language was asked for and when.
_NOTICE = "the notice page of the message (/n/): what is recorded, and that a no stops it"


def carry_out(
    t: Transaction,
    spool: Spool,
    acts: Sequence[Act],
    now: datetime,
    judgements: Sequence[Judgement],
) -> set[int]:
    """Carry out what recipients asked for, whoever pressed; returns the deliveries with news.

    `judgements` says of each act who that was, from before a no took the other hits away: what
    was asked for proves that a person looked no further than that.
    """
    touched: set[int] = set()
    for (delivery, hit), by in zip(acts, judgements, strict=True):
        if hit.action == "object":
            touched |= _object(t, spool, delivery, hit, by)
    for (delivery, hit), by in zip(acts, judgements, strict=True):
        if hit.action == "unsubscribe":
            touched |= _unsubscribe(t, delivery, hit, now, by)
    return touched


def _object(
    t: Transaction, spool: Spool, delivery: StoredDelivery, hit: Hit, by: Judgement
) -> set[int]:
    if not delivery.recipient:  # erased since: there is nobody whom the no could be about
        return set()
    done = t.withdraw(
        delivery.account_id,
        delivery.recipient,
        hit.at,
        how="notice page",
        shown=_NOTICE,
        proof={
            "delivery_id": str(delivery.id),
            "accept_language": hit.headers.get("accept-language", ""),
        },
    )
    spool.tighten(delivery.recipient, delivery.account_id, TrackingPolicy.OFF)
    t.add_events([_told(delivery.id, EventType.OBJECTED, hit.at, "On the notice page.", by)])
    _log.info(
        "a recipient said no to being tracked: %d deliveries, %d earlier hits %s",
        len(done.deliveries),
        done.events,
        done.what.value,
        extra={"action": "withdrawn", "account_id": delivery.account_id},
    )
    return set(done.deliveries)


def _unsubscribe(
    t: Transaction, delivery: StoredDelivery, hit: Hit, now: datetime, by: Judgement
) -> set[int]:
    if not delivery.recipient:
        return set()
    t.suppress(
        Suppression(
            account_id=delivery.account_id,
            recipient=delivery.recipient,
            reason="unsubscribed",
            evidence=f"asked for {_when(hit.at)} by the message's link",
            since=now,
        )
    )
    _log.info("a recipient is suppressed: unsubscribed", extra={"action": "suppressed"})
    (current,) = t.deliveries([delivery.id])
    if current.policy is TrackingPolicy.IDENTIFIED:
        return set()  # its hit tells it
    told = _told(delivery.id, EventType.UNSUBSCRIBED, hit.at, "By the message's link.", by)
    t.add_events([told])
    return {delivery.id}


def _when(at: datetime) -> str:
    """A moment as the sentences of verdicts have it, which pages tell in the reader's zone."""
    return f"on {at.astimezone(UTC):%Y-%m-%d at %H:%M:%S}"


def _told(
    delivery_id: int, type_: EventType, at: datetime, text: str, by: Judgement
) -> StoredEvent:
    """The event of an act, with how likely a person did it, and nothing else of who that was."""
    evidence = (Evidence(signal="asked", weight=0.0, text=text),)
    raw = {"probability_human": by.probability_human, "actor": by.actor.value}
    event = Event(type=type_, at=at, evidence=evidence, raw=raw)
    return StoredEvent(delivery_id=delivery_id, event=event)


def acts_by_mark(t: Transaction, hits: Iterable[Hit]) -> list[Act]:
    """The refusals among some hits by recipients of messages that do not tell them apart.

    They gave their address on the page, of which the hit has a mark; one that is no recipient's is
    nobody's no. The act is then like one on a page of their own.
    """
    asked = [hit for hit in hits if hit.anonymous and hit.action is not None and hit.name]
    found: list[Act] = []
    for message_id in {hit.delivery_id for hit in asked if hit.delivery_id is not None}:
        marks = {
            recipient_mark(message_id, canonical_address(address)): number
            for number, address in t.recipients_of(message_id)
        }
        for hit in asked:
            if hit.delivery_id == message_id and hit.name in marks:
                (delivery,) = t.deliveries([marks[hit.name]])
                act = replace(hit, delivery_id=delivery.id, anonymous=False, name=None, target=None)
                found.append((delivery, act))
    return found


def acts_among(hits: Iterable[Hit], known: dict[int, StoredDelivery]) -> list[Act]:
    """The acts among some hits, by deliveries that are known."""
    return [
        (known[hit.delivery_id], hit)
        for hit in hits
        if hit.action is not None and not hit.anonymous and hit.delivery_id in known
    ]
