"""Lets go, once a day, of what is kept no longer, and writes down what went.

It works in pieces of milliseconds beside the following of the journal, so that no hit waits for it.
Where it stopped stands in the history: what was cut off goes on the next time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from ..errors import RetryLater
from ..history import MOST_DAYS, History, TaskReport, Transaction, truncated

__all__ = ["NIGHTLY", "Nightly"]

_log = logging.getLogger("mailglass.ingest")

NIGHTLY = "nightly"  # the reports' name
_LOOK_SECONDS = 30.0
_AGAIN = timedelta(hours=1)  # after the history could not be used
_MESSAGES = 20  # whole messages in one transaction; one may have a thousand deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """Whose data a number of days is for: some accounts', or with None all but `others`."""

    name: str
    days: int
    accounts: tuple[int, ...] | None
    others: tuple[int, ...] = ()


class Nightly:
    """The task, and when it is due."""

    def __init__(
        self,
        *,
        history: History,
        days: Mapping[str, int],
        at: time,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`days` by kind of data, 0 for ever; `at` is the time of day, UTC; `tell` hears how far
        a run is."""
        self._history = history
        self._days = days
        self._at = at
        self._clock = clock
        self._tell = tell
        self._not_before: datetime | None = None

    async def run_daily(self, stopping: asyncio.Event) -> None:
        """Do it every day until `stopping`."""
        while not stopping.is_set():
            try:
                if self.is_due():
                    await asyncio.to_thread(self.run)
            except RetryLater as error:
                self._not_before = self._clock() + _AGAIN
                _log.error("%s; trying again", error, extra={"action": "nightly-waits"})
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _LOOK_SECONDS)

    def is_due(self) -> bool:
        """Whether it has not been done since the last time of day at which it should."""
        now = self._clock()
        if self._not_before is not None and now < self._not_before:
            return False
        wanted = datetime.combine(now.date(), self._at, UTC)
        if wanted > now:
            wanted -= timedelta(days=1)
        with self._history.reading() as t:
            last = t.reports(NIGHTLY)
        self._not_before = wanted + timedelta(days=1)
        return not last or last[0].began_at < wanted

    def run(self) -> TaskReport:
        """Do it now; returns, and writes down, how much of each kind went."""
        began_at = self._clock()
        gone = {
            "full-addresses": self._addresses("full-addresses", began_at, truncated),
            "addresses": self._addresses("addresses", began_at, lambda _: ""),
            "hits": self._hits(began_at),
            "messages": self._messages(began_at),
        }
        with self._history.transaction() as t:
            for kind, remove in (
                ("returned", t.remove_old_returned),
                ("notices", t.remove_old_notices),
                ("set-aside", t.remove_old_poison),
            ):
                days = self._days.get(kind, 0)
                gone[kind] = remove(_before(began_at, days)) if days else 0
            gone["expired sessions and keys"] = t.remove_expired(began_at)
        if gone["hits"] or gone["messages"]:
            with self._history.transaction() as t:
                gone["headers nobody sends any more"] = t.sweep_dictionaries()
        report = TaskReport(
            name=NIGHTLY, began_at=began_at, ended_at=self._clock(), result={"removed": gone}
        )
        with self._history.transaction() as t:
            t.add_report(report)
        words = ", ".join(f"{count} {kind}" for kind, count in gone.items() if count) or "nothing"
        _log.info("the nightly task let go: %s", words, extra={"action": "nightly", **_plain(gone)})
        return report

    def _scopes(self, kind: str) -> Iterator[_Scope]:
        """Each number of days for a kind, and whom it is for."""
        with self._history.reading() as t:
            own = {a: k[kind] for a, k in t.retention().items() if kind in k}
        for account, days in own.items():
            yield _Scope(name=str(account), days=days, accounts=(account,))
        yield _Scope(name="others", days=self._days.get(kind, 0), accounts=None, others=(*own,))

    def _walk(
        self,
        kind: str,
        now: datetime,
        do: Callable[[Transaction, list[tuple[int, str]]], int],
    ) -> int:
        """Do something to every hit that is old enough, once; returns how many it concerned."""
        done = 0
        for scope in self._scopes(kind):
            mark = f"retention:{kind}:{scope.name}"
            more = scope.days > 0
            while more:
                with self._history.transaction() as t:
                    after = int(t.cursor(mark) or 0)
                    before = _before(now, scope.days)
                    old, reached, more = t.old_hits(after, before, scope.accounts, scope.others)
                    done += do(t, old)
                    if reached != after:
                        t.set_cursor(mark, str(reached))
                if old:
                    self._tell(f"{kind}: {done}")
        return done

    def _addresses(self, kind: str, now: datetime, cut: Callable[[str], str]) -> int:
        def do(t: Transaction, old: list[tuple[int, str]]) -> int:
            new = {number: (address, cut(address)) for number, address in old if address}
            return t.set_addresses(
                {n: after for n, (before, after) in new.items() if before != after}
            )

        return self._walk(kind, now, do)

    def _hits(self, now: datetime) -> int:
        return self._walk("hits", now, lambda t, old: t.release_hits(n for n, _ in old))

    def _messages(self, now: datetime) -> int:
        done = 0
        for account, days in self._message_days():
            removed = _MESSAGES
            while removed == _MESSAGES:
                with self._history.transaction() as t:
                    before = _before(now, days)
                    removed = t.remove_old_messages(account, before, _MESSAGES)
                done += removed
                if removed:
                    self._tell(f"messages: {done}")
        return done

    def _message_days(self) -> Iterable[tuple[int, int]]:
        with self._history.reading() as t:
            own = t.retention()
            accounts = [account.id for account in t.accounts()]
        for account in accounts:
            days = own.get(account, {}).get("messages", self._days.get("messages", 0))
            if days:
                yield account, days


def _before(now: datetime, days: int) -> datetime:
    return now - timedelta(days=min(days, MOST_DAYS))  # one account's number must not stop the rest


def _plain(gone: Mapping[str, int]) -> dict[str, int]:
    return {kind.replace("-", "_").replace(" ", "_"): count for kind, count in gone.items()}
