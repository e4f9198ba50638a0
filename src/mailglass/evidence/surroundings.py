"""What lies around a hit: the delivery's times, its other hits, its recipient, its sender.

A record of facts, all optional; what was not looked at stays at its default and counts for nothing.
`delivery.judge_delivery` fills it from a delivery's hits, `hitfile` from a line of a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime

from ..model import TargetKind

__all__ = [
    "ALONE",
    "NOTHING_AROUND",
    "NOWHERE",
    "Crowd",
    "DeliveryFacts",
    "Origin",
    "Surroundings",
]


@dataclass(frozen=True, slots=True)
class Crowd:
    """What the hit's origin did on other deliveries about the same time."""

    recipients_of_address: int = 0  # deliveries that this address touched within about 30 s
    domains_of_address: int = 0  # recipient domains of those
    recipients_of_network: int = 0  # the same for its /24 or /48
    hosters_of_agent: int = 0  # unrelated data centres that sent this user agent within 2 hours
    deliveries_of_domain: int = 0  # deliveries of this recipient domain seen within 2 hours
    same_pattern_of_domain: int = 0  # those with the same early kind of hit
    altered_tokens_of_address: int = 0  # tokens that no key of ours made, within 2 hours

    def at_least(self, other: Crowd) -> Crowd:
        """Of each count the greater: neighbours that are forgotten were there."""
        if other is ALONE or other == self:
            return self
        return Crowd(*(max(pair) for pair in zip(self.counts(), other.counts(), strict=True)))

    def counts(self) -> tuple[int, ...]:
        """The counts in the order of the fields, from which `Crowd(*counts)` makes it anew."""
        return astuple(self)


ALONE = Crowd()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a register and the DNS say of an address, looked up outside the request's path."""

    asn: int | None = None
    host_name: str | None = None
    host_name_confirmed: bool | None = None  # whether it leads back; None when nobody asked
    network_word: str | None = None  # a word of `data/words.tsv`, said from outside


NOWHERE = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFacts:
    """What the history knows of one delivery, as far as judging its hits needs it."""

    delivery_id: int = 0
    recipient_domain: str | None = None
    delivered_at: datetime | None = None  # the receiving server's 250
    targets: Mapping[int, TargetKind] = field(default_factory=dict)  # by number
    links_sent: int | None = None
    recipient_provider: str | None = None  # as a reader proxy's name: Gmail, Yahoo Mail
    sender_provider: str | None = None  # of the author, who has a copy with our beacon
    sender_copy_at: datetime | None = None  # since when; None: since it was sent
    known_networks: frozenset[str] = frozenset()  # `network_key`s of the recipient's past visits
    known_agents: frozenset[str] = frozenset()  # user agents of the recipient's past visits
    sender_networks: frozenset[str] = frozenset()  # `network_key`s of the sender's late sessions
    sender_visitors: frozenset[tuple[str, str]] = frozenset()  # (address, user agent) marked "me"
    sender_announced: tuple[datetime, ...] = ()  # when the sender's client said "I am looking"
    replied_at: datetime | None = None
    forwarded_at: datetime | None = None  # or reported as spam

    @property
    def knows_people(self) -> bool:
        """Whether anything here could tell the recipient's or the sender's own visits."""
        return bool(
            self.known_networks
            or self.known_agents
            or self.sender_networks
            or self.sender_visitors
            or self.sender_announced
            or self.sender_provider
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The facts around one hit; a default means that nobody looked."""

    kind: TargetKind | None = None  # of the hit's target
    agent_known: bool = True  # False when the user agent was not kept, as opposed to not sent
    # time
    seconds_since_delivery: float | None = None  # negative before it
    before_delivery: bool = False
    origin: Origin = NOWHERE
    # the delivery's other hits
    links_in_burst: int | None = None  # different links followed by this visitor within 10 s
    is_only_link: bool = False  # the message has no other
    all_links_in_burst: bool = False
    clicks_in_volley: int = 0  # within 3 s
    events_in_second: int = 0
    unsubscribe_too: bool = False
    altered_token: bool = False
    honeypot: bool = False  # this hit
    honeypot_elsewhere: bool = False  # another hit of the same visitor
    click_without_open: bool = False
    open_and_click_of_address: bool = False
    agents_of_address: int = 0
    after_scan: bool = False  # a scan of the same link from another network within seconds
    after_forward: bool = False
    follows_reader: bool = False  # the same visitor opened the message before
    seconds_from_open: float | None = None  # of a click, since the visitor's last open
    images_asked_for: bool = False
    outdated_browser: bool = False  # said from outside, when the user agent was not kept
    # an earlier hit of the delivery that a person made, and how this one differs
    read_before: bool = False
    elsewhere: str | None = None  # "another country", "a new device and network"
    # the recipient and the sender
    known_network: bool = False
    known_device: bool = False
    sender_sign: str | None = None  # why this is the sender's own view
    sender_network: bool = False
    expected_share: float | None = None  # of people among such hits of this domain, as learned
    # other deliveries
    crowd: Crowd = ALONE
    domain_pattern: bool = False


NOTHING_AROUND = Surroundings()
