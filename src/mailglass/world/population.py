"""Who the recipients are: each address is one person, with a client, a network and habits.

The same seed and address give the same person, so that a person's device and network recur from
message to message. Shares that the sources state over all opens are turned here into chances per
mailbox.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from ..model import Actor
from .tables import Client, Figures, Gateway, Network, Provider, Tables

__all__ = ["Mailbox", "Place", "Population", "draw_place"]


_FRIENDS = 1000  # assumed: people of one domain to whom messages are forwarded
_COMPANIES = 60  # assumed: enough that no single one decides a share
_SCANNERS = 4  # assumed: addresses that one domain's scans come from; bursts show the same ones


@dataclass(frozen=True, slots=True)
class Place:
    """An address that requests come from."""

    address: str
    asn: int
    rdns: str  # the name that the address resolves to, or empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One recipient: where the mailbox lies, who reads it, and from where."""

    recipient: str
    domain: str
    provider: Provider
    client: Client
    place: Place  # home or office
    browser: str  # the agent that opens links
    telephone: Place  # where the person's second device is
    gateway: Gateway | None
    scanners: tuple[Place, ...]  # the few addresses that scan for this domain
    bot_share: float  # of the clicks on mail to this domain


class Population:
    """All the people and machines, drawn from a seed and the figures."""

    def __init__(self, seed: int = 0, figures: Figures | None = None) -> None:
        self.seed = seed
        self.figures = figures or Figures.published()
        self.tables = Tables.load()
        self._providers = list(self.tables.providers.values())
        self._weights = [provider.share for provider in self._providers]
        self._by_domain = {
            domain: provider
            for provider in self._providers
            for domain in (*provider.domains, *provider.stand_ins)
        }
        self._apple_scale = _apple_scale(self._providers, self.tables.clients, self.figures)
        # Bounded, so that a stream of ever new domains or people costs no memory.
        self._domain = lru_cache(4096)(self._draw_domain)
        self.mailbox = lru_cache(16384)(self._draw_mailbox)
        """The person behind an address; a domain that no provider has belongs to a small host."""

    def draw_provider(self, rng: Random) -> Provider:
        """One of the providers, by its share of mailboxes."""
        return rng.choices(self._providers, self._weights)[0]

    def provider_of(self, domain: str) -> Provider:
        """The provider that keeps a domain's mailboxes; a subdomain belongs to its parent's."""
        labels = domain.lower().split(".")
        for start in range(len(labels) - 1):
            if found := self._by_domain.get(".".join(labels[start:])):
                return found
        return self.tables.providers["small-host"]

    def draw_domain(self, provider: Provider, rng: Random, *, stand_ins: bool = False) -> str:
        """One of the provider's domains; of companies there are many, each with its own habits."""
        domain = rng.choice(provider.stand_ins if stand_ins else provider.domains)
        return f"site{rng.randrange(_COMPANIES)}.{domain}" if provider.office else domain

    def other_reader(self, rng: Random) -> Mailbox:
        """Somebody else, whose displays can be seen: to whom a message is forwarded."""
        while True:
            domain = self.draw_domain(self.draw_provider(rng), rng)
            mailbox = self.mailbox(f"friend{rng.randrange(_FRIENDS)}@{domain}")
            if mailbox.client.displays is not Actor.PRIVACY_PROXY:
                return mailbox

    def expected_clicks(self) -> float:
        """How many links a person clicks in a delivered message, on average."""
        figures = self.figures
        return figures.read_share * figures.click_share * (1 + figures.click_more_share)

    def _draw_mailbox(self, recipient: str) -> Mailbox:
        rng = Random(f"{self.seed}/mailbox/{recipient}")
        domain = recipient.rpartition("@")[2].lower()
        provider = self.provider_of(domain)
        client = self._draw_client(provider, rng)
        gateway, scanners, bot_share, office = self._domain(domain)
        return Mailbox(
            recipient=recipient,
            domain=domain,
            provider=provider,
            client=client,
            place=self._reads_at(provider, office, rng),
            browser=rng.choice(client.browsers),
            telephone=self._place(rng.choice(provider.homes), rng),
            gateway=gateway,
            scanners=scanners,
            bot_share=bot_share,
        )

    def _draw_client(self, provider: Provider, rng: Random) -> Client:
        if rng.random() < min(1.0, self._apple_scale * provider.apple):
            return self.tables.clients["apple-mail"]
        name = rng.choices(list(provider.clients), list(provider.clients.values()))[0]
        return self.tables.clients[name]

    def _draw_domain(
        self, domain: str
    ) -> tuple[Gateway | None, tuple[Place, ...], float, Place | None]:
        """What all mailboxes of a domain share: the gateway, its scanners, its bots, the office."""
        rng = Random(f"{self.seed}/domain/{domain}")
        provider = self.provider_of(domain)
        office = self._place(rng.choice(provider.homes), rng) if provider.office else None
        if provider.scanning == "none":
            return None, (), 0.0, office
        gateway = self.tables.gateways[rng.choice(provider.gateways)]
        scanners = tuple(self._place(gateway.network, rng) for _ in range(_SCANNERS))
        mean: float = getattr(self.figures, f"bot_share_{provider.scanning}")
        weight = self.figures.bot_share_concentration
        return gateway, scanners, rng.betavariate(mean * weight, (1 - mean) * weight), office

    def _reads_at(self, provider: Provider, office: Place | None, rng: Random) -> Place:
        figures = self.figures
        if rng.random() < figures.vpn_share:
            return self._place("hosting", rng)
        if office is not None:
            if rng.random() < figures.web_proxy_share:
                return self._place("web-proxy", rng)
            if rng.random() < figures.office_share:
                return office
        return self._place(rng.choice(provider.homes), rng)

    def _place(self, network: str, rng: Random) -> Place:
        return draw_place(self.tables.networks[network], rng)


def draw_place(networks: Sequence[Network], rng: Random) -> Place:
    """A random address in one of the prefixes."""
    network = rng.choice(networks)
    base, bits, version = _parse_prefix(network.prefix)
    number = base + rng.randrange(1, max(2, 2**bits - 1))
    address = str((ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(number))
    name = network.rdns.format(dashed=address.replace(".", "-"))
    return Place(address, network.asn, name)


@lru_cache(256)
def _parse_prefix(prefix: str) -> tuple[int, int, int]:
    net = ipaddress.ip_network(prefix)
    return int(net.network_address), net.max_prefixlen - net.prefixlen, net.version


def _apple_scale(providers: list[Provider], clients: dict[str, Client], figures: Figures) -> float:
    """By what to multiply `Provider.apple` so that Apple has its share of all opened deliveries.

    With a share s*w of a provider's mailboxes in Apple Mail, Apple fetches s * sum(w) * f of the
    deliveries and others are seen to open sum(1 - s*w) * r * v of them (f: fetched, r: read, v:
    pictures shown, each sum weighted by the provider's share). Solved for s.
    """
    target = figures.apple_share_of_opens
    apple = seen = seen_by_apple = 0.0
    for provider in providers:
        total = sum(provider.clients.values())
        shown = sum(
            weight / total * clients[name].pictures_shown
            for name, weight in provider.clients.items()
        )
        apple += provider.share * provider.apple
        seen += provider.share * shown
        seen_by_apple += provider.share * provider.apple * shown
    read = figures.read_share
    fetched = (1 - target) * figures.apple_fetches * apple
    return target * read * seen / (fetched + target * read * seen_by_apple)
