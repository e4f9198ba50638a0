"""Fetches the pictures of a message, all at once and once.

Each request is the same whoever the reader is, and whatever was answered before: no cookies, no
Referer, no language. Only pictures are taken, told by their first bytes; SVG is none here, because
it is a document. Each hop of a redirect is judged like the first: where it leads, to which port,
and by the fetcher to which address.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ..lookup import Fetcher, FetchOutcome, Page
from .shelf import Picture, Shelf

__all__ = ["Limits", "Pictures", "picture_type"]

_log = logging.getLogger("mailglass.proxy")

_HEADERS = {"Accept": "image/webp,image/png,image/jpeg,image/gif,image/*;q=0.5"}
_MAX_HOPS = 5
_PASSING = frozenset((FetchOutcome.TIMEOUT, FetchOutcome.UNREACHABLE, FetchOutcome.DNS_FAILED))
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"\0\0\x01\0", "image/x-icon"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is fetched."""

    max_image_bytes: int = 5_000_000
    max_images: int = 200  # of one message; further ones stay blank
    at_once: int = 8  # so that at most 40 MB are in memory
    ports: frozenset[int] | None = frozenset((80, 443))  # None: any
    # Tried again after these waits, which have nothing to do with when somebody reads.
    retry_seconds: tuple[float, ...] = (20.0, 180.0)


class Pictures:
    """Fetches onto a shelf."""

    def __init__(self, fetcher: Fetcher, shelf: Shelf, limits: Limits) -> None:
        """`fetcher` bounds the time of a request and refuses addresses that are not public."""
        self._fetcher, self._shelf, self._limits = fetcher, shelf, limits
        self._at_once = asyncio.Semaphore(limits.at_once)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._messages: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        """Go on with what was promised before."""
        for place, urls in self._shelf.promises():
            self._begin(place, urls)

    async def want(self, urls: Iterable[str]) -> int:
        """Promise to fetch these, and begin; says how many were not fetched before.

        The promise is on stable storage when this returns.
        """
        new = [url for url in dict.fromkeys(urls) if not self._shelf.has(url)]
        new = new[: self._limits.max_images]
        if new:
            self._begin(await asyncio.to_thread(self._shelf.promise, new), new)
        return len(new)

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        while self._messages:
            await asyncio.gather(*self._messages)

    async def stop(self) -> None:
        """Leave off; what is not fetched stays promised."""
        for task in (*self._messages, *self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._messages, *self._under_way.values(), return_exceptions=True)

    def _begin(self, place: Path, urls: list[str]) -> None:
        task = asyncio.create_task(self._message(place, urls))
        self._messages.add(task)
        task.add_done_callback(self._messages.discard)

    async def _message(self, place: Path, urls: list[str]) -> None:
        await asyncio.gather(*(asyncio.shield(self._task(url)) for url in urls))
        self._shelf.keep_promise(place)

    def _task(self, url: str) -> asyncio.Task[None]:
        """The one fetch of a URL, which several messages may want at the same time."""
        if url not in self._under_way:
            task = asyncio.create_task(self._fetch(url))
            self._under_way[url] = task
            task.add_done_callback(lambda _: self._under_way.pop(url, None))
        return self._under_way[url]

    async def _fetch(self, url: str) -> None:
        if self._shelf.has(url):
            return
        picture: Picture | None = None
        for wait_seconds in (0.0, *self._limits.retry_seconds):
            if wait_seconds:
                await asyncio.sleep(wait_seconds)
            async with self._at_once:
                page = await self._follow(url)
            picture = _picture(page)
            if picture is not None or not _is_passing(page):
                break
        if picture is None:
            _log.info("no picture: %s", page.detail or page.status, extra={"action": "no-picture"})
        await asyncio.to_thread(self._shelf.write, url, picture)

    async def _follow(self, url: str) -> Page:
        for _ in range(_MAX_HOPS + 1):
            if reason := self._refusal(url):
                return Page(url=url, outcome=FetchOutcome.FORBIDDEN, detail=reason)
            page = await self._fetcher.fetch(
                url, headers=_HEADERS, limit_bytes=self._limits.max_image_bytes
            )
            target = page.headers.get("location")
            if not (300 <= page.status < 400 and target):
                return page
            try:
                following = urljoin(url, target)
            except ValueError as error:
                return Page(url=url, outcome=FetchOutcome.BROKEN, detail=str(error))
            if url.startswith("https:") and not following.startswith("https:"):
                return Page(url=url, outcome=FetchOutcome.FORBIDDEN, detail="leads out of TLS")
            url = following
        return Page(url=url, outcome=FetchOutcome.BROKEN, detail="too many redirects")

    def _refusal(self, url: str) -> str | None:
        try:
            parts = urlsplit(url)
            port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        except ValueError:
            return "no URL"
        if parts.scheme not in ("http", "https"):
            return f"the scheme {parts.scheme[:20]} is not fetched"
        if self._limits.ports is not None and port not in self._limits.ports:
            return f"port {port} is not fetched"
        return None


def _picture(page: Page) -> Picture | None:
    if page.outcome is not FetchOutcome.ANSWERED or page.status != 200 or page.truncated:
        return None
    content_type = picture_type(page.body)
    return Picture(content_type, page.body) if content_type else None


def _is_passing(page: Page) -> bool:
    return page.outcome in _PASSING or page.status in (408, 425, 429) or page.status >= 500


def picture_type(data: bytes) -> str | None:
    """The type of a picture by its first bytes, whatever its server calls it; None for others."""
    for beginning, content_type in _BEGINNINGS:
        if data.startswith(beginning):
            return content_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "image/avif"
    return None
