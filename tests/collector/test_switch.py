"""The kill switch: what is stopped, what is not, and what a bad file does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.running import RING, serve
from mailglass.collector.switch import KillSwitch
from mailglass.errors import ConfigurationError
from mailglass.tokens import Kind, beacon_url, link_bound, link_url

RULES = """
# stopped on 2026-11-22
url https://shop.example/sale
domain evil.example
delivery 100
delivery 200-300
delivery 250-400
untracked 500
"""


@pytest.fixture
def switch(tmp_path: Path) -> KillSwitch:
    (tmp_path / "switch").write_text(RULES)
    return KillSwitch(tmp_path / "switch", tmp_path / "objections")


@pytest.mark.parametrize(
    ("to", "delivery_id", "expected"),
    [
        ("https://shop.example/sale", 1, True),
        ("https://shop.example/sale2", 1, False),
        ("https://evil.example/", 1, True),
        ("https://a.b.EVIL.example:8443/x", 1, True),
        ("https://user@evil.example./", 1, True),
        ("https://notevil.example/", 1, False),
        ("https://evil.example.org/", 1, False),
        ("https://[::1/", 1, False),
        ("https://shop.example/", 100, True),
        ("https://shop.example/", 101, False),
        ("https://shop.example/", 200, True),
        ("https://shop.example/", 400, True),
        ("https://shop.example/", 401, False),
    ],
)
def test_a_rule_stops_what_it_names(
    switch: KillSwitch, to: str, delivery_id: int, expected: bool
) -> None:
    assert switch.holds_back(to, delivery_id) is expected


@pytest.mark.parametrize(
    ("rule", "to"),
    [
        ("domain bücher.example", "https://xn--bcher-kva.example/"),
        ("domain xn--bcher-kva.example", "https://a.BÜCHER.example/"),
        ("domain bücher.example", "https://b%C3%BCcher.example/"),
        ("domain bücher.example", "https://bücher。example/"),
        ("domain straße.example", "https://xn--strae-oqa.example/"),
        ("domain ☃.example", "https://xn--n3h.example/"),
        ("domain evil.example", "https://%65vil%2Eexample/"),
        ("domain evil.example", "https://ｅｖｉｌ．example/"),
        ("domain evil.example", "https://ev\u00adil.example/"),
        ("domain 192.0.2.1", "https://3221225985/"),
        ("domain 192.0.2.1", "https://0xC0.0.0x201./"),
        ("domain 2001:db8::1", "https://[2001:DB8:0::1]:8443/"),
        ("url https://shop.example/sale", "HTTPS://u@Shop.Example:443/s%61le"),
        ("url https://bücher.example", "https://xn--bcher-kva.example/"),
        ("url https://shop.example/ü?q=%c3%bc", "https://shop.example/%C3%BC?q=ü"),
    ],
)
def test_another_spelling_of_a_destination_does_not_escape_a_rule(
    tmp_path: Path, rule: str, to: str
) -> None:
    (tmp_path / "switch").write_text(rule)
    assert KillSwitch(tmp_path / "switch", tmp_path / "objections").holds_back(to, 1)


@pytest.mark.parametrize(
    ("rule", "to"),
    [
        ("domain evil.example", "https://evil.example%5C@good.example/"),
        ("domain evil.example", "https://good.example/evil.example"),
        ("domain evil.example", "https://evil.example%2F.good.example/"),
        ("url https://shop.example/sale", "https://shop.example/SALE"),
        ("url https://shop.example/sale", "https://shop.example:8443/sale"),
        ("url https://shop.example/a%2Fb", "https://shop.example/a/b"),
        ("domain bücher.example", "https://[bücher.example/"),
        ("domain bücher.example", "https://bücher.example:x/"),
    ],
)
def test_a_destination_elsewhere_is_not_stopped(tmp_path: Path, rule: str, to: str) -> None:
    (tmp_path / "switch").write_text(rule)
    assert not KillSwitch(tmp_path / "switch", tmp_path / "objections").holds_back(to, 1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_ranges_of_deliveries_mean_their_union(
    tmp_path_factory: pytest.TempPathFactory, ranges: list[tuple[int, int]]
) -> None:
    file = tmp_path_factory.mktemp("switch") / "switch"
    file.write_text("\n".join(f"delivery {first}-{last}" for first, last in ranges))
    switch = KillSwitch(file, file.with_name("objections"))
    for number in range(52):
        expected = any(first <= number <= last for first, last in ranges)
        assert switch.holds_back("https://a.example/", number) is expected


def test_every_fault_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "switch").write_text("delivery x\ndomain a.example\nstop everything\n")
    with pytest.raises(ConfigurationError) as raised:
        KillSwitch(tmp_path / "switch", tmp_path / "objections")
    assert "line 1" in str(raised.value)
    assert "line 3: no rule begins with 'stop'" in str(raised.value)


def test_a_file_that_does_not_exist_stops_nothing(tmp_path: Path) -> None:
    assert not KillSwitch(tmp_path / "none", tmp_path / "objections").holds_back(
        "https://a.example/", 1
    )


def test_a_stopped_link_shows_its_destination_and_is_recorded(tmp_path: Path) -> None:
    file = tmp_path / "switch"
    to = "https://evil.example/?a=<b>"
    url = link_url("", RING.mint(Kind.CLICK, 9, 1, bound=link_bound(to)), to)
    with serve(tmp_path, kill_switch_file=file) as server:
        assert server.get(url).status == 302
        file.write_text("domain evil.example")
        server.call(server.collector.reload)
        stopped = server.get(url)
        file.write_text("nonsense")
        server.call(server.collector.reload)
        still = server.get(url)
        file.unlink()
        server.call(server.collector.reload)
        assert server.get(url).status == 302
        assert server.metric("killed_total") == 2
        assert len(server.hits()) == 4
    assert stopped.status == still.status == 410
    assert "location" not in stopped.headers
    assert b"<code>https://evil.example/?a=&lt;b&gt;</code>" in stopped.body


def test_an_untracked_delivery_is_answered_and_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "switch").write_text("untracked 9")
    with serve(tmp_path, kill_switch_file=tmp_path / "switch") as server:
        assert len(server.get(beacon_url("", RING.mint(Kind.OPEN, 9))).body) == 43
        server.get(beacon_url("", RING.mint(Kind.OPEN, 10)))
        assert server.hit().delivery_id == 10


def test_an_objection_outlasts_a_restart(tmp_path: Path) -> None:
    KillSwitch(None, tmp_path / "objections").keep(77)
    again = KillSwitch(None, tmp_path / "objections")
    assert again.is_untracked(77)
    assert not again.is_untracked(78)


def test_an_objection_that_cannot_be_kept_is_not_promised(tmp_path: Path) -> None:
    switch = KillSwitch(None, tmp_path / "nowhere" / "objections")
    switch.object(77)
    with pytest.raises(OSError, match="nowhere"):
        switch.keep(77)
    assert switch.is_untracked(77)
