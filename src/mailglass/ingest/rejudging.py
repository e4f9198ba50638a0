"""Judges the kept hits of the history again, and says what changes and why.

A few hundred deliveries at a time, each lot in a transaction of its own, in the order of their
numbers: memory is that of one lot and 4 bytes a hit, ingest goes on between the lots, and what was
cut off is simply begun anew. Roll-ups follow in the same transactions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..evidence import Change, Rules, change_of_hit, change_of_verdict
from ..history import History, JudgedDelivery, Transaction
from ..model import Judgement
from .crowds import Crowds
from .judging import works

__all__ = ["Rejudged", "Rejudging", "rejudge"]

_LOT = 500  # deliveries in one transaction: some tens of milliseconds of a writer's lock
_BEFORE = timedelta(hours=4)  # hits before `since` that may be neighbours: twice the longest window


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """One thing that is judged otherwise now."""

    delivery_id: int
    recipient: str
    hit_id: int | None  # None when it is the delivery's verdict
    change: Change


@dataclass(slots=True)
class Rejudging:
    """What was done so far."""

    deliveries: int = 0
    hits: int = 0
    hits_changed: int = 0  # in what is shown
    hits_decided_otherwise: int = 0
    verdicts_changed: int = 0
    kinds: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def rejudge(
    history: History,
    rules: Rules,
    now: datetime,
    *,
    since: datetime | None = None,
    dry_run: bool = False,
    so_far: Rejudging,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Rejudged]:
    """Judge again every delivery with an event since then; yields each change.

    `so_far` is added to. With `dry_run` nothing is written. Raises StorageUnavailable; the lots
    before it stand then.
    """
    begin = None if since is None else since - _BEFORE
    with history.reading() as t:
        first = 0 if begin is None else t.first_hit_since(begin)
    crowds = Crowds.read(history, rules, first, progress)
    after = 0
    while True:
        lot: AbstractContextManager[Transaction]
        lot = history.reading() if dry_run else history.transaction()
        with lot as t:
            if not dry_run:
                t.be_the_writer()  # ingest may judge the same deliveries
            ids = t.judged_deliveries(after, since, _LOT)
            changes = _judge_lot(t, ids, rules, now, crowds, so_far, dry_run=dry_run)
        yield from changes
        progress(0)
        if len(ids) < _LOT:
            return
        after = ids[-1]


def _judge_lot(
    t: Transaction,
    ids: list[int],
    rules: Rules,
    now: datetime,
    crowds: Crowds,
    so_far: Rejudging,
    *,
    dry_run: bool,
) -> list[Rejudged]:
    judged = [work.judged(rules, crowds, now) for work in works(t, ids, rules, now, whole=True)]
    numbers = {
        hit.before.judgement_id
        for one in judged
        for hit in one.hits
        if hit.before is not None and hit.before.judgement_id is not None
    }
    before = t.judgements(numbers)
    changes = []
    for one in judged:
        so_far.deliveries += 1
        so_far.hits += len(one.hits)
        changes += _changes(one, before, rules, so_far)
    if not dry_run:
        t.set_judged(judged)
    return changes


def _changes(
    one: JudgedDelivery, before: dict[int, Judgement], rules: Rules, so_far: Rejudging
) -> list[Rejudged]:
    found = []
    for hit in one.hits:
        if hit.judgement is None:
            continue
        number = None if hit.before is None else hit.before.judgement_id
        change = change_of_hit(None if number is None else before.get(number), hit.judgement, rules)
        if change is not None:
            so_far.hits_changed += 1
            so_far.hits_decided_otherwise += change.is_decisive
            so_far.kinds["hit", _kind(change.before), _kind(change.after)] += 1
            found.append(_told(one, hit.stored.id, change))
    whole = change_of_verdict(one.delivery.verdict, one.verdict)
    if whole is not None:
        so_far.verdicts_changed += 1
        so_far.kinds["delivery", whole.before, whole.after] += 1
        found.append(_told(one, None, whole))
    return found


def _told(one: JudgedDelivery, hit_id: int | None, change: Change) -> Rejudged:
    return Rejudged(
        delivery_id=one.delivery.id,
        recipient=one.delivery.recipient,
        hit_id=hit_id,
        change=change,
    )


def _kind(told: str) -> str:
    """A judgement without its figure, by which changes are counted."""
    return told.rpartition(", ")[0] or told
