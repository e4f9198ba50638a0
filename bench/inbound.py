"""Scores and speed of the readers of bounces, beside flufl.bounce, in one run.

    python bench/inbound.py CORPUS

CORPUS is a folder with `expectations.tsv` and the messages that it names (tests/bounce_scores.py
says how they are counted). flufl.bounce finds recipients and tells temporary from permanent; it
reads no codes. The figures go to bench/results/inbound.md.
"""

from __future__ import annotations

import datetime
import email
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "tests")]


from bounce_scores import BARS, Read, Scores, files, score  # noqa: E402
from mailglass.inbound import parse  # noqa: E402

ROUNDS = 3  # the fastest counts: other work on the machine only ever adds
LARGE_BYTES = 3_000_000
USUAL_BYTES = 100_000  # five messages of the corpora are larger, and most of a reader's time


def by_mailglass(raw: bytes) -> tuple[str | None, Sequence[Read]]:
    report = parse(raw)
    return str(report.kind), [
        Read(
            recipient=record.recipient or "",
            status=record.enhanced_status,
            reply_code=record.reply_code,
            class_=record.class_,
            permanent=record.permanent,
        )
        for record in report.records
    ]


try:
    from flufl.bounce import all_failures
except ModuleNotFoundError:
    sys.exit("the rival is not installed: pip install 'mailglass[rivals]'")


def by_flufl(raw: bytes) -> tuple[str | None, Sequence[Read]]:
    temporary, permanent = all_failures(email.message_from_bytes(raw))
    found = dict.fromkeys(temporary, False) | dict.fromkeys(permanent, True)
    return None, [
        Read(recipient=address.decode("utf-8", "replace"), permanent=lasting)
        for address, lasting in found.items()
    ]


READERS = {"mailglass": by_mailglass, "flufl.bounce 6.0.0": by_flufl}


def guarded(read: Callable[[bytes], tuple[str | None, Sequence[Read]]], crashes: list[str]):
    """A reader whose crash counts as an empty answer."""

    def run(raw: bytes) -> tuple[str | None, Sequence[Read]]:
        try:
            return read(raw)
        except Exception as error:
            crashes.append(repr(error))
            return None, []

    return run


def milliseconds(read: Callable[[bytes], object], messages: Sequence[bytes]) -> float:
    """CPU time a message, on one core, the best of the rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for raw in messages:
            read(raw)
        best = min(best, time.process_time() - start)
    return 1000 * best / len(messages)


REPORT = (
    b"From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\n"
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n"
    b"<who@example.net>: user unknown\n\n--b\nContent-Type: message/delivery-status\n\n"
    b"Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; who@example.net\n"
    b"Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\n\n"
    b"--b\nContent-Type: message/rfc822\n\nSubject: large\n\n"
)
NOTICE = (
    b"From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\n"
    b"Hi. This is the qmail-send program.\n\n<who@example.net>:\n550 5.1.1 user unknown\n\n"
    b"--- Below this line is a copy of the message.\n\nSubject: large\n\n"
)


def large_bounces() -> list[bytes]:
    """A report and a notice that return a whole message of 3 MB, in base64 and in short lines."""
    lines = (b"A" * 76 + b"\n", b"Hello <a@b.example>:\n")
    return [head + line * (LARGE_BYTES // len(line)) for head in (REPORT, NOTICE) for line in lines]


def cell(scores: Scores, question: str) -> str:
    right, asked = scores.right[question], scores.asked[question]
    return f"{right} of {asked} = {scores.percent(question):.1f} %"


def table(folder: Path) -> str:
    results = {}
    for name, read in READERS.items():
        crashes: list[str] = []
        safe = guarded(read, crashes)
        messages = [path.read_bytes() for path in files(folder)]
        usual = [raw for raw in messages if len(raw) < USUAL_BYTES]
        results[name] = (
            score(folder, safe),
            len(crashes),
            milliseconds(safe, messages),
            milliseconds(safe, usual),
            max(milliseconds(safe, [raw]) for raw in large_bounces()),
        )
    lines = [f"| | bar | {' | '.join(results)} |", "|---" * (len(results) + 2) + "|"]
    questions = [*BARS, "generated: status", "other providers: meaning"]
    for question in questions:
        cells = [cell(scores, question) for scores, *_ in results.values()]
        bar = f"{BARS[question]:.1f} %" if question in BARS else ""
        lines.append(f"| {question} | {bar} | {' | '.join(cells)} |")
    for row, bar, place, unit in (
        ("crashes", "0", 1, ""),
        ("CPU a message", "0.75 ms", 2, " ms"),
        ("CPU a message of less than 100 KB", "", 3, " ms"),
        ("a bounce of 3 MB, the slowest of four shapes", "100 ms", 4, " ms"),
    ):
        values = [result[place] for result in results.values()]
        cells = [f"{v:.2f}{unit}" if unit else str(v) for v in values]
        lines.append(f"| {row} | {bar} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    count = sum(1 for _ in files(folder))
    day = datetime.datetime.now(datetime.UTC).date()
    text = (
        "# Reading what comes back: scores and speed\n\n"
        f"`python bench/inbound.py CORPUS`, {day}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} shared cores, Python {platform.python_version()}, {count} messages; "
        f"CPU time, best of {ROUNDS} rounds.\n"
        "A cell of flufl.bounce that asks for codes or classes is 0 because it reads none.\n\n"
        f"{table(folder)}\n"
    )
    print(text)
    target = PROJECT / "bench" / "results" / "inbound.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)


if __name__ == "__main__":
    main()
