"""The demo: the whole product as it really runs, and a simulated world around it.

Two hundred letters go over SMTP through the gateway to providers that `world` plays on loopback;
their machines and people fetch over HTTP what they would fetch, in compressed time. Then what the
world did stands beside what Mailglass made of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiosmtplib
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..errors import RetryLater
from ..history import History, new_login_link, timeline
from ..journal import published_end
from ..model import Actor, EventType, Judgement, TargetKind
from ..settings import Settings, load_settings
from ..spool import Spool
from ..world import (
    Example,
    Figures,
    JudgedHit,
    Letter,
    LiveWorld,
    SlowingPace,
    Summary,
    letters,
    summarise,
)
from .first_run import prepare

__all__ = ["demo"]

_LETTERS = 200
_SEED = 163
# Two days of the world, in which nine of ten first displays happen (docs/explain/world.md), in
# what a person likes to watch; `DEMO_SECONDS=30` leaves 14 s to submit the letters.
_WORLD_SECONDS = 2 * 86_400
_WATCH_SECONDS = 16
_SUBMITTERS = 4  # connections to the gateway at a time
_LOOK_SECONDS = 0.1


async def demo(console: Console, seconds: int | None, *, keep: bool) -> None:
    """Run until the summary, at most `seconds` from when everything is up.

    `keep` leaves the dashboard up until Ctrl-C, or until the seconds are over.
    """
    pace = SlowingPace(story_seconds=_WORLD_SECONDS, real_seconds=_WATCH_SECONDS)
    with tempfile.TemporaryDirectory(prefix="mailglass-demo-") as folder:
        world = LiveWorld(seed=_SEED, pace=pace, horizon_seconds=_WORLD_SECONDS, figures=_lively())
        await world.start()
        options = _options(Path(folder), world.smtp_port)
        settings, _ = load_settings(overrides=options)
        made = prepare(settings)
        assert made is not None, "the folder is fresh"
        async with _serving(options) as stopped:
            end = time.monotonic() + seconds if seconds else None
            _greet(console, settings)
            play = asyncio.create_task(_play(console, world, settings, made.password))
            await _first_of(play, stopped, end)
            play.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await play
            await world.stop()
            _conclude(console, world, settings)
            if keep and not stopped.done():
                console.print("The dashboard stays up until Ctrl-C.")
                await _first_of(stopped, stopped, end)


def _lively() -> Figures:
    """The published figures, but for three that would leave little to see in 200 letters."""
    return replace(Figures.published(), read_share=0.6, click_share=0.4, scan_takes_beacon=0.3)


def _options(folder: Path, smtp_port: int) -> list[str]:
    collector, private, tls, gateway, web = _free_ports(5)
    values = {
        "data.directory": folder / "data",
        "log.level": "error",
        "tracking.url": f"http://127.0.0.1:{collector}",
        "tracking.attachments": "link",
        "collector.port": collector,
        "collector.private-port": private,
        "collector.tls-port": tls,
        "collector.trusted-proxies": "127.0.0.0/8",  # the world says who asks by X-Forwarded-For
        "gateway.port": gateway,
        "web.port": web,
        "smarthost.host": "127.0.0.1",
        "smarthost.port": smtp_port,
        "smarthost.security": "none",
        "delivery.connections": 8,
        "delivery.retry-seconds": "1 2 4",
        "demo.pace": f"slowing {_WORLD_SECONDS} {_WATCH_SECONDS}",
    }
    return [f"{name}={value}" for name, value in values.items()]


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@contextlib.asynccontextmanager
async def _serving(options: list[str]) -> AsyncIterator[asyncio.Future[None]]:
    """`mailglass serve` in a process of its own; gives a future that Ctrl-C or its end sets."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mailglass"),
        *(word for option in options for word in ("--set", option)),
        "serve",
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; we end it in order
    )
    assert process.stdout is not None
    stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stop(*_: object) -> None:
        if not stopped.done():
            stopped.set_result(None)

    ending = asyncio.create_task(process.wait())
    ending.add_done_callback(stop)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        line = b"-"
        while line and not line.startswith(b"Mailglass is ready"):
            line = await process.stdout.readline()
        yield stopped
    finally:
        if process.returncode is None:
            process.terminate()
        await ending


async def _first_of(
    work: asyncio.Future[None], stopped: asyncio.Future[None], end: float | None
) -> None:
    left = None if end is None else max(0.0, end - time.monotonic())
    await asyncio.wait({work, stopped}, timeout=left, return_when=asyncio.FIRST_COMPLETED)


def _greet(console: Console, settings: Settings) -> None:
    history = History(settings.history_address)
    link = new_login_link(history, "admin", settings.dashboard_url)
    history.close()
    console.print(f"Dashboard  {settings.dashboard_url}", soft_wrap=True)
    console.print(f"Sign in    {link}", soft_wrap=True)
    console.print(f"Collector  {settings.tracking_url}", soft_wrap=True)
    console.print(
        f"{_LETTERS} letters go out. The simulated world lives {_WORLD_SECONDS // 3600} hours in "
        f"{_WATCH_SECONDS} seconds, and its times stand in the history. Its people read and click "
        "more than the published figures say, so that there is something to see."
    )


async def _play(console: Console, world: LiveWorld, settings: Settings, password: str) -> None:
    """Send everything, and follow it until the history knows all that happened."""
    outbox = list(letters(_LETTERS, _SEED, start=datetime.now(UTC)))
    recipients = sum(len(letter.recipients) for letter in outbox)
    with Progress(
        TextColumn("{task.description:10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        sent = progress.add_task("submitted", total=len(outbox), note="")
        arrived = progress.add_task("answered", total=recipients, note="")
        fetched = progress.add_task("fetched", total=None, note="")
        watching = asyncio.create_task(_watch(progress, world, arrived, fetched))
        try:
            await _submit(outbox, settings, password, lambda: progress.advance(sent))
            await world.settled(recipients)
            await _caught_up(settings)
        finally:
            watching.cancel()
            _show(progress, world, arrived, fetched)


async def _watch(progress: Progress, world: LiveWorld, arrived: int, fetched: int) -> None:
    while True:
        _show(progress, world, arrived, fetched)
        await asyncio.sleep(_LOOK_SECONDS)


def _show(progress: Progress, world: LiveWorld, arrived: int, fetched: int) -> None:
    by_people, by_machines = world.requests
    done = by_people + by_machines
    progress.update(
        arrived,  # type: ignore[arg-type]  # rich's TaskID is an int
        completed=len(world.deliveries) + world.refused,
        note=f"{len(world.deliveries)} taken, {world.deferred} put off, {world.refused} refused",
    )
    progress.update(
        fetched,  # type: ignore[arg-type]  # as above
        completed=done,
        total=done + world.planned,
        note=f"{by_people} by people, {by_machines} by machines",
    )


async def _submit(
    outbox: list[Letter], settings: Settings, password: str, on_sent: Callable[[], None]
) -> None:
    waiting = iter(outbox)

    async def submitter() -> None:
        client = aiosmtplib.SMTP(
            hostname=settings.gateway_host,
            port=settings.gateway_port,
            start_tls=False,
            username="admin",
            password=password,
        )
        async with client:
            for letter in waiting:
                await client.sendmail(
                    letter.author,
                    list(letter.recipients),
                    letter.content,
                    mail_options=["BODY=8BITMIME"],
                )
                on_sent()

    await asyncio.gather(*(submitter() for _ in range(_SUBMITTERS)))


async def _caught_up(settings: Settings) -> None:
    """Wait until the history has everything that the journal and the spool hold."""
    history = History(settings.history_address)
    spool = Spool(settings.data_directory / "spool.db")
    end = str(published_end(settings.data_directory / "journal"))
    while True:
        with contextlib.suppress(RetryLater), history.reading() as t:
            if t.cursor("journal") == end and not spool.counts()["event"]:
                break
        await asyncio.sleep(_LOOK_SECONDS)
    history.close()
    spool.close()


def _conclude(console: Console, world: LiveWorld, settings: Settings) -> None:
    history = History(settings.history_address)
    judged = _judged(history)
    summary = summarise(world.deliveries.values(), judged)
    table = Table(title="What happened, and what Mailglass saw of it", title_justify="left")
    table.add_column("")
    table.add_column("in truth", justify="right")
    table.add_column("seen", justify="right")
    table.add_column("one of them", overflow="fold")
    for title, truth, seen, example in _rows(history, world, summary):
        table.add_row(title, str(truth), str(seen), example)
    console.print(table)
    console.print(closing_words(summary))
    history.close()


def closing_words(summary: Summary) -> str:
    """What a demo ends with: every request is accounted for."""
    decided = summary.right + summary.wrong
    made = summary.human_requests + summary.machine_requests
    aside = [
        f"{count} {what}"
        for count, what in (
            (summary.altered, "asked for an altered address, which belongs to no message"),
            (made - decided - summary.undecided - summary.altered, "could not be recorded"),
        )
        if count
    ]
    return (
        f"Of {made} requests {decided + summary.undecided} are judged hits of a message"
        + "".join(f"; {words}" for words in aside)
        + f". {decided} were decided, {summary.right} of them rightly; {summary.undecided} stay "
        f"undecided. {summary.read} of {summary.delivered} people read their mail, "
        f"{summary.silent_reads} of them without loading anything: nobody can see those. All of "
        "this world is simulated."
    )


def _judged(history: History) -> list[JudgedHit]:
    """Every hit of the history with what was made of it."""
    with history.reading() as t:
        ids = [d.id for m in t.messages(None, limit=10 * _LETTERS) for d in t.deliveries_of([m.id])]
        hits = {stored.id: stored.hit for stored in t.hits_of(ids)}
        events = t.events_of(ids)
    return [
        JudgedHit(
            token=hits[e.hit_id].token,
            method=hits[e.hit_id].method,
            address=hits[e.hit_id].address,
            judgement=Judgement(
                actor=Actor(str(e.event.raw["actor"])),
                probability_human=float(str(e.event.raw["probability_human"])),
                evidence=e.event.evidence,
                rules_version=str(e.event.raw["rules_version"]),
            ),
        )
        for e in events
        if e.hit_id in hits
    ]


def _rows(
    history: History, world: LiveWorld, summary: Summary
) -> Iterator[tuple[str, int, int, str]]:
    """Title, count in truth, count in the history, and a worked example."""
    with history.reading() as t:
        ids = [d.id for m in t.messages(None, limit=10 * _LETTERS) for d in t.deliveries_of([m.id])]
        seen = Counter(e.event.type for e in t.events_of(ids))
    made = [visit.fetch for d in world.deliveries.values() for visit in d.visits]
    opens, clicks = (
        sum(fetch.by_person and fetch.target.kind is kind for fetch in made)
        for kind in (TargetKind.BEACON, TargetKind.LINK)
    )
    machines = sum(seen[type_] for type_ in _MACHINE_EVENTS)
    example = {name: _example_text(e) for name, e in summary.examples.items()}
    yield (
        "delivered",
        summary.delivered,
        seen[EventType.DELIVERED],
        _delivered_example(history, world),
    )
    yield "machine hits", summary.machine_requests, machines, example.get("machine", "none")
    yield "human opens", opens, seen[EventType.OPENED], example.get("opened", "none")
    yield "clicks", clicks, seen[EventType.CLICKED], example.get("clicked", "none")
    yield "undetermined", 0, seen[EventType.FETCHED], "what was seen does not tell who it was"


_MACHINE_EVENTS = (
    EventType.PREFETCHED,
    EventType.PROXIED,
    EventType.SCANNED,
    EventType.PREVIEWED,
)


def _delivered_example(history: History, world: LiveWorld) -> str:
    for (message_id, recipient), delivery in world.deliveries.items():
        with history.reading() as t:
            story = timeline(t, None, message_id)
        if story is None:
            continue
        for copy in story.deliveries:
            events = [e for e in copy.events if e.event.type.value == "delivered"]
            if copy.delivery.recipient == recipient and events:
                return f"{recipient} ({delivery.provider}): {story.text_of(events[0])}"
    return "none"


def _example_text(example: Example) -> str:
    j = example.judgement
    direction = 1 if j.probability_human >= 0.5 else -1
    reasons = sorted(j.evidence, key=lambda e: -direction * e.weight)[:3]
    said = "".join(f"{e.text} ({e.weight:+.1f}). " for e in reasons if e.weight * direction > 0)
    return (
        f"{example.recipient} ({example.provider}), {example.visit.fetch.target.kind.value}: "
        f"{j.actor.value}, {j.probability_human:.0%} human. {said}"
        f"In truth: {example.visit.fetch.actor.value}."
    )
