"""Hostile messages are read to their end; nothing here asserts a time, a hang fails the run."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from guard_mail import mail

from mailglass.guard import clean, examine, inspect

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
    "attributes": "<p a='' b='' ping=x ",
}


@pytest.mark.parametrize("piece", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("work", [inspect, clean])
def test_a_quarter_megabyte_of_anything_is_read(
    piece: str, work: Callable[[bytes], object]
) -> None:
    work(mail(piece * (MEGABYTE // 4 // len(piece))))


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
