"""Roll-ups are what a recount of the facts says, whatever came in which order."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailglass.history import (
    Dimension,
    History,
    JudgedDelivery,
    JudgedHit,
    Period,
    StoredEvent,
    StoredMessage,
    Transaction,
    Who,
)
from mailglass.model import Actor, Delivery, Event, EventType, Hit, Judgement, Verdict, VerdictLevel

START = datetime(2026, 11, 21, 20, tzinfo=UTC)  # four hours before midnight
FROM_HITS = (
    EventType.OPENED,
    EventType.CLICKED,
    EventType.DOWNLOADED,
    EventType.PREFETCHED,
    EventType.PROXIED,
    EventType.SCANNED,
    EventType.PREVIEWED,
    EventType.SELF_VIEWED,
    EventType.FETCHED,
    EventType.UNSUBSCRIBED,
)
TOLD = tuple(type_ for type_ in EventType if type_ not in FROM_HITS)

hours = st.integers(-30, 60)
steps = st.one_of(
    st.tuples(
        st.just("send"),
        st.integers(1, 2),  # account
        st.integers(1, 3),  # recipients
        st.sampled_from([None, "spring", "autumn"]),
        st.sampled_from([(), ("news",), ("news", "offers")]),
        hours,
    ),
    st.tuples(st.just("tell"), st.integers(0, 99), st.sampled_from(TOLD), hours),
    st.tuples(
        st.just("see"), st.integers(0, 99), st.sampled_from("ocaun"), st.integers(0, 2), hours
    ),
    st.tuples(
        st.just("judge"),
        st.integers(0, 99),
        st.sampled_from(FROM_HITS),
        st.sampled_from(Who),
        st.sampled_from(VerdictLevel),
    ),
    st.tuples(st.just("remove"), st.integers(0, 99), st.booleans()),
    st.tuples(st.just("sweep")),
)


class World:
    """Carries out steps; several may share a transaction."""

    def __init__(self) -> None:
        self.deliveries: list[int] = []
        self.messages = 0

    def do(self, t: Transaction, step: tuple[object, ...]) -> None:
        name, *values = step
        if name == "send" or self.deliveries:
            getattr(self, str(name))(t, *values)

    def send(
        self,
        t: Transaction,
        account_id: int,
        copies: int,
        campaign: str | None,
        tags: tuple[str, ...],
        after: int,
    ) -> None:
        self.messages += 1
        number = self.messages
        copied = [
            Delivery(id=number * 100 + n, message_id=number, recipient=f"u@d{n}.test")
            for n in range(copies)
        ]
        message = StoredMessage(
            id=number,
            account_id=account_id,
            accepted_at=START + timedelta(hours=after),
            return_path="",
            author="",
            subject="",
            message_id_field="",
            campaign=campaign,
            tags=tags,
        )
        t.add_message(message, copied)
        self.deliveries += [one.id for one in copied]

    def tell(self, t: Transaction, which: int, type_: EventType, after: int) -> None:
        event = Event(type=type_, at=START + timedelta(hours=after))
        t.add_events([StoredEvent(delivery_id=self._some(which), event=event)])

    def see(self, t: Transaction, which: int, path: str, target: int, after: int) -> None:
        number = self._some(which)
        hit = Hit(
            at=START + timedelta(hours=after),
            path_kind=path,
            method="GET",
            token="",
            delivery_id=number,
            target=target,
            address="192.0.2.1",
            http_version="1.1",
        )
        (stored,) = t.add_hits([(number, hit)])
        new = JudgedHit(stored=stored, type=EventType.FETCHED, who=Who.UNDETERMINED, judgement=None)
        self._judge(t, number, [*self._judged(t, number), new], VerdictLevel.MACHINE_ONLY)

    def judge(
        self, t: Transaction, which: int, type_: EventType, who: Who, level: VerdictLevel
    ) -> None:
        """Every second hit of a delivery becomes something else."""
        number = self._some(which)
        made = Judgement(actor=Actor.TOOL, probability_human=0.5, evidence=(), rules_version="test")
        hits = [
            JudgedHit(stored=one.stored, type=type_, who=who, judgement=made, before=one.before)
            if n % 2 == 0
            else one
            for n, one in enumerate(self._judged(t, number))
        ]
        self._judge(t, number, hits, level)

    def remove(self, t: Transaction, which: int, keep: bool) -> None:
        t.remove_hits([self._some(which)], keep_events=keep)

    def sweep(self, t: Transaction) -> None:
        t.sweep_dictionaries()

    def _some(self, which: int) -> int:
        return self.deliveries[which % len(self.deliveries)]

    def _judged(self, t: Transaction, number: int) -> list[JudgedHit]:
        known = t.known_facts([number]).get(number)
        return [
            JudgedHit(stored=s.stored, type=s.type, who=s.who, judgement=None, before=s)
            for s in (known.seen if known else ())
        ]

    def _judge(
        self, t: Transaction, number: int, hits: list[JudgedHit], level: VerdictLevel
    ) -> None:
        verdict = Verdict(
            level=level, probability=0.5, evidence=(), is_final=False, rules_version="test"
        )
        (delivery,) = t.deliveries([number])
        t.set_judged(
            [JudgedDelivery(delivery=delivery, hits=hits, verdict=verdict, last_event_at=START)]
        )


def counted_by_hand(t: Transaction, account_id: int, world: World) -> dict[str, Counter[object]]:
    """Events by day and type, by message, by campaign; and levels of all: read one by one."""
    days: Counter[object] = Counter()
    messages: Counter[object] = Counter()
    levels: Counter[object] = Counter()
    domains: Counter[object] = Counter()
    for delivery in t.deliveries(world.deliveries):
        if delivery.account_id != account_id:
            continue
        levels[f"level_{delivery.verdict.level.value}"] += 1
        for event in t.events_of([delivery.id]):
            type_ = event.event.type.value
            days[event.event.at.date(), type_] += 1
            messages[delivery.message_id, type_] += 1
            domains[delivery.recipient_domain, type_] += 1
    return {"days": days, "messages": messages, "levels": levels, "domains": domains}


def kept(t: Transaction, account_id: int) -> dict[str, Counter[object]]:
    types = [type_.value for type_ in EventType]
    days = {
        (row.start.date(), name): row[name]
        for row in t.counts(account_id, Dimension.ACCOUNT, Period.DAY)
        for name in types
        if row.start and row[name]
    }
    messages = {
        (row.key, name): row[name]
        for row in t.counts(account_id, Dimension.MESSAGE)
        for name in types
        if row[name]
    }
    levels = {
        name: row[name]
        for row in t.counts(account_id)
        for name in (f"level_{level.value}" for level in VerdictLevel)
        if row[name]
    }
    domains = {
        (domain, name): row[name]
        for domain, row in t.largest_domains(account_id, 100)
        for name in types
        if row[name]
    }
    found = {"days": days, "messages": messages, "levels": levels, "domains": domains}
    return {name: Counter(counts) for name, counts in found.items()}


@pytest.fixture(params=["sqlite", "postgresql"])
def new_address(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Gives the address of another empty database each time."""
    if request.param == "postgresql":
        yield request.getfixturevalue("postgres").new_database
        return
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: f"sqlite:///{tempfile.mkdtemp(dir=folder)}/history.db"


@pytest.mark.parametrize("path", "ocaun")
def test_a_target_counts_the_requests_for_itself(new_address: Callable[[], str], path: str) -> None:
    history, world = History(new_address()), World()
    with history.transaction() as t:
        t.add_account("one", START)
        world.send(t, 1, 1, None, (), 0)
        world.see(t, 0, path, 1, 0)
        counted = t.target_counts(1).get(1, {}).get("undetermined", 0)
        assert counted == (path in "oca")  # a notice page may bear the token of a beacon
        assert t.recount() == 0
        assert list(t.miscounts()) == []
    history.close()


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=st.lists(st.lists(steps, min_size=1, max_size=8), min_size=2, max_size=12))
def test_roll_ups_are_what_a_recount_says(
    new_address: Callable[[], str], batches: list[list[tuple[object, ...]]]
) -> None:
    history, world = History(new_address()), World()
    with history.transaction() as t:
        t.add_account("one", START)
        t.add_account("two", START)
    for batch in [[("send", 1, 3, "spring", ("news",), 0)], *batches]:
        with history.transaction() as t:
            for step in batch:
                world.do(t, step)
    with history.transaction() as t:
        for account_id in (1, 2):
            assert kept(t, account_id) == counted_by_hand(t, account_id, world)
        assert t.recount() == 0
        t.rebuild_rollups()
        assert kept(t, 1) == counted_by_hand(t, 1, world)
    history.close()
