"""Our judgements beside what else is used, on the same labelled hits.

    python bench/evidence_rivals.py HITS.jsonl

HITS.jsonl has one object a line as `mailglass judge` reads it, with its `verdict`. The rivals that
are packages (crawler-user-agents, device_detector) are compared when they are installed; they are
no part of the project. A rival that calls a hit no bot has called it human: none of them has a
third answer.
"""

from __future__ import annotations

import importlib
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "src"))

from mailglass.evidence import judge_hit, load_rules, verdict_word  # noqa: E402
from mailglass.evidence.hitfile import hit_of_record  # noqa: E402

Record = Mapping[str, Any]
Judge = Callable[[Record], str]

# Mautic counts a hit as a bot's when two of three hold: under 2 s after sending, an address on a
# list, a user agent on a list. The lists are the installation's; here the first one is empty and
# the second one names search engines' robots.
_MAUTIC_AGENTS = ("MSNBOT", "bingbot", "Googlebot", "Baiduspider", "Slurp", "YandexBot")
_MAUTIC_SECONDS = 2
_WINDOW_SECONDS = {"open": 60, "click": 30}  # Warmbly


def _ours() -> Judge:
    rules = load_rules()

    def judge(record: Record) -> str:
        _, hit, around = hit_of_record(record)
        return verdict_word(judge_hit(hit, around, rules=rules), rules)

    return judge


def _crawler_user_agents() -> Judge:
    package = importlib.import_module("crawleruseragents")
    return lambda r: _bot(package.is_crawler(r.get("user_agent") or ""))


def _device_detector() -> Judge:
    package = importlib.import_module("device_detector")
    return lambda r: _bot(package.DeviceDetector(r.get("user_agent") or "-").parse().is_bot())


def _mautic() -> Judge:
    def judge(record: Record) -> str:
        seconds, agent = record.get("t_since_delivery_s"), record.get("user_agent") or ""
        soon = seconds is not None and seconds < _MAUTIC_SECONDS
        return _bot(soon and any(word.lower() in agent.lower() for word in _MAUTIC_AGENTS))

    return judge


def _window() -> Judge:
    def judge(record: Record) -> str:
        seconds = record.get("t_since_delivery_s")
        return _bot(seconds is not None and seconds < _WINDOW_SECONDS[record["kind"]])

    return judge


def _bot(answer: object) -> str:
    return "machine" if answer else "human"


JUDGES: Mapping[str, Callable[[], Judge]] = {
    "Mailglass, three bands": _ours,
    "crawler-user-agents": _crawler_user_agents,
    "device_detector": _device_detector,
    "Mautic's rule": _mautic,
    "windows of 60 s and 30 s": _window,
}


def row(name: str, judge: Judge, records: list[Record]) -> str:
    for record in records:  # the first pass loads and remembers
        judge(record)
    started = time.process_time()
    answers = [judge(record) for record in records]
    each = (time.process_time() - started) / len(records)
    pairs = Counter((r["verdict"], answer) for r, answer in zip(records, answers, strict=True))
    people = sum(n for (truth, _), n in pairs.items() if truth == "human")
    machines = sum(n for (truth, _), n in pairs.items() if truth == "machine")
    undecided = sum(n for (_, told), n in pairs.items() if told not in ("human", "machine"))
    wrong = pairs["human", "machine"] + pairs["machine", "human"]
    return (
        f"| {name} | {pairs['human', 'human']} of {people} | "
        f"{pairs['machine', 'machine']} of {machines} | {undecided} | {wrong} | {each * 1e6:,.0f} |"
    )


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    text = Path(sys.argv[1]).read_text()
    records = [json.loads(line) for line in text.splitlines()]
    records = [r for r in records if r["verdict"] in ("human", "machine")]
    known = sum(bool(r["user_agent"]) for r in records)
    lines = [
        "# Labelled hits, judged by us and by others",
        "",
        f"{len(records)} hits labelled human or machine, of which {known} have a known user agent. "
        f"{platform.platform()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}.",
        "",
        "| judge | people found | machines found | undecided | wrong | µs CPU a hit, second pass |",
        "|---|---|---|---|---|---|",
    ]
    for name, make in JUDGES.items():
        try:
            judge = make()
        except ImportError as error:
            lines.append(f"| {name} | not installed: pip install {error.name} | | | | |")
            continue
        lines.append(row(name, judge, records))
    text = "\n".join(lines) + "\n"
    print(text)
    place = PROJECT / "bench" / "results" / "evidence_rivals.md"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


if __name__ == "__main__":
    main()
