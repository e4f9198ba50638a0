"""The live world: SMTP as real servers speak it, and requests as real actors make them."""

from __future__ import annotations

import asyncio
import dataclasses
import smtplib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mailglass.model import Actor, TargetKind
from mailglass.world import Answers, Fate, Figures, LiveWorld, Maildrop, letters, summarise

TAKES_ALL = {"defer_share": 0.0, "refuse_share": 0.0}
FAST = 1e7  # a story's day in 9 ms


class Site:
    """A small web server that answers everything and keeps the heads of the requests."""

    def __init__(self) -> None:
        self.heads: list[list[str]] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head.rstrip("\r\n").split("\r\n"))
        body = b"GIF89a"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(b"" if head.startswith("HEAD") else body)
        await writer.drain()
        writer.close()

    def message(self, name: str, links: int = 2) -> bytes:
        base = f"http://127.0.0.1:{self.port}"
        anchors = "".join(f'<a href="{base}/c/{name}{n}?to=x">x</a>' for n in range(links))
        return (
            f"Message-ID: <{name}@author.example>\r\nFrom: a@author.example\r\nSubject: {name}\r\n"
            f"Content-Type: text/html\r\n\r\n{anchors}<img src='{base}/o/{name}.gif'>\r\n"
        ).encode()


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[tuple[LiveWorld, Site]]:
    site = Site()
    server = await asyncio.start_server(site.answer, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    options = {"speed": FAST, "answers": Answers(**TAKES_ALL), **options}
    world = LiveWorld(**options)
    await world.start()
    try:
        yield world, site
    finally:
        await world.stop()
        server.close()


def play(scenario: Callable[[LiveWorld, Site], Awaitable[None]], **options: Any) -> None:
    """Run a scenario against a running world."""

    async def run() -> None:
        async with running(**options) as (world, site):
            await scenario(world, site)

    asyncio.run(run())


def submit(world: LiveWorld, to: str, content: bytes, **options: Any) -> tuple[int, bytes]:
    """Hand one message over as a courier would; returns the last answer."""
    with smtplib.SMTP("127.0.0.1", world.smtp_port) as client:
        try:
            client.sendmail("bounces@author.example", [to], content, **options)
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[to]
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, refused.smtp_error
    return 250, b""


async def send(world: LiveWorld, to: str, content: bytes, **options: Any) -> tuple[int, bytes]:
    return await asyncio.to_thread(submit, world, to, content, **options)


def test_the_server_announces_what_it_can() -> None:
    def ask(world: LiveWorld) -> dict[str, str]:
        with smtplib.SMTP("127.0.0.1", world.smtp_port) as client:
            client.ehlo("author.example")
            return client.esmtp_features

    async def scenario(world: LiveWorld, site: Site) -> None:
        features = await asyncio.to_thread(ask, world)
        assert int(features["size"]) > 25_000_000
        assert {"8bitmime", "smtputf8", "pipelining", "enhancedstatuscodes"} <= set(features)

    play(scenario)


def test_an_accepted_message_is_counted() -> None:
    async def scenario(world: LiveWorld, site: Site) -> None:
        assert (await send(world, "ann@gmail.example", site.message("m")))[0] == 250
        await world.settled(1)
        assert (world.accepted, world.deferred, world.refused) == (1, 0, 0)
        delivery = world.deliveries["<m@author.example>", "ann@gmail.example"]
        assert delivery.provider == "gmail"

    play(scenario)


def test_a_deferred_recipient_is_accepted_later() -> None:
    answers = Answers(fates={"ann@gmail.example": Fate(case="busy", puts_off=2)}, **TAKES_ALL)

    async def scenario(world: LiveWorld, site: Site) -> None:
        said = [await send(world, "ann@gmail.example", site.message("m")) for _ in range(3)]
        assert [code for code, _ in said] == [450, 450, 250]
        assert said[0][1].startswith(b"4.2.1")
        assert (world.accepted, world.deferred) == (1, 2)

    play(scenario, answers=answers)


REFUSALS = [
    ("x@gmail.example", "gone", 550, b"5.1.1 The email account that you tried to reach"),
    ("x@gmail.example", "closed", 550, b"5.2.1"),
    ("x@gmail.example", "full", 452, b"4.2.2"),
    ("x@gmail.example", "spam", 550, b"5.7.1"),
    ("x@outlook.example", "gone", 550, b"5.5.0 Requested action not taken"),
    ("x@site1.harbour-lane.example", "gone", 550, b"5.1.10 RESOLVER.ADR.RecipientNotFound"),
    ("x@yahoo.example", "gone", 554, b"delivery error: dd This user doesn't have"),
    ("x@netease.example", "gone", 550, b"Invalid User"),
    ("x@netease.example", "busy", 451, b"DT:SPM"),
    ("x@netease.example", "spam", 554, b"DT:SPM"),
    ("x@qq.example", "gone", 550, b"Mailbox not found"),
    ("x@icloud.example", "gone", 550, b"5.1.1 <x@icloud.example>: Recipient address rejected"),
    ("x@unheard-of.example", "busy", 450, b"4.2.0 <x@unheard-of.example>: Recipient address"),
    ("x@yahoo.example", "busy", 421, b"4.7.0 [TSS04] Messages from [127.0.0.1]"),
]


@pytest.mark.parametrize(("recipient", "case", "code", "text"), REFUSALS)
def test_each_provider_refuses_in_its_own_words(
    recipient: str, case: str, code: int, text: bytes
) -> None:
    fate = Fate(case=case, puts_off=1 if code < 500 else 0)

    async def scenario(world: LiveWorld, site: Site) -> None:
        said = await send(world, recipient, site.message("m"))
        assert said[0] == code
        assert said[1].startswith(text)
        assert world.accepted == 0
        assert (world.refused, world.deferred) == ((1, 0) if code >= 500 else (0, 1))
        assert site.heads == []

    play(scenario, answers=Answers(fates={recipient: fate}, **TAKES_ALL))


def test_the_channel_is_closed_after_421() -> None:
    def talk(world: LiveWorld) -> bytes:
        with smtplib.SMTP("127.0.0.1", world.smtp_port) as client:
            client.ehlo()
            client.docmd("MAIL FROM:<a@author.example>")
            code, _ = client.docmd("RCPT TO:<x@yahoo.example>")
            assert code == 421
            assert client.sock is not None
            return client.sock.recv(100)

    fates = {"x@yahoo.example": Fate(case="busy", puts_off=1)}

    async def scenario(world: LiveWorld, site: Site) -> None:
        assert await asyncio.to_thread(talk, world) == b""

    play(scenario, answers=Answers(fates=fates, **TAKES_ALL))


def test_the_shares_of_recipients_deferred_and_refused_are_kept() -> None:
    answers = Answers(seed=4, defer_share=0.3, refuse_share=0.2)
    fates = [answers.fate_of(f"p{n}@gmail.example") for n in range(4000)]
    assert sum(bool(fate.case) and fate.is_refusal for fate in fates) / 4000 == pytest.approx(
        0.2, abs=0.03
    )
    assert sum(fate.puts_off > 0 for fate in fates) / 4000 == pytest.approx(0.3, abs=0.03)
    assert fates == [
        Answers(seed=4, defer_share=0.3, refuse_share=0.2).fate_of(f"p{n}@gmail.example")
        for n in range(4000)
    ]


DIALOGUES = [
    (["EHLO x", "MAIL FROM:<>", "RCPT TO:<ann@gmail.example>"], [250, 250, 250]),
    (["EHLO x", "MAIL FROM:<a@b.example> SIZE=99999999"], [250, 552]),
    (["EHLO x", "MAIL FROM:<a@b.example> BODY=8BITMIME SIZE=100"], [250, 250]),
    (["EHLO x", "MAIL FROM:<a@b.example> SMTPUTF8", "RCPT TO:<안@naver.example>"], [250, 250, 250]),
    (["EHLO x", "RCPT TO:<ann@gmail.example>"], [250, 503]),
    (["EHLO x", "MAIL FROM:<a@b.example>", "DATA"], [250, 250, 503]),
    (["MAIL FROM:<a@b.example>"], [503]),
    (["EHLO x", "NOOP", "RSET", "VRFY ann", "QUIT"], [250, 250, 250, 252, 221]),
]


@pytest.mark.parametrize(("said", "codes"), DIALOGUES)
def test_the_server_keeps_to_the_protocol(said: list[str], codes: list[int]) -> None:
    def talk(world: LiveWorld) -> list[int]:
        with smtplib.SMTP("127.0.0.1", world.smtp_port) as client:
            client.command_encoding = "utf-8"
            return [client.docmd(line)[0] for line in said]

    async def scenario(world: LiveWorld, site: Site) -> None:
        assert await asyncio.to_thread(talk, world) == codes

    play(scenario)


def test_every_byte_of_a_message_is_kept(tmp_path: Path) -> None:
    content = (
        b"Message-ID: <m@x>\r\nContent-Type: text/plain; charset=euc-kr\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n..dot\r\n.\xb0\xa1\xff\r\n\tend \r\n"
    )

    async def scenario(world: LiveWorld, site: Site) -> None:
        said = await send(world, "x@naver.example", content, mail_options=["BODY=8BITMIME"])
        assert said[0] == 250
        assert [path.read_bytes() for path in tmp_path.glob("*.eml")] == [content]

    play(scenario, maildrop=Maildrop(tmp_path))


def test_a_repeated_message_is_counted_but_read_once() -> None:
    async def scenario(world: LiveWorld, site: Site) -> None:
        for _ in range(3):
            await send(world, "ann@icloud.example", site.message("m"))
        await world.settled(1)
        assert (world.maildrop.raw, world.maildrop.distinct) == (3, 1)
        assert world.maildrop.repeated == {("<m@author.example>", "ann@icloud.example"): 3}
        delivery = world.deliveries["<m@author.example>", "ann@icloud.example"]
        assert len(delivery.visits) == len(delivery.story.fetches)

    play(scenario)


def test_a_report_is_counted_apart_and_read_by_nobody() -> None:
    def report(world: LiveWorld, content: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", world.smtp_port) as client:
            client.sendmail("", ["gone@gmail.example"], content)

    async def scenario(world: LiveWorld, site: Site) -> None:
        await asyncio.to_thread(report, world, site.message("m"))
        assert (world.reports, world.accepted, world.deliveries) == (1, 0, {})

    fates = {"gone@gmail.example": Fate(case="gone")}
    play(scenario, answers=Answers(fates=fates, **TAKES_ALL))


def test_mail_that_cannot_be_stored_is_put_off(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    maildrop = Maildrop(folder)
    folder.rmdir()

    async def scenario(world: LiveWorld, site: Site) -> None:
        code, text = await send(world, "ann@gmail.example", site.message("m"))
        assert (code, text[:5]) == (452, b"4.3.1")
        assert (world.accepted, maildrop.raw, world.deliveries) == (0, 0, {})

    play(scenario, maildrop=maildrop)


async def send_many(world: LiveWorld, site: Site, domains: list[str], count: int) -> None:
    def run() -> None:
        with smtplib.SMTP("127.0.0.1", world.smtp_port) as client:
            for number in range(count):
                to = f"p{number}@{domains[number % len(domains)]}"
                client.sendmail("b@author.example", [to], site.message(f"m{number}"))

    await asyncio.to_thread(run)
    await world.settled(count)


ALL = ["gmail.example", "icloud.example", "outlook.example", "site1.bluefin-marine.example"]


def test_every_planned_request_is_made_and_no_other() -> None:
    async def scenario(world: LiveWorld, site: Site) -> None:
        await send_many(world, site, ALL, 120)
        told = [fetch for delivery in world.deliveries.values() for fetch in delivery.story.fetches]
        assert told
        assert len(site.heads) == len(told) == world.fetches.total()
        assert world.fetches == Counter(fetch.actor for fetch in told)
        people = sum(fetch.by_person for fetch in told)  # the sender is one too
        assert world.requests == (people, len(told) - people)
        summary = summarise(world.deliveries.values(), [])
        assert (summary.human_requests, summary.machine_requests) == world.requests
        assert world.planned == 0
        for delivery in world.deliveries.values():
            made = Counter(visit.fetch for visit in delivery.visits)
            assert made == Counter(delivery.story.fetches)
            assert all(visit.answer.status == 200 for visit in delivery.visits)

    play(scenario, seed=2)


def test_requests_carry_the_actors_fields_in_their_order_and_its_address() -> None:
    async def scenario(world: LiveWorld, site: Site) -> None:
        await send_many(world, site, ALL, 80)
        sent = {
            (head[0], head[-1].removeprefix("X-Forwarded-For: ")): [
                line.split(": ", 1)[0] for line in head[1:-1]
            ]
            for head in site.heads
        }
        for delivery in world.deliveries.values():
            for visit in delivery.visits:
                path = visit.url.removeprefix(f"http://127.0.0.1:{site.port}")
                request_line = f"{visit.fetch.method} {path} HTTP/1.1"
                fields = [name for name, _ in visit.fetch.headers]
                assert sent[request_line, visit.fetch.place.address] == fields
        assert all(f"Host: 127.0.0.1:{site.port}" in head for head in site.heads)

    play(scenario, seed=2)


def test_scans_before_delivery_are_over_when_the_server_says_250() -> None:
    figures = dataclasses.replace(Figures.published(), scan_before_share=0.999, scan_late_share=0.0)

    async def scenario(world: LiveWorld, site: Site) -> None:
        await send_many(world, site, ["site1.bluefin-marine.example", "outlook.example"], 150)
        scans = [
            (delivery.accepted_at, visit.at)
            for delivery in world.deliveries.values()
            for visit in delivery.visits
            if visit.fetch.after_seconds < 0 and visit.fetch.actor is Actor.SECURITY_SCANNER
        ]
        assert scans
        assert all(made <= accepted for accepted, made in scans)

    play(scenario, seed=2, figures=figures)


def test_a_scanner_that_alters_a_token_asks_for_the_altered_one() -> None:
    async def scenario(world: LiveWorld, site: Site) -> None:
        await send_many(world, site, ["outlook.example", "site1.arden-legal.example"], 400)
        visits = [visit for delivery in world.deliveries.values() for visit in delivery.visits]
        altered = [visit for visit in visits if visit.fetch.alters_token]
        assert altered
        assert all(visit.token.endswith("%27") for visit in altered)
        assert not any("%27" in visit.url for visit in visits if not visit.fetch.alters_token)

    play(scenario, seed=5)


def test_nothing_outside_the_named_sites_is_asked_for() -> None:
    page = (
        b"Message-ID: <m@x>\r\nContent-Type: text/html\r\n\r\n"
        b'<img src="http://192.0.2.1/o/t.gif"><img src="https://example.com/a.gif">'
        b'<a href="mailto:a@b.example">x</a><a href="javascript:1">x</a><img src="cid:1">'
        b'<a href="http://127.0.0.1.evil.example/c/t">x</a><img src="http://[::1">'
    )

    async def scenario(world: LiveWorld, site: Site) -> None:
        for number in range(40):
            await send(
                world, f"p{number}@gmail.example", page.replace(b"<m@x>", b"<%d@x>" % number)
            )
        await world.settled(40)
        assert world.fetches.total() == 0
        assert all(not delivery.story.fetches for delivery in world.deliveries.values())

    play(scenario)


def test_a_named_site_is_asked_at_its_address_under_its_name() -> None:
    async def run() -> None:
        site = Site()
        server = await asyncio.start_server(site.answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        sites = {"track.example.com": ("127.0.0.1", port)}
        world = LiveWorld(speed=FAST, answers=Answers(**TAKES_ALL), sites=sites)
        await world.start()
        for number in range(12):
            content = site.message(f"m{number}").replace(
                b"http://127.0.0.1:0/", b"https://track.example.com/"
            )
            await send(world, f"p{number}@icloud.example", content)
        await world.settled(12)
        assert site.heads
        assert all("Host: track.example.com" in head for head in site.heads)
        await world.stop()
        server.close()

    asyncio.run(run())


def test_a_site_that_is_down_keeps_nobody_waiting() -> None:
    async def scenario(world: LiveWorld, site: Site) -> None:
        content = site.message("m").replace(str(site.port).encode(), b"1")
        for number in range(12):
            await send(
                world, f"p{number}@icloud.example", content.replace(b"<m@", b"<%d@" % number)
            )
        await world.settled(12)
        visits = [visit for delivery in world.deliveries.values() for visit in delivery.visits]
        assert visits
        assert all(visit.answer.status == 0 and visit.answer.error for visit in visits)

    play(scenario)


def test_the_story_of_a_message_does_not_hang_on_what_came_before() -> None:
    stories: list[dict[tuple[str, str], Any]] = []

    async def scenario(world: LiveWorld, site: Site) -> None:
        site.port = 1
        numbers = range(20) if not stories else reversed(range(20))
        for number in numbers:
            await send(world, f"p{number}@gmail.example", site.message(f"m{number}"))
        stories.append({key: delivery.story for key, delivery in world.deliveries.items()})

    play(scenario, seed=9)
    play(scenario, seed=9)
    assert stories[0] == stories[1]


def test_a_world_that_is_stopped_leaves_the_rest_undone() -> None:
    async def scenario(world: LiveWorld, site: Site) -> None:
        for number in range(20):
            await send(world, f"p{number}@icloud.example", site.message(f"m{number}"))
        assert world.planned

    play(scenario, speed=1e-3)


def test_what_happens_after_the_horizon_is_no_part_of_the_truth() -> None:
    async def scenario(world: LiveWorld, site: Site) -> None:
        await send_many(world, site, ALL, 60)
        for delivery in world.deliveries.values():
            assert all(fetch.after_seconds <= 3600 for fetch in delivery.story.fetches)
            assert all(moment <= 3600 for moment in delivery.truth.displayed)

    play(scenario, horizon_seconds=3600.0)


def test_letters_go_through_the_world_whole() -> None:
    async def scenario(world: LiveWorld, site: Site) -> None:
        sent = 0
        for letter in letters(40, seed=1, site=f"http://127.0.0.1:{site.port}"):
            for to in letter.recipients:
                assert (await send(world, to, letter.content, mail_options=["BODY=8BITMIME"]))[
                    0
                ] == 250
                sent += 1
        await world.settled(sent)
        assert len(world.deliveries) == sent
        kinds = {v.fetch.target.kind for d in world.deliveries.values() for v in d.visits}
        assert kinds == {TargetKind.LINK}

    play(scenario, seed=3)
