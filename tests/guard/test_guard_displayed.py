"""Which parts a program displays: named, twice disposed, or shown by the message's own HTML."""

from __future__ import annotations

import base64

import pytest
from guard_mail import multipart

from mailglass.guard import clean, inspect, restore

BEACON = "https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
HTML = f"<p>Hello</p>\r\n<img src='{BEACON}' width=1 height=1>\r\n"
SVG = f"<svg xmlns='http://www.w3.org/2000/svg'><image href='{BEACON}' width='1'/></svg>"
STYLE = f"p {{ background: url({BEACON}) }}"
HELLO = ("Content-Type: text/plain", "hello")
ATTACHED = "Content-Disposition: attachment; filename=x.html"


def is_silenced(raw: bytes) -> None:
    report = inspect(raw)
    assert {one.url for one in report.resources} == {BEACON}
    assert all(one.shown for one in report.resources)
    cleaned = clean(raw, remove="all")
    assert BEACON.encode() not in cleaned.data
    assert restore(cleaned.data, cleaned.edits) == raw
    assert clean(cleaned.data, remove="all").data == cleaned.data
    assert inspect(cleaned.data).resources == ()


@pytest.mark.parametrize(
    "fields",
    [
        'Content-Type: text/html; name="x.html"',
        f"Content-Type: text/html\r\n{ATTACHED}\r\nContent-Disposition: inline",
        f"Content-Type: text/html\r\nContent-Disposition: inline\r\n{ATTACHED}",
        "Content-Type: text/html; name=x.html\r\nContent-Disposition:",
        "Content-Type: text/html; name=x.html\r\nContent-Disposition: form-data",
        "Content-Type: text/watch-html",
    ],
)
@pytest.mark.parametrize("place", [0, 1, None])
def test_html_that_does_not_only_say_attachment_is_shown(fields: str, place: int | None) -> None:
    parts = [(fields, HTML)]
    if place is not None:
        parts.insert(place, HELLO)
    is_silenced(multipart("mixed", *parts))


@pytest.mark.parametrize(
    "content_type",
    ["text/xml", "application/xml", "application/vnd.wap.xhtml+xml", "application/xhtml+xml"],
)
def test_xml_is_read_as_markup(content_type: str) -> None:
    document = (
        f"<html xmlns='http://www.w3.org/1999/xhtml'><body><img src='{BEACON}'/></body></html>"
    )
    is_silenced(multipart("mixed", HELLO, (f"Content-Type: {content_type}", document)))


SHOWS = [
    "<iframe src='cid:c'></iframe>",
    "<object data='CID:c#x'></object>",
    "<embed src='&#99;id:c'>",
    "<link rel=stylesheet href='cid:c'>",
    "<style>@import 'cid:c'</style>",
    "<style>@import '\\63 id:c'</style>",
    "<frame src='ci\r\nd:c'>",
    "<iframe src='mid:1@shop.example/c'></iframe>",
    "<iframe src='https://shop.example/c'></iframe>",
    "<svg><use href='cid:c#a'/></svg>",
]
BODIES = {
    "text/css": STYLE,
    "image/svg+xml; name=a.svg": SVG,
    "text/html; name=a.html": HTML,
    "application/octet-stream": HTML,
    "application/x-unknown": STYLE,
    "text/plain": STYLE,
    "application/octet-stream; name=a": f"/*<p>*/{STYLE}",
}


@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize(("content_type", "body"), BODIES.items(), ids=BODIES)
@pytest.mark.parametrize("kind", ["mixed", "related"])
def test_what_the_own_html_shows_is_looked_into(
    show: str, content_type: str, body: str, kind: str
) -> None:
    fields = (
        f"Content-Type: {content_type}\r\nContent-Disposition: attachment\r\n"
        "Content-ID: <c>\r\nContent-Location: https://shop.example/c"
    )
    raw = multipart(kind, ("Content-Type: text/html", f"<p>hello</p>{show}"), (fields, body))
    found = {one.url for one in inspect(raw).resources} - {"https://shop.example/c"}
    assert found == {BEACON}
    cleaned = clean(raw, remove="all")
    assert BEACON.encode() not in cleaned.data
    assert restore(cleaned.data, cleaned.edits) == raw
    assert clean(cleaned.data, remove="all").data == cleaned.data


def test_a_part_that_is_shown_under_two_names_is_told_once() -> None:
    fields = "Content-Type: application/x\r\nContent-ID: <c>\r\nContent-Location: d"
    frame = ("Content-Type: text/html\r\nContent-ID: <f>", "<iframe src='d'></iframe>")
    first = ("Content-Type: text/html", "<iframe src='cid:c'></iframe><iframe src='cid:f'>")
    assert len(inspect(multipart("related", first, frame, (fields, HTML))).resources) == 1


def test_what_a_shown_part_shows_in_turn_is_looked_into() -> None:
    frame = "Content-Type: text/html\r\nContent-Disposition: attachment\r\nContent-ID: <{}>"
    parts = [(frame.format(n), f"<iframe src='cid:{n + 1}'></iframe>") for n in range(1, 40)]
    style = "Content-Type: text/css\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <40>"
    body = base64.encodebytes(STYLE.encode()).decode().replace("\n", "\r\n")
    first = ("Content-Type: text/html", "<p>hello</p><iframe src='cid:1'></iframe>")
    is_silenced(multipart("related", (style, body), first, *reversed(parts)))


@pytest.mark.parametrize(
    ("show", "fields"),
    [
        ("<p>hello</p>", "Content-Type: text/html\r\nContent-ID: <c>"),
        ("<iframe src='cid:d'></iframe>", "Content-Type: text/html\r\nContent-ID: <c>"),
        ("c", "Content-Type: image/svg+xml\r\nContent-ID: <c>"),
    ],
)
def test_an_attachment_that_nothing_shows_is_the_recipients_file(show: str, fields: str) -> None:
    fields += f"\r\n{ATTACHED}"
    raw = multipart("mixed", ("Content-Type: text/html", show), (fields, HTML))
    assert clean(raw).left_alone == ("2: it is an attachment",)
    assert clean(raw).data == raw


def test_a_picture_with_a_content_id_is_no_document() -> None:
    fields = "Content-Type: application/octet-stream\r\nContent-ID: <c>"
    picture = f"\x89PNG<img src='{BEACON}'>"
    html = ("Content-Type: text/html", "<img src='cid:c'>")
    raw = multipart("related", html, (fields, picture)).replace("\x89".encode(), b"\x89")
    assert inspect(raw).resources == ()
