"""The simulator keeps its word: the same seed the same world, and truth that agrees with itself."""

from __future__ import annotations

import dataclasses
import ipaddress
import math
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mailglass.errors import InputError
from mailglass.model import Actor, TargetKind
from mailglass.tokens import Kind, Ring, link_bound
from mailglass.world import Figures, SimulatedDelivery, SimulatedRequest, simulate

COUNT = 20_000


@pytest.fixture(scope="module")
def world() -> list[SimulatedDelivery]:
    return list(simulate(COUNT, seed=11))


def requests_of(
    deliveries: list[SimulatedDelivery], *actors: Actor, kind: TargetKind | None = None
) -> Iterator[tuple[SimulatedDelivery, SimulatedRequest]]:
    for delivery in deliveries:
        for request in delivery.requests:
            if request.actor in actors and kind in (None, request.kind):
                yield delivery, request


def after(delivery: SimulatedDelivery, request: SimulatedRequest) -> float:
    return (request.hit.at - delivery.delivered_at).total_seconds()


def sampling_error(share: float, trials: float) -> float:
    """Four standard errors: one run in 16,000 falls outside by chance, and seeds are fixed."""
    return 4 * math.sqrt(share * (1 - share) / trials)


def test_the_same_seed_gives_the_same_world() -> None:
    assert list(simulate(300, seed=5)) == list(simulate(300, seed=5))
    assert list(simulate(300, seed=5)) != list(simulate(300, seed=6))


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    assert list(simulate(500, seed=5))[:100] == list(simulate(100, seed=5))


@hypothesis_settings(max_examples=20)
@given(st.integers(0, 400), st.integers())
def test_as_many_deliveries_come_as_were_asked_for(count: int, seed: int) -> None:
    ids = [made.delivery.id for made in simulate(count, seed=seed)]
    assert ids == list(range(1, count + 1))


def test_requests_stand_in_the_order_of_their_times(world: list[SimulatedDelivery]) -> None:
    for delivery in world:
        times = [request.hit.at for request in delivery.requests]
        assert times == sorted(times)


def test_nobody_who_did_not_read_caused_a_request(world: list[SimulatedDelivery]) -> None:
    acting = requests_of(world, Actor.HUMAN, Actor.IMAGE_PROXY, Actor.LINK_PREVIEW)
    assert all(delivery.truth.was_read for delivery, _ in acting)


def test_every_display_that_is_seen_follows_a_display_at_once(
    world: list[SimulatedDelivery],
) -> None:
    seen = requests_of(world, Actor.HUMAN, Actor.IMAGE_PROXY, kind=TargetKind.BEACON)
    for delivery, request in seen:
        moment = after(delivery, request)
        assert any(-0.001 <= moment - shown <= 1.0 for shown in delivery.truth.displayed)


def test_every_click_of_the_recipient_is_in_the_truth_and_no_other(
    world: list[SimulatedDelivery],
) -> None:
    for delivery in world:
        clicks = Counter(
            (request.hit.target, round(after(delivery, request), 2))
            for request in delivery.requests
            if request.actor is Actor.HUMAN and request.kind is not TargetKind.BEACON
        )
        acts = Counter(
            (act.target.number, round(round(act.after_seconds * 1000) / 1000, 2))
            for act in delivery.truth.acts
        )
        assert clicks == acts


def test_a_prefetch_comes_before_the_first_display(world: list[SimulatedDelivery]) -> None:
    found = list(requests_of(world, Actor.PREFETCH))
    assert found
    for delivery, request in found:
        assert delivery.provider == "gmail"
        shown = delivery.truth.displayed
        assert not shown or after(delivery, request) < shown[0]


def test_a_person_never_acts_before_the_message_is_there(world: list[SimulatedDelivery]) -> None:
    acting = requests_of(world, Actor.HUMAN, Actor.IMAGE_PROXY, Actor.PRIVACY_PROXY)
    assert all(after(delivery, request) >= 0 for delivery, request in acting)


def test_a_forwarded_copy_is_read_only_after_it_was_forwarded(
    world: list[SimulatedDelivery],
) -> None:
    for delivery, request in requests_of(world, Actor.THIRD_PARTY):
        assert delivery.truth.forwarded is not None
        assert after(delivery, request) > delivery.truth.forwarded


def test_some_reads_leave_no_trace(world: list[SimulatedDelivery]) -> None:
    silent = [
        delivery
        for delivery in world
        if delivery.truth.was_read and not any(r.by_recipient for r in delivery.requests)
    ]
    assert silent


def test_honeypots_are_followed_by_machines_only(world: list[SimulatedDelivery]) -> None:
    actors = {
        request.actor
        for delivery in world
        for request in delivery.requests
        if request.kind is TargetKind.HONEYPOT
    }
    assert actors == {Actor.SECURITY_SCANNER}


def test_a_person_keeps_device_and_network_from_message_to_message(
    world: list[SimulatedDelivery],
) -> None:
    clients: dict[str, set[str]] = {}
    for delivery in world:
        clients.setdefault(delivery.delivery.recipient, set()).add(delivery.client)
    assert len(clients) < COUNT
    assert all(len(kept) == 1 for kept in clients.values())


AGENTS = {
    Actor.PREFETCH: "Edge/12.246 Mozilla/5.0",
    Actor.PRIVACY_PROXY: "Mozilla/5.0",
}


@pytest.mark.parametrize("actor", AGENTS)
def test_published_user_agents_are_shown_to_the_letter(
    world: list[SimulatedDelivery], actor: Actor
) -> None:
    shown = {request.hit.headers["user-agent"] for _, request in requests_of(world, actor)}
    assert len(shown) == 1
    assert shown.pop().endswith(AGENTS[actor])


def test_gmail_proxy_sends_four_headers_and_no_accept(world: list[SimulatedDelivery]) -> None:
    proxied = [
        request.hit.headers
        for delivery, request in requests_of(world, Actor.IMAGE_PROXY)
        if delivery.client == "gmail"
    ]
    assert proxied
    assert all(
        set(headers) == {"connection", "user-agent", "accept-encoding"} for headers in proxied
    )


def networks_of(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    lines = (files("mailglass.world") / "data" / "networks.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [ipaddress.ip_network(row[1]) for row in rows if row[0] == name]


NETWORKS = {
    Actor.PREFETCH: ["google-special-crawlers"],
    Actor.PRIVACY_PROXY: ["apple-egress"],
    Actor.SECURITY_SCANNER: ["microsoft-eop", "barracuda", "proofpoint", "mimecast", "hosting"],
}


@pytest.mark.parametrize("actor", NETWORKS)
def test_requests_come_from_the_published_networks(
    world: list[SimulatedDelivery], actor: Actor
) -> None:
    allowed = [net for name in NETWORKS[actor] for net in networks_of(name)]
    for _, request in requests_of(world, actor):
        address = ipaddress.ip_address(request.hit.address)
        assert any(address.version == net.version and address in net for net in allowed)


def test_googles_display_addresses_lie_outside_its_crawler_ranges(
    world: list[SimulatedDelivery],
) -> None:
    crawlers = networks_of("google-special-crawlers")
    for delivery, request in requests_of(world, Actor.IMAGE_PROXY):
        if delivery.client == "gmail":
            address = ipaddress.ip_address(request.hit.address)
            assert not any(address in net for net in crawlers)


def test_tokens_verify_unless_a_scanner_altered_them() -> None:
    ring = Ring([bytes(range(32))])
    kinds = {"o": Kind.OPEN, "c": Kind.CLICK}
    altered = 0
    for delivery in simulate(3000, seed=3):
        for request in delivery.requests:
            hit = request.hit
            if hit.delivery_id is None:
                altered += 1
                assert hit.token.endswith("%27")
                assert request.actor is Actor.SECURITY_SCANNER
            elif hit.path_kind in kinds:
                token = ring.read(
                    hit.token, kinds[hit.path_kind], bound=link_bound(hit.to) if hit.to else b""
                )
                assert (token.delivery_id, token.target) == (delivery.delivery.id, hit.target)
    assert altered


# The published shape of the time from delivery to the first display (pooled fit): seconds, share.
DISPLAYED_WITHIN = [(600, 0.049), (3600, 0.23), (21600, 0.57), (86400, 0.81), (604800, 0.97)]


@pytest.mark.parametrize(("seconds", "share"), DISPLAYED_WITHIN)
def test_campaigns_are_displayed_as_fast_as_published(
    world: list[SimulatedDelivery], seconds: int, share: float
) -> None:
    first = [d.truth.displayed[0] for d in world if d.truth.was_read and not d.one_to_one]
    seen = sum(moment <= seconds for moment in first) / len(first)
    assert seen == pytest.approx(share, abs=sampling_error(share, len(first)) + 0.005)


def test_one_to_one_mail_is_displayed_faster(world: list[SimulatedDelivery]) -> None:
    quick = {
        kind: [
            d.truth.displayed[0] < 600 for d in world if d.truth.was_read and d.one_to_one == kind
        ]
        for kind in (True, False)
    }
    assert sum(quick[True]) / len(quick[True]) > 3 * sum(quick[False]) / len(quick[False])


def test_apple_has_its_published_share_of_opens(world: list[SimulatedDelivery]) -> None:
    apple = others = 0
    for delivery in world:
        actors = {r.actor for r in delivery.requests if r.kind is TargetKind.BEACON}
        apple += Actor.PRIVACY_PROXY in actors
        others += bool(actors & {Actor.HUMAN, Actor.IMAGE_PROXY})
    # Wider than chance alone: which of a few thousand people use Apple Mail is drawn once.
    assert apple / (apple + others) == pytest.approx(0.55, abs=0.03)


def test_prefetches_are_one_to_six_percent_of_gmail_opens(world: list[SimulatedDelivery]) -> None:
    gmail = [
        request.actor
        for delivery, request in requests_of(world, Actor.PREFETCH, Actor.IMAGE_PROXY)
        if delivery.provider == "gmail"
    ]
    assert 0.01 <= gmail.count(Actor.PREFETCH) / len(gmail) <= 0.06


# Bot share of clicks: Omnivery 2026 for the kinds of domain, Omeda 2023 over all.
BOT_SHARES = [
    ({"outlook"}, 0.5, 0.12),
    ({"microsoft365"}, 0.75, 0.1),
    ({"gateway-company"}, 0.92, 0.06),
    (None, 0.65, 0.07),
]


@pytest.mark.parametrize(("providers", "share", "tolerance"), BOT_SHARES)
def test_machines_have_their_published_share_of_clicks(
    world: list[SimulatedDelivery], providers: set[str] | None, share: float, tolerance: float
) -> None:
    clicks = [
        request.by_recipient
        for delivery in world
        for request in delivery.requests
        if request.kind is TargetKind.LINK and (not providers or delivery.provider in providers)
    ]
    assert 1 - sum(clicks) / len(clicks) == pytest.approx(share, abs=tolerance)


def test_a_quarter_of_scans_comes_before_delivery(world: list[SimulatedDelivery]) -> None:
    first: dict[int, float] = {}
    for delivery in world:
        scans = [
            after(delivery, request)
            for request in delivery.requests
            if request.actor is Actor.SECURITY_SCANNER
        ]
        if scans and delivery.provider == "outlook" and len(scans) > 1:
            first[delivery.delivery.id] = scans[0]
    early = sum(moment < 0 for moment in first.values()) / len(first)
    assert early == pytest.approx(0.25, abs=sampling_error(0.25, len(first)))


def test_a_figure_can_be_replaced() -> None:
    nobody = dataclasses.replace(Figures.published(), read_share=0.0, apple_share_of_opens=0.0)
    actors = {r.actor for d in simulate(1500, seed=1, figures=nobody) for r in d.requests}
    assert not actors & {Actor.HUMAN, Actor.IMAGE_PROXY, Actor.THIRD_PARTY, Actor.PRIVACY_PROXY}


@pytest.mark.parametrize("wrong", [{"read_share": 1.5}, {"again_share": 1.0}, {"scan_sigma": -1}])
def test_impossible_figures_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        dataclasses.replace(Figures.published(), **wrong)


def test_every_figure_and_row_names_its_source() -> None:
    folder = files("mailglass.world") / "data"
    figures = tomllib.loads((folder / "figures.toml").read_text())
    assert set(figures) == {field.name for field in dataclasses.fields(Figures)}
    assert all(row["source"] for row in figures.values())
    for name in ("agents.toml", "clients.toml", "gateways.toml", "providers.toml"):
        assert all(row["source"] for row in tomllib.loads((folder / name).read_text()).values())


def test_stand_in_domains_are_reserved_names() -> None:
    domains = {
        made.delivery.recipient.rpartition("@")[2] for made in simulate(2000, stand_ins=True)
    }
    assert all(domain.endswith(".example") for domain in domains)
