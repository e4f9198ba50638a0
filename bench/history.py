"""How fast ingest is with judging, and how fast pages are with a million deliveries stored.

    python bench/history.py [deliveries] [hits a delivery] [databases] [ingested deliveries]

`databases` is `sqlite`, `postgresql` or `sqlite,postgresql`. Ingest takes the hits of a simulated
campaign (mailglass.world) out of a journal. The stored history is generated set-wise by the
database itself; its pages are read through the statements that the dashboard uses. PostgreSQL is
Debian's, on loopback, with its own settings. Everything is removed at the end.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import platform
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "tests")]

from mailglass.evidence import load_rules  # noqa: E402
from mailglass.history import Dimension, History, Period, Transaction, timeline  # noqa: E402
from mailglass.history.store import open_engine  # noqa: E402
from mailglass.ingest import Ingest  # noqa: E402
from mailglass.journal import Writer, encode  # noqa: E402
from mailglass.model import EventType, Hit  # noqa: E402
from mailglass.spool import Spool, Submission  # noqa: E402
from mailglass.world import SimulatedDelivery, simulate  # noqa: E402
from postgres import PostgresServer  # noqa: E402

INGESTED = 60_000  # deliveries, about 44,000 hits
STORED, HITS_EACH = 1_000_000, 10
COPIES = 500  # of a message in the stored history; a tenth of the deliveries are alone
MESSAGE_DAYS = 60  # over which the stored messages were sent
READS = 300  # of each page
START = datetime(2026, 9, 1, tzinfo=UTC)
BARS = {
    "dashboard overview": 50,
    "message page": 50,
    "campaign page": 50,
    "recipient-domain table": 50,
    "timeline of a delivery": 10,
}


@dataclass(frozen=True)
class Rate:
    """How fast ingest was."""

    hits: int
    cpu: float
    clock: float
    megabytes: int


# ingest


def fill_house(folder: Path, deliveries: int) -> None:
    """A spool and a journal as a simulated campaign leaves them."""
    (folder / "journal").mkdir(parents=True)
    messages: dict[int, list[SimulatedDelivery]] = {}
    hits: list[Hit] = []
    for one in simulate(deliveries, seed=5):
        messages.setdefault(one.delivery.message_id, []).append(one)
        hits += [request.hit for request in one.requests]
    spool = Spool(folder / "spool.db")
    spool._db.execute("PRAGMA synchronous=OFF")  # nothing here has to outlast a power cut
    for number, copies in messages.items():
        spool.accept(_submission(number, copies))
        for one in copies:
            spool.end(one.delivery, EventType.DELIVERED, one.delivered_at, {"reply_code": 250})
    spool.close()
    hits.sort(key=lambda hit: hit.at)
    writer = Writer(folder / "journal")
    for start in range(0, len(hits), 1000):
        writer.commit([encode(hit) for hit in hits[start : start + 1000]])
    writer.close()


def _submission(number: int, copies: list[SimulatedDelivery]) -> Submission:
    targets = [
        {
            k: v
            for k, v in zip(("number", "kind", "url", "name"), facts, strict=True)
            if v is not None
        }
        for facts in ((t.number, t.kind.value, t.url, t.name) for t in copies[0].targets)
    ]
    return Submission(
        message_id=number,
        accepted_at=min(one.delivered_at for one in copies) - timedelta(seconds=1),
        return_path="author@home.example",
        raw=b"",
        deliveries=tuple(one.delivery for one in copies),
        tracking={},
        facts={
            "account_id": 1,
            "submitter": "bench",
            "author": "author@home.example",
            "subject": "News",
            "message_id_field": f"<{number}@home.example>",
            "tag": "news" if len(copies) > 1 else None,
            "campaign": f"campaign {number % 20}" if len(copies) > 1 else None,
            "targets": targets,
        },
    )


def ingest(house: Path, address: str) -> Rate:
    """Take the spool, then measure the journal; in a process of its own, as in `serve`."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_ingest, (house, address))


def _ingest(house: Path, address: str) -> Rate:
    history = History(address)
    with history.transaction() as t:
        t.add_account("bench", START)
    journal, aside = house / "journal", house / "aside"
    journal.rename(aside)
    journal.mkdir()
    follower = Ingest(
        history=history,
        spool=Spool(house / "spool.db"),
        journal_directory=journal,
        rules=load_rules(),
        clock=lambda: datetime(2026, 12, 24, tzinfo=UTC),
    )
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as the role does
    while follower.step():
        pass
    journal.rmdir()
    aside.rename(journal)
    hits, clock, cpu = 0, time.perf_counter(), time.process_time()
    while taken := follower.step():
        hits += taken
    rate = Rate(
        hits=hits,
        cpu=time.process_time() - cpu,
        clock=time.perf_counter() - clock,
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
    history.close()
    return rate


def pace() -> float:
    """Seconds of the processor for ten million additions: how much of a core there was."""
    cpu, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - cpu


# a large history


def generate(history: History, deliveries: int, hits_each: int) -> None:
    """Fill a history set-wise; numbers are mixed by multiplication, so that runs are alike."""
    with history.transaction() as t:
        t.add_account("bench", START)
        t.add_account("another", START)
        run = t._db.exec_driver_sql
        is_sqlite = t._db.dialect.name == "sqlite"
        for statement in _generating(is_sqlite, deliveries, hits_each):
            run(statement if is_sqlite else statement.replace("%", "%%"))  # as the driver reads it
    with history.transaction() as t:
        t.rebuild_rollups()
    with history._engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def _generating(is_sqlite: bool, deliveries: int, hits_each: int) -> Iterator[str]:
    most = max(deliveries, 10_000)
    if is_sqlite:
        yield "CREATE TEMPORARY TABLE numbers (n INTEGER PRIMARY KEY)"
        yield (
            "INSERT INTO numbers WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c"
            f" WHERE n < {most - 1}) SELECT n FROM c"
        )
    else:
        series = f"generate_series(0, {most - 1})"
        yield f"CREATE TEMPORARY TABLE numbers AS SELECT {series}::bigint AS n"

    def blob(what: str) -> str:
        """20 bytes that are others for every number of the things of a kind."""
        digest = f"md5('{what}' || n)"
        return (
            "randomblob(20)" if is_sqlite else f"decode(substr({digest} || {digest}, 1, 40), 'hex')"
        )

    start, seconds = int(START.timestamp()), MESSAGE_DAYS * 86400
    bulk = deliveries * 9 // 10 // COPIES  # messages with many copies; then one message a copy
    messages = bulk + deliveries - bulk * COPIES
    accepted = f"({start} + n * {seconds} / {messages})"
    copies = f"CASE WHEN n < {bulk} THEN {COPIES} ELSE 1 END"
    epoch = 1735689600  # of mailglass.ids
    yield (
        "INSERT INTO campaign (id, account_id, name, created_at)"
        f" SELECT n + 1, 1, 'campaign ' || n, {start} FROM numbers WHERE n < 20"
    )
    yield "INSERT INTO tag (id, account_id, name) VALUES (1, 1, 'news'), (2, 1, 'offers')"
    yield (
        "INSERT INTO recipient_domain (id, name)"
        " SELECT n + 1, 'domain' || n || '.example' FROM numbers WHERE n < 2000"
    )
    message_id = f"(({accepted} - {epoch}) * 1000 * 4194304 + n % 16384)"
    yield (
        f"CREATE TEMPORARY TABLE made AS SELECT n, {message_id} AS id"
        f" FROM numbers WHERE n < {messages}"
    )
    yield "CREATE UNIQUE INDEX made_n ON made (n)"
    yield (
        "INSERT INTO message (id, account_id, accepted_at, return_path, author, subject,"
        " message_id_field, campaign_id, copies, submitter)"
        f" SELECT id, 1, {accepted}, 'bounces@news.example', 'News <news@news.example>',"
        " 'What is new this week, number ' || n, '<' || id || '@news.example>',"
        f" CASE WHEN n < {bulk} THEN 1 + n % 20 END, {copies}, 'bench' FROM made"
    )
    yield (
        "INSERT INTO message_tag (tag_id, message_id)"
        f" SELECT 1 + n % 2, id FROM made WHERE n < {bulk}"
    )
    yield (
        "INSERT INTO target (message_id, number, kind, url)"
        " SELECT m.id, k.n, CASE WHEN k.n = 0 THEN 'beacon' ELSE 'link' END,"
        " CASE WHEN k.n > 0 THEN 'https://www.news.example/article/' || k.n END"
        f" FROM made m JOIN numbers k ON k.n < CASE WHEN m.n < {bulk} THEN 10 ELSE 4 END"
    )
    yield (
        "CREATE TEMPORARY TABLE copy AS SELECT k.n, m.id AS message_id,"
        " (m.id / 4194304 * 4194304 + 4194304 * (k.n % 500) + 16384 + k.n % 16384) AS id"
        f" FROM numbers k JOIN made m ON m.n = CASE WHEN k.n < {bulk * COPIES} THEN k.n / {COPIES}"
        f" ELSE {bulk} + k.n - {bulk * COPIES} END WHERE k.n < {deliveries}"
    )
    delivered = f"(id / 4194304 / 1000.0 + {epoch} + 2)"
    evidence = (
        '[["verdict",0.0,"Opened, 93%: Gmail displayed the images on 2026-09-14 at 09:12:44;'
        " somebody followed a link on 2026-09-14 at 09:13:10. Scanned by a program on 2026-09-14 at"
        ' 08:55:02, which does not count."],["silent",-1.735,"about 15 of 100 delivered messages'
        ' are read without leaving a trace"],["visit",4.322,"Gmail displayed the images on'
        ' 2026-09-14 at 09:12:44"],["scanned",0.0,"scanned by a program on'
        ' 2026-09-14 at 08:55:02, which does not count"]]'
    )
    yield (
        "INSERT INTO delivery (id, message_id, account_id, recipient, person, domain_id,"
        " delivered_at, last_event_at, level, probability, verdict_evidence, is_final,"
        " rules_version)"
        f" SELECT id, message_id, 1, 'Person' || n || '@domain' || (n * 7919 % 2000) || '.example',"
        " 'person' || n || '@domain' || (n * 7919 % 2000) || '.example',"
        f" 1 + n * 7919 % 2000, {delivered}, {delivered} + 90000, 3 + n % 5, 0.93,"
        f" '{evidence}', {'1' if is_sqlite else 'true'}, '2026-11-22.1' FROM copy"
    )
    yield (
        "INSERT INTO wording (id, digest, text) SELECT n + 1,"
        f' {blob("head")}, \'["GET","1.1",{{"user-agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)'
        " AppleWebKit/537.36 (KHTML, like Gecko) Chrome/' || n || '.0.0.0 Safari/537.36\","
        '"accept":"image/avif,image/webp,*/*;q=0.8","accept-language":"de,en;q=0.7"}]\''
        " FROM numbers WHERE n < 4000"
    )
    yield (
        "INSERT INTO wording (id, digest, text) SELECT n + 4001,"
        f" {blob('rest')}, '{{\"to\":\"https://example.org/page/' || n || '\"}}'"
        " FROM numbers WHERE n < 100"
    )
    yield (
        "INSERT INTO judgement (id, digest, actor, probability_human, rules_version, evidence)"
        f" SELECT n + 1, {blob('judgement')}, 1 + n % 11, (n % 1000) / 1000.0, '2026-11-22.1',"
        ' \'[["client.browser",1.386,"the user agent is that of a browser"],["network.unlisted_'
        'address",0.405,"the address is of no listed network"],["timing.hours",1.099,"{delay}'
        ' after delivery"],["prior",-1.2,"of 100 such loads about 23 are people\'\'s"]]\''
        " FROM numbers WHERE n < 8000"
    )
    told = '(\'{"raw":{"reply_code":250,"reply_text":"2.0.0 OK 1757841164 a1b2c3d4"}}\')'
    yield (
        "INSERT INTO event (id, account_id, delivery_id, type, at, told)"
        f" SELECT 1 + 2 * n, 1, id, 1, {delivered} - 2, '{{}}' FROM copy ORDER BY n"
    )
    yield (
        "INSERT INTO event (id, account_id, delivery_id, type, at, told)"
        f" SELECT 2 + 2 * n, 1, id, 3, {delivered}, {told} FROM copy ORDER BY n"
    )
    # 20 bytes as a token takes; a NUL at its beginning would say that text follows
    token = f"x'{'2a' * 20}'" if is_sqlite else f"'\\x{'2a' * 20}'::bytea"
    for k in range(hits_each):
        # the first soon, the others over two days; rounds, so that hits lie between each other
        at = f"({delivered} + {k * k * 1200} + n * 7919 % 3600 + 0.25)"
        path = f"CASE WHEN (n + {k}) % 10 < 6 THEN 'o' ELSE 'c' END"
        target = f"CASE WHEN (n + {k}) % 10 < 6 THEN 0 ELSE 1 + n % 3 END"
        address = (
            f"'10.' || (n * 31 % 250) || '.' || (n * 17 % 250) || '.' || ((n + {k}) * 13 % 250)"
        )
        yield (
            "INSERT INTO hit (id, delivery_id, at, path_kind, target, address, head_id, rest_id,"
            f" token) SELECT {1 + k * deliveries} + n, id, {at}, {path}, {target}, {address},"
            f" 1 + (n * 131 + {k}) % 4000, CASE WHEN (n + {k}) % 10 >= 6 THEN 4001 + n % 100 END,"
            f" {token} FROM copy ORDER BY n"
        )
        who = f"(n * 7 + {k}) % 3"
        yield (
            "INSERT INTO event (id, account_id, delivery_id, type, at, hit_id, path_kind, target,"
            f" who, judgement_id) SELECT {2 * deliveries + 1 + k * deliveries} + n, 1, id,"
            f" CASE {who} WHEN 0 THEN 13 WHEN 1 THEN 18 ELSE 21 END, {at},"
            f" {1 + k * deliveries} + n, {path}, {target}, 1 + {who}, 1 + (n * 37 + {k}) % 8000"
            " FROM copy ORDER BY n"
        )
    events = deliveries * (2 + hits_each)
    yield (
        "INSERT INTO counter (name, value) VALUES"
        f" ('writer', 0), ('hit', {deliveries * hits_each}), ('event', {events})"
    )
    for name in ("copy", "made", "numbers"):
        yield f"DROP TABLE {name}"


# pages


def pages() -> dict[str, Callable[[Transaction, Random, list[int], list[int]], object]]:
    """What each page reads; the numbers are those of messages and of deliveries."""
    return {
        "dashboard overview": _overview,
        "message page": _message_page,
        "campaign page": _campaign_page,
        "recipient-domain table": lambda t, *_: t.largest_domains(1, 100),
        "timeline of a delivery": lambda t, rng, _, copies: timeline(t, 1, str(rng.choice(copies))),
    }


END = START + timedelta(days=MESSAGE_DAYS)


def _overview(t: Transaction, *_: object) -> object:
    return (
        t.counts(1),
        t.counts(1, Dimension.ACCOUNT, Period.DAY, since=END - timedelta(days=30)),
        t.counts(1, Dimension.ACCOUNT, Period.HOUR, since=END - timedelta(days=2)),
        t.largest_domains(1, 10),
        t.messages(1, limit=20),
        t.latest_events(1, 20),
    )


def _message_page(t: Transaction, rng: Random, messages: list[int], _: list[int]) -> object:
    number = rng.choice(messages)
    return (
        t.message(1, str(number)),
        t.target_counts(number),
        t.counts(1, Dimension.MESSAGE, keys=[number]),
        t.counts(1, Dimension.MESSAGE, Period.HOUR, keys=[number]),
        t.deliveries_of([number], limit=50),
    )


def _campaign_page(t: Transaction, rng: Random, *_: object) -> object:
    number = rng.randrange(20)
    return (
        t.counts(1, Dimension.CAMPAIGN, keys=[number + 1]),
        t.counts(1, Dimension.CAMPAIGN, Period.DAY, keys=[number + 1]),
        t.messages(1, campaign=f"campaign {number}", limit=50),
    )


def read_pages(history: History) -> dict[str, list[float]]:
    """Milliseconds of each reading of each page, mixed as people would."""
    rng = Random(7)
    with history.reading() as t:
        messages = [m.id for m in t.messages(1, limit=100_000)]
        run = t._db.exec_driver_sql
        copies = [
            row[0] for row in run("SELECT id FROM delivery ORDER BY recipient LIMIT 20000").all()
        ]
    took: dict[str, list[float]] = {name: [] for name in pages()}
    for _ in range(READS):
        for name, page in pages().items():
            began = time.perf_counter()
            with history.reading() as t:
                page(t, rng, messages, copies)
            took[name].append((time.perf_counter() - began) * 1000)
    return took


def size_bytes(address: str) -> int:
    """What the database takes on disk; nobody has it open."""
    if address.startswith("sqlite"):
        path = address.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return os.path.getsize(path)
    engine = open_engine(address)
    with engine.connect() as connection:
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())")
        return int(size.scalar_one())


@contextmanager
def databases(folder: Path, names: list[str]) -> Iterator[dict[str, Callable[[], str]]]:
    """For each kind what gives the address of an empty database."""
    found: dict[str, Callable[[], str]] = {}
    server = None
    if "sqlite" in names:
        found["SQLite"] = lambda: f"sqlite:///{tempfile.mkdtemp(dir=folder)}/history.db"
    if "postgresql" in names:
        durable = {"fsync": "on", "full_page_writes": "on", "autovacuum": "on"}
        roomy = {"shared_buffers": "512MB", "max_wal_size": "2GB"}
        server = PostgresServer(durable | roomy)
        server.start()
        found["PostgreSQL 15"] = server.new_database
    try:
        yield found
    finally:
        if server is not None:
            server.remove()


def main() -> None:
    deliveries = int(sys.argv[1]) if len(sys.argv) > 1 else STORED
    hits_each = int(sys.argv[2]) if len(sys.argv) > 2 else HITS_EACH
    names = (sys.argv[3] if len(sys.argv) > 3 else "sqlite,postgresql").split(",")
    ingested = int(sys.argv[4]) if len(sys.argv) > 4 else INGESTED
    folder = Path(tempfile.mkdtemp(prefix="mailglass-bench-"))
    try:
        with databases(folder, names) as found:
            text = _report(folder, found, (deliveries, hits_each, ingested))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(text)
    (PROJECT / "bench" / "results" / "history.md").write_text(text)


def _report(folder: Path, found: dict[str, Callable[[], str]], sizes: tuple[int, int, int]) -> str:
    deliveries, hits_each, ingested = sizes
    names = ",".join("sqlite" if name == "SQLite" else "postgresql" for name in found)
    lines = [
        "# The history",
        "",
        f"{platform.platform()}, 2 shared cores, load {os.getloadavg()[0]:.1f} at the beginning, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}. Command: "
        f"`python bench/history.py {deliveries} {hits_each} {names} {ingested}`.",
        "",
        "## Ingest with judging",
        "",
        "| database | hits | hits a CPU second | hits a second by the clock | memory MB |"
        " ten million additions, s |",
        "|---|---|---|---|---|---|",
    ]
    fill_house(folder / "house", ingested)
    for name, new_address in found.items():
        house = folder / f"house of {name}"
        shutil.copytree(folder / "house", house)
        rate = ingest(house, new_address())
        lines.append(
            f"| {name} | {rate.hits:,} | {rate.hits / rate.cpu:,.0f} |"
            f" {rate.hits / rate.clock:,.0f} | {rate.megabytes} | {pace():.2f} |"
        )
        shutil.rmtree(house)
    lines += [
        "",
        "Bars: 10,000 hits a second on SQLite on one core, memory below 300 MB. Ten million"
        " additions take 0.3 to 0.5 s on a core at rest; everything else shrinks with it. The CPU"
        " is that of our process alone: PostgreSQL's own comes on top.",
        "",
        f"## With {deliveries:,} deliveries and {deliveries * hits_each:,} hits stored",
        "",
        "| database | bytes a hit | generated in s |"
        + "".join(f" {n}: p50, p95 ms |" for n in BARS),
        "|---|---|---|" + "---|" * len(BARS),
    ]
    for name, new_address in found.items():
        address = new_address()
        history = History(address)
        began = time.perf_counter()
        generate(history, deliveries, hits_each)
        seconds = time.perf_counter() - began
        history.close()
        row = f"| {name} | {size_bytes(address) / (deliveries * hits_each):.0f} |"
        history = History(address)
        row += f" {seconds:.0f} |"
        for times in read_pages(history).values():
            times.sort()
            row += f" {times[len(times) // 2]:.1f}, {times[len(times) * 95 // 100]:.1f} |"
        lines.append(row)
        history.close()
        if address.startswith("sqlite"):
            shutil.rmtree(Path(address.removeprefix("sqlite:///")).parent)
    lines += [
        "",
        "Bars: 400 bytes a hit with everything (its event, the indices, the deliveries, messages"
        " and roll-ups), 50 ms at p95, 10 ms for the timeline. Each reading is a transaction of its"
        " own.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
