"""What is changed and what is left alone, rule by rule, and every fault of other systems."""

from __future__ import annotations

import dataclasses
import email
import re

import pytest

from instrument.independent import leaves, text_of
from mailglass.errors import ConfigurationError, NotAMessage
from mailglass.instrument import (
    Options,
    Template,
    attachment_digest,
    compile_message,
    under_policy,
)
from mailglass.model import TargetKind, TrackingPolicy
from mailglass.tokens import Kind, Ring, read_url

BASE = "https://track.example.com"
RING = Ring([bytes(range(32))])
USUAL = Options(base_url=BASE)


def page(html: str | bytes, charset: str = "utf-8", fields: str = "") -> bytes:
    body = html if isinstance(html, bytes) else html.encode()
    head = f"From: a@example.com\n{fields}MIME-Version: 1.0\nContent-Type: text/html"
    return f"{head}; charset={charset}\n\n".encode() + body


def render(raw: bytes, options: Options = USUAL, delivery: int = 5) -> tuple[Template, str]:
    template = compile_message(raw, options, ring=RING, store=lambda c, _: attachment_digest(c))
    return template, template.render(delivery, RING).decode("latin-1")


def tracked(raw: bytes, options: Options = USUAL) -> list[str]:
    """The destinations of the tracked links, as the instrumented bytes carry them."""
    _, out = render(raw, options)
    return [read_url(url).to or "" for url in re.findall(rf"{BASE}/c/[^\"'<>\s]+", out)]


LINKS = {
    '<a href="https://e.example/">': "https://e.example/",
    '<A HREF="HTTPS://E.example/">': "HTTPS://E.example/",
    "<a href='https://e.example/'>": "https://e.example/",
    "<a href=https://e.example/x>": "https://e.example/x",
    "<a href = 'https://e.example/'>": "https://e.example/",
    '<a href="  https://e.example/ ">': "https://e.example/",
    '<a href="https://e.example/\na">': "https://e.example/a",
    '<a href="https://e.example/?a=1&amp;b=2">': "https://e.example/?a=1&b=2",
    '<a href="https://e.example/?a=1&copy=2">': "https://e.example/?a=1&copy=2",
    '<a href="https://e.example/ü">': "https://e.example/ü",
    '<a href="https://[2001:db8::1]/">': "https://[2001:db8::1]/",
    '<a href="https://e.example/a,b!c">': "https://e.example/a,b!c",
    '<a href="https://e.example/?f[0]=x">': "https://e.example/?f[0]=x",
    '<a href="https://e.example/it\'s">': "https://e.example/it's",
    '<a href="https://e.example/a b">': "https://e.example/a b",
    '<area shape="rect" href="https://e.example/">': "https://e.example/",
    "<!--[if mso]><a href='https://e.example/'>x</a><![endif]-->": "https://e.example/",
    '<!--[if mso]><v:roundrect href="https://e.example/b"><![endif]-->': "https://e.example/b",
    '<![if !mso]><a href="https://e.example/">x</a><![endif]>': "https://e.example/",
    '<a class="x" data-x=">" href="https://e.example/"><table>': "https://e.example/",
    '<a href="https://e.example/%7Bx%7D">': "https://e.example/%7Bx%7D",
}


@pytest.mark.parametrize("html", LINKS)
def test_a_web_link_is_tracked_however_it_is_written(html: str) -> None:
    assert tracked(page(f"<body>{html}</body>")) == [LINKS[html]]


LEFT = [
    '<a href="mailto:a@b.example">',
    '<a href="tel:+1">',
    '<a href="sms:+1">',
    '<a href="cid:x">',
    '<a href="data:text/html,x">',
    '<a href="javascript:x">',
    '<a href="#top">',
    '<a href="">',
    "<a href>",
    "<a>",
    '<a href="page.html">',
    '<a href="//e.example/">',
    '<a href="e.example/foo">',
    '<a href="https://">',
    # The collector would not follow these (browsers find a host in them).
    '<a href="https:///e.example/">',
    '<a href="https:\\\\e.example/">',
    '<a href="https://@e.example/">',
    '<a href="{{ url }}">',
    '<a href="https://e.example/{{ id }}">',
    '<a href="https://e.example/*|ID|*">',
    '<a href="https://e.example/%%id%%">',
    '<a href="https://e.example/${id}">',
    '<a href="https://e.example/<%= id %>">',
    '<a href="%recipient.link%">',
    '<a data-no-track href="https://e.example/">',
    '<a href="https://e.example/" DATA-NO-TRACK="1">',
    '<a href="https://e.example/unsubscribe">',
    '<link rel="stylesheet" href="https://e.example/x.css">',
    '<base href="https://e.example/">',
    '<img src="https://e.example/x.png" alt="<a href=https://e.example/>">',
    "<script>'<a href=\"https://e.example/\">'</script>",
    "<!-- <a href='https://e.example/'> -->",
    "<template><a href='https://e.example/'></template>",
]


@pytest.mark.parametrize("html", LEFT)
def test_what_is_no_web_link_of_the_reader_is_left_alone(html: str) -> None:
    raw = page(f"<body>{html}</body>", fields="List-Unsubscribe: <https://e.example/unsubscribe>\n")
    _, out = render(raw, Options(base_url=BASE, opens=False))
    assert out.encode("latin-1") == raw


def test_every_link_left_alone_is_reported_with_its_reason() -> None:
    template, _ = render(page('<body><a href="mailto:a@b.example">x</a></body>'))
    (item,) = template.left_alone
    assert (item.what, item.reason) == ("link mailto:a@b.example", "scheme mailto")
    assert item.where == "part 0, character 6"


PLACES = {
    "<html><body><p>x</p></body></html>": "<p>x</p>|</body></html>",
    "<HTML><BODY><p>x</p></BODY></HTML>": "<p>x</p>|</BODY></HTML>",
    "<body>a</body><body>b</body>": "b|</body>",
    "<html><p>x</html>": "<p>x|</html>",
    "<p>x</p>\n": "<p>x</p>|\n",
    "plain words": "plain words|",
    "<a><table><tr><td>x</table></a>": "</table></a>|",
    "<p>x<!-- <a>": "<p>x|<!-- <a>",
    "<p>x<!-- </body> -->": "--> |".replace(" ", ""),
    "<p>x<!--[if mso]></body><![endif]--></body>": "<![endif]-->|</body>",
    "<p>x</p><!-- never closed": "<p>x</p>|<!-- never",
    "<p>x</p><a href='never": "<p>x</p>|<a href='never",
    "<p>x</p><style>b": "<p>x</p>|<style>b",
}


@pytest.mark.parametrize("html", PLACES)
def test_the_beacon_stands_at_the_end_of_what_is_displayed(html: str) -> None:
    _, out = render(page(html))
    image = re.search(r"<img [^>]*>", out)
    assert image is not None
    assert PLACES[html] in out.replace(image[0], "|")
    assert 'alt="" width="1" height="1"' in image[0]


@pytest.mark.parametrize(
    "start",
    ["<html><head><title>t</title></head><body>|", "<title>t</title>\n|<p>", "<style>x</style>|"],
)
def test_a_document_that_gmail_would_clip_has_its_beacon_first(start: str) -> None:
    _, out = render(page(start.replace("|", "") + "<p>long words</p>" * 8000 + "</body>"))
    assert out.split("\n\n", 1)[1].startswith(start.partition("|")[0] + "<img ")


@pytest.mark.parametrize("html", ["<title>x</title>", "<frameset><frame src=x></frameset>", "  "])
def test_a_document_that_displays_nothing_gets_no_beacon(html: str) -> None:
    raw = page(html)
    assert render(raw)[1].encode("latin-1") == raw


def multipart(kind: str, *parts: str) -> bytes:
    body = "".join(f"--b1\n{part}\n" for part in parts)
    head = f'From: a@example.com\nMIME-Version: 1.0\nContent-Type: {kind}; boundary="b1"\n\n'
    return f"{head}{body}--b1--\n".encode()


HTML = 'Content-Type: text/html\n\n<p>x</p><a href="https://e.example/">'
TEXT = "Content-Type: text/plain\n\nsee https://e.example/ there"
FILE = "Content-Disposition: attachment; filename=a.html\n" + HTML
NEVER = {
    "attached page": multipart("multipart/mixed", TEXT, FILE),
    "attached message": multipart(
        "multipart/mixed", TEXT, "Content-Type: message/rfc822\n\n" + HTML
    ),
    "PGP/MIME": multipart("multipart/signed", HTML, "Content-Type: application/pgp-signature\n\nx"),
    "encrypted": multipart("multipart/encrypted", HTML),
    "calendar": multipart("multipart/mixed", TEXT, "Content-Type: text/calendar\n\n" + HTML),
    "AMP": multipart("multipart/alternative", TEXT, "Content-Type: text/x-amp-html\n\n" + HTML),
    "text": b"From: a@example.com\n" + TEXT.encode(),
    "PGP in the text": page("<p>-----BEGIN PGP SIGNED MESSAGE-----</p>"),
    "S/MIME": b"From: a@b\nContent-Type: application/pkcs7-mime; name=smime.p7m\n\n"
    + HTML.encode(),
    "two types": b"From: a@b\nContent-Type: text/html\nContent-Type: text/plain\n\n<p>x</p>",
    "other encoding": b"From: a@b\nContent-Type: text/html\nContent-Transfer-Encoding: x-y\n\n<p>",
}


@pytest.mark.parametrize("name", NEVER)
def test_a_message_that_must_not_change_comes_out_as_it_went_in(name: str) -> None:
    template, out = render(NEVER[name])
    assert out.encode("latin-1") == NEVER[name]
    assert template.targets == ()


CHARSETS = [
    ("gb2312", "中文商店"),
    ("iso-8859-1", "Müller"),
    ("windows-1251", "магазин"),
    ("shift_jis", "ソ表示"),
    ("iso-2022-jp", "日本語"),
    ("euc-kr", "한국어"),
    ("big5", "商店"),
    ("utf-16", "ü中"),
]


@pytest.mark.parametrize(("charset", "words"), CHARSETS)
def test_words_stay_readable_in_their_own_charset(charset: str, words: str) -> None:
    text = f'<p>{words}</p><a href="https://e.example/{words}">{words}</a>'
    raw = page(text.encode(charset), charset)
    if charset == "utf-16":
        raw = raw.replace(
            b"MIME-Version: 1.0", b"MIME-Version: 1.0\nContent-Transfer-Encoding: binary"
        )
    template = compile_message(raw, USUAL, ring=RING)
    assert [t.url for t in template.targets if t.url] == [f"https://e.example/{words}"]
    body = template.render(1, RING).split(b"\n\n", 1)[1]
    assert body.decode(charset).startswith(f"<p>{words}</p><a ")


def test_a_message_of_more_parts_than_mail_has_is_left_alone() -> None:
    parts = "--b\nContent-Type: text/html\n\n<p>x</p>\n" * 10_001
    raw = f"From: a\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n".encode()
    template, out = render(raw)
    assert out.encode() == raw
    assert "more than 10000 parts" in template.left_alone[0].reason


def test_a_page_without_label_is_read_by_its_own_meta_charset() -> None:
    html = '<meta charset="gb2312"><a href="https://e.example/中">'.encode("gb2312")
    template = compile_message(b"A: b\nContent-Type: text/html\n\n" + html, USUAL, ring=RING)
    assert [t.url for t in template.targets if t.url] == ["https://e.example/中"]


def test_related_images_and_both_alternatives_stay() -> None:
    inner = (
        'Content-Type: multipart/related; type="text/html"; boundary="b2"\n\n--b2\n'
        f"{HTML}\n--b2\nContent-Type: image/png\nContent-ID: <i>\n\npng\n--b2--\n"
    )
    raw = multipart("multipart/alternative", TEXT, inner)
    _, out = render(raw)
    old, new = leaves(raw), leaves(out.encode("latin-1"))
    assert [p.get_content_type() for p in old] == [p.get_content_type() for p in new]
    assert old[0].get_payload() == new[0].get_payload()
    assert old[2].as_bytes() == new[2].as_bytes()
    assert text_of(new[1]).count(BASE) == 2


def test_two_recipients_do_not_nest_tracking() -> None:
    raw = page(
        '<body><a href="https://e.example/">x</a></body>', fields="To: a@x.example, b@x.example\n"
    )
    _, out = render(raw)
    assert out.count(f"{BASE}/o/") == 1
    assert out.count(f"{BASE}/c/") == 1


def test_a_text_link_is_tracked_only_when_asked_for() -> None:
    raw = b"From: a@b\n\nsee (https://e.example/a_(b)), https://e.example/.\n"
    assert render(raw)[1].encode() == raw
    _, out = render(raw, Options(base_url=BASE, text_links=True))
    assert re.sub(rf"{BASE}/c/[a-z2-7]+\?to=", "|", out).endswith(
        "see (|https%3A//e.example/a_%28b%29), |https%3A//e.example/.\n"
    )


def quoted(to: str = "https://e.example/", base: str = BASE) -> tuple[str, str]:
    """Our own beacon and link of an earlier message, as a reply quotes them."""
    old = compile_message(page(f'<a href="{to}">x</a>'), Options(base_url=base), ring=RING)
    out = old.render(99, RING).decode()
    return re.findall(r"<img [^>]*>", out)[0], re.findall(r'href="([^"]*)"', out)[0]


def test_a_reply_gives_up_our_old_beacon_and_renews_our_old_link() -> None:
    beacon, link = quoted()
    raw = page(f'<p>yes</p><blockquote><a href="{link}">x</a>{beacon}</blockquote>')
    template, out = render(raw)
    assert out.count(f"{BASE}/o/") == 1
    assert beacon not in out
    assert link not in out
    assert [t.url for t in template.targets if t.kind is TargetKind.LINK] == ["https://e.example/"]
    kinds = [edit.kind for edit in template.plan(5, RING).edits]
    assert kinds == ["quoted-link", "quoted-beacon", "beacon"]


def test_our_old_link_gets_its_target_back_where_links_are_not_tracked() -> None:
    _, link = quoted("https://e.example/?a=1&b='2'")
    raw = page(f"<p>yes</p><a href='{link}'>x</a>")
    _, out = render(raw, Options(base_url=BASE, opens=False, links=False))
    assert "href='https://e.example/?a=1&amp;b=&#39;2&#39;'" in out
    text = f"From: a@b\n\nyes\n> {link}\n".encode()
    assert render(text)[1].endswith("> https://e.example/?a=1&b='2'\n")


def test_other_systems_trackers_and_forged_ones_stay() -> None:
    beacon, _ = quoted()
    forged = beacon.replace("/o/a", "/o/b")
    other = '<img src="https://t.example/o/abc.gif">'
    raw = page(f"<p>{other}{forged[:-1]} class=x></p>")
    _, out = render(raw, Options(base_url=BASE, opens=False))
    assert other in out
    assert f"{forged[:-1]} class=x>" in out


ATTACHED = multipart(
    "multipart/mixed",
    "Content-Type: text/plain; charset=iso-8859-1\n\nhello\n",
    "Content-Type: text/html\n\n<p>hello</p>",
    "Content-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment;\n"
    " filename*=utf-8''M%C3%BCller%20%E4%B8%AD.pdf\nContent-Transfer-Encoding: base64\n\nUERG\n",
    "Content-Type: image/png\nContent-ID: <i>\nContent-Disposition: inline\n\npng",
    "Content-Type: text/calendar\nContent-Disposition: attachment\n\nBEGIN:VCALENDAR",
)


def test_a_linked_attachment_leaves_and_a_card_takes_its_place() -> None:
    stored = {}

    def store(content: bytes, name: str) -> str:
        stored[name] = content
        return attachment_digest(content)

    options = Options(base_url=BASE, attachments="link")
    template = compile_message(ATTACHED, options, ring=RING, store=store)
    out = template.render(5, RING)
    assert stored == {"Müller 中.pdf": b"PDF"}
    kinds = [p.get_content_type() for p in leaves(out)]
    assert kinds == ["text/plain", "text/html", "image/png", "text/calendar"]
    (target,) = [t for t in template.targets if t.kind is TargetKind.ATTACHMENT]
    assert (target.name, target.size_bytes) == ("Müller 中.pdf", 3)
    for part in leaves(out)[:2]:
        url = re.search(rf"{BASE}/a/[^\"\s]+", text_of(part))
        assert url is not None
        locator = read_url(url[0])
        token = RING.read(locator.token, Kind.ATTACHMENT, bound=locator.bound)
        assert (token.target, locator.name, locator.digest) == (
            target.number,
            "Müller 中.pdf",
            attachment_digest(b"PDF"),
        )
    assert {i.reason for i in template.left_alone} >= {"calendar part"}


def test_an_attachment_stays_when_no_text_could_hold_its_link() -> None:
    raw = multipart(
        "multipart/mixed",
        "Content-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n\nPDF",
    )
    assert render(raw, Options(base_url=BASE, attachments="link"))[1].encode() == raw


def test_linking_without_a_store_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="store"):
        compile_message(ATTACHED, Options(base_url=BASE, attachments="link"), ring=RING)


def test_control_fields_are_obeyed_and_removed() -> None:
    raw = page(
        '<body><a href="https://e.example/">x</a></body>',
        fields="X-Mailglass-Track: click\nX-Mailglass-Tag: welcome\nX-Mailglass-Campaign: spring\n"
        "X-Mailglass-Colour: red\n",
    )
    template, out = render(raw)
    assert "X-Mailglass" not in out
    assert f"{BASE}/o/" not in out
    assert out.count(f"{BASE}/c/") == 1
    assert (template.tag, template.campaign) == ("welcome", "spring")
    assert [i.what for i in template.left_alone] == ["control x-mailglass-colour"]


@pytest.mark.parametrize("value", ["none", "None"])
def test_track_none_removes_only_the_control_field(value: str) -> None:
    raw = page('<a href="https://e.example/">x</a>', fields=f"X-Mailglass-Track: {value}\n")
    expected = page('<a href="https://e.example/">x</a>')
    assert render(raw)[1].encode() == expected


EVERYTHING = {
    "opens": True,
    "links": True,
    "attachments": "link",
    "text_links": True,
    "html_alternative": True,
    "list_unsubscribe": True,
    "unsubscribe_domain": "back.example",
    "receipt_to": "me@example.com",
    "honeypot": True,
    "anonymous": True,
}
_MIXED = b"""From: a@b.example
Subject: Spring
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: text/html

<a href="https://e.example/">x</a>
--m
Content-Type: application/pdf
Content-Disposition: attachment; filename=a.pdf

words
--m--
"""
_TEXT = b"From: a@b.example\nContent-Type: text/plain\n\nsee https://e.example/\n"


def test_everything_that_can_be_asked_for_is_asked_for() -> None:
    others = {"base_url", "subject_label", "untracked"}
    assert {field.name for field in dataclasses.fields(Options)} == others | set(EVERYTHING)


@pytest.mark.parametrize("raw", [_MIXED, _TEXT])
def test_nothing_is_added_where_nothing_may_be_tracked(raw: bytes) -> None:
    options = Options(base_url=BASE, **EVERYTHING)  # type: ignore[arg-type]
    off = under_policy(options, TrackingPolicy.OFF)
    asks = b"X-Mailglass-Track: open, click, attachment\n" + raw
    none = b"X-Mailglass-Track: none\n" + raw
    store = {"ring": RING, "store": lambda content, name: "0" * 32}
    for message, wanted in ((raw, off), (asks, off), (none, off), (none, options)):
        assert compile_message(message, wanted, **store).render(5, RING) == raw  # type: ignore[arg-type]
    assert compile_message(raw, options, **store).render(5, RING) != raw  # type: ignore[arg-type]


def test_header_fields_are_added_only_when_asked_for() -> None:
    raw = page("<p>x</p>", fields="Subject: Spring\n")
    options = Options(
        base_url=BASE,
        list_unsubscribe=True,
        receipt_to="me@example.com",
        subject_label="AD",
    )
    header = email.message_from_string(render(raw, options)[1])
    assert header["Subject"] == "AD Spring"
    assert re.fullmatch(rf"<{BASE}/u/[a-z2-7]{{29}}>", header["List-Unsubscribe"])
    assert header["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert header["Disposition-Notification-To"] == "me@example.com"
    plain = email.message_from_string(render(raw)[1])
    assert plain.keys() == ["From", "Subject", "MIME-Version", "Content-Type"]


def test_who_unsubscribes_by_mail_writes_to_an_address_with_the_same_token() -> None:
    options = Options(base_url=BASE, list_unsubscribe=True, unsubscribe_domain="back.example")
    header = email.message_from_string(render(page("<p>x</p>"), options)[1])
    value = "".join(header["List-Unsubscribe"].split())
    found = re.fullmatch(
        rf"<{BASE}/u/([a-z2-7]{{29}})>,<mailto:unsubscribe\+([a-z2-7]{{29}})@back\.example"
        r"\?subject=unsubscribe>",
        value,
    )
    assert found is not None
    assert found[1] == found[2]


def test_fields_that_the_message_has_are_not_doubled() -> None:
    raw = page("<p>x</p>", fields="Subject: AD Spring\nList-Unsubscribe: <mailto:a@b.example>\n")
    options = Options(base_url=BASE, opens=False, list_unsubscribe=True, subject_label="AD")
    assert render(raw, options)[1].encode() == raw


def test_a_signature_whose_content_changes_is_reported() -> None:
    fields = "DKIM-Signature: v=1; d=e.example; h=from:subject; b=x\n"
    template, _ = render(page("<p>x</p>", fields=fields))
    assert [i.what for i in template.left_alone] == ["DKIM-Signature of e.example"]
    unsigned = Options(base_url=BASE, opens=False, receipt_to="me@example.com")
    assert render(page("<p>x</p>", fields=fields), unsigned)[0].left_alone == ()


def test_an_html_alternative_says_the_same_words() -> None:
    words = "Grüße & <Küsse>\nsee https://e.example/?a=1&b=2 soon\n"
    raw = b"From: a@b\nContent-Type: text/plain; charset=utf-8\n\n" + words.encode()
    options = Options(base_url=BASE, html_alternative=True)
    out = compile_message(raw, options, ring=RING).render(5, RING)
    text, html = leaves(out)
    assert email.message_from_bytes(out).get_content_type() == "multipart/alternative"
    assert text_of(text).rstrip("\n") == words.rstrip("\n")
    assert "Grüße &amp; &lt;Küsse&gt;" in text_of(html)
    assert text_of(html).count(BASE) == 2


def test_a_honeypot_is_a_link_that_nobody_sees() -> None:
    template, out = render(page("<p>x</p>"), Options(base_url=BASE, honeypot=True))
    assert [t.kind for t in template.targets] == [TargetKind.BEACON, TargetKind.HONEYPOT]
    assert re.search(r'<a \s*href="[^"]+" \s*style="display:none" [^>]*></a>', out)


def test_anonymous_tokens_say_so() -> None:
    _, out = render(page("<p>x</p>"), Options(base_url=BASE, anonymous=True))
    url = re.search(rf"{BASE}/o/[^\"]+", out)
    assert url is not None
    assert RING.read(read_url(url[0]).token, Kind.OPEN).anonymous


@pytest.mark.parametrize(
    "base",
    ["track.example.com", "ftp://x", "https://", 'https://x/"', "https://x/?q", "https://ü.de"],
)
def test_a_base_url_that_no_mail_can_carry_is_refused(base: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL"):
        Options(base_url=base)


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(NotAMessage):
        compile_message(b"<html></html>", USUAL, ring=RING)


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "7bit"])
def test_every_recipient_gets_the_same_message_with_their_own_tokens(encoding: str) -> None:
    html = "<html><body>" + '<p>words</p>\n<a href="https://e.example/%d">x</a>\n' * 3 + "</body>"
    message = email.message_from_bytes(page(html % (1, 2, 3)))
    message["Content-Transfer-Encoding"] = "7bit"
    if encoding != "7bit":
        from email import encoders

        del message["Content-Transfer-Encoding"]
        encode = encoders.encode_base64 if encoding == "base64" else encoders.encode_quopri
        encode(message)
    template = compile_message(message.as_bytes(), USUAL, ring=RING)
    texts = []
    for delivery in (1, 2**62):
        (part,) = leaves(template.render(delivery, RING))
        urls = re.findall(rf"{BASE}/[^\"]+", text_of(part))
        assert len(urls) == 4
        for url in urls:
            locator = read_url(url)
            token = RING.read(locator.token, locator.kind, bound=locator.bound)
            assert token.delivery_id == delivery
        texts.append(re.sub(r"/[oc]/[a-z2-7]+", "", text_of(part)))
    assert texts[0] == texts[1]
