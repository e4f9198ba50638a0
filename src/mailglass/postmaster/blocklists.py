"""Blocklists that cannot lie: each is tested before it is believed (RFC 5782).

A list may be dead, taken over, or refuse our resolver; all of these have been read as listings by
other tools. So every answer is judged against the zone's row in data/rbl_zones.tsv, dead zones are
explained and never asked, and the two test points of sections 2 and 5 decide whether a zone's
answers count at all.
"""

from __future__ import annotations

import asyncio
import csv
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from ..lookup import Answer, Outcome, Resolver

__all__ = ["ZONES", "Listing", "Zone", "ZoneState", "ask_zone", "dead_zone", "own_zone"]

_REFUSED_NETWORK = ipaddress.ip_network("127.255.255.0/24")  # Spamhaus, SenderScore
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")  # RFC 5782 section 2.1


class ZoneState(StrEnum):
    """Whether a zone can be believed."""

    ALIVE = "alive"
    WORLD = "world"  # holds the point that no list may hold
    EMPTY = "empty"  # lacks the point that every list must hold
    UNREACHABLE = "unreachable"
    REFUSED = "refused"  # does not answer this resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One list, as the table describes it."""

    zone: str
    kind: str  # ip4, ip4+ip6, domain, allow, hash
    status: str = "alive"  # alive, advisory, dead, fake, merged
    since: str = ""
    weight: str = "medium"  # high, medium, low, info; good for allow lists
    listed: str = ""  # PATTERN=meaning, separated by semicolons
    not_listed: str = ""
    refused: str = ""
    test: str = ""  # further names that a domain list holds for tests
    terms: str = ""
    delist: str = ""
    note: str = ""
    source: str = ""
    checked: str = ""

    @property
    def is_asked(self) -> bool:
        """Whether the list is in use at all."""
        return self.status in ("alive", "advisory")

    def covers(self, name: str) -> bool:
        """Whether `name` is this zone or, for a pattern such as *.example, below it."""
        if self.zone.startswith("*."):
            return f".{name}".endswith(self.zone[1:])
        return name == self.zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one zone says of one address or domain."""

    zone: Zone
    subject: str
    state: ZoneState
    is_listed: bool = False  # only ever true when the zone is alive
    meanings: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    text: str = ""  # the zone's TXT
    detail: str = ""  # why the zone is not believed

    @property
    def is_public_resolver(self) -> bool:
        """Whether the zone says that we ask through a public resolver."""
        return "127.255.255.254" in self.codes


def _load() -> tuple[Zone, ...]:
    text = files(__package__).joinpath("data/rbl_zones.tsv").read_text("utf-8")
    return tuple(Zone(**row) for row in csv.DictReader(text.splitlines(), delimiter="\t"))


ZONES: tuple[Zone, ...] = _load()


def dead_zone(name: str, zones: Iterable[Zone] = ZONES) -> Zone | None:
    """The row of a zone that must never be asked, or nothing."""
    plain = name.lower().rstrip(".")
    return next((zone for zone in zones if not zone.is_asked and zone.covers(plain)), None)


def own_zone(text: str) -> Zone:
    """A zone that the user adds: NAME for addresses, domain:NAME for domains."""
    kind, _, name = text.rpartition(":")
    return Zone(
        zone=name.lower().rstrip("."),
        kind="domain" if kind == "domain" else "ip4+ip6",
        note="added by the user",
        source="command line",
    )


def _octets(ip: str) -> tuple[str, str, str]:
    """The address as it is asked, and the two test points of its family (RFC 5782 2.1, 2.4)."""
    if ipaddress.ip_address(ip).version == 4:
        return _reversed(ip), "2.0.0.127", "1.0.0.127"
    return _reversed(ip), _reversed("::ffff:7f00:2"), _reversed("::ffff:7f00:1")


def _reversed(ip: str) -> str:
    pointer = ipaddress.ip_address(ip).reverse_pointer
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def _is_ip(subject: str) -> bool:
    try:
        ipaddress.ip_address(subject)
    except ValueError:
        return False
    return True


def suits(zone: Zone, subject: str) -> bool:
    """Whether a zone that is in use knows subjects of this kind."""
    if not zone.is_asked:
        return False
    if not _is_ip(subject):
        return "domain" in zone.kind
    is_v6 = ipaddress.ip_address(subject).version == 6
    return "ip6" in zone.kind if is_v6 else "ip4" in zone.kind or zone.kind == "allow"


async def ask_zone(resolver: Resolver, zone: Zone, subject: str) -> Listing:
    """What `zone` says of an address or domain, its test points asked at the same time."""
    if _is_ip(subject):
        name, *points = _octets(subject)
        held, clean = points[:1], points[1]
    else:
        name, clean = subject, "invalid"
        held = (zone.test or "test").split()
    names = [name, clean, *held]
    answers = await asyncio.gather(*(resolver.ask(f"{n}.{zone.zone}", "A") for n in names))
    own, clean_answer, *held_answers = answers
    state, detail = _believe(zone, own, clean_answer, held_answers)
    verdicts = [(code, *_judge(zone, code)) for code in own.records]
    meanings = tuple(meaning for _, verdict, meaning in verdicts if verdict == "listed")
    listing = Listing(
        zone=zone,
        subject=subject,
        state=state,
        is_listed=bool(meanings) and state is ZoneState.ALIVE,
        meanings=meanings,
        codes=own.records,
        detail=detail,
    )
    return await _with_text(resolver, listing, name) if listing.is_listed else listing


async def _with_text(resolver: Resolver, listing: Listing, name: str) -> Listing:
    answer = await resolver.ask(f"{name}.{listing.zone.zone}", "TXT")
    return Listing(
        zone=listing.zone,
        subject=listing.subject,
        state=listing.state,
        is_listed=True,
        meanings=listing.meanings,
        codes=listing.codes,
        text=" / ".join(answer.records),
    )


def _believe(zone: Zone, own: Answer, clean: Answer, held: list[Answer]) -> tuple[ZoneState, str]:
    """The state of a zone and, when it is not alive, why."""
    for answer in (own, clean, *held):
        for code in answer.records:
            verdict, meaning = _judge(zone, code)
            if verdict == "refused":
                return ZoneState.REFUSED, f"{code}: {meaning}"
            if verdict == "foreign":
                return ZoneState.WORLD, f"{code} is no answer of a list; the domain may be parked"
    failed = [answer for answer in (own, clean, *held) if not answer.is_known]
    if any(answer.outcome is Outcome.REFUSED for answer in failed):
        return ZoneState.REFUSED, failed[0].detail
    if not own.is_known or not clean.is_known or all(not answer.is_known for answer in held):
        return ZoneState.UNREACHABLE, f"{failed[0].outcome}: {failed[0].detail}"
    if clean.records:
        return ZoneState.WORLD, f"it holds {clean.name}, which no list may hold"
    if not any(answer.records for answer in held):
        return ZoneState.EMPTY, f"it lacks {held[0].name}, which every list must hold"
    return ZoneState.ALIVE, ""


def _judge(zone: Zone, code: str) -> tuple[str, str]:
    """One A record: listed, good, refused or foreign, with its meaning."""
    address = ipaddress.ip_address(code)
    if address not in _LOOPBACK:
        return "foreign", ""
    if address in _REFUSED_NETWORK:
        return "refused", _REFUSALS.get(code, "questions from this resolver are refused")
    for column, verdict in ((zone.refused, "refused"), (zone.not_listed, "good")):
        found = _meanings(column, code)
        if found:
            return verdict, found
    return "listed", _meanings(zone.listed, code) or f"listed with {code}"


_REFUSALS = {
    "127.255.255.252": "the name of the list is misspelt",
    "127.255.255.254": "the question came through a public resolver",
    "127.255.255.255": "too many questions from this resolver",
}


def _meanings(column: str, code: str) -> str:
    found = []
    for rule in filter(None, column.split(";")):
        pattern, _, meaning = rule.partition("=")
        if _fits(pattern, code):
            found.append(meaning)
    return ", ".join(found)


def _fits(pattern: str, code: str) -> bool:
    """Whether a code has the pattern `bit N`, an address, or one with a range at its end."""
    bit = re.fullmatch(r"bit (\d+)", pattern)
    if bit:
        return code.startswith("127.0.0.") and bool(int(code.rpartition(".")[2]) & int(bit[1]))
    head, _, last = pattern.rpartition(".")
    low, _, high = last.partition("-")
    return code.startswith(head + ".") and int(low) <= int(code.rpartition(".")[2]) <= int(
        high or low
    )
