"""Lists that live, are dead, list the world or refuse, served by rbldnsd behind unbound."""

from __future__ import annotations

import asyncio

import pytest
from postmaster_servers import Examine
from postmaster_zones import BLOCKLISTS

from mailglass.lookup import Answer, DnsResolver, Outcome
from mailglass.postmaster import ZONES, Listing, ZoneState, ask_zone, dead_zone, own_zone

SERVED = {zone for zone, _, _ in BLOCKLISTS}
ON_LOOPBACK = tuple(zone for zone in ZONES if zone.zone in SERVED)


def ask(port: int, zone: str, subject: str) -> Listing:
    row = next(row for row in ZONES if row.zone == zone)
    return asyncio.run(ask_zone(DnsResolver([("127.0.0.1", port)]), row, subject))


@pytest.mark.servers
@pytest.mark.parametrize(
    ("zone", "subject", "state", "listed"),
    [
        ("zen.spamhaus.org", "192.0.2.66", ZoneState.ALIVE, True),
        ("zen.spamhaus.org", "192.0.2.67", ZoneState.ALIVE, False),
        ("bl.spamcop.net", "192.0.2.66", ZoneState.ALIVE, False),
        ("psbl.surriel.com", "192.0.2.66", ZoneState.WORLD, False),
        ("bl.mailspike.net", "192.0.2.66", ZoneState.ALIVE, False),  # .18 is a good reputation
        ("dnsbl.zapbl.net", "203.0.113.1", ZoneState.EMPTY, False),  # lacks 127.0.0.2
        ("bl.score.senderscore.com", "192.0.2.66", ZoneState.REFUSED, False),
        ("bl.blocklist.de", "192.0.2.66", ZoneState.WORLD, False),  # answers outside 127/8
        ("dbl.spamhaus.org", "listed-domain.test", ZoneState.ALIVE, True),
        ("dbl.spamhaus.org", "good.test", ZoneState.ALIVE, False),
        ("multi.uribl.com", "listed-domain.test", ZoneState.REFUSED, False),  # bit 1
        ("multi.surbl.org", "listed-domain.test", ZoneState.ALIVE, True),
    ],
)
def test_a_list_is_believed_only_when_its_test_points_are_right(
    unbound: int, zone: str, subject: str, state: ZoneState, listed: bool
) -> None:
    listing = ask(unbound, zone, subject)
    assert (listing.state, listing.is_listed) == (state, listed), listing


@pytest.mark.servers
def test_a_listing_comes_with_its_meaning_and_its_text(unbound: int) -> None:
    listing = ask(unbound, "zen.spamhaus.org", "192.0.2.10")
    assert listing.meanings == ("PBL, addresses that should not send mail directly",)
    assert listing.text == "Policy"


@pytest.mark.servers
def test_a_list_that_nobody_serves_is_unreachable(unbound: int, nsd: int) -> None:
    row = own_zone("nobody.broken.test")
    listing = asyncio.run(ask_zone(DnsResolver([("127.0.0.1", unbound)]), row, "192.0.2.66"))
    assert listing.state is ZoneState.UNREACHABLE


@pytest.mark.servers
def test_an_examination_shows_listings_and_what_is_wrong_with_lists(
    doctor: Examine, unbound: int
) -> None:
    found = doctor(
        "listed-domain.test", ips=("192.0.2.66",), zones=ON_LOOPBACK, resolver_port=unbound
    )
    listed = {each.observed.split(" is on ")[1].split(":")[0]: each for each in found["rbl.ip"]}
    assert {zone: str(each.status) for zone, each in listed.items()} == {
        "zen.spamhaus.org": "fail",
        "dnsbl-2.uceprotect.net": "info",
    }
    assert "https://list.test/192.0.2.66" in listed["zen.spamhaus.org"].observed
    assert "check.spamhaus.org" in listed["zen.spamhaus.org"].fix
    assert "never pay" in listed["dnsbl-2.uceprotect.net"].fix
    assert [each.status for each in found["rbl.allowed"]] == ["ok"]
    texts = " ".join(each.observed for each in found["rbl.domain"])
    assert "click tracker" in texts
    troubles = {each.observed.split(" ")[0]: str(each.status) for each in found["rbl.zone"]}
    assert troubles["psbl.surriel.com"] == "info"
    assert troubles["multi.uribl.com"] == "unknown"


@pytest.mark.servers
def test_an_address_on_no_list_is_well(doctor: Examine, unbound: int) -> None:
    found = doctor("good.test", ips=("192.0.2.1",), zones=ON_LOOPBACK, resolver_port=unbound)
    assert [each.status for each in found["rbl.ip"]] == ["ok"]
    assert "none of 4 lists" in found["rbl.ip"][0].observed


DEAD = [
    "dnsbl.sorbs.net",
    "spam.dnsbl.sorbs.net",
    "combined.njabl.org",
    "ix.dnsbl.manitu.net",
    "cbl.abuseat.org",
    "IX.dnsbl.manitu.net.",
]


@pytest.mark.parametrize("name", DEAD)
def test_a_dead_list_is_known(name: str) -> None:
    zone = dead_zone(name)
    assert zone
    assert zone.note
    assert zone.source


class Recorder:
    """A resolver that notes what it is asked and knows nothing."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        self.names.append(name)
        return Answer(name=name, kind=kind, outcome=Outcome.NXDOMAIN)


@pytest.mark.servers
def test_a_dead_list_is_explained_and_never_asked(doctor: Examine) -> None:
    recorder = Recorder()
    zones = (*ZONES, own_zone("dnsbl.sorbs.net"))
    found = doctor("good.test", ips=("192.0.2.1",), zones=zones, resolver=recorder)
    dead = [each for each in found["rbl.zone"] if "sorbs" in each.observed]
    assert "2024-06-05" in dead[0].observed
    assert not any("sorbs" in name or "njabl" in name for name in recorder.names)
    assert any(name.endswith("zen.spamhaus.org") for name in recorder.names)


@pytest.mark.servers
def test_a_public_resolver_is_recognised_by_its_address(doctor: Examine) -> None:
    found = doctor("good.test", servers=("8.8.8.8",))
    assert [each.status for each in found["dns.resolver"]] == ["warn"]


class Refusing:
    """A resolver behind which every list answers as Spamhaus does to a public resolver."""

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        if name.endswith("zen.spamhaus.org") and kind == "A":
            records = ("127.255.255.254",)
            return Answer(name=name, kind=kind, outcome=Outcome.ANSWERS, records=records)
        return Answer(name=name, kind=kind, outcome=Outcome.NODATA)


@pytest.mark.servers
def test_a_public_resolver_is_recognised_by_the_answer_of_a_list(doctor: Examine) -> None:
    found = doctor("good.test", ips=("192.0.2.1",), zones=ZONES, resolver=Refusing())
    assert "127.255.255.254" in found["dns.resolver"][-1].observed
    assert {each.status for each in found["rbl.ip"]} == {"unknown"}


def test_every_row_of_the_table_has_a_source_and_a_date() -> None:
    for zone in ZONES:
        assert zone.source, zone
        assert zone.checked, zone
        assert zone.status in ("alive", "advisory", "dead", "merged", "fake")
        assert bool(zone.weight) == zone.is_asked
