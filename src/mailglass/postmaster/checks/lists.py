"""Blocklists of addresses and domains, weighed (RFC 5782)."""

from __future__ import annotations

import asyncio

from ...model import Finding, FindingStatus
from ..blocklists import Listing, Zone, ZoneState, ask_zone, dead_zone, suits
from ..case import FAIL, INFO, OK, UNKNOWN, WARN, Case
from ..findings import finding
from ..organization import suffix_organization

__all__ = ["check_lists"]

WEIGHTS: dict[str, tuple[FindingStatus, str]] = {
    "high": (FAIL, "Many receivers refuse mail on this list alone."),
    "medium": (WARN, "Receivers count this list among other signs."),
    "low": (WARN, "Few receivers ask this list."),
    "info": (INFO, "This list is no measure of a single sender; hardly a receiver refuses by it."),
}


async def check_lists(case: Case) -> list[Finding]:
    """Every list that is alive, asked about every address and domain."""
    domains = {case.domain, case.author_domain, suffix_organization(case.author_domain)}
    if case.tracking_host:
        domains |= {case.tracking_host, suffix_organization(case.tracking_host)}
    subjects = [*case.ips, *sorted(domains)]
    wanted = [
        (zone, subject)
        for zone in case.zones
        if dead_zone(zone.zone) is None
        for subject in subjects
        if suits(zone, subject)
    ]
    probes = [ask_zone(case.resolver, zone, subject) for zone, subject in wanted]
    listings = list(await asyncio.gather(*probes))
    found = [each for subject in subjects for each in _subject(case, subject, listings)]
    return [*found, *_zones(case, listings), *_dead(case)]


def _subject(case: Case, subject: str, listings: list[Listing]) -> list[Finding]:
    own = [listing for listing in listings if listing.subject == subject]
    kind = "rbl.ip" if subject in case.ips else "rbl.domain"
    hits = [listing for listing in own if listing.is_listed]
    good = [_allowed(listing) for listing in hits if listing.zone.kind == "allow"]
    bad = [_listed(kind, listing) for listing in hits if listing.zone.kind != "allow"]
    if bad or not own:
        return [*bad, *good]
    believed = [one for one in own if one.state is ZoneState.ALIVE and one.zone.kind != "allow"]
    if not believed:
        observed = f"{subject}: none of {len(own)} lists could be believed"
        return [finding(kind, UNKNOWN, observed, weight=ALL_LISTS), *good]
    clean = f"{subject} is on none of {len(believed)} lists that passed their test"
    return [finding(kind, OK, clean, weight=ALL_LISTS), *good]


ALL_LISTS = "Receivers refuse or filter senders that well-kept lists name."


def _listed(kind: str, listing: Listing) -> Finding:
    zone = listing.zone
    status, weight = WEIGHTS[zone.weight]
    observed = f"{listing.subject} is on {zone.zone}: {'; '.join(listing.meanings)}"
    if listing.text:
        observed += f" ({listing.text})"
    if zone.status == "advisory":
        # Such a list may be right; what must never be advised is to pay for a removal.
        return finding("rbl.ip", status, observed, fix="advisory", weight=weight)
    delist = zone.delist or zone.zone
    return finding(kind, status, observed, fix="listed", weight=weight, delist=delist)


def _allowed(listing: Listing) -> Finding:
    observed = f"{listing.subject} is on the allow list {listing.zone.zone}"
    return finding("rbl.allowed", OK, f"{observed} ({', '.join(listing.codes)})")


def _zones(case: Case, listings: list[Listing]) -> list[Finding]:
    """What is wrong with the lists themselves: one finding a state, so that none is hidden."""
    found: list[Finding] = []
    if any(listing.is_public_resolver for listing in listings):
        observed = "a list answered 127.255.255.254: the questions came through a public resolver"
        found.append(finding("dns.resolver", WARN, observed, fix="public"))
    states: dict[str, Listing] = {}
    for listing in listings:
        if listing.state is not ZoneState.ALIVE:
            states.setdefault(listing.zone.zone, listing)
    for listing in states.values():
        observed = f"{listing.zone.zone} is {listing.state}: {listing.detail}"
        if listing.state is ZoneState.WORLD:
            found.append(finding("rbl.zone", INFO, observed, fix="world", zone=listing.zone.zone))
        elif listing.state is ZoneState.REFUSED:
            terms = listing.zone.terms or "see the list's own page"
            found.append(finding("rbl.zone", UNKNOWN, observed, fix="refused", terms=terms))
        else:
            found.append(finding("rbl.zone", UNKNOWN, observed))
    alive = {one.zone.zone for one in listings if one.state is ZoneState.ALIVE}
    if alive:
        found.append(finding("rbl.zone", OK, f"{len(alive)} lists passed their test"))
    return found


def _dead(case: Case) -> list[Finding]:
    """Lists that were asked for by name although they are dead."""
    found = []
    for zone in case.zones:
        dead = dead_zone(zone.zone)
        if dead and zone.note == "added by the user":
            observed = f"{zone.zone} was not asked: {_story(dead)}"
            found.append(finding("rbl.zone", WARN, observed, fix="dead", zone=zone.zone))
    return found


def _story(dead: Zone) -> str:
    since = f" since {dead.since}" if dead.since[:1].isdigit() else ""
    return f"{dead.status}{since}; {dead.note} ({dead.source})"
