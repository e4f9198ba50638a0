"""The live world against the real collector: what was asked for is in the journal, once."""

from __future__ import annotations

import asyncio
import smtplib
from collections import Counter
from ipaddress import ip_network
from pathlib import Path

from mailglass.collector import Collector, Config
from mailglass.journal import START, Attachments, read
from mailglass.model import Hit
from mailglass.tokens import (
    Kind,
    Ring,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    notice_url,
    unsubscribe_url,
)
from mailglass.world import Answers, LiveWorld, Visit

KEYS = (bytes(32),)
DOMAINS = [
    "gmail.example",
    "icloud.example",
    "outlook.example",
    "yahoo.example",
    "naver.example",
    "site1.bluefin-marine.example",
    "site2.kestrel-bearings.example",
    "site3.harbour-lane.example",
]


def tracked(base: str, number: int, digest: str) -> bytes:
    """A message with every sort of target, as the sender's side would write it."""
    ring = Ring(KEYS)
    to = "https://shop.example/page?a=1"
    beacon = beacon_url(base, ring.mint(Kind.OPEN, number))
    link = link_url(base, ring.mint(Kind.CLICK, number, 1, bound=link_bound(to)), to)
    bound = attachment_bound(digest, "offer.pdf")
    file_token = ring.mint(Kind.ATTACHMENT, number, 2, bound=bound)
    file = attachment_url(base, file_token, digest, "offer.pdf")
    leave = unsubscribe_url(base, ring.mint(Kind.UNSUBSCRIBE, number))
    notice = notice_url(base, ring.mint(Kind.NOTICE, number))
    urls = "".join(f'<a href="{url}">x</a>' for url in (link, file, leave, notice))
    return (
        f"Message-ID: <{number}@x>\r\nFrom: a@author.example\r\nContent-Type: text/html\r\n\r\n"
        f"{urls}<img src='{beacon}'>\r\n"
    ).encode()


async def play(folder: Path, count: int) -> list[Visit]:
    attachments = Attachments(folder / "attachments")
    digest = attachments.add(b"%PDF-1.4 offer" * 1000)
    collector = Collector(
        Config(
            journal_directory=folder / "journal",
            attachment_directory=folder / "attachments",
            keys=KEYS,
            port=0,
            trusted_proxies=(ip_network("127.0.0.0/8"),),
        )
    )
    await collector.start()
    world = LiveWorld(seed=8, speed=1e7, answers=Answers(defer_share=0.0, refuse_share=0.0))
    await world.start()

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", world.smtp_port) as client:
            for number in range(1, count + 1):
                to = f"p{number}@{DOMAINS[number % len(DOMAINS)]}"
                content = tracked(f"http://127.0.0.1:{collector.port}", number, digest)
                client.sendmail("b@author.example", [to], content)

    await asyncio.to_thread(send)
    await world.settled(count)
    await world.stop()
    await collector.stop()
    return [visit for delivery in world.deliveries.values() for visit in delivery.visits]


def hits_in(journal: Path) -> list[Hit]:
    hits, cursor = [], START
    while found := read(journal, cursor, 1000):
        cursor = found[-1][0]
        for _, record in found:
            assert isinstance(record, Hit)
            hits.append(record)
    return hits


def test_every_answered_request_is_recorded_once_under_its_actors_address(tmp_path: Path) -> None:
    visits = asyncio.run(play(tmp_path, 160))
    hits = hits_in(tmp_path / "journal")
    asked = Counter(
        (visit.token, visit.fetch.method, visit.fetch.place.address) for visit in visits
    )
    recorded = Counter((hit.token, hit.method, hit.address) for hit in hits)
    assert len({visit.fetch.actor for visit in visits}) >= 5
    assert {hit.path_kind for hit in hits} >= {"o", "c", "a"}
    assert recorded == asked
    agents = Counter(hit.headers.get("user-agent") for hit in hits)
    assert agents == Counter(dict(visit.fetch.headers).get("User-Agent") for visit in visits)


def test_readers_get_their_image_their_redirect_and_their_file(tmp_path: Path) -> None:
    visits = asyncio.run(play(tmp_path, 120))
    for visit in visits:
        kind = visit.url.split("/")[3]
        if visit.fetch.alters_token:
            continue
        assert visit.answer.status == {"c": 302}.get(kind, 200)
        if kind == "c":
            assert visit.answer.location == "https://shop.example/page?a=1"
        elif visit.fetch.method == "GET":
            assert visit.answer.body_bytes > 0
