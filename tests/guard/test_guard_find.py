"""Every loader of a message is found, and nothing that asks nobody."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from guard_mail import mail, multipart
from hypothesis import given, settings
from hypothesis import strategies as st

from mailglass.guard import Band, inspect
from mailglass.guard.html import find_references

U = "https://t.example/x"


def found(html: str) -> dict[str, str]:
    return {r.url: r.loader for r in inspect(mail(html)).resources}


def test_every_vector_of_httpleaks_is_found(shared_data: Path) -> None:
    text = (shared_data / "httpleaks.html").read_text("utf-8")
    names = set(re.findall(r"https://leaking\.via/([\w-]+)", text)) | {"svg-via-data"}
    report = inspect(mail(text))
    urls = [r.url for r in report.resources] + [link.url for link in report.links]
    assert {u.removeprefix("https://leaking.via/").split("#")[0].strip("/") for u in urls} >= names
    assert len(names) == 217
    assert "https://leaking.via/iframe-javascript-src-3" in urls


def test_what_only_a_test_or_an_attack_uses_is_a_tracker(shared_data: Path) -> None:
    report = inspect(mail((shared_data / "httpleaks.html").read_bytes()))
    assert {r.band for r in report.resources} == {Band.TRACKER}


@pytest.mark.parametrize(
    ("html", "loader"),
    [
        (f"<img src='{U}'>", "img-src"),
        (f"<IMG SRC={U}>", "img-src"),
        (f"<img src=' \n{U[:9]}\n{U[9:]}'>", "img-src"),
        ("<img src='https:/\\t.example/x'>", "img-src"),
        ("<img src='//t.example/x'>", "img-src"),
        ("<img src='&#104;ttps://t.example/x'>", "img-src"),
        (f"<img srcset='cid:a 1x, {U} 2x'>", "img-srcset"),
        (f"<img data-src='{U}'>", "img-data-src"),
        (f"<picture><source srcset='{U}'></picture>", "source-srcset"),
        (f"<input type=image src='{U}'>", "input-src"),
        (f"<td background\n=\n'{U}'>", "td-background"),
        (f"<p title='<' background='{U}'>", "p-background"),
        (f"<p style='background:ur&#108;({U})'>", "inline-css-background"),
        (f"<p style='background:u\\72l({U})'>", "inline-css-background"),
        (f"<style>p{{background:url({U})}}</style>", "css-background"),
        (f"<style>@import '{U}';</style>", "css-import"),
        (f"<svg><style>a{{fill:url({U})}}</style></svg>", "css-fill"),
        (f"<link rel=stylesheet href='{U}'>", "link-stylesheet"),
        (f"<link rel='DNS-prefetch' href='{U}'>", "link-dns-prefetch"),
        (f"<video poster='{U}'>", "video-poster"),
        (f"<svg><image xlink:href='{U}'/></svg>", "image-href"),
        (f"<svg><use href='{U}'/></svg>", "use-href"),
        (f"<!--[if mso]><v:fill src='{U}'/><![endif]-->", "fill-src"),
        (f"<!--[if gte mso 9]><v:rect><v:imagedata src='{U}'/></v:rect><![endif]-->",
         "imagedata-src"),
        (f"<meta http-equiv=refresh content='0;url={U}'>", "meta-refresh"),
        (f"<form action='{U}'>", "form-action"),
        (f"<amp-img src='{U}'></amp-img>", "amp-img-src"),
        (f"<a ping='{U}' href='#'>", "a-ping"),
        ("<base href='https://t.example/'><img src='x'>", "img-src"),
        (f"<iframe srcdoc='<img src={U}>'></iframe>", "iframe-srcdoc-nested"),
        (f"<img src='data:image/svg+xml,<image href=\"{U}\"/>'>", "img-src-nested"),
        (f"<object data='{U}'></object>", "object-data"),
    ],
)  # fmt: skip
def test_a_loader_is_found_however_it_is_written(html: str, loader: str) -> None:
    assert found(html).get(U) == loader


@pytest.mark.parametrize(
    "html",
    [
        "<img src='cid:a'>",
        "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>",
        "<img src='logo.png'>",
        "<img src=''>",
        f"<!-- <img src='{U}'> -->",
        f"<p title='{U}'>{U}</p>",
        f"<a href='{U}'>x</a>",
        f"<textarea><img src='{U}'></textarea>",
        '<html xmlns="http://www.w3.org/1999/xhtml">',
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" '
        '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">',
        "<p style='background:url(#a)'>",
    ],
)
def test_what_asks_nobody_is_not_found(html: str) -> None:
    assert found(html) == {}


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "gb18030", "iso-2022-jp"])
def test_the_encoding_of_the_part_makes_no_difference(encoding: str, charset: str) -> None:
    if (encoding, charset) == ("8bit", "utf-16"):
        pytest.skip("UTF-16 holds line breaks that 8bit cannot carry")
    raw = mail(f"<p>日本</p><img src='{U}'>", encoding=encoding, charset=charset)
    assert [r.url for r in inspect(raw).resources] == [U]


@pytest.mark.parametrize(
    "field", ["Disposition-Notification-To", "Return-Receipt-To", "X-Confirm-Reading-To"]
)
def test_a_receipt_request_is_found(field: str) -> None:
    report = inspect(mail("x", head=f"{field}: <news@shop.example>\r\n"))
    assert report.receipt_requests == (f"{field}: <news@shop.example>",)


HTML = "Content-Type: text/html; charset=utf-8"
IMG = f"<img src='{U}'>"


@pytest.mark.parametrize(
    ("fields", "body", "shown"),
    [
        (HTML, IMG, True),
        ("Content-Type: text/x-amp-html", f"<amp-img src='{U}'></amp-img>", True),
        (HTML + "\r\nContent-Disposition: attachment; filename=a.html", IMG, False),
        ("Content-Type: application/octet-stream; name=a.htm", IMG, False),
        ("Content-Type: image/svg+xml; name=a.svg", f"<svg><image href='{U}'/></svg>", False),
        ("Content-Type: message/rfc822", f"Subject: in\r\n{HTML}\r\n\r\n{IMG}", True),
        ("Content-Type: text/calendar", f"BEGIN:VEVENT\r\nIMAGE;VALUE=URI:{U}\r\n", True),
        ("Content-Type: text/calendar", f'X-ALT-DESC;FMTTYPE=text/html:<img src="{U}">\r\n', True),
    ],
)
def test_every_kind_of_part_is_looked_into(fields: str, body: str, shown: bool) -> None:
    raw = multipart("mixed", ("Content-Type: text/plain", "hello"), (fields, body))
    (resource,) = inspect(raw).resources
    assert (resource.url, resource.shown) == (U, shown)


PIECES = (
    "<img src=\"https://t.example/1\" alt=\"x src=\">",
    "<img alt=\" src=https://t.example/2 \" src=\"https://t.example/3\" width=1>",
    "<img src=\"https://t.example/4\" src=\"https://t.example/5\">",
    "<img src=\"data:,a\" lowsrc=\"https://t.example/6\"/>",
    "<IMG SRC=https://t.example/7 style='width:1px'>",
    "<a class=\"b\" href=\"https://t.example/8?a=1&amp;b=2\" title=\"c\">", "</a>",
    "<a href='https://t.example/9' href=\"https://t.example/10\" ping=https://t.example/11>",
    "<a title=\"<\" HREF=https://t.example/12>", "<p>", "</p>", "<td class=h>", "</td>", "<br>",
    *("<b class=x9>", "</b>"),
    "<div style=\"display:none\">", "</div>", "<span hidden>", "</span>", "text (url) = : &#8203;",
    "<td background=\"https://t.example/13\">",
    "<p style=\"background:u\\72l(https://t.example/14)\">",
    "<style>.h,.x9{display:none} p{background:url(https://t.example/15)}</style>", "<!-- <a> -->",
    "<!--[if mso]><img src=\"https://t.example/16\"><![endif]-->",
    *("<svg>", "</svg>", "<a", '"', "'"),
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_reading_only_the_usual_tags_finds_what_reading_every_tag_finds(markup: str) -> None:
    usual = find_references(markup)
    every = find_references(markup + "<applet>")  # an element for which every tag is read
    assert (usual.references, usual.anchors) == (every.references, every.anchors)


def test_on_real_documents_as_well(shared_data: Path) -> None:
    files = sorted((shared_data / "corpus").rglob("*.html"))
    assert files
    for file in files:
        markup = file.read_text("latin-1")
        usual, every = find_references(markup), find_references(markup + "<applet>")
        assert (usual.references, usual.anchors) == (every.references, every.anchors), file


def test_a_hidden_element_hides_what_it_holds_and_no_more() -> None:
    raw = mail(
        f"<div style='display:none'><div><img src='{U}1'></div></div><img src='{U}2'>"
        f"<style>.h{{display:none}} @media print{{.m{{display:none}}}}</style>"
        f"<p class=h><img src='{U}3'><p class=m><img src='{U}4'>"
    )
    assert hidden(raw) == {"1", "3"}


def test_an_element_that_a_style_sheet_hides_ends_where_it_ends() -> None:
    raw = mail(
        f"<style>.xyz{{display:none}}</style><b class=xyz><img src='{U}1'></b><img src='{U}2'>"
    )
    assert hidden(raw) == {"1"}


def hidden(raw: bytes) -> set[str]:
    signs = {r.url[-1]: {e.signal for e in r.evidence} for r in inspect(raw).resources}
    return {number for number, found in signs.items() if "hidden" in found}
