"""A simulated client finds in a message what a real one would load and show."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.model import TargetKind
from mailglass.world import read_mail

HTML = b"Message-ID: <1@x>\r\nFrom: A <a@b.example>\r\nContent-Type: text/html\r\n\r\n"
LINK = (TargetKind.LINK, "http://h/c/t?to=x")

PAGES = [
    (b'<img src="http://h/o/t.gif">', [(TargetKind.BEACON, "http://h/o/t.gif")]),
    (b'<a href="http://h/c/t?to=x">x</a>', [LINK]),
    (b"<A HREF=http://h/c/t?to=x>x</A>", [LINK]),
    (b'<a href=" http://h/c/t?to=x ">x</a>', [LINK]),
    (b'<a href="http://h/c/t?a=1&amp;b=2">x</a>', [(TargetKind.LINK, "http://h/c/t?a=1&b=2")]),
    (b'<a href="http://h/a/t/f.pdf">x</a>', [(TargetKind.ATTACHMENT, "http://h/a/t/f.pdf")]),
    (b'<a href="http://h/u/t">x</a>', [(TargetKind.UNSUBSCRIBE, "http://h/u/t")]),
    (b'<a href="http://h/n/t">x</a>', [(TargetKind.NOTICE, "http://h/n/t")]),
    (b'<a href="http://h/o/t.gif">x</a>', [(TargetKind.LINK, "http://h/o/t.gif")]),
    (b'<a href="http://h/about">x</a>', [(TargetKind.LINK, "http://h/about")]),
    (b'<a href="http://[bad">x</a>', [(TargetKind.LINK, "http://[bad")]),
    (b"<!-- <img src=http://h/o/t.gif> -->", []),
    (b'<a name="x">x</a><img alt="x"><img src="">', []),
    (b'<img src="http://h/1"><img src="http://h/1">', [(TargetKind.BEACON, "http://h/1")]),
    (b'<![foo[<a href="http://h/c/t?to=x">', []),
    (b'<a href="http://h/c/t?to=x">x</a><![foo[', [LINK]),
]


@pytest.mark.parametrize(("page", "expected"), PAGES)
def test_pictures_and_links_are_found_as_a_client_finds_them(
    page: bytes, expected: list[tuple[TargetKind, str]]
) -> None:
    targets = read_mail(HTML + page).targets
    assert [(target.kind, target.url) for target in targets] == expected
    assert [target.number for target in targets] == list(range(len(expected)))


HIDDEN = [
    b'<a style="display:none" href="http://h/c/t?to=x">x</a>',
    b'<a hidden href="http://h/c/t?to=x">x</a>',
    b'<div style="DISPLAY : NONE"><div><p>y</div><a href="http://h/c/t?to=x">x</a></div>',
    b'<span style="font-size:0"><a href="http://h/c/t?to=x">x</a></span>',
    b'<p style="visibility: hidden"><a href="http://h/c/t?to=x">x</a></p>',
]


@pytest.mark.parametrize("page", HIDDEN)
def test_a_link_that_nobody_sees_is_a_honeypot(page: bytes) -> None:
    assert [target.kind for target in read_mail(HTML + page).targets] == [TargetKind.HONEYPOT]


def test_what_follows_a_hidden_element_is_seen_again() -> None:
    page = HIDDEN[2] + b'<a href="http://h/c/u?to=y">y</a>'
    kinds = [target.kind for target in read_mail(HTML + page).targets]
    assert kinds == [TargetKind.HONEYPOT, TargetKind.LINK]


def test_plain_text_shows_its_urls_where_there_is_no_page() -> None:
    mail = read_mail(b"Message-ID: <1@x>\r\n\r\nsee <http://h/c/t?to=x> and http://h/u/t\r\n")
    kinds = [target.kind for target in mail.targets]
    assert kinds == [TargetKind.LINK, TargetKind.UNSUBSCRIBE]


def test_an_encoded_page_is_decoded_first() -> None:
    page = "한국 <img src=http://h/o/t.gif>".encode("euc-kr").hex("=")
    quoted = "=" + page.upper()
    mail = read_mail(
        b"Content-Type: text/html; charset=euc-kr\r\nContent-Transfer-Encoding: quoted-printable"
        b"\r\n\r\n" + quoted.encode()
    )
    assert [target.url for target in mail.targets] == ["http://h/o/t.gif"]


def test_the_envelope_of_a_message_is_read() -> None:
    mail = read_mail(HTML)
    assert (mail.message_id, mail.author, mail.is_bulk) == ("<1@x>", "a@b.example", False)
    assert read_mail(b"List-Id: <news.author.example>\r\n" + HTML).is_bulk
    assert not read_mail(b"List-Unsubscribe: <http://h/u/t>\r\n" + HTML).is_bulk
    assert read_mail(b"Precedence: bulk\r\n" + HTML).is_bulk


def test_messages_without_an_id_are_told_apart_by_their_bytes() -> None:
    one, other = read_mail(b"Subject: a\r\n\r\n"), read_mail(b"Subject: b\r\n\r\n")
    assert one.message_id != other.message_id


@given(st.binary(max_size=400))
def test_any_bytes_are_read(content: bytes) -> None:
    read_mail(content)
    read_mail(HTML + content)


def test_multiparts_a_thousand_deep_are_read_as_nothing() -> None:
    layers = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth)
        for depth in range(1000)
    )
    assert read_mail(layers + b"Content-Type: text/html\r\n\r\n<img src=x>").targets == ()


def test_a_message_asks_for_no_more_than_a_person_could_see() -> None:
    page = b"".join(b'<a href="http://h/%d">' % number for number in range(5000))
    assert len(read_mail(HTML + page).targets) == 500


def test_messages_of_the_corpora_are_read(shared_data: Path) -> None:
    found = sorted(shared_data.glob("corpus/**/*.eml"))
    for path in found:
        read_mail(path.read_bytes())
    assert found
