"""The image proxy: everything at once on arrival, nothing when somebody reads."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from mailglass.gateway.cleaning import Cleaner, CleaningConfig, PictureProxy
from mailglass.guard import clean
from mailglass.guard.pictures import PictureUrls
from mailglass.lookup import Answer, Outcome, WebFetcher, is_public
from mailglass.proxy import Limits, ProxyConfig, Shelf, create_app

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00ABCDEF," + bytes(14) + b";"
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 100
URLS = PictureUrls("https://pictures.example.org/guard", bytes(range(32)))


class Origin(ThreadingHTTPServer):
    """A sender's server, on two addresses; it remembers who asked for what and how."""

    daemon_threads = True

    def __init__(self, address: str, port: int = 0) -> None:
        super().__init__((address, port), Answers)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.release = threading.Event()

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class Answers(BaseHTTPRequestHandler):
    server: Origin

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers))
        kind, _, rest = self.path[1:].partition("?")
        port = self.server.server_address[1]
        if kind == "redirect":
            self.send_response(302)
            self.send_header("Location", rest.replace("PORT", str(port)))
            self.end_headers()
            return
        if kind == "busy" and self.paths_before() < 1:
            self.send_response(503)
            self.end_headers()
            return
        body = {"png": PNG, "html": b"<img src=x>", "svg": b"<svg/>", "big": GIF + bytes(200_000)}
        data = body.get(kind, GIF)
        self.send_response(404 if kind == "gone" else 200)
        self.send_header("Content-Type", "image/svg+xml" if kind == "svg" else "image/gif")
        self.send_header("Set-Cookie", "id=1")
        self.end_headers()
        self.wfile.write(data[:10])
        if kind == "slow":
            self.server.release.wait(30)
        self.wfile.write(data[10:])

    def paths_before(self) -> int:
        return self.server.paths.count(self.path) - 1

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def origins() -> Iterator[tuple[Origin, Origin]]:
    """A public one, and one that stands for the private network, on the same port."""
    public = Origin("127.0.0.1")
    private = Origin("127.0.0.2", public.server_address[1])
    threads = [
        threading.Thread(target=one.serve_forever, args=(0.01,)) for one in (public, private)
    ]
    for thread in threads:
        thread.start()
    yield public, private
    for one, thread in zip((public, private), threads, strict=True):
        one.release.set()
        one.shutdown()
        thread.join()
        one.server_close()


@dataclass
class Names:
    """A DNS whose answers change with each question."""

    addresses: dict[str, list[str]] = field(default_factory=dict)

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        known = self.addresses.get(name)
        if kind != "A" or not known:
            return Answer(name=name, kind=kind, outcome=Outcome.NODATA)
        address = known.pop(0) if len(known) > 1 else known[0]
        return Answer(name=name, kind=kind, outcome=Outcome.ANSWERS, records=(address,))


@dataclass
class Running:
    """The proxy as readers and guards see it."""

    client: httpx.AsyncClient
    app: object

    async def fetch(self, *urls: str) -> int:
        body = json.dumps(urls).encode()
        answer = await self.client.post(
            "/fetch", content=body, headers={"X-Mailglass-Seal": URLS.seal(body)}
        )
        await self.app.state.pictures.settle()  # type: ignore[attr-defined]
        return answer.status_code

    async def look(self, url: str) -> httpx.Response:
        return await self.client.get(
            URLS.address(url).removeprefix("https://pictures.example.org/guard")
        )


@asynccontextmanager
async def running(
    directory: Path, names: Names | None = None, limits: Limits | None = None
) -> AsyncIterator[Running]:
    limits = limits or Limits(ports=None, retry_seconds=(), max_image_bytes=100_000)
    config = ProxyConfig(host="127.0.0.1", port=0, limits=limits)
    async with WebFetcher(
        names or Names(), timeout_seconds=1.0, allowed=[ip_network("127.0.0.1/32")]
    ) as fetcher:
        app = create_app(URLS, fetcher, Shelf(directory, max_bytes=1_000_000), config)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://proxy") as client,
        ):
            yield Running(client, app)


def url_of(origin: Origin, path: str) -> str:
    host, port = origin.server_address[:2]
    return f"http://{host!s}:{port}/{path}"


def is_blank(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and len(answer.content) == 43 and answer.content != GIF


def test_pictures_are_fetched_on_arrival_and_never_when_somebody_reads(
    origins: tuple[Origin, Origin], tmp_path: Path
) -> None:
    origin, _ = origins
    pictures = [url_of(origin, "png?1"), url_of(origin, "gif?2")]

    async def run() -> None:
        async with running(tmp_path) as proxy:
            assert await proxy.fetch(*pictures, *pictures) == 202
            assert sorted(origin.paths) == ["/gif?2", "/png?1"]
            for _ in range(3):
                answer = await proxy.look(pictures[0])
                assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
            await proxy.fetch(*pictures)  # another message with the same pictures
        async with running(tmp_path) as proxy:  # started again
            assert (await proxy.look(pictures[1])).content == GIF
        assert len(origin.asked) == 2

    asyncio.run(run())


def test_what_was_not_fetched_on_arrival_is_not_fetched_by_reading(
    origins: tuple[Origin, Origin], tmp_path: Path
) -> None:
    async def run() -> None:
        async with running(tmp_path) as proxy:
            answer = await proxy.look(url_of(origins[0], "png"))
            assert is_blank(answer)
            assert answer.headers["cache-control"] == "no-store"
        assert origins[0].asked == []

    asyncio.run(run())


def test_the_sender_sees_the_same_request_for_every_reader(
    origins: tuple[Origin, Origin], tmp_path: Path
) -> None:
    async def run() -> None:
        async with running(tmp_path) as proxy:
            await proxy.fetch(url_of(origins[0], "png"))
            await proxy.fetch(url_of(origins[0], "gif?another-message"))
            (_, headers), (_, others) = origins[0].asked
            assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
            assert headers == others
            answer = await proxy.look(url_of(origins[0], "png"))
            assert "set-cookie" not in answer.headers
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["content-security-policy"]

    asyncio.run(run())


@pytest.mark.parametrize("path", ["html", "svg", "big", "gone", "slow", "redirect?/redirect?/png"])
def test_what_is_no_picture_too_large_too_slow_or_away_stays_blank(
    origins: tuple[Origin, Origin], tmp_path: Path, path: str
) -> None:
    async def run() -> None:
        async with running(tmp_path) as proxy:
            url = url_of(origins[0], path)
            await proxy.fetch(url)
            assert is_blank(await proxy.look(url)) is (path != "redirect?/redirect?/png")

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:PORT/png",
        "http://127.0.0.1:PORT/redirect?http://127.0.0.2:PORT/png",
        "http://rebinding.example:PORT/redirect?http://rebinding.example:PORT/png",
        "http://inside.example:PORT/png",
        "http://[::ffff:127.0.0.2]:PORT/png",
        "http://127.0.0.1:PORT/redirect?file:///etc/passwd",
        "http://127.0.0.1:PORT/redirect?ftp://127.0.0.2/x",
        "http://127.0.0.1:PORT/redirect?//127.0.0.2:PORT/png",
        "http://2130706434:PORT/png",
        "http://user:word@127.0.0.2:PORT/png",
    ],
)
def test_no_private_address_is_reached_however_it_is_spelled(
    origins: tuple[Origin, Origin], tmp_path: Path, url: str
) -> None:
    names = Names(
        {"inside.example": ["127.0.0.2"], "rebinding.example": ["127.0.0.1", "127.0.0.2"]}
    )

    async def run() -> None:
        async with running(tmp_path, names) as proxy:
            there = url.replace("PORT", str(origins[0].server_address[1]))
            await proxy.fetch(there)
            assert is_blank(await proxy.look(there))
        assert origins[1].asked == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:db8::1",
        "2001:0:7f00:1::1",
    ],
)
def test_an_address_near_us_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "64:ff9b::808:808"])
def test_an_address_of_somebody_is_public(address: str) -> None:
    assert is_public(address)


def test_only_the_ports_of_the_web_are_reached(
    origins: tuple[Origin, Origin], tmp_path: Path
) -> None:
    async def run() -> None:
        async with running(tmp_path, limits=Limits(retry_seconds=())) as proxy:
            await proxy.fetch(url_of(origins[0], "png"))
        assert origins[0].asked == []

    asyncio.run(run())


def test_a_server_that_is_busy_is_asked_again(
    origins: tuple[Origin, Origin], tmp_path: Path
) -> None:
    async def run() -> None:
        limits = Limits(ports=None, retry_seconds=(0.001,))
        async with running(tmp_path, limits=limits) as proxy:
            url = url_of(origins[0], "busy")
            await proxy.fetch(url)
            assert (await proxy.look(url)).content == GIF
        assert origins[0].paths == ["/busy", "/busy"]

    asyncio.run(run())


def test_nobody_elses_pictures_are_served_and_nobody_else_has_any_fetched(
    origins: tuple[Origin, Origin], tmp_path: Path
) -> None:
    async def run() -> None:
        url = url_of(origins[0], "png")
        async with running(tmp_path) as proxy:
            await proxy.fetch(url)
            count = len(origins[0].asked)
            other = PictureUrls("https://pictures.example.org/guard", bytes(32))
            tag = URLS.address(url).split("/i/")[1].split("?")[0]
            for path in (
                other.address(url).removeprefix("https://pictures.example.org/guard"),
                f"/i/{tag}?url=https%3A%2F%2Fother.example%2Fx.png",
                f"/i/{tag}",
                "/i/%C3%BC?url=x",
            ):
                assert (await proxy.client.get(path)).status_code == 403
            body = json.dumps([url + "?2"]).encode()
            for seal, status in (("", 403), (other.seal(body), 403)):
                headers = {"X-Mailglass-Seal": seal}
                answer = await proxy.client.post("/fetch", content=body, headers=headers)
                assert answer.status_code == status
            for body, status in ((b"no JSON", 400), (b"7", 400), (b"x" * 1_000_001, 413)):
                headers = {"X-Mailglass-Seal": URLS.seal(body)}
                answer = await proxy.client.post("/fetch", content=body, headers=headers)
                assert answer.status_code == status
            assert len(origins[0].asked) == count

    asyncio.run(run())


def test_what_was_promised_is_fetched_after_a_crash(
    origins: tuple[Origin, Origin], tmp_path: Path
) -> None:
    async def run() -> None:
        url = url_of(origins[0], "png")
        Shelf(tmp_path, max_bytes=1_000_000).promise([url])
        async with running(tmp_path) as proxy:
            await proxy.app.state.pictures.settle()  # type: ignore[attr-defined]
            assert (await proxy.look(url)).content == PNG
        assert list((tmp_path / "wanted").iterdir()) == []

    asyncio.run(run())


def test_the_shelf_stays_within_its_bounds(tmp_path: Path) -> None:
    from mailglass.proxy import Picture

    shelf = Shelf(tmp_path, max_bytes=100_000)
    for number in range(60):
        shelf.write(f"https://shop.example/{number}.png", Picture("image/png", bytes(5_000)))
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert sum(max(4096, file.stat().st_size) for file in files) <= 100_000
    assert shelf.read("https://shop.example/59.png") is not None
    shelf.forget_before(float("inf"))
    assert shelf.read("https://shop.example/59.png") is None


RAW = (
    b"From: News <news@shop.example>\r\nTo: me@example.org\r\nContent-Type: text/html\r\n\r\n"
    b"<link rel=stylesheet href='https://shop.example/assets/a.css'>"
    b'<img src="https://shop.example/images/logo.png?a=1&amp;b=\'2" width=90>'
    b"<img srcset='https://shop.example/images/a.png 1x, https://shop.example/images/b.png 2x'>"
    b"<td background=https://shop.example/images/c.png style='background:url(https://shop.example"
    b'/images/d.png)\'><style>p{background:url("https://shop.example/images/e.png")}</style>'
    b"<img src='https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc' width=1 height=1>"
    b"<a href='https://shop.example/'>shop</a>\r\n"
)


def through(answer: bool) -> tuple[bytes | None, list[str]]:
    wanted: list[str] = []

    async def fetch(urls: object) -> bool:
        wanted.extend(urls)  # type: ignore[arg-type]
        return answer

    cleaner = Cleaner(CleaningConfig(), proxy=PictureProxy(URLS.address, fetch))
    done = asyncio.run(cleaner.clean(RAW))
    return (done.data if done else None), wanted


def test_the_pictures_of_a_clean_copy_come_from_the_proxy_alone() -> None:
    data, wanted = through(True)
    assert data is not None
    names = ("images/logo.png?a=1&b='2", *(f"images/{n}.png" for n in "abcde"))
    assert sorted(wanted) == sorted(f"https://shop.example/{name}" for name in names)
    for url in wanted:
        assert URLS.address(url).encode() in data
    left = data.split(b"<a href=")[0]
    assert b"shop.example/" not in left.partition(b"\r\n\r\n")[2].replace(b"https%3A", b"")
    assert b"open.php" not in data
    assert b"<a href='https://shop.example/'>" in data


def test_a_copy_whose_pictures_come_from_the_proxy_is_clean() -> None:
    data, _ = through(True)
    assert data is not None
    assert clean(data, proxy=URLS.address).data == data
    spacer = RAW + b"<img src=https://shop.example/images/s.gif width=1 height=1>"
    once = clean(spacer, proxy=URLS.address).data
    assert clean(once, proxy=URLS.address).data == once


def test_when_the_proxy_does_not_answer_the_pictures_stay_as_they_are() -> None:
    data, _ = through(False)
    assert data == clean(RAW).data
