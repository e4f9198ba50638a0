"""How fast the guard reads mail, and how much it finds beside a list of names.

    python bench/guard.py [FOLDER]

Newsletters of 40 kB are made with known contents: 40 links, 24 pictures, one to three beacons of
which one in six belongs to a known service (lists name 16 % of invisible images in real mail), and
one spacer. FOLDER adds real messages (.eml, searched through) to the table of counts.
EasyPrivacy's mail rules (Debian's webext-ublock-origin-firefox, asked through the package
`adblock`) see the same resources; without them the comparison is left out and said so.
"""

from __future__ import annotations

import base64
import platform
import quopri
import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from mailglass.errors import InputError  # noqa: E402
from mailglass.guard import MailList, clean, examine, inspect, load_easyprivacy  # noqa: E402

MESSAGES = 200
ROUNDS = 3
NAMED = (
    "https://u{n}.ct.sendgrid.net/wf/open?upn={token}",
    "https://example.us{n}.list-manage.com/track/open.php?u={token}&id=1&e=2",
    "https://pstmrk.it/open?m=v3_1.{token}",
)
SELF_HOSTED = (
    "https://news{n}.example.com/e/{token}.gif",
    "https://img.shop{n}.example/i.php?m={token}",
    "https://t{n}.example.net/v/{token}/1",
    "https://mail.example{n}.org/pic?id=4471{n}&u=99371{n}",
)
WORDS = ("the", "new", "season", "brings", "light", "jackets", "and", "warm", "shoes", "for", "you")


@dataclass(frozen=True)
class Made:
    """One message and the URLs in it that report on the reader."""

    raw: bytes
    trackers: frozenset[str]


def token(rng: random.Random) -> str:
    return base64.b32encode(rng.randbytes(18)).decode().rstrip("=").lower()


def newsletter(number: int) -> Made:
    """One newsletter; the same number gives the same bytes."""
    rng = random.Random(number)
    beacons = [
        rng.choice(NAMED if rng.random() < 1 / 6 else SELF_HOSTED).format(
            n=number, token=token(rng)
        )
        for _ in range(rng.randint(1, 3))
    ]
    html = "".join(document(rng, number, beacons))
    body = quopri.encodestring(html.encode()).replace(b"\n", b"\r\n")
    head = (
        f"From: Shop <news@shop{number}.example>\r\nTo: reader@example.org\r\n"
        f"Subject: Number {number}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    return Made(head.encode() + body, frozenset(beacons))


def document(rng: random.Random, number: int, beacons: list[str]) -> Iterable[str]:
    style = "font-family:Arial,sans-serif;font-size:14px;line-height:20px;color:#333333"
    yield "<!DOCTYPE html><html><head><title>News</title><style>@media only screen and "
    yield "(max-width:600px){.wide{width:100%!important}}</style></head><body><table width=600>"
    yield f'<img src="https://cdn.shop{number}.example/images/spacer.gif" width=1 height=20>'
    for block in range(24):
        text = " ".join(rng.choices(WORDS, k=150))
        yield f'<tr><td class="wide" style="{style};padding:0 20px"><a style="color:#06c" href="'
        yield f"https://shop{number}.example/product/{block}?utm_source=news&amp;utm_medium=email"
        yield f'"><img src="https://cdn.shop{number}.example/images/product-{block}.jpg" width=280'
        yield f' height=180 alt="Product" style="display:block;border:0"></a><p style="{style}">'
        yield f"{text}</p><table><tr><td bgcolor=#eeeeee style='{style}'>{text[:150]}</td></tr>"
        yield "</table></td></tr>"
        if block < 16:
            yield f'<a href="https://click{number}.example/ls/click?upn={token(rng)}">{text[:30]}</a>'
    yield "</table>"
    for url in beacons:
        yield f'<img src="{url.replace("&", "&amp;")}" width="1" height="1" alt="">'
    yield "</body></html>"


def rate(work: Callable[[bytes], object], messages: list[Made]) -> float:
    """Messages a second of processor time, the best of some rounds; other work waits elsewhere."""
    best = 0.0
    for _ in range(ROUNDS):
        start = time.process_time()
        for message in messages:
            work(message.raw)
        best = max(best, len(messages) / (time.process_time() - start))
    return best


def listed(mail_list: MailList, raw: bytes) -> set[str]:
    """What the list of names alone finds among the message's resources."""
    urls = [ref.url for _, document in examine(raw).documents for ref in document.references]
    return {url for url in urls if mail_list.names(url)}


def found(raw: bytes, mail_list: MailList | None = None) -> set[str]:
    report = inspect(raw, mail_list=mail_list)
    return {r.url for r in report.resources if r.band == "tracker"}


def calibration() -> float:
    """Seconds of processor time for a known piece of work, to compare runs on busy machines."""
    start = time.process_time()
    total = 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - start


def counts(messages: list[Made], find: Callable[[bytes], set[str]]) -> tuple[int, int]:
    """Trackers found, and others flagged."""
    right = wrong = 0
    for message in messages:
        urls = find(message.raw)
        right += len(urls & message.trackers)
        wrong += len(urls - message.trackers)
    return right, wrong


def real_counts(folder: Path, mail_list: MailList | None) -> list[str]:
    ours = named = messages = 0
    for file in sorted(folder.rglob("*.eml")):
        raw = file.read_bytes()
        try:
            ours += len(found(raw))
            named += len(listed(mail_list, raw)) if mail_list else 0
        except InputError:
            continue
        messages += 1
    return [f"| {messages} real messages | {ours} | {named if mail_list else 'not installed'} |"]


def main() -> None:
    messages = [newsletter(number) for number in range(MESSAGES)]
    size = sum(len(m.raw) for m in messages) / len(messages) / 1000
    planted = sum(len(m.trackers) for m in messages)
    mail_list = load_easyprivacy()
    lines = [
        "# Guard",
        "",
        f"`python bench/guard.py`, Python {platform.python_version()}, {platform.system()},"
        f" one process on a shared machine of 2 cores, {datetime.now(UTC):%Y-%m-%d}.",
        "Rates are by processor time; a processor shared with busy threads is slower than alone:",
        f"ten million additions in a loop took {calibration():.2f} s of it during this run.",
        f"{MESSAGES} newsletters of {size:.1f} kB on average, the best of {ROUNDS} rounds.",
        "",
        "| work | messages a second of one core |",
        "|---|---|",
        f"| inspect | {rate(inspect, messages):.0f} |",
        f"| clean (inspect, judge, splice) | {rate(clean, messages):.0f} |",
        f"| walk and find only | {rate(examine, messages):.0f} |",
    ]
    if mail_list is not None:
        speed = rate(lambda raw: inspect(raw, mail_list=mail_list), messages)
        lines.append(f"| inspect with EasyPrivacy's mail rules beside | {speed:.0f} |")
    right, wrong = counts(messages, found)
    lines += ["", f"| {planted} beacons in them | found | others flagged |", "|---|---|---|"]
    lines.append(f"| Mailglass, without any list | {right} | {wrong} |")
    if mail_list is None:
        lines.append("| EasyPrivacy's mail rules | not installed | |")
    else:
        right, wrong = counts(messages, lambda raw: listed(mail_list, raw))
        lines.append(f"| EasyPrivacy's mail rules alone | {right} | {wrong} |")
    if len(sys.argv) > 1:
        lines += [
            "",
            "| messages | trackers, Mailglass | EasyPrivacy's mail rules |",
            "|---|---|---|",
        ]
        lines += real_counts(Path(sys.argv[1]), mail_list)
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "bench" / "results").mkdir(exist_ok=True)
    (ROOT / "bench" / "results" / "guard.md").write_text(text)


if __name__ == "__main__":
    main()
