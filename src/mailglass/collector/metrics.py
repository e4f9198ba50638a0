"""What the collector counts, and how Prometheus reads it (text format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["Counters", "exposition"]


@dataclass(slots=True)
class Counters:
    """Plain numbers that the event loop's thread alone changes."""

    hits: Counter[str] = field(default_factory=Counter)  # by path kind, tokens that verified
    junk: Counter[str] = field(default_factory=Counter)  # by path kind, tokens that did not
    shed: Counter[str] = field(default_factory=Counter)  # answered, not recorded, by reason
    refused: Counter[str] = field(default_factory=Counter)  # requests not understood, by status
    closed: Counter[str] = field(default_factory=Counter)  # connections closed by us, by reason
    killed: int = 0  # links that the kill switch held back
    untracked: int = 0  # hits not recorded because the recipient objected
    written: int = 0  # hits on stable storage
    commits: int = 0
    late: int = 0  # answered before they were on stable storage, because the disk failed


_LABELLED = (
    ("hits", "kind", "Hits whose token verified."),
    ("junk", "kind", "Hits whose token did not verify."),
    ("shed", "reason", "Hits that were answered and not recorded."),
    ("refused", "status", "Requests that were not understood."),
    ("closed", "reason", "Connections that the collector closed."),
)
_PLAIN = (
    ("killed", "Links that the kill switch held back."),
    ("untracked", "Hits that were not recorded because the recipient objected."),
    ("written", "Hits on stable storage."),
    ("commits", "Group commits."),
    ("late", "Hits answered before they were on stable storage, because the disk failed."),
)


def exposition(counters: Counters, gauges: Callable[[], dict[str, tuple[float, str]]]) -> bytes:
    """All counters, and the gauges by name with their help, as Prometheus reads them."""
    # 40 ms of the start otherwise
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

    class Source:
        def collect(self) -> Iterator[Metric]:
            for name, label, text in _LABELLED:
                family = CounterMetricFamily(f"mailglass_collector_{name}", text, labels=[label])
                for value, count in getattr(counters, name).items():
                    family.add_metric([value], count)
                yield family
            for name, text in _PLAIN:
                yield CounterMetricFamily(
                    f"mailglass_collector_{name}", text, value=getattr(counters, name)
                )
            for name, (value, text) in gauges().items():
                yield GaugeMetricFamily(f"mailglass_collector_{name}", text, value=value)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Source())
    return generate_latest(registry)
