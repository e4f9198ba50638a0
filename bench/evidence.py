"""How fast hits are judged on one core, with their neighbours in memory, and judged again.

    python bench/evidence.py [deliveries] [rejudged hits]

The hits are those of a simulated campaign (mailglass.world). "CPU" is process time, which on shared
cores tells more than the clock. The floor is what no judge of ours could do without: two dictionary
look-ups a hit.
"""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "bench")]

import ua_parser  # noqa: E402

from calibration import facts_of  # noqa: E402
from mailglass.evidence import (  # noqa: E402
    DeliveryFacts,
    KeptDelivery,
    KeptHit,
    Neighbours,
    Rules,
    judge_delivery,
    load_rules,
    rejudge,
)
from mailglass.evidence import judge as judging  # noqa: E402
from mailglass.evidence.look import is_followed, look  # noqa: E402
from mailglass.evidence.surroundings import NOTHING_AROUND, NOWHERE  # noqa: E402
from mailglass.model import Hit  # noqa: E402
from mailglass.world import simulate  # noqa: E402

Work = list[tuple[DeliveryFacts, list[Hit]]]
DELIVERIES = 30_000
REJUDGED = 1_000_000
REPEATS = 3
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
        judging._remembered.cache_clear()
        clock, cpu = time.perf_counter(), time.process_time()
        job(work, rules)
        times.append((time.perf_counter() - clock, time.process_time() - cpu))
    return min(clock for clock, _ in times), min(cpu for _, cpu in times)


def pace() -> float:
    """Seconds of the processor for ten million additions: how much of a core there was."""
    cpu, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - cpu


def kept(work: Work) -> Iterator[KeptDelivery]:
    """The deliveries over and over, as if of other recipients."""
    rules = load_rules()
    once = [
        KeptDelivery(
            facts=facts,
            hits=[
                KeptHit(key=key, hit=hit, judged=judged)
                for key, (hit, judged) in enumerate(
                    zip(hits, judge_delivery(facts, hits, rules=rules), strict=True)
                )
            ],
        )
        for facts, hits in work
    ]
    for _ in count():
        yield from once


def rejudged(work: Work, rules: Rules, hits: int) -> tuple[float, float, int]:
    """Seconds of the clock, of the processor, and peak memory in MB."""
    each = sum(len(h) for _, h in work) / len(work)
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in rejudge(islice(kept(work), int(hits / each)), rules, datetime.now(UTC)):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return time.perf_counter() - clock, time.process_time() - cpu, peak


def main() -> None:
    deliveries = int(sys.argv[1]) if len(sys.argv) > 1 else DELIVERIES
    again = int(sys.argv[2]) if len(sys.argv) > 2 else REJUDGED
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
        f"Rules {rules.version}; {platform.platform()}, 2 shared cores, one used, Python "
        f"{platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}. Command: "
        f"`python bench/evidence.py {deliveries} {again}`.",
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
    clock, cpu, peak = rejudged(campaign, rules, again)
    lines += [
        "",
        f"Target: {TARGET_PER_SECOND:,} hits a second with neighbours. Beside these jobs a loop of "
        f"ten million additions took {pace():.2f} s of CPU on this core; a core at rest takes 0.3 "
        "to 0.5 s, and everything above shrinks with it.",
        "",
        f"Judged again: {again:,} hits in {clock:.0f} s by the clock, {cpu:.0f} s CPU (target "
        f"{TARGET_REJUDGE_SECONDS} s), verdicts included; the process never had more than "
        f"{peak} MB, of which the simulated hits are the most. Reading them from a store and "
        "writing the answers is not in this figure.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    place = PROJECT / "bench" / "results" / "evidence.md"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


if __name__ == "__main__":
    main()
