"""A target that a link holds in base64 or hex is read as what it is, or the link stays."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mailglass.guard import unwrap


def digits(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


X = "https://x.example/a?b=1&c=2"
SIGNED = digits('{"alg":"HS256"}')
TEXTS = {
    "JSON": ('{"email_id":"x","href":"https://x.example/a?b=1&c=2"}', X),
    "JSON with escapes": (
        '{"id":7,"href":"https:\\/\\/x.example\\/a?b=1\\u0026c=2","internal":"y"}',
        X,
    ),
    "JSON in JSON": ('{"v":1,"p":{"u":"https://x.example/a?b=1&c=2","n":[1,2]}}', X),
    "JSON beyond ASCII": ('{"name":"Jürgen","url":"https://x.example/a?b=1&c=2"}', X),
    "a query": ("id=7&url=https%3A%2F%2Fx.example%2Fa%3Fb%3D1%26c%3D2&n=8", X),
    "a URL": (X, X),
    "a JSON string cut off": ('{"u":"https://x.example/","id"', None),
    "JSON with two targets": ('{"u":"https://x.example/","href":"https://y.example/"}', None),
    "JSON with a picture": ('{"logo":"https://x.example/logo.png","id":7}', None),
    "JSON that signs in": ('{"otp":"123456","redirect":"https://x.example/"}', None),
    "a query that may be cut": ("url=https://x.example/a?b=1&c=2", None),
    "two URLs": ("https://x.example/,https://y.example/", None),
    "a URL and more": ('https://x.example/","id":7}', None),
    "a URL in quotes": ('"https://x.example/"', None),
    "a list": ('["https://x.example/"]', None),
}


@pytest.mark.parametrize(("text", "target"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("form", ["base64", "hex"])
def test_what_is_encoded_is_read_as_what_it_is(text: str, target: str | None, form: str) -> None:
    piece = digits(text) if form == "base64" else text.encode().hex()
    for url in (f"https://t.example/track/{piece}/abc", f"https://click.t.example/x?p={piece}"):
        found = unwrap(url)
        assert (found.target if found else None) == target


@pytest.mark.parametrize(
    "url",
    [
        f"https://app.example/x?state={digits(TEXTS['JSON'][0])}",
        f"https://app.example/page?p={digits(TEXTS['JSON'][0])}",
        f"https://app.example/s/{SIGNED}.{digits(TEXTS['JSON'][0])}.k30OPLTmG6zi5U",
        f"https://app.example/verify/{digits(TEXTS['JSON'][0])}",
    ],
)
def test_a_page_that_acts_keeps_what_is_encoded(url: str) -> None:
    assert unwrap(url) is None


def test_a_slash_of_the_alphabet_does_not_cut_a_target_short() -> None:
    piece = base64.b64encode(b"https://www.x.example/a?b=1").decode()
    assert "/" in piece
    assert unwrap(f"https://t.example/r/{piece}") is None
    piece = base64.b64encode(b"https://www.x.example/~a?b=1").decode()
    found = unwrap(f"https://t.example/r/{piece}/5f0cabc")
    assert found is None or found.target == "https://www.x.example/~a?b=1"


# A mark for an empty query at the end changes no target, and in base64 it can be a slash.
URLS = st.text("abz09-._~:/?#[]@!$&'()*+,;=%|{}\"\\ ^`é", max_size=20).map(
    lambda rest: "https://x.example/" + rest.rstrip("?")
)
WORDS = st.text("abcdef0123456789 -_?/,", max_size=12)
NAMES = st.sampled_from(["u", "url", "href", "redirect", "target", "link"])
NO_TARGETS = st.sampled_from(["id", "n", "mail", "internal", "w"])
JOINTS = st.sampled_from([" ", ",", ";", "|", "&", "\n", '"', ""])


@st.composite
def embeddings(draw: st.DrawFn) -> tuple[str, str]:
    """A text and the URL in it."""
    url = draw(URLS)
    more = draw(st.dictionaries(NO_TARGETS, WORDS | st.integers() | st.none(), max_size=3))
    name = draw(NAMES)
    pairs = draw(st.permutations([*more.items(), (name, url)]))
    form = draw(st.integers(0, 6))
    texts = {
        0: url,
        1: json.dumps(dict(pairs)),
        2: json.dumps({"v": 1, "p": dict(pairs)}, separators=(",", ":"), ensure_ascii=False),
        3: urlencode(pairs),
        4: "&".join(f"{key}={value}" for key, value in pairs),
        5: url + draw(JOINTS) + "https://y.example/" + draw(WORDS),
        6: json.dumps({**dict(pairs), draw(NAMES.filter(lambda n: n != name)): url + "x"}),
    }
    return texts[form], url


@given(
    embeddings(),
    st.sampled_from(["urlsafe", "standard", "quoted", "hex", "padded"]),
    st.sampled_from(["https://t.example/track/{}", "https://t.example/c/{}/abc", "v2_{}", "?p={}"]),
)
def test_a_target_is_exactly_the_url_that_was_embedded(
    embedded: tuple[str, str], form: str, place: str
) -> None:
    text, url = embedded
    data = text.encode()
    standard = base64.b64encode(data).decode()
    piece = {
        "urlsafe": digits(text),
        "standard": standard,
        "quoted": quote(standard, safe=""),
        "hex": data.hex(),
        "padded": base64.urlsafe_b64encode(data).decode(),
    }[form]
    if "://" not in place:
        place = "https://click.t.example/r" + ("/" + place if place[0] != "?" else place)
    assume(unwrap(url) is None)
    found = unwrap(place.format(piece))
    assert found is None or found.target in (
        url,
        quote(url, safe="".join(map(chr, range(33, 127)))),
    )
