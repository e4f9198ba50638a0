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
    KillSwitch(None, tmp_path / "objections").object(77)
    again = KillSwitch(None, tmp_path / "objections")
    assert again.is_untracked(77)
    assert not again.is_untracked(78)


def test_an_objection_that_cannot_be_kept_is_not_promised(tmp_path: Path) -> None:
    switch = KillSwitch(None, tmp_path / "nowhere" / "objections")
    with pytest.raises(OSError, match="nowhere"):
        switch.object(77)
    assert switch.is_untracked(77)
