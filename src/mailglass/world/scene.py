"""The stage of one delivery: its targets, its recipient, its sender, and how visitors ask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from ..model import Actor, Target, TargetKind
from .population import Mailbox, Place, Population, draw_place
from .records import Fetch
from .tables import Agent, Client, Figures, Gateway

__all__ = ["Scene", "Visitor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody or something that asks for targets: one program at one place."""

    actor: Actor
    agent: Agent
    user_agent: str
    place: Place
    referer: str = ""

    def ask(
        self, after_seconds: float, target: Target, *, method: str = "GET", altered: bool = False
    ) -> Fetch:
        """The request for one target."""
        is_image = target.kind is TargetKind.BEACON
        return Fetch(
            after_seconds=after_seconds,
            target=target,
            actor=self.actor,
            method=method,
            place=self.place,
            headers=_headers(self.agent, self.user_agent, self.referer, is_image),
            alters_token=altered,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one story is told from."""

    rng: Random
    population: Population
    mailbox: Mailbox
    sender: Mailbox
    targets: Sequence[Target]
    one_to_one: bool  # else a campaign: nobody waits for it

    @property
    def figures(self) -> Figures:
        """The numbers of this world."""
        return self.population.figures

    def of_kind(self, *kinds: TargetKind) -> list[Target]:
        """The message's targets of some kinds."""
        return [target for target in self.targets if target.kind in kinds]

    def chance(self, probability: float) -> bool:
        """Whether it happens this time."""
        return self.rng.random() < probability

    def delay(self, median_seconds: float, sigma: float) -> float:
        """A log-normal waiting time."""
        return self.rng.lognormvariate(math.log(median_seconds), sigma)

    def place_in(self, network: str) -> Place:
        """Some address of a network."""
        return draw_place(self.population.tables.networks[network], self.rng)

    def visitor(self, actor: Actor, agent: str, place: Place, referer: str = "") -> Visitor:
        """One program at one place; an agent with several user agents shows one of them."""
        found = self.population.tables.agents[agent]
        user_agent = self.rng.choice(found.user_agents)
        return Visitor(
            actor=actor, agent=found, user_agent=user_agent, place=place, referer=referer
        )

    def displayer(self, client: Client, place: Place, actor: Actor | None = None) -> Visitor:
        """Who asks for the pictures when `client` displays the message at `place`."""
        where = self.place_in(client.via) if client.via else place
        return self.visitor(actor or client.displays, client.agent, where, client.referer)

    def scanner(self, gateway: Gateway) -> Visitor:
        """One of the domain's scanning addresses, with one of the gateway's user agents."""
        place = self.rng.choice(self.mailbox.scanners)
        return self.visitor(Actor.SECURITY_SCANNER, self.rng.choice(gateway.agents), place)


@lru_cache(1024)
def _headers(
    agent: Agent, user_agent: str, referer: str, is_image: bool
) -> tuple[tuple[str, str], ...]:
    shape = (agent.image or agent.page) if is_image else (agent.page or agent.image)
    values = {
        "host": "",
        "user_agent": user_agent,
        "referer": referer,
        "platform": agent.platform,
    }
    filled = ((field, value.format_map(values)) for field, value in shape)
    return tuple((field, value) for field, value in filled if value or field == "Host")
