"""Pieces of URLs: words of people, and tokens for recipients."""

from __future__ import annotations

import pytest

from mailglass.guard.shape import is_opaque, shape_of, skeleton_of, split_url


@pytest.mark.parametrize(
    "piece",
    [
        "k30OPLTmG6zi5UytN22DhSZubSc",
        "mzxw6ytboi5dmzxw6ytboi5ab",
        "pzzzotepglrcaqiyhneg3o2tjgtuu",
        "3tche25axhpyotsfcrmkulerlagvg",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "5f0c1d2e3b4a59687786",
        "aHR0cHM6Ly93d3cu",
        "eJwVzE0OwiAQQOHTyLIZGKBlwUJrm3gNCl",
        "v3_1.k30OPLTmG6zi5UytN22DhSZubSc",
    ],
)
def test_what_nobody_would_write_is_a_token(piece: str) -> None:
    assert is_opaque(piece)


@pytest.mark.parametrize(
    "piece",
    [
        "internationalization",
        "OpenSea-Email-Logo",
        "newsletterheader2023",
        "SummerSale2024Banner",
        "EmailTemplateHeaderBackgroundImage",
        "WorldWideTechnologyConferenceAnnouncement",
        "background-image-repeat-left-corner",
        "microsoftwindowsxpprofessional",
        "20240301",
        "2024-03-01",
        "600x200",
        "1612345678",
        "index",
        "a",
        "",
    ],
)
def test_what_people_write_is_no_token(piece: str) -> None:
    assert not is_opaque(piece)


def test_the_shape_tells_folders_file_and_query_apart() -> None:
    token = "k30OPLTmG6zi5UytN22DhSZubSc"
    shape = shape_of(f"https://T.example:8080/a/{token}/{token}.gif?u={token}&n=12345#x")
    assert (shape.host, shape.is_file, shape.has_number) == ("t.example", True, True)
    assert (shape.path_tokens, shape.file_token) == ((token,), token)
    assert shape.query_tokens == (token,)
    assert not shape.is_static
    assert shape_of("https://t.example/images/logo.png").is_static


def test_two_urls_that_differ_in_their_tokens_have_one_skeleton() -> None:
    first = skeleton_of("https://t.example/o/k30OPLTmG6zi5UytN22DhSZubSc/x.gif?n=12345")
    second = skeleton_of("https://t.example/o/q81ZWCbnH7aj6VzuO33EiTAvcTd/x.gif?n=99887")
    assert first == second
    assert first != skeleton_of("https://t.example/p/k30OPLTmG6zi5UytN22DhSZubSc/x.gif?n=12345")


@pytest.mark.parametrize("url", ["http://[n-3]/a", "http://[::1/a", "//a", "a", "", "http://", "?"])
def test_what_urllib_refuses_is_split_all_the_same(url: str) -> None:
    split_url(url)
    shape_of(url)
