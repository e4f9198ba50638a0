"""Simulated deliveries with known truth, as the collector would have seen them.

A simulation of published figures and of assumptions where none are published, never an observation:
docs/explain/world.md says which is which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from ..journal import Attachments
from ..model import Actor, Delivery, Hit, Target, TargetKind
from ..tokens import Kind, Ring, attachment_bound, link_bound
from .population import Population
from .records import Fetch, Truth
from .story import tell_story
from .tables import Figures

__all__ = ["SimulatedDelivery", "SimulatedRequest", "simulate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRequest:
    """One request as the collector saw it, and who really made it."""

    hit: Hit
    kind: TargetKind  # of the target that was asked for
    actor: Actor
    asn: int
    rdns: str  # what the address resolves to, or empty
    by_recipient: bool  # whether the recipient's own act caused it


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDelivery:
    """One message to one recipient, everything that asked for its targets, and the truth."""

    delivery: Delivery
    sender: str
    provider: str
    client: str
    one_to_one: bool
    delivered_at: datetime
    targets: tuple[Target, ...]
    requests: tuple[SimulatedRequest, ...]  # ascending in time
    truth: Truth


_START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
_CAMPAIGN_SHARE = 0.1  # assumed: of messages; as each has many recipients, of most deliveries
_CAMPAIGN_RECIPIENTS = 40.0  # assumed: mean
_PEOPLE_PER_COMPANY = 50  # assumed: few enough that people and their devices recur
_PEOPLE_PER_PROVIDER = 4000
_SITE = "https://www.example.com"
_RING = Ring([bytes(range(32))])  # tokens of the real form; nothing depends on their secrecy

_KINDS = {
    TargetKind.BEACON: (Kind.OPEN, "o"),
    TargetKind.LINK: (Kind.CLICK, "c"),
    TargetKind.HONEYPOT: (Kind.CLICK, "c"),
    TargetKind.ATTACHMENT: (Kind.ATTACHMENT, "a"),
    TargetKind.UNSUBSCRIBE: (Kind.UNSUBSCRIBE, "u"),
    TargetKind.NOTICE: (Kind.NOTICE, "n"),
}


def simulate(
    count: int,
    *,
    seed: int = 0,
    figures: Figures | None = None,
    start: datetime = _START,
    stand_ins: bool = False,
) -> Iterator[SimulatedDelivery]:
    """`count` deliveries in the order of their sending, in bounded memory.

    `stand_ins` writes reserved domains (gmail.example) for the providers' own. The requests of one
    delivery follow it at once, although others may be delivered meanwhile.
    """
    population = Population(seed, figures)
    rng = Random(f"{seed}/messages")
    moment, made, message_id = start, 0, 0
    while made < count:
        message_id += 1
        moment += timedelta(seconds=rng.expovariate(1 / 60))
        is_campaign = rng.random() < _CAMPAIGN_SHARE
        recipients = 1 + int(rng.expovariate(1 / _CAMPAIGN_RECIPIENTS)) if is_campaign else 1
        sender = f"author{rng.randrange(50)}@harbour-lane.example"
        targets = _draw_targets(rng, is_campaign)
        for number in range(min(recipients, count - made)):
            made += 1
            delivery = Delivery(
                id=made,
                message_id=message_id,
                recipient=_draw_recipient(population, rng, stand_ins),
            )
            yield _deliver(
                population,
                delivery,
                sender,
                targets,
                one_to_one=not is_campaign,
                delivered_at=moment + timedelta(seconds=0.2 * number),
            )


def _deliver(
    population: Population,
    delivery: Delivery,
    sender: str,
    targets: tuple[Target, ...],
    *,
    one_to_one: bool,
    delivered_at: datetime,
) -> SimulatedDelivery:
    story = tell_story(
        population,
        delivery.recipient,
        targets,
        key=str(delivery.id),
        sender=sender,
        one_to_one=one_to_one,
    )
    mailbox = population.mailbox(delivery.recipient)
    return SimulatedDelivery(
        delivery=delivery,
        sender=sender,
        provider=mailbox.provider.name,
        client=mailbox.client.name,
        one_to_one=one_to_one,
        delivered_at=delivered_at,
        targets=targets,
        requests=tuple(_request(fetch, delivery, delivered_at) for fetch in story.fetches),
        truth=story.truth,
    )


def _draw_recipient(population: Population, rng: Random, stand_ins: bool) -> str:
    provider = population.draw_provider(rng)
    domain = population.draw_domain(provider, rng, stand_ins=stand_ins)
    people = _PEOPLE_PER_COMPANY if provider.office else _PEOPLE_PER_PROVIDER
    return f"person{rng.randrange(people)}@{domain}"


def _draw_targets(rng: Random, is_campaign: bool) -> tuple[Target, ...]:
    """A beacon, links, at times an attachment; what campaigns add. How many is assumed."""
    links = rng.randint(3, 9) if is_campaign else rng.randint(1, 3)
    kinds = [TargetKind.BEACON, *[TargetKind.LINK] * links, TargetKind.NOTICE]
    if is_campaign:
        kinds.append(TargetKind.UNSUBSCRIBE)
    elif rng.random() < 0.2:
        kinds.append(TargetKind.ATTACHMENT)
    if rng.random() < 0.1:
        kinds.append(TargetKind.HONEYPOT)
    return tuple(_target(number, kind) for number, kind in enumerate(kinds))


def _target(number: int, kind: TargetKind) -> Target:
    if kind is TargetKind.ATTACHMENT:
        digest = Attachments.digest(str(number).encode())
        return Target(number=number, kind=kind, name="offer.pdf", digest=digest)
    url = f"{_SITE}/page/{number}" if kind in (TargetKind.LINK, TargetKind.HONEYPOT) else None
    return Target(number=number, kind=kind, url=url)


def _bound(target: Target) -> bytes:
    if target.kind is TargetKind.ATTACHMENT:
        return attachment_bound(target.digest or "", target.name or "")
    return link_bound(target.url) if target.url else b""


def _request(fetch: Fetch, delivery: Delivery, delivered_at: datetime) -> SimulatedRequest:
    target = fetch.target
    kind, path_kind = _KINDS[target.kind]
    token = _RING.mint(kind, delivery.id, target.number, bound=_bound(target))
    hit = Hit(
        at=delivered_at + timedelta(milliseconds=round(fetch.after_seconds * 1000)),
        path_kind=path_kind,
        method=fetch.method,
        token=f"{token}%27" if fetch.alters_token else token,
        delivery_id=None if fetch.alters_token else delivery.id,
        target=None if fetch.alters_token else target.number,
        address=fetch.place.address,
        http_version="1.1",
        headers={name.lower(): value for name, value in fetch.headers if value},
        to=target.url,
        name=target.name,
    )
    return SimulatedRequest(
        hit=hit,
        kind=target.kind,
        actor=fetch.actor,
        asn=fetch.place.asn,
        rdns=fetch.place.rdns,
        by_recipient=fetch.by_recipient,
    )
