"""What the simulated world is made of: providers, clients, gateways, agents, networks.

Reads the files in `data/`, each row of which names its source; nothing here decides anything.
The tables are the simulator's own, apart from those that judge hits, so that a simulated test of
the judge is not a test against its own knowledge.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from ..errors import InputError
from ..model import Actor

__all__ = [
    "Agent",
    "Client",
    "Figures",
    "Gateway",
    "Network",
    "Provider",
    "Tables",
    "read_rows",
    "read_table",
]

_NOT_SHARES = ("_seconds", "_sigma", "_concentration")

Shape = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A prefix that requests come from."""

    prefix: str
    asn: int
    rdns: str  # a pattern with {dashed} for the address, or empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A program that asks for URLs, and what its requests look like."""

    name: str
    user_agents: tuple[str, ...]
    image: Shape  # header fields of a request for a picture, in wire order
    page: Shape  # of a navigation, or of a scan of a link
    platform: str  # the value of sec-ch-ua-platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a person reads mail with."""

    name: str
    displays: Actor  # who asks for the pictures when the message is displayed
    agent: str
    via: str  # the network of the proxy that asks, or empty for the reader's own
    pictures_shown: float
    referer: str
    retries: bool  # whether one display may ask several times in the same second
    strips_beacon: bool  # whether trackers are removed before the message arrives
    browsers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What inspects mail and follows its links."""

    name: str
    network: str
    agents: tuple[str, ...]
    one_link: float
    alters_token: float
    unsubscribes: bool
    on_click: float
    isolates: float
    before_delivery: bool
    takes_beacon: bool
    heads: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who keeps mailboxes."""

    name: str
    domains: tuple[str, ...]
    stand_ins: tuple[str, ...]  # reserved names to use when mail is really sent
    share: float
    apple: float
    clients: dict[str, float]
    prefetches: bool
    scanning: str  # none, consumer, business or gateway
    gateways: tuple[str, ...]
    office: bool  # whether its people share one address
    homes: tuple[str, ...]
    banner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The numbers behind the simulation; `data/figures.toml` says where each comes from.

    Change one with `dataclasses.replace(Figures.published(), read_share=0.5)`; shares are from 0 to
    below 1.
    """

    apple_share_of_opens: float
    apple_fetches: float
    apple_median_seconds: float
    apple_sigma: float
    prefetch_share_of_gmail_opens: float
    prefetch_median_seconds: float
    prefetch_sigma: float
    read_share: float
    display_median_seconds: float
    display_sigma: float
    fast_weight: float
    fast_median_seconds: float
    fast_sigma: float
    again_share: float
    again_median_seconds: float
    other_device_share: float
    click_share: float
    click_more_share: float
    click_median_seconds: float
    click_sigma: float
    download_share: float
    reply_share: float
    forward_share: float
    preview_share: float
    sender_views: float
    relay_share_of_safari: float
    office_share: float
    web_proxy_share: float
    vpn_share: float
    bot_share_consumer: float
    bot_share_business: float
    bot_share_gateway: float
    bot_share_concentration: float
    scan_before_share: float
    scan_late_share: float
    scan_median_seconds: float
    scan_sigma: float
    scan_takes_beacon: float
    stray_share: float

    def __post_init__(self) -> None:
        """Raise InputError for a number that no world can have, naming each."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        wrong = [
            f"{name} = {value}"
            for name, value in values.items()
            if value < 0 or (not name.endswith(_NOT_SHARES) and value >= 1)
        ]
        if wrong:
            raise InputError("no share, median or sigma of a simulation: " + ", ".join(wrong))

    @classmethod
    def published(cls) -> Figures:
        """The published figure of each number, or our assumption where there is none."""
        table = read_table("figures.toml")
        return cls(**{field.name: table[field.name]["value"] for field in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Everything in `data/`, by name."""

    networks: dict[str, tuple[Network, ...]]
    agents: dict[str, Agent]
    clients: dict[str, Client]
    gateways: dict[str, Gateway]
    providers: dict[str, Provider]

    @staticmethod
    @cache
    def load() -> Tables:
        """The tables, read once."""
        return Tables(
            networks=_networks(),
            agents=_agents(),
            clients={name: _client(name, row) for name, row in read_table("clients.toml").items()},
            gateways={
                name: _gateway(name, row) for name, row in read_table("gateways.toml").items()
            },
            providers={
                name: _provider(name, row) for name, row in read_table("providers.toml").items()
            },
        )


def read_table(name: str) -> dict[str, Any]:
    """A TOML file of `data/`; its values are typed where they are used."""
    return tomllib.loads((files(__package__) / "data" / name).read_text("utf-8"))


def read_rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a TSV file of `data/`, without its comments."""
    lines = (files(__package__) / "data" / name).read_text("utf-8").splitlines()
    kept = (line for line in lines if line and not line.startswith("#"))
    yield from csv.DictReader(kept, delimiter="\t", quoting=csv.QUOTE_NONE)


def _networks() -> dict[str, tuple[Network, ...]]:
    found: dict[str, tuple[Network, ...]] = {}
    for row in read_rows("networks.tsv"):
        network = Network(prefix=row["prefix"], asn=int(row["asn"]), rdns=row["rdns"])
        found[row["network"]] = (*found.get(row["network"], ()), network)
    return found


def _agents() -> dict[str, Agent]:
    shapes: dict[str, Shape] = {
        name: tuple((field, value) for field, value in shape)
        for name, shape in read_table("shapes.toml").items()
    }
    return {
        name: Agent(
            name=name,
            user_agents=tuple(row["user_agents"]),
            image=shapes[row["image"]] if "image" in row else (),
            page=shapes[row["page"]] if "page" in row else (),
            platform=row.get("platform", ""),
        )
        for name, row in read_table("agents.toml").items()
    }


def _client(name: str, row: dict[str, Any]) -> Client:
    return Client(
        name=name,
        displays=Actor(row["displays"]),
        agent=row["agent"],
        via=row.get("via", ""),
        pictures_shown=row["pictures_shown"],
        referer=row.get("referer", ""),
        retries=row.get("retries", False),
        strips_beacon=row.get("strips_beacon", False),
        browsers=tuple(row["browsers"]),
    )


def _gateway(name: str, row: dict[str, Any]) -> Gateway:
    return Gateway(
        name=name,
        network=row["network"],
        agents=tuple(row["agents"]),
        one_link=row["one_link"],
        alters_token=row["alters_token"],
        unsubscribes=row["unsubscribes"],
        on_click=row["on_click"],
        isolates=row["isolates"],
        before_delivery=row.get("before_delivery", False),
        takes_beacon=row.get("takes_beacon", False),
        heads=row.get("heads", 0.0),
    )


def _provider(name: str, row: dict[str, Any]) -> Provider:
    return Provider(
        name=name,
        domains=tuple(row["domains"]),
        stand_ins=tuple(row["stand_ins"]),
        share=row["share"],
        apple=row["apple"],
        clients=dict(row["clients"]),
        prefetches=row.get("prefetches", False),
        scanning=row["scanning"],
        gateways=tuple(row.get("gateways", ())),
        office=row.get("office", False),
        homes=tuple(row["homes"]),
        banner=row["banner"],
    )
