"""Hostile messages are read to their end; nothing here asserts a time, a hang fails the run."""

from __future__ import annotations

import tracemalloc
from base64 import encodebytes
from collections.abc import Callable

import pytest
from guard_mail import mail

from mailglass.guard import clean, examine, inspect
from mailglass.guard.parts import MAX_PARTS

MEGABYTE = 1_000_000
U = "https://t.example/p?m=k30OPLTmG6zi5UytN22DhSZubSc"
BOMBS = {
    "nested tables": "<table><tr><td>",
    "nested hidden elements": "<div style='display:none'>",
    "alternating hidden elements": "<div hidden><p hidden>",
    "half tags": "<img src=",
    "quotes": "<img src='",
    "comments": "<!--[if mso]>",
    "unclosed comments": "<!--",
    "references": "<p style='&#117;&#114;",
    "style elements": "<style>",
    "css functions": "<p style='a:url(b(url(",
    "css rules": "<style>.a,.b{display:none}</style>",
    "css brackets": "<style>{{{{</style>",
    "srcset": "<img srcset='a,b,,,c 1x,",
    "doctypes": "<!DOCTYPE '",
    "refresh": "<meta http-equiv=refresh content='0;0;0;",
    "images": f"<img src='{U}' width=1>",
    "links": f"<a href='https://t.example/click?url={U}'>",
    "data": "<img src='data:image/svg+xml,%3Cimage",
    "scripts": "<iframe src='javascript:AAAAAAAAAAAAAAAAAAAAAAAA",
    "bases": "<base href='https://t.example/'><img src=a>",
    "svg": "<svg><style>",
    "styles that some see closed": "<svg><style/>x</style>",
    "comments in styles": "<svg><style><!--</style>",
    "titles in styles": "<svg><style><title></style>",
    "attributes over an end": "<svg><style><a id='</style>",
    "comments in noscript": "<noscript><!--</noscript>",
    "character data": '<svg><![CDATA[ > <a id="]]>',
    "scripts on events": "<a onclick=x>",
    "attributes": "<p a='' b='' ping=x ",
}


@pytest.mark.parametrize("piece", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("work", [inspect, clean])
def test_a_quarter_megabyte_of_anything_is_read(
    piece: str, work: Callable[[bytes], object]
) -> None:
    work(mail(piece * (MEGABYTE // 4 // len(piece))))


def entity(kind: str, body: bytes, encoding: str = "8bit", again: int = 1) -> bytes:
    fields = f"A: b\nContent-Type: {kind}\n" + f"Content-Transfer-Encoding: {encoding}\n" * again
    return fields.encode() + b"\n" + body


def repeated(piece: bytes) -> bytes:
    return piece * (MEGABYTE // 4 // len(piece))


MIXED = "multipart/mixed; boundary=b"
IMAGE = f"<img src='{U}' width=1>".encode()
RFC822 = b"--b\nContent-Type: message/rfc822\n"
SHAPES = {
    "empty parts": entity(MIXED, repeated(b"--b\n\n")),
    "parts": entity(MIXED, repeated(b"--b\nContent-Type: text/html\n\n" + IMAGE + b"\n")),
    "embedded messages": entity(MIXED, repeated(RFC822 + b"\n")),
    "encoded messages": entity(
        MIXED, repeated(RFC822 + b"Content-Transfer-Encoding: base64\n\nQTogYgoK\n")
    ),
    "messages in messages": b"A: b\n" + repeated(b"Content-Type: message/rfc822\n\n"),
    "multiparts in multiparts": b"A: b\n"
    + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(4000)
    ),
    "one boundary for all": entity(MIXED, repeated(f"--b\nContent-Type: {MIXED}\n\n".encode())),
    "a digest": entity("multipart/digest; boundary=b", repeated(b"--b\n\nA: b\n\nx\n")),
    "header fields": repeated(b"X: y\n") + b"\nbody",
    "receipt requests": repeated(b"Return-Receipt-To: a@b.example\n") + b"\nbody",
    "types": repeated(b"Content-Type: text/html\n") + b"\nbody",
    "encodings": entity("text/html", b"PGI+", "base64", again=8000),
    "comments": entity("text/html", b"<p>", "(" * 100_000),
    "elsewhere": entity(
        MIXED, repeated(b'--b\nContent-Type: message/external-body; url="http://t.example/a"\n\n')
    ),
    "foreign characters": entity("text/html", repeated(b"P*"), "base64"),
    "padding": entity("text/html", repeated(b"PGI=\n"), "base64"),
    "a blank line of megabytes": entity("text/html", repeated(b" ") + b"*", "base64"),
    "out of step": entity("text/html", encodebytes(IMAGE + repeated(b"x")), "base64"),
    "soft breaks": entity("text/html", repeated(b"= \n"), "quoted-printable"),
    "tabs": entity("text/html", b"=" + repeated(b"\t"), "quoted-printable"),
    "broken escapes": entity("text/html", b"=z" + repeated(IMAGE), "quoted-printable"),
    "uuencoded lines": entity("text/html", repeated(b"M\n"), "x-uue"),
    "NUL bytes": entity("text/html", repeated(b"<\0")),
    "escapes": entity("text/html", repeated(b"\x1b$B<")),
    "a calendar": entity("text/calendar", b"X-ALT-DESC:" + repeated(IMAGE)),
    "folds": entity("text/calendar", repeated(b"\n ")),
    "a card": entity("text/vcard", repeated(f"PHOTO;ENCODING=QUOTED-PRINTABLE:{U}\n".encode())),
}  # fmt: skip


@pytest.mark.parametrize("raw", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("work", [inspect, clean])
def test_a_quarter_megabyte_of_any_structure_is_read(
    raw: bytes, work: Callable[[bytes], object]
) -> None:
    work(raw)


@pytest.mark.parametrize("piece", [b"--b\n\n", b"--b\nContent-Type: text/html\n\n<p>\n"])
def test_of_a_message_of_endless_parts_some_are_read_and_the_rest_is_named(piece: bytes) -> None:
    raw = entity(MIXED, piece * (MAX_PARTS + 1) + b"--b\nContent-Type: text/html\n\n" + IMAGE)
    tracemalloc.start()
    cleaned = clean(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    ((path, why),) = cleaned.report.unread
    assert (path, f"more than {MAX_PARTS} parts in all" in why) == ("0", True)
    assert cleaned.left_alone == (f"0: {why}",)
    assert peak < 60_000_000


def test_parts_in_encoded_messages_count_as_well() -> None:
    inner = b"".join(encodebytes(entity(MIXED, b"--b\n\n" * 3_000)) for _ in range(1))
    part = b"--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + inner
    report = inspect(entity(MIXED, part * 8))
    assert [path for path, _ in report.unread] == ["0"]


def test_many_ways_of_reading_each_of_many_layers_are_not_all_tried() -> None:
    raw = entity("text/html", IMAGE)
    for _ in range(7):
        body = b"QTo=" + encodebytes(b" b\n" + raw) + b"-_"
        raw = entity("message/rfc822", body, "base64")
    clean(raw)


def test_many_hidden_names_are_not_searched_one_by_one() -> None:
    names = range(3_000)
    css = "".join(f".c{n}{{display:none}}" for n in names)
    html = f"<style>{css}</style>" + "".join(f"<p class=c{n}><img src={U}{n}></p>" for n in names)
    report = inspect(mail(html + "x" * MEGABYTE))
    assert all("hidden" in {e.signal for e in r.evidence} for r in report.resources)
    assert len(report.resources) == len(names)


def test_many_attributes_that_css_reads_are_not_gathered_for_each_tag() -> None:
    names = range(5_000)
    css = "".join(f"p{{content:attr(a{n} url)}}" for n in names)
    html = f"<style>{css}</style>" + "".join(f"<p a{n}={U}{n}>" for n in names)
    assert len(inspect(mail(html)).resources) == len(names)


@pytest.mark.soak
@pytest.mark.parametrize("piece", BOMBS.values(), ids=BOMBS)
def test_ten_megabytes_of_anything_are_read(piece: str) -> None:
    clean(mail(piece * (10 * MEGABYTE // len(piece))))


@pytest.mark.soak
def test_a_hundred_thousand_images_are_read() -> None:
    html = "".join(f"<img src='https://t.example/{n:x}.php?{n}' width=1>" for n in range(100_000))
    assert len(clean(mail(html)).edits) == 100_001


def test_memory_grows_with_the_message() -> None:
    """Ten thousand different images: half a megabyte, and under fifty times that."""
    html = "".join(f"<img src='https://t.example/{n:x}.php?{n}' width=1>" for n in range(10_000))
    raw = mail(html)
    tracemalloc.start()
    examine(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * len(raw)
