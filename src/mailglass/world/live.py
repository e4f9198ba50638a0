"""The world as running servers: real SMTP in, real HTTP out, on loopback.

One SMTP server plays all providers, by the recipient's domain: it accepts, puts off or refuses as
`Answers` says, and for what it accepted lets the story of that delivery happen: the provider's
machines and the recipient ask for what they find in the message that arrived. Scans that come
before the receiving server's 250 do so here too. Time can run faster; the shape stays.
`smtp.py` speaks the protocol; what is said is decided here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ..errors import StorageUnavailable
from ..model import Actor, Reply
from .answers import Answers
from .browsing import Answer, find_site, request
from .maildrop import Maildrop
from .pace import EvenPace, Pace
from .population import Population
from .reading import ReceivedMail, read_mail
from .records import Fetch, Story, Truth
from .smtp import SmtpDoor
from .story import tell_story
from .tables import Figures

__all__ = ["LiveDelivery", "LiveWorld", "Visit"]

_log = logging.getLogger(__name__)
_TAKEN = Reply(reply_code=250, reply_text="2.0.0 Ok: queued", enhanced_status="2.0.0")
_NO_ROOM = Reply(reply_code=452, reply_text="4.3.1 Out of storage", enhanced_status="4.3.1")
_FETCHES_AT_ONCE = 64  # as many connections as a small host takes without a queue of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request that was made."""

    fetch: Fetch
    url: str  # as it was asked for
    at: datetime
    answer: Answer

    @property
    def token(self) -> str:
        """The token in the URL's path, as the collector reads it; empty when there is none."""
        parts = urlsplit(self.url).path.split("/")
        return parts[2].partition(".")[0].lower() if len(parts) > 2 else ""


@dataclass(slots=True, kw_only=True)
class LiveDelivery:
    """One accepted message, what will happen to it, and what has happened so far."""

    recipient: str
    message_id: str
    provider: str
    client: str
    accepted_at: datetime
    story: Story
    visits: list[Visit] = field(default_factory=list)

    @property
    def truth(self) -> Truth:
        """What the recipient does."""
        return self.story.truth


class LiveWorld:
    """All providers and people, on one SMTP port.

    `deliveries` holds what was accepted, by Message-ID and recipient; `accepted`, `deferred` and
    `refused` count the server's answers, `reports` the mail with a null return path (bounces that
    come back), `fetches` the requests made by actor. Everything runs in the event loop that
    called `start`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        smtp_port: int = 0,
        *,
        seed: int = 0,
        speed: float = 3600.0,
        pace: Pace | None = None,
        horizon_seconds: float = 172_800.0,
        figures: Figures | None = None,
        answers: Answers | None = None,
        maildrop: Maildrop | None = None,
        sites: Mapping[str, tuple[str, int]] | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """Port 0 takes a free one; see `smtp_port` after `start`.

        `speed` is how many seconds of a story pass in one of ours; a `pace` takes its place, and a
        slowing one keeps short times readable. What a story has later than `horizon_seconds` (of
        the story) is cut off: two days hold nine in ten first displays.
        `sites` maps the host of a URL to the address that answers for it; loopback needs none.
        `on_change` is called after each answer and each request, to draw progress.
        """
        self.population = Population(seed, figures)
        self.answers = answers or Answers(seed)
        self.maildrop = maildrop or Maildrop()
        self.deliveries: dict[tuple[str, str], LiveDelivery] = {}
        self.accepted = self.deferred = self.refused = self.reports = 0
        self.fetches: Counter[Actor] = Counter()
        self.planned = 0  # requests that are still to come
        self.host, self.smtp_port = host, smtp_port
        self.pace = pace or EvenPace(speed)
        self._horizon = horizon_seconds
        self._sites = dict(sites or {})
        self._on_change = on_change
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._door = SmtpDoor(self)
        self._running: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._slots = asyncio.Semaphore(_FETCHES_AT_ONCE)

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self.smtp_port = await self._door.open(self.host, self.smtp_port)

    async def stop(self) -> None:
        """Stop listening, drop the connections, and leave undone the requests still to come."""
        self._door.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def settled(self, recipients: int) -> None:
        """Wait until so many deliveries were accepted or refused, and every request was made."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: len(self.deliveries) + self.refused >= recipients and not self.planned
            )

    async def answer_recipient(self, return_path: str, recipient: str, peer: str) -> Reply | None:
        """What the server says to RCPT TO; None when it takes the recipient."""
        fate = self.answers.fate_of(recipient)
        if not return_path or not fate.case or fate.after_data:
            return None
        if fate.puts_off:
            self._attempts[return_path, recipient] += 1
            if self._attempts[return_path, recipient] > fate.puts_off:
                return None
        return await self._decline(fate.case, recipient, peer)

    async def answer_message(
        self, return_path: str, recipients: list[str], content: bytes, peer: str
    ) -> Reply:
        """What the server says to the message; when it is 250 the message is kept.

        A report (null return path) is counted, and nobody reads it.
        """
        if not return_path:
            self.reports += 1
            return _TAKEN
        for recipient in recipients:
            if self.answers.fate_of(recipient).after_data:
                return await self._decline("spam", recipient, peer)
        mail = self._reachable(read_mail(content))
        fresh = [to for to in recipients if (mail.message_id, to) not in self.deliveries]
        told = [self._tell(mail, recipient) for recipient in fresh]
        for delivery in told:
            await self._visit_before(delivery)
        try:
            await asyncio.to_thread(self.maildrop.keep, mail.message_id, recipients, content)
        except StorageUnavailable as error:
            _log.error("the simulated mailbox cannot be written: %s", error)
            return _NO_ROOM
        self.accepted += len(recipients)
        for delivery in told:
            self._accept(delivery)
        await self._tell_change()
        return _TAKEN

    async def _decline(self, case: str, recipient: str, peer: str) -> Reply:
        provider = self.population.provider_of(recipient.rpartition("@")[2])
        reply = Answers.reply(case, provider, recipient=recipient, peer=peer)
        if reply.is_permanent:
            self.refused += 1
        else:
            self.deferred += 1
        await self._tell_change()
        return reply

    def _reachable(self, mail: ReceivedMail) -> ReceivedMail:
        """The mail with only those targets that may be asked for: no others are simulated."""
        kept = (target for target in mail.targets if find_site(target.url or "", self._sites))
        return replace(mail, targets=tuple(kept))

    def _tell(self, mail: ReceivedMail, recipient: str) -> LiveDelivery:
        mailbox = self.population.mailbox(recipient)
        story = tell_story(
            self.population,
            recipient,
            mail.targets,
            key=mail.message_id,
            sender=mail.author,
            one_to_one=not mail.is_bulk,
        )
        return LiveDelivery(
            recipient=recipient,
            message_id=mail.message_id,
            provider=mailbox.provider.name,
            client=mailbox.client.name,
            accepted_at=datetime.now(UTC),
            story=story.until(self._horizon),
        )

    async def _visit_before(self, delivery: LiveDelivery) -> None:
        """The scans that come before the 250, at their own pace."""
        early = [fetch for fetch in delivery.story.fetches if fetch.after_seconds < 0]
        ends = [fetch.after_seconds for fetch in early[1:]] + [0.0]
        for fetch, until in zip(early, ends, strict=False):
            await self._visit(delivery, fetch)
            await asyncio.sleep(self.pace.real(until) - self.pace.real(fetch.after_seconds))

    def _accept(self, delivery: LiveDelivery) -> None:
        """Enter the delivery, and let the rest of its story begin."""
        delivery.accepted_at = datetime.now(UTC)
        key = (delivery.message_id, delivery.recipient)
        # Two copies may have come at once over two connections; the first one counts, and so does
        # what was asked for before the 250 of either.
        first = self.deliveries.setdefault(key, delivery)
        if first is not delivery:
            first.visits += delivery.visits
            return
        for fetch in delivery.story.fetches:
            if fetch.after_seconds >= 0:
                self.planned += 1
                task = asyncio.create_task(self._visit_later(delivery, fetch))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _visit_later(self, delivery: LiveDelivery, fetch: Fetch) -> None:
        try:
            await asyncio.sleep(self.pace.real(fetch.after_seconds))
            await self._visit(delivery, fetch)
        finally:
            self.planned -= 1
        await self._tell_change()

    async def _visit(self, delivery: LiveDelivery, fetch: Fetch) -> None:
        url = fetch.target.url or ""
        if fetch.alters_token:
            url = _altered(url)
        site = find_site(url, self._sites)
        if site is None:
            return
        async with self._slots:
            at = datetime.now(UTC)
            answer = await request(
                site,
                url,
                method=fetch.method,
                headers=fetch.headers,
                client_address=fetch.place.address,
            )
        delivery.visits.append(Visit(fetch=fetch, url=url, at=at, answer=answer))
        self.fetches[fetch.actor] += 1

    @property
    def requests(self) -> tuple[int, int]:
        """The requests of entered deliveries so far, by people and by machines: what `summarise`
        counts."""
        made = [v.fetch.by_person for d in self.deliveries.values() for v in d.visits]
        return sum(made), len(made) - sum(made)

    async def _tell_change(self) -> None:
        async with self._changed:
            self._changed.notify_all()
        if self._on_change is not None:
            self._on_change()


def _altered(url: str) -> str:
    """The URL as some scanners ask for it, with a quotation mark after the token."""
    parts = urlsplit(url)
    segments = parts.path.split("/")
    token, dot, suffix = segments[2].partition(".") if len(segments) > 2 else ("", "", "")
    segments[2:3] = [f"{token}%27{dot}{suffix}"]
    return parts._replace(path="/".join(segments)).geturl()
