"""Reads what the journal and the spool hold beyond its cursors, and writes what it means.

One step is one transaction of the history: cursors, facts and judgements together. A crash rolls it
back and the next start repeats it, so that each record counts once. While the history is down
nothing is lost: the journal and the spool keep everything until a step has committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, CorruptRecord, RetryLater
from ..evidence import Neighbours, Rules, with_learned
from ..history import (
    History,
    StoredDelivery,
    StoredEvent,
    StoredHit,
    Transaction,
)
from ..journal import START, Cursor, Poison, expire, published_end, read
from ..model import Event, EventType, Hit, TrackingPolicy
from ..spool import Spool, SpoolEvent
from ..tokens import Ring
from .accepted import copies_of, message_of
from .acts import acts_among, acts_by_mark, carry_out
from .crowds import remember
from .holding import tracking_policies
from .judging import judge_acts, judge_again
from .learning import count_some, learn
from .own import is_mark, take_mark, take_networks
from .place import JournalPlace
from .refused import suppress_refused
from .relay_log import RelayLog
from .returned import new_returned, take_returned
from .unnamed import Unnamed, take_unnamed

__all__ = ["Ingest"]

_log = logging.getLogger("mailglass.ingest")

_BATCH = 4_000  # records in one transaction: less than half a second, some tens of megabytes
_LOOK_SECONDS = 0.1  # between looks when there is no news
_REST_SECONDS = (0.5, 15.0)  # after the history could not be used; doubles
_SETTLE_SECONDS = 30.0  # between looks for verdicts whose settling time is over

# What the index of neighbours looks back on at a start: twice its longest window of two hours.
_NEIGHBOUR_TIME = timedelta(hours=4)
_NEIGHBOURS = 100_000

_RULES_LAST = timedelta(days=1)  # after which they are read anew: lists have aged by a day

_IDENTIFIED = TrackingPolicy.IDENTIFIED
_JOURNAL, _SPOOL = "journal", "spool"


class Ingest:
    """The one writer of hits, events and verdicts."""

    def __init__(
        self,
        *,
        history: History,
        spool: Spool,
        journal_directory: Path,
        rules: Rules,
        keep: timedelta = timedelta(days=30),
        ring: Ring | None = None,
        relay_log: RelayLog | None = None,
        read_rules: Callable[[], Rules] | None = None,
        told_at: Callable[[datetime, datetime], datetime] = lambda _, at: at,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`keep` is how long the journal's segments stay after they were taken. `ring` checks the
        addresses and tokens of mail that comes back; without it none is taken. `relay_log` is
        the log of a local Postfix.

        `read_rules` reads the rules anew, each day and when asked to: lists of networks age, and
        a site's file changes; without it `rules` stay.

        `told_at` gives the time to store for a hit from its delivery's 250 and its own time:
        its own, unless a simulated world lives faster than we do.
        """
        self._history = history
        self._spool = spool
        self._journal = journal_directory
        self._plain_rules = rules
        self._read_rules = read_rules
        self._rules_read_at = clock()
        self._rules = rules  # with what was learned, once the history was asked
        self._is_learned = False
        self._keep = keep
        self._ring = ring
        self._relay_log = relay_log
        self._told_at = told_at
        self._clock = clock
        self._place = JournalPlace(journal_directory)
        self._neighbours: Neighbours | None = None
        self._reached: tuple[Cursor, int] | None = None  # journal and spool, as committed

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow until `stopping`."""
        rest, settle_at = _REST_SECONDS[0], self._clock()
        while not stopping.is_set():
            wait = _LOOK_SECONDS
            try:
                taken = await asyncio.to_thread(self.step) if self._has_news() else 0
                # also under load that never ends, which leaves no idle moment
                if self._clock() >= settle_at and not await asyncio.to_thread(self._look_back):
                    settle_at = self._clock() + timedelta(seconds=_SETTLE_SECONDS)
                rest = _REST_SECONDS[0]
                if taken or self._clock() >= settle_at:
                    continue
            except (RetryLater, CorruptRecord) as error:
                _log.error("%s; trying again", error, extra={"action": "ingest-waits"})
                wait, rest = rest, min(rest * 2, _REST_SECONDS[1])
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), wait)

    def _has_news(self) -> bool:
        """Whether anything was written since the last step: three small reads."""
        if self._reached is None:
            return True
        cursor, seq = self._reached
        if published_end(self._journal) != cursor or self._spool.events(seq, 1):
            return True
        if self._relay_log is not None and self._relay_log.has_news():
            return True
        with self._history.reading() as t:
            return self._ring is not None and bool(t.returned(limit=1))

    def step(self) -> int:
        """Take one batch; returns how many records it held, 0 when there is no news.

        A record that cannot be taken, for whatever reason, is set aside so that it does not stop
        those behind it. Raises StorageUnavailable, and then the batch was not taken.
        """
        try:
            return self._take_whole(_BATCH)
        except (RetryLater, CorruptRecord):
            raise
        except Exception:
            _log.exception("a batch failed; taking it singly", extra={"action": "batch-failed"})
        try:
            return self._take_whole(1)
        except (RetryLater, CorruptRecord):
            raise
        except Exception as error:
            self._set_aside(error)
            return 1

    def _set_aside(self, error: Exception) -> None:
        """Keep the next record where an operator finds it, and go past it."""
        reason = f"{type(error).__name__}: {error}"
        with self._history.transaction() as t:
            cursor = Cursor.parse(t.cursor(_JOURNAL) or str(START))
            told = self._spool.events(int(t.cursor(_SPOOL) or 0), 1)
            if told:
                place, raw = f"spool:{told[0].seq}", repr(told[0]).encode()
                t.set_cursor(_SPOOL, str(told[0].seq))
            else:
                ((after, item),) = read(self._journal, cursor, 1)
                place, raw = f"journal:{after}", repr(item).encode()
                t.set_cursor(_JOURNAL, str(after))
            t.add_poison(place, self._clock(), reason, raw)
        self._reached = None
        _log.error("set %s aside: %s", place, reason, extra={"action": "poison"})

    def _take_whole(self, most: int) -> int:
        """As `_take`; what was rolled back is no neighbour of anything."""
        try:
            return self._take(most)
        except Exception:
            self._neighbours = None
            raise

    def _take(self, most: int) -> int:
        with self._history.transaction() as t:
            near = self._known_neighbours(t)  # before the batch: those that stand before it
            # Journal, returned mail and log are read first: whatever delivery they name was queued
            # earlier, so that its spool event is in what is read next.
            news = new_returned(t) if self._ring is not None else []
            lines = self._relay_log.read(t) if self._relay_log is not None else b""
            cursor = Cursor.parse(t.cursor(_JOURNAL) or str(START))
            items = read(self._journal, cursor, most)
            if not items:
                self._place.look(cursor)
            seq = int(t.cursor(_SPOOL) or 0)
            told = self._spool.events(seq, most)
            touched = self._take_told(t, told)
            take_networks(t, told)
            if told:
                t.set_cursor(_SPOOL, str(told[-1].seq))
            seen: list[StoredHit] = []
            standing: dict[int, StoredDelivery] = {}  # as they were read, until one may change
            if items and len(told) < most:
                seen, asked, standing = self._take_seen(t, items)
                near = self._known_neighbours(t)  # anew, when a no took hits away
                touched |= {h.delivery_id for h in seen if h.delivery_id is not None} | asked
                t.set_cursor(_JOURNAL, str(items[-1][0]))
            else:
                items = []
            came_back = 0
            if self._ring is not None and len(told) < most:
                touched |= take_returned(t, news, self._ring, self._clock())
                came_back = len(news)
            if self._relay_log is not None and lines and len(told) < most:
                touched |= self._relay_log.take(t, lines, self._clock())
                came_back += lines.count(b"\n")
            if came_back:
                standing = {}
            now = self._clock()
            judge_again(t, touched, self._rules, near, now, new_hits=seen, known=standing)
        if told:
            self._spool.forget_events(told[-1].seq)
        self._reached = (
            items[-1][0] if items else cursor,
            told[-1].seq if told else seq,
        )
        taken = len(items) + len(told) + came_back
        if taken:
            _log.debug("took %d records", taken, extra={"action": "ingested"})
        return taken

    def renew_rules(self) -> None:
        """Read the rules anew at the next look back."""
        self._rules_read_at = datetime.min.replace(tzinfo=UTC)

    def _renew(self) -> None:
        if self._read_rules is None or self._clock() - self._rules_read_at < _RULES_LAST:
            return
        self._rules_read_at = self._clock()
        try:
            rules = self._read_rules()
        except ConfigurationError as error:
            _log.error("%s; the rules stay as they were", error, extra={"action": "rules-refused"})
            return
        if rules.version != self._plain_rules.version:
            _log.info("judging by rules %s", rules.version, extra={"action": "rules-renewed"})
        # The index of neighbours keeps the tables it was made with; it begins anew with these.
        self._plain_rules, self._is_learned, self._neighbours = rules, False, None

    def _look_back(self) -> int:
        """Settle and learn; returns 0 when there is no more of either."""
        self._renew()
        return (self.settle() == _BATCH) + self.learn()

    def settle(self) -> int:
        """Judge the deliveries whose settling time has passed, and let go of old segments.

        Returns how many deliveries that were, a batch at the most.
        """
        now = self._clock()
        settled_since = now - timedelta(seconds=self._rules.numbers["times"]["settle"])
        with self._history.transaction() as t:
            unsettled = t.unsettled(settled_since, _BATCH)
            known = self._known_neighbours(t)
            judge_again(t, unsettled, self._rules, known, now, with_past=True)
            cursor = Cursor.parse(t.cursor(_JOURNAL) or str(START))
        for path in expire(self._journal, [cursor], keep=self._keep, now=datetime.now(UTC)):
            _log.info("removed %s", path.name, extra={"action": "segment-removed"})
        return len(unsettled)

    def learn(self) -> int:
        """Count some of what was judged, and take over what it comes to once a day.

        Returns how many events were counted.
        """
        now = self._clock()
        with self._history.transaction() as t:
            counted = count_some(t, self._plain_rules, now)
            if not counted and learn(t, self._plain_rules, now):
                _log.info("learned of recipient domains anew", extra={"action": "learned"})
                self._is_learned = False
        return counted

    def _known_neighbours(self, t: Transaction) -> Neighbours:
        if not self._is_learned:
            self._rules = with_learned(self._plain_rules, t.learned())
            self._is_learned = True
        if self._neighbours is None:
            self._neighbours = Neighbours(self._rules)
            remember(t, self._neighbours, _NEIGHBOUR_TIME, _NEIGHBOURS)
        return self._neighbours

    def _take_seen(
        self, t: Transaction, items: list[tuple[Cursor, Any]]
    ) -> tuple[list[StoredHit], set[int], dict[int, StoredDelivery]]:
        """Write the hits, and carry out what recipients asked for.

        Also gives the deliveries of the latter, and all deliveries that were looked up, as far as
        they still stand as they were read.
        """
        hits: list[tuple[int | None, Hit]] = []
        unnamed: list[Unnamed] = []
        plain = [i for _, i in items if not isinstance(i, Poison) and not is_mark(i)]
        named = {i.delivery_id for i in plain} - {None}
        known = {d.id: d for d in t.to_judge(named)}
        asked: set[int] = set()
        by_mark = acts_by_mark(t, plain)
        acts = acts_among(plain, known) + by_mark
        if acts:
            near, now = self._known_neighbours(t), self._clock()
            by = judge_acts(t, acts, [*plain, *(hit for _, hit in by_mark)], self._rules, near, now)
            asked = carry_out(t, self._spool, acts, now, by)
            if any(hit.action == "object" for _, hit in acts):
                self._neighbours = None  # those whose hits were taken away are neighbours no more
                self._known_neighbours(t)
            known |= {d.id: d for d in t.to_judge(asked & named)}
        for cursor, item in items:
            if isinstance(item, Poison):
                _log.error("a record cannot be read: %s", item, extra={"action": "poison"})
                t.add_poison(f"journal:{cursor}", self._clock(), item.reason, item.raw)
                continue
            if is_mark(item):
                take_mark(t, item)
                hits.append((None, item))
                continue
            delivery = known.get(item.delivery_id)
            if delivery is not None and delivery.delivered_at:
                at = self._told_at(delivery.delivered_at, item.at)
                if at is not item.at:
                    item = replace(item, at=at)
            if item.anonymous and item.delivery_id is not None:
                if item.action is None:
                    unnamed.append((item.delivery_id, None, item))
            elif delivery is not None and delivery.policy is not _IDENTIFIED:
                if item.action is None:  # what was asked for has been told
                    unnamed.append((delivery.message_id, delivery, item))
            else:
                hits.append((None if delivery is None else delivery.id, item))
        if unnamed:
            take_unnamed(t, unnamed, self._rules, self._known_neighbours(t))
        return t.add_hits(hits), asked, {} if acts else known

    def _take_told(self, t: Transaction, told: Sequence[SpoolEvent]) -> set[int]:
        """Write what the spool told; returns the deliveries that it is about."""
        # reports of ours, which nobody tracks, have no account
        new = [e for e in told if e.type is EventType.QUEUED and "account_id" in e.body]
        now = self._clock()
        copies = {e.seq: copies_of(e) for e in new}
        t.add_messages(
            [(message_of(e), copies[e.seq], tracking_policies(t, self._spool, e, now)) for e in new]
        )
        known = {d.id for some in copies.values() for d in some}
        named = {e.delivery_id for e in told if e.delivery_id is not None}
        known |= {d.id for d in t.to_judge(named - known)}
        events: list[StoredEvent] = []
        delivered: dict[int, datetime] = {}
        for one in told:
            if one.type is EventType.QUEUED:
                ids = [d.id for d in copies.get(one.seq, ())]
                raw = {"sent_by": one.body["sent_by"]} if "sent_by" in one.body else {}
                event = Event(type=one.type, at=one.at, raw=raw)
            else:
                ids = [one.delivery_id] if one.delivery_id in known else []
                event = Event(type=one.type, at=one.at, raw=one.body)
            events += [StoredEvent(delivery_id=i, event=event) for i in ids]
            if one.type is EventType.DELIVERED:
                delivered.update(dict.fromkeys(ids, one.at))
        t.set_delivered(delivered)
        t.add_events(events)
        suppress_refused(t, told, now)
        return {e.delivery_id for e in events}
