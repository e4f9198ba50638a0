"""URLs that carry tokens: what is written is read, what is bent is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.errors import BadToken
from mailglass.tokens import (
    Kind,
    Ring,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    notice_url,
    read_url,
    unsubscribe_url,
)

RING = Ring([bytes(32)])
BASE = "https://track.example.com/mail/"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(TEXT)
def test_a_link_carries_any_destination_under_its_tag(to: str) -> None:
    token = RING.mint(Kind.CLICK, 7, 3, bound=link_bound(to))
    found = read_url(link_url(BASE, token, to))
    assert found.to == to
    assert RING.read(found.token, Kind.CLICK, bound=found.bound).target == 3


@given(TEXT)
def test_an_attachment_carries_any_name_under_its_tag(name: str) -> None:
    token = RING.mint(Kind.ATTACHMENT, 7, 300, bound=attachment_bound("abc", name))
    found = read_url(attachment_url(BASE, token, "abc", name))
    assert (found.name, found.digest) == (name, "abc")
    assert RING.read(found.token, Kind.ATTACHMENT, bound=found.bound).target == 300


@pytest.mark.parametrize(
    ("kind", "write"),
    [
        (Kind.OPEN, beacon_url),
        (Kind.UNSUBSCRIBE, unsubscribe_url),
        (Kind.NOTICE, notice_url),
    ],
)
def test_a_url_says_its_kind_in_any_letter_case(kind: Kind, write) -> None:
    token = RING.mint(kind, 7)
    url = write(BASE, token)
    assert "//" not in url.removeprefix("https://")
    for spelled in (url, url.lower(), url.upper(), url.removeprefix("https://track.example.com")):
        assert read_url(spelled).kind is kind
        assert read_url(spelled).token == token


def test_a_destination_stands_readable_without_a_second_scheme() -> None:
    url = link_url(BASE, "t" * 29, "https://shop.example/a/b?q=1&r=ü")
    assert url.endswith("?to=https%3A//shop.example/a/b%3Fq%3D1%26r%3D%C3%BC")


TOKEN = RING.mint(Kind.CLICK, 7)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        f"/c/{TOKEN}",
        f"/c/{TOKEN}?to=a&to=b",
        f"/c/{TOKEN}?to=%ff",
        f"/c/{TOKEN}.gif?to=a",
        f"/c/{TOKEN}/x?to=a",
        f"/c/{TOKEN[:-1]}?to=a",
        f"/o/{TOKEN}",
        f"/x/{TOKEN}",
        f"/a/{TOKEN}?f=x",
        f"/a/{TOKEN}/a/b?f=x",
        f"/#/c/{TOKEN}?to=a",
    ],
)
def test_another_form_is_refused(url: str) -> None:
    with pytest.raises(BadToken):
        read_url(url)
