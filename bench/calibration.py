"""Are the probabilities true? Judges simulated deliveries whose truth is known.

    python bench/calibration.py [deliveries]

Prints the table, writes bench/results/calibration.md and draws docs/img/calibration.png. The world
is `mailglass.world`: a simulation of published figures and assumptions, never an observation, and
made from the same sources as the rules. It can show that the rules are wrong, not that they are
right.
"""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "src"))

from mailglass.evidence import (  # noqa: E402
    DeliveryFacts,
    Neighbours,
    Rules,
    event_from,
    judge_delivery,
    load_rules,
    weigh,
)
from mailglass.model import Event, EventType, TargetKind  # noqa: E402
from mailglass.world import SimulatedDelivery, simulate  # noqa: E402

DELIVERIES = 100_000  # what the project promises to show
BINS = 20
SETTLED = timedelta(days=30)  # after the last thing that a simulated person does
HELD = 200  # deliveries between feeding the neighbours and judging: about the settling time


@dataclass
class Scores:
    """Predictions beside what was true."""

    name: str
    total: int = 0
    squares: float = 0.0
    base: int = 0
    predicted: list[float] = field(default_factory=lambda: [0.0] * BINS)
    true: list[int] = field(default_factory=lambda: [0] * BINS)
    counts: list[int] = field(default_factory=lambda: [0] * BINS)

    def add(self, probability: float, truth: bool) -> None:
        place = min(int(probability * BINS), BINS - 1)
        self.total += 1
        self.squares += (probability - truth) ** 2
        self.base += truth
        self.predicted[place] += probability
        self.true[place] += truth
        self.counts[place] += 1

    @property
    def brier(self) -> float:
        return self.squares / self.total

    @property
    def brier_of_the_share(self) -> float:
        """What a judge would score who tells the overall share every time."""
        share = self.base / self.total
        return share * (1 - share)

    def points(self) -> Iterator[tuple[float, float, int]]:
        for predicted, true, count in zip(self.predicted, self.true, self.counts, strict=True):
            if count:
                yield predicted / count, true / count, count


class Judged(NamedTuple):
    """One delivery's probabilities, its hits' in their order."""

    delivery: SimulatedDelivery
    hits: list[float]
    verdict: float
    level: str


@dataclass
class Outcome:
    """All that the report tells."""

    hits: Scores = field(default_factory=lambda: Scores("hits"))
    verdicts: Scores = field(default_factory=lambda: Scores("verdicts"))
    levels: dict[str, list[int]] = field(default_factory=dict)  # deliveries, those read
    decided: int = 0
    wrong: Counter[str] = field(default_factory=Counter)  # by who really made the hit

    def add(self, judged: Judged, rules: Rules) -> None:
        requests = [r for r in judged.delivery.requests if r.hit.delivery_id is not None]
        for request, p in zip(requests, judged.hits, strict=True):
            self.hits.add(p, request.by_recipient)
            if not rules.machine_below <= p <= rules.human_above:
                self.decided += 1
                self.wrong[request.actor.value] += (p > 0.5) != request.by_recipient
        was_read = judged.delivery.truth.was_read
        self.verdicts.add(judged.verdict, was_read)
        told = self.levels.setdefault(judged.level, [0, 0])
        told[0] += 1
        told[1] += was_read


def facts_of(delivery: SimulatedDelivery) -> DeliveryFacts:
    """What the history would know."""
    replied = delivery.truth.replied
    at = delivery.delivered_at
    return DeliveryFacts(
        delivery_id=delivery.delivery.id,
        recipient_domain=delivery.delivery.recipient.rsplit("@", 1)[1],
        delivered_at=at,
        targets={t.number: t.kind for t in delivery.targets},
        links_sent=sum(t.kind is TargetKind.LINK for t in delivery.targets),
        replied_at=None if replied is None else at + timedelta(seconds=replied),
    )


def judged(deliveries: Iterable[SimulatedDelivery], rules: Rules) -> Iterator[Judged]:
    """Each delivery judged after its neighbours were seen."""
    neighbours = Neighbours(rules)
    held: list[SimulatedDelivery] = []
    for delivery in deliveries:
        for request in delivery.requests:
            neighbours.add(request.hit, facts_of(delivery))
        held.append(delivery)
        if len(held) > HELD:
            yield judge(held.pop(0), rules, neighbours)
    for delivery in held:
        yield judge(delivery, rules, neighbours)


def judge(delivery: SimulatedDelivery, rules: Rules, neighbours: Neighbours) -> Judged:
    facts = facts_of(delivery)
    hits = [request.hit for request in delivery.requests if request.hit.delivery_id is not None]
    crowds = [neighbours.crowd(hit, facts) for hit in hits]
    judgements = judge_delivery(facts, hits, rules=rules, crowds=crowds)
    events = [Event(type=EventType.DELIVERED, at=delivery.delivered_at)]
    events += [event_from(hit, j) for hit, j in zip(hits, judgements, strict=True)]
    if facts.replied_at is not None:
        events.append(Event(type=EventType.REPLIED, at=facts.replied_at))
    verdict = weigh(events, delivery.delivered_at + SETTLED, rules)
    return Judged(
        delivery,
        [j.probability_human for j in judgements],
        verdict.probability,
        verdict.level.value,
    )


def draw(scores: Iterable[Scores], count: int, place: Path) -> None:
    """The calibration plot."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 5), layout="constrained")
    for axis, one in zip(axes, scores, strict=True):
        points = list(one.points())
        told, true, numbers = zip(*points, strict=True)
        axis.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
        axis.plot(told, true, color="tab:blue", alpha=0.4)
        axis.scatter(told, true, s=[15 + 285 * n / max(numbers) for n in numbers])
        axis.set_title(f"{one.name}: Brier {one.brier:.3f} over {one.total:,}")
        axis.set_xlabel("probability that was told")
        axis.set_ylabel("share that was true")
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
        axis.grid(alpha=0.3)
    figure.suptitle(f"Simulated: {count:,} deliveries of mailglass.world, not an observation")
    place.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(place, dpi=110)


def report(count: int, outcome: Outcome, rules: Rules) -> str:
    hits, verdicts = outcome.hits, outcome.verdicts
    lines = [
        f"# Calibration over {count:,} simulated deliveries",
        "",
        f"Rules {rules.version}; {platform.platform()}, Python {platform.python_version()}, "
        f"{datetime.now(UTC):%Y-%m-%d}. Simulated, not observed.",
        "",
        "| what | number | true | Brier | Brier of telling the share every time |",
        "|---|---|---|---|---|",
    ]
    for one in (hits, verdicts):
        lines.append(
            f"| {one.name} | {one.total:,} | {one.base / one.total:.1%} | {one.brier:.4f} | "
            f"{one.brier_of_the_share:.4f} |"
        )
    lines += [
        "",
        f"Hits decided: {outcome.decided / hits.total:.1%}, "
        f"of which wrong {outcome.wrong.total() / outcome.decided:.2%}: "
        + ", ".join(f"{n:,} of {actor}" for actor, n in outcome.wrong.most_common() if n)
        + ". The history knew nothing of the senders' own browsers and networks here.",
        "",
        "| level of the verdict | deliveries | read by the person |",
        "|---|---|---|",
    ]
    for level, (number, read) in sorted(outcome.levels.items(), key=lambda item: -item[1][0]):
        lines.append(f"| {level} | {number:,} | {read / number:.1%} |")
    for one in (hits, verdicts):
        lines += ["", f"| {one.name}: told | true | number |", "|---|---|---|"]
        lines += [f"| {p:.3f} | {t:.3f} | {n:,} |" for p, t, n in one.points()]
    return "\n".join(lines) + "\n"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else DELIVERIES
    if count >= DELIVERIES:
        import matplotlib  # noqa: F401  # before the minutes that end in the plot
    rules = load_rules()
    outcome = Outcome()
    for one in judged(simulate(count, seed=1), rules):
        outcome.add(one, rules)
    text = report(count, outcome, rules)
    print(text)
    if count < DELIVERIES:
        return
    draw((outcome.hits, outcome.verdicts), count, PROJECT / "docs" / "img" / "calibration.png")
    place = PROJECT / "bench" / "results" / "calibration.md"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


if __name__ == "__main__":
    main()
