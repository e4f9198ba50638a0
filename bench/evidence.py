"""How fast hits are judged on one core, with their neighbours in memory, and judged again.

    python bench/evidence.py [deliveries] [rejudged hits]

The hits are those of a simulated campaign (mailglass.world). "CPU" is process time, which on shared
cores tells more than the clock. The floor is what no judge of ours could do without: two dictionary
look-ups a hit.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, repeat
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "bench")]

import ua_parser  # noqa: E402

from calibration import facts_of  # noqa: E402
from mailglass.cli.rejudge import seldom_collect  # noqa: E402
from mailglass.evidence import (  # noqa: E402  # noqa: E402
    DeliveryFacts,
    Neighbours,
    Rules,
    judge_delivery,
    load_rules,
    networks,
    signals,
)
from mailglass.evidence import judge as judging  # noqa: E402
from mailglass.evidence.look import is_followed, look  # noqa: E402
from mailglass.evidence.surroundings import NOTHING_AROUND, NOWHERE  # noqa: E402
from mailglass.history import History, StoredEvent, StoredMessage, Transaction  # noqa: E402
from mailglass.ingest import Rejudging, rejudge  # noqa: E402
from mailglass.ingest.judging import judge_again  # noqa: E402
from mailglass.model import Delivery, Event, EventType, Hit, Target  # noqa: E402
from mailglass.world import simulate  # noqa: E402

Work = list[tuple[DeliveryFacts, list[Hit]]]
DELIVERIES = 30_000
REJUDGED = 1_000_000
REPEATS = 3
LOT = 1_000  # deliveries put into the history in one transaction
A_MESSAGE = 20  # deliveries of one message
SITE = "[signal.client.current_browser]\nratio = 3\n"
TARGET_PER_SECOND = 20_000
TARGET_REJUDGE_SECONDS = 120


def simulated(deliveries: int) -> Work:
    """Deliveries with hits, in the order of their sending."""
    work: Work = []
    for one in simulate(deliveries, seed=3):
        hits = [request.hit for request in one.requests if request.hit.delivery_id is not None]
        if hits:
            work.append((facts_of(one), hits))
    return work


def flood(deliveries: int) -> Work:
    """A scanner that follows ten links of every message, each from another address."""
    start = datetime(2026, 11, 22, tzinfo=UTC)
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/{}.0.0.0 Safari/1"
    work: Work = []
    for number in range(deliveries):
        at = start + timedelta(seconds=number / 100)
        facts = DeliveryFacts(
            delivery_id=number,
            recipient_domain=f"{number % 50}.example",
            delivered_at=at,
            links_sent=10,
        )
        hits = [
            Hit(
                at=at + timedelta(seconds=1 + link / 7),
                path_kind="c",
                method="GET",
                token="t",
                delivery_id=number,
                target=link,
                address=f"10.{number % 200}.{link}.{number % 251}",
                http_version="1.1",
                headers={"user-agent": agent.format(100 + number % 50), "accept": "*/*"},
            )
            for link in range(10)
        ]
        work.append((facts, hits))
    return work


def with_neighbours(work: Work, rules: Rules) -> None:
    neighbours = Neighbours(rules)
    for facts, hits in work:
        for hit in hits:
            neighbours.add(hit, facts)
        judge_delivery(facts, hits, rules=rules, crowds=[neighbours.crowd(h, facts) for h in hits])


def one_by_one(work: Work, rules: Rules) -> None:
    """Each hit alone, and nothing remembered."""
    for _, hits in work:
        for hit in hits:
            seen = look(hit, NOWHERE, rules, is_click=is_followed(hit, None))
            judging.judge_seen(seen, NOTHING_AROUND, rules)


def user_agents_only(work: Work, rules: Rules) -> None:
    for _, hits in work:
        for hit in hits:
            ua_parser.parse(hit.headers.get("user-agent", ""))


def floor(work: Work, rules: Rules) -> None:
    for _, hits in work:
        for hit in hits:
            rules.clients.classify(hit.headers.get("user-agent", ""))
            rules.networks.of_address(hit.address)


def measure(job: Callable[[Work, Rules], None], work: Work, rules: Rules) -> tuple[float, float]:
    """Seconds of the clock and of the processor, the best of three, nothing remembered before."""
    times = []
    for _ in range(REPEATS):
        rules = load_rules()
        for memory in MEMORIES:
            memory.cache_clear()
        clock, cpu = time.perf_counter(), time.process_time()
        job(work, rules)
        times.append((time.perf_counter() - clock, time.process_time() - cpu))
    return min(clock for clock, _ in times), min(cpu for _, cpu in times)


MEMORIES = (
    judging._remembered,
    judging._told_delay,
    judging._prior_evidence,
    networks.network_key,
    signals._told,
)


def pace() -> float:
    """Seconds of the processor for ten million additions: how much of a core there was."""
    cpu, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - cpu


def fill(history: History, work: Work, rules: Rules, hits: int) -> None:
    """Put the deliveries into a history over and over, as of other recipients, and judge them."""
    neighbours, done, number = Neighbours(rules), 0, 0
    with history.transaction() as t:
        account_id = t.add_account("bench", datetime.now(UTC)).id
    endless = chain.from_iterable(repeat(work))
    while done < hits:
        lot = list(enumerate(islice(endless, LOT), number + 1))
        number += LOT
        with history.transaction() as t:
            for start in range(0, LOT, A_MESSAGE):
                put_message(t, account_id, lot[start : start + A_MESSAGE])
            seen = [(n, replace(hit, delivery_id=n)) for n, (_, some) in lot for hit in some]
            stored = t.add_hits(seen)
            judge_again(t, [n for n, _ in lot], rules, neighbours, datetime.now(UTC), stored)
        done += len(seen)


def put_message(
    t: Transaction, account_id: int, copies: list[tuple[int, tuple[DeliveryFacts, list[Hit]]]]
) -> None:
    """A message, its deliveries, and that they were taken."""
    first, (facts, _) = copies[0]
    deliveries = [
        Delivery(
            id=n, message_id=first, recipient=f"r{n}@{f.recipient_domain or 'nowhere.example'}"
        )
        for n, (f, _) in copies
    ]
    t.add_message(_message(first, account_id, facts), deliveries)
    told = []
    for n, (f, _) in copies:
        if f.delivered_at is not None:
            t.set_delivered({n: f.delivered_at})
            event = Event(type=EventType.DELIVERED, at=f.delivered_at)
            told.append(StoredEvent(delivery_id=n, event=event))
    t.add_events(told)


def _message(number: int, account_id: int, facts: DeliveryFacts) -> StoredMessage:
    targets = tuple(Target(number=n, kind=kind) for n, kind in facts.targets.items())
    return StoredMessage(
        id=number,
        account_id=account_id,
        accepted_at=facts.delivered_at or datetime(2026, 11, 22, tzinfo=UTC),
        return_path="me@home.example",
        author="me@home.example",
        subject="bench",
        message_id_field=f"<{number}@home.example>",
        targets=targets,
    )


def again(history: History, rules: Rules, *, dry_run: bool) -> tuple[float, float, Rejudging]:
    """Seconds of the clock and of the processor for judging all of it again."""
    so_far = Rejudging()
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in rejudge(history, rules, datetime.now(UTC), dry_run=dry_run, so_far=so_far):
        pass
    return time.perf_counter() - clock, time.process_time() - cpu, so_far


def rejudged(work: Work, rules: Rules, hits: int) -> list[str]:
    """The rows of judging a history of so many hits again."""
    rows = []
    with TemporaryDirectory() as folder:
        history = History(f"sqlite:///{folder}/history.db")
        fill(history, work, rules, hits)
        Path(folder, "site.toml").write_text(SITE)
        seldom_collect()  # as the command does
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        for name, some, dry in (
            ("the same rules, nothing to change", rules, True),
            ("another ratio, dry run", load_rules(Path(folder, "site.toml")), True),
            ("another ratio, written", load_rules(Path(folder, "site.toml")), False),
        ):
            clock, cpu, so_far = again(history, some, dry_run=dry)
            rows.append(
                f"| {name} | {so_far.hits:,} | {so_far.hits_changed:,} | {clock:.1f} | {cpu:.1f} |"
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        rows.append(
            f"\nThe process had at most {peak} MB, and {before} MB before it judged again, of "
            "which the simulated hits are the most."
        )
        history.close()
    return rows


def main() -> None:
    deliveries = int(sys.argv[1]) if len(sys.argv) > 1 else DELIVERIES
    again_hits = int(sys.argv[2]) if len(sys.argv) > 2 else REJUDGED
    rules = load_rules()
    campaign, scans = simulated(deliveries), flood(deliveries // 10)
    with_neighbours(simulated(500), rules)  # loads what is loaded on first use
    rows = [
        ("judged with neighbours, simulated campaign", with_neighbours, campaign),
        ("judged with neighbours, a flood of scans", with_neighbours, scans),
        ("judged alone, nothing remembered", one_by_one, campaign),
        ("ua-parser alone, no judgement", user_agents_only, campaign),
        ("floor: our two look-ups", floor, campaign),
    ]
    lines = [
        "# Judging hits",
        "",
        f"Rules {rules.version}; {platform.platform()}, 2 shared cores, one used, load "
        f"{os.getloadavg()[0]:.1f} at the beginning, Python "
        f"{platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}. Command: "
        f"`python bench/evidence.py {deliveries} {again_hits}`.",
        "",
        "| what | hits | µs CPU a hit | hits a CPU second | hits a second by the clock |",
        "|---|---|---|---|---|",
    ]
    for name, job, work in rows:
        hits = sum(len(some) for _, some in work)
        clock, cpu = measure(job, work, rules)
        lines.append(
            f"| {name} | {hits:,} | {cpu / hits * 1e6:.1f} | {hits / cpu:,.0f} | "
            f"{hits / clock:,.0f} |"
        )
    lines += [
        "",
        f"Target: {TARGET_PER_SECOND:,} hits a second with neighbours. Beside these jobs a loop of "
        f"ten million additions took {pace():.2f} s of CPU on this core; a core at rest takes 0.3 "
        "to 0.5 s, and everything above shrinks with it.",
        "",
        f"A history on SQLite judged again, as `mailglass rejudge` does it: read, judged with "
        f"neighbours and the recipients' past, verdicts and roll-ups; target "
        f"{TARGET_REJUDGE_SECONDS} s for a million hits.",
        "",
        "| rules | hits | changed | s by the clock | s CPU |",
        "|---|---|---|---|---|",
        *rejudged(campaign, rules, again_hits),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    place = PROJECT / "bench" / "results" / "evidence.md"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


if __name__ == "__main__":
    main()
