"""Messages at the edges: what senders write by mistake or to do harm, and what the plan says."""

from __future__ import annotations

import base64
import email
import email.message
import re

import pytest

from instrument.independent import leaves, text_of
from mailglass.instrument import (
    Options,
    Template,
    apply,
    attachment_digest,
    compile_message,
    restore,
)
from mailglass.tokens import Ring, read_url

BASE = "https://track.example.com"
RING = Ring([bytes(range(32))])


def compiled(raw: bytes, **wishes: object) -> tuple[Template, bytes]:
    options = Options(base_url=BASE, **wishes)  # type: ignore[arg-type]
    template = compile_message(raw, options, ring=RING, store=lambda c, _: attachment_digest(c))
    out = template.render(5, RING)
    plan = template.plan(5, RING)
    assert b"".join(apply(raw, plan)) == out
    assert restore(out, plan) == raw
    return template, out


def reasons(template: Template) -> list[tuple[str, str]]:
    return [(item.what, item.reason) for item in template.left_alone]


HTML = b"Content-Type: text/html; charset=%b\n\n%b"


@pytest.mark.parametrize("label", ["rot13", "hex", "zlib", "idna", "punycode", "base64", "cp037"])
def test_a_page_in_no_charset_of_mail_is_left_alone_with_the_reason(label: str) -> None:
    raw = b"A: b\n" + HTML % (label.encode(), b'<p>x</p><a href="https://e.example/">y</a>')
    template, out = compiled(raw)
    assert out == raw
    assert len(template.left_alone) == 1
    assert label in template.left_alone[0].reason


HEADS = [
    b"A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b",
    b"A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n",
    b"A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n--b--\n",
    b"A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n\n--b--\n",
    b"A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n--b--\n",
    b"A: b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b--\r\n",
    b"A: b\n",
    b"A: b",
    b"A: b\r\nContent-Type: text/plain\r\n",
]


@pytest.mark.parametrize("raw", HEADS)
def test_a_text_without_an_empty_line_before_it_gets_no_html_beside_it(raw: bytes) -> None:
    template, out = compiled(raw, html_alternative=True)
    assert out == raw
    assert any("no empty line" in reason for _, reason in reasons(template))


@pytest.mark.parametrize(
    "raw",
    [
        b"A: b\n\n",
        b"A: b\n\nx",
        b"A: b\r\rx\r",
        b"A: b\r\n\r\nx\r\n",
        b"A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n",
        b"A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n\n--b--\n",
    ],
)
def test_a_text_behind_an_empty_line_gets_html_beside_it(raw: bytes) -> None:
    _, out = compiled(raw, html_alternative=True)
    if b"\n" in raw:  # the standard library's reader knows no lone CR
        assert [p.get_content_type() for p in leaves(out)] == ["text/plain", "text/html"]


SCRIPTS = {
    "utf-8": "表한。",
    "gb18030": "表访。",
    "big5": "表訪。",  # half of the second is an ASCII letter
    "euc-kr": "한글、",
    "shift_jis": "表申。",  # half of the first is a backslash
    "iso-2022-jp": "表申。",
    "utf-16": "表한。",
}


def text_message(charset: str, words: str) -> bytes:
    head = f"A: b\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: "
    return f"{head}binary\n\n".encode() + words.encode(charset)


@pytest.mark.parametrize("charset", SCRIPTS)
@pytest.mark.parametrize("wish", ["text_links", "html_alternative"])
def test_a_text_url_ends_before_words_written_without_spaces(charset: str, wish: str) -> None:
    one, two, stop = SCRIPTS[charset]
    words = "".join(
        [
            f"{one}{two}https://e.example/1{one}x {two}https://e.example/2{stop}{one}",
            f"{one}https://e.example/3{two} {stop}https://e.example/4, {two}https://e.example/5",
            f"{stop}{one}https://e.example{two} https://sub.example.{one}{two}/",
        ]
    )
    template, out = compiled(text_message(charset, words), **{wish: True})
    urls = [target.url for target in template.targets if target.url]
    assert urls == [*(f"https://e.example/{n}" for n in range(1, 6)), "https://e.example"]
    assert [what for what, _ in reasons(template)] == ["link https://sub.example"]
    if wish == "text_links":
        text = text_of(leaves(out)[0])
        assert all(f"?to={url.replace(':', '%3A')}" in text for url in urls)


@pytest.mark.parametrize("charset", ["utf-8", "gb18030", "shift_jis", "iso-2022-jp", "utf-16"])
@pytest.mark.parametrize("wish", ["text_links", "html_alternative"])
def test_a_text_url_before_other_letters_is_never_cut(charset: str, wish: str) -> None:
    words = "see https://e.example/pageдx and https://e.example/, or xhttps://e.example/no end"
    template, _ = compiled(text_message(charset, words), **{wish: True})
    assert [target.url for target in template.targets if target.url] == ["https://e.example/"]
    found = [what for what, reason in reasons(template) if "beyond ASCII" in reason]
    assert found == ["link https://e.example/page"]


def test_a_text_url_ends_before_curly_quotes_and_wide_spaces() -> None:
    words = "“https://e.example/1” https://e.example/2\u3000x https://e.example/3… ‹https://e.example/4›"
    template, _ = compiled(text_message("utf-8", words), text_links=True)
    urls = [target.url for target in template.targets if target.url]
    assert urls == [f"https://e.example/{n}" for n in range(1, 5)]


@pytest.mark.parametrize("second", [b"https://e.example/b", b"HTTPS://E.example/b"])
def test_every_list_unsubscribe_field_counts(second: bytes) -> None:
    raw = b"List-Unsubscribe: <https://e.example/a>\nList-Unsubscribe: <%b>\n" % second
    raw += b"Content-Type: text/html\n\n"
    raw += b"".join(b'<a href="https://e.example/%c">x</a>' % letter for letter in b"abc")
    template, _ = compiled(raw)
    assert [target.url for target in template.targets if target.url] == ["https://e.example/c"]


@pytest.mark.parametrize(
    "value",
    [
        "<https://e.example/u?Id=1>",
        "<HTTPS://E.Example/u?Id=1>",
        "<https://e.example\n /u?Id=1>",
        "<\n\thttps://e.example/u\n\t?Id=1 >",
        "<mailto:a@b.example>,\n <https://E.EXAMPLE/u?Id=1>",
    ],
)
@pytest.mark.parametrize("link", ["https://e.example/u?Id=1", "Https://E.example/u?Id=1"])
def test_the_senders_unsubscribing_is_left_alone_however_it_is_written(value, link) -> None:
    raw = f"A: b\nList-Unsubscribe: {value}\nContent-Type: text/html\n\n<a href='{link}'>x</a>"
    plain = f'<a href="{link}">x</a><a href="https://e.example/u?id=1">y</a>'
    template, out = compiled(raw.encode() + plain.encode(), opens=False)
    assert [target.url for target in template.targets] == ["https://e.example/u?id=1"]
    assert out.count(link.encode()) == 2 + value.count(link)


def with_attachment(text_head: str, text: bytes, file_head: str) -> bytes:
    head = f"A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n{text_head}\n\n"
    return head.encode() + text + f"\n--b\n{file_head}\n\n<p>x</p>\n--b--\n".encode()


NAMED = "Content-Disposition: attachment; filename*=utf-8''%C3%BCber.html"


@pytest.mark.parametrize("charset", ["us-ascii", "utf-8", "iso-8859-1", "iso-2022-jp"])
@pytest.mark.parametrize("encoding", ["7bit", "8bit", "", "quoted-printable", "base64"])
@pytest.mark.parametrize("links", [False, True])
def test_a_download_line_is_read_with_its_name_wherever_the_charset_has_it(
    charset: str, encoding: str, links: bool
) -> None:
    head = f"Content-Type: text/plain; charset={charset}"
    head += f"\nContent-Transfer-Encoding: {encoding}" if encoding else ""
    text = b"a = b, see https://x.test/?a=b \nplain end"
    body = {"base64": base64.encodebytes(text), "quoted-printable": text.replace(b"=", b"=3D")}
    raw = with_attachment(head, body.get(encoding, text), NAMED)
    _, out = compiled(raw, attachments="link", text_links=links)
    part = email.message_from_bytes(out).get_payload(0)
    assert isinstance(part, email.message.Message)
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    read = payload.decode(charset)
    name = "über.html" if charset in ("utf-8", "iso-8859-1") else "%C3%BCber.html"
    assert f"\n\n{name} (8 bytes):\nhttps://" in read
    assert read.startswith("a = b, see https://")
    assert " \nplain end\n\n" in read
    assert out.isascii() or encoding == "8bit"


def test_a_linked_attachment_is_not_among_what_was_left_alone() -> None:
    raw = with_attachment("Content-Type: text/plain", b"x", f"Content-Type: text/html\n{NAMED}")
    template, _ = compiled(raw, attachments="link")
    assert [edit.kind for edit in template.plan(1, RING).edits] == ["text-line", "attachment"]
    assert template.left_alone == ()


def test_an_attachment_that_no_text_can_link_stays_and_says_so() -> None:
    head = "Content-Type: text/html\nContent-Transfer-Encoding: binary"
    raw = with_attachment(head, b"<title>x", NAMED)
    template, out = compiled(raw, attachments="link")
    assert out == raw
    assert ("attachment über.html", "the text that would carry its link cannot be changed") in (
        reasons(template)
    )


@pytest.mark.parametrize(
    ("value", "kinds", "unknown"),
    [
        ("open, click", {"link", "beacon"}, []),
        ("OPEN", {"beacon"}, []),
        ("open, sparkle", {"beacon"}, ["control sparkle"]),
        ("sparkle; glow", {"link", "beacon"}, ["control glow", "control sparkle"]),
        ("yes", {"link", "beacon"}, ["control yes"]),
        ("", {"link", "beacon"}, ["control x-mailglass-track: empty"]),
        (" , ", {"link", "beacon"}, ["control x-mailglass-track: empty"]),
        ("none, open", set(), []),
        ("none", set(), []),
    ],
)
def test_only_words_that_are_known_change_what_is_tracked(value, kinds, unknown) -> None:
    raw = f"A: b\nX-Mailglass-Track: {value}\n".encode()
    raw += HTML % (b"utf-8", b'<p>x</p><a href="https://e.example/">y</a>')
    template, out = compiled(raw)
    found = {edit.kind for edit in template.plan(1, RING).edits} & {"link", "beacon"}
    assert found == kinds
    assert b"X-Mailglass" not in out
    assert [what for what, why in reasons(template) if "without effect" in why] == unknown
    wants_none = ("message", "X-Mailglass-Track: none") in reasons(template)
    assert wants_none == (not kinds)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"Content-Type: multipart/mixed\n\n<p>", "multipart without a boundary"),
        (
            b"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n"
            b"--b\nContent-Type: text/html\n\n<p>x</p>\n--b--\n",
            "transfer encoding base64 of a multipart",
        ),
        (b"Content-Type: text/html\nContent-Type: text/plain\n\n<p>", "repeated Content-Type"),
        (b"Content-Type: application/xhtml+xml\n\n<p/>", "not text/html"),
    ],
)
def test_what_stays_untouched_says_which_doubt_there_was(head: bytes, reason: str) -> None:
    template, out = compiled(b"A: b\n" + head)
    assert out == b"A: b\n" + head
    assert len(template.left_alone) == 1
    assert reason in template.left_alone[0].reason


def test_an_international_address_in_html_is_tracked_whole() -> None:
    raw = b"A: b\n" + HTML % (b"utf-8", '<a href="https://e.example/ü表">y</a>'.encode())
    _, out = compiled(raw)
    (url,) = re.findall(rf'{BASE}/c/[^"]+', out.decode())
    assert read_url(url).to == "https://e.example/ü表"
