"""Mail merge: a value is written as the place wants it."""

from __future__ import annotations

import quopri

import pytest

from mailglass.instrument import fill, mark

VALUE = 'A&B=1 <x>/é?#+@"'
QUERY, PATH = (
    "A%26B%3D1%20%3Cx%3E%2F%C3%A9%3F%23%2B%40%22",
    "A%26B%3D1%20%3Cx%3E/%C3%A9%3F%23%2B%40%22",
)
OTHER, MARKUP = "A%26B%3D1%20%3Cx%3E%2F%C3%A9%3F%23+@%22", "A&amp;B=1 &lt;x&gt;/é?#+@&quot;"


def filled(text: str, *, is_html: bool) -> str:
    message = b"Subject: x\r\n\r\n" + mark(text, is_html=is_html)
    out = fill(message, {"values": {"v": VALUE, "w": "w"}, "to": "a@x.test"})
    return quopri.decodestring(out.partition(b"\r\n\r\n")[2]).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>{{v}}</p>", MARKUP),
        ('<a href="https://e.test/?q={{v}}">x</a>', QUERY),
        ('<a href="https://e.test/?a={{w}}&amp;q={{ v }}">x</a>', QUERY),
        ("<a class=x href='https://e.test/?q={{v}}'>x</a>", QUERY),
        ("<a href=https://e.test/?q={{v}}>x</a>", QUERY),
        ('<img alt="" src="/p/{{v}}.png">', PATH),
        ('<a\tHREF = "https://e.test/{{v}}/x">x</a>', PATH),
        ('<a href="https://e.test/#{{v}}">x</a>', QUERY),
        ('<a href="mailto:{{v}}?subject=x">x</a>', OTHER),
        ('<a href="{{v}}">x</a>', MARKUP),
        ('<a title="{{v}}" href="https://e.test/">x</a>', MARKUP),
        ('<a href="https://e.test/">{{v}}</a>', MARKUP),
        ("<p>1 < 2, {{v}}</p>", MARKUP),
    ],
)
def test_a_value_in_html_is_written_for_its_place(text: str, expected: str) -> None:
    placed = text.replace("{{w}}", "w").replace("{{v}}", expected).replace("{{ v }}", expected)
    assert filled(text, is_html=True) == placed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello {{v}}", VALUE),
        ("https://e.test/?q={{v}} x", QUERY),
        ("see (https://e.test/{{v}})", PATH),
        ("https://e.test/?a={{w}}&q={{v}}", QUERY),
        ("https://e.test/ {{v}}", VALUE),
        ("tel:{{v}}", OTHER),
        ("hotel: {{v}}", VALUE),
        ("{{v}}", VALUE),
    ],
)
def test_a_value_in_a_text_is_written_for_its_place(text: str, expected: str) -> None:
    placed = text.replace("{{w}}", "w").replace("{{v}}", expected)
    assert filled(text, is_html=False) == placed


def test_a_long_text_before_a_placeholder_costs_little() -> None:
    text = "<a " + "href=https://" * 20_000 + "{{v}}" * 50
    assert filled(text, is_html=True)
