"""Whatever is done to a part's encoding: what programs display is found, and silenced."""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
import json
import quopri
import random

import pytest
from guard_mail import HEAD, mail, multipart
from hypothesis import given, settings
from hypothesis import strategies as st

from mailglass.guard import HEADER, clean, inspect, restore
from mailglass.guard.describe import as_object, as_text, clean_object

BEACON = "https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
HTML = f"<p>Hello, dear reader</p>\r\n<img src='{BEACON}' width=1 height=1><p>Bye</p>\r\n"
DATA = HTML.encode()
ENCODED = base64.b64encode(DATA * 2)
LINES = base64.encodebytes(DATA).split(b"\n")
QUOTED = quopri.encodestring(DATA)


def leaf(body: bytes, encoding: str, content_type: str = "text/html; charset=utf-8") -> bytes:
    """A message of one part; `encoding` may bring further header fields along."""
    fields = f"{HEAD}Content-Type: {content_type}\r\n"
    if encoding:
        fields += f"Content-Transfer-Encoding: {encoding}\r\n"
    return fields.encode() + b"\r\n" + body


def found(raw: bytes) -> set[str]:
    return {tracker.url for tracker in inspect(raw).trackers}


def silenced(raw: bytes) -> bytes:
    """The clean copy, which asks nobody in any reading, is clean, and can be undone."""
    cleaned = clean(raw)
    assert not inspect(cleaned.data).trackers
    assert restore(cleaned.data, cleaned.edits) == raw
    assert clean(cleaned.data).data == cleaned.data
    return cleaned.data


def payload(raw: bytes) -> bytes:
    """The content as the standard library reads it."""
    data = email.message_from_bytes(raw).get_payload(decode=True)
    assert isinstance(data, bytes)
    return data


def uuencoded(data: bytes) -> bytes:
    lines = (binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45))
    return b"begin 644 a.html\r\n" + b"".join(lines) + b"`\r\nend\r\n"


BASE64 = {
    "foreign characters": b"*\r\n".join(LINES),
    "foreign characters first": b"!!" + b"\r\n".join(LINES),
    "a foreign character between any two": b"*".join(bytes((c,)) for c in ENCODED),
    "blanks in lines": b"\r\n".join(line[:30] + b" \t" + line[30:] for line in LINES),
    "empty lines first": b"\r\n  \r\n" + b"\r\n".join(LINES),
    "a line of text first": b"See below!\r\n" + b"\r\n".join(LINES),
    "no padding": base64.b64encode(DATA + b"x" * (2 if len(DATA) % 3 == 2 else 1)).rstrip(b"="),
    "a cut off end": ENCODED[:-3],
    "padding inside": base64.b64encode(b"<p>x") + base64.b64encode(DATA),
    "padding as a foreign character": ENCODED[:41] + b"=" + ENCODED[41:],
    "no padding and a footer": base64.b64encode(DATA).rstrip(b"=") + b"\r\n____\r\nOur list\r\n",
    "a footer": base64.b64encode(DATA + b"y" * (3 - len(DATA) % 3 - 1)) + b"\r\n____\r\nOur list",
    "the alphabet for URLs": base64.urlsafe_b64encode(b"\xfb\xef\xbe\xff\xff" + DATA),
}


@pytest.mark.parametrize("body", BASE64.values(), ids=BASE64)
def test_base64_is_read_whatever_stands_in_it(body: bytes) -> None:
    raw = leaf(body, "base64")
    assert found(raw) == {BEACON}
    assert BEACON.encode() not in payload(silenced(raw))


def test_what_base64_ignores_stays_where_nothing_is_changed() -> None:
    lines = base64.encodebytes(b"<p>text</p>\r\n" * 40 + DATA + b"<p>text</p>\r\n" * 40).split(
        b"\n"
    )
    raw = leaf(b"*\r\n".join(lines), "base64")
    data = silenced(raw)
    body = raw.partition(b"\r\n\r\n")[2]
    assert data.endswith(body[-600:])
    assert body[:600] in data


QUOTED_PRINTABLE = {
    "blanks behind a soft break": b"<img src=3D'https://shop.example/op=  \r\nen.php?m=3D"
    b"k30OPLTmG6zi5UytN22DhSZubSc' width=3D1>",
    "a tab behind a soft break": QUOTED.replace(b"=\n", b"=\t\r\n"),
    "lower-case digits": QUOTED.replace(b"=3D", b"=3d"),
    "no escapes": b"=X =zz == = " + DATA.replace(b"=", b"=3D"),
    "a bare carriage return": b"=\r" + DATA.replace(b"=", b"=3D").replace(b"\r\n", b""),
    "an escape over two lines": QUOTED.replace(b"=3D", b"=3=\r\nD"),
    "a soft break at the end": QUOTED + b"=",
    "nothing encoded": DATA.replace(b"m=k3", b"m=3Dk3"),
}  # fmt: skip


@pytest.mark.parametrize("body", QUOTED_PRINTABLE.values(), ids=QUOTED_PRINTABLE)
def test_quoted_printable_is_read_however_it_is_written(body: bytes) -> None:
    raw = leaf(body, "quoted-printable")
    assert BEACON in found(raw)
    assert BEACON.encode() not in payload(silenced(raw))


PLAIN = base64.encodebytes(DATA)
NAMED = {
    **{name: (DATA, name) for name in ("utf-8", "8-bit", "utf8", "x-none", "none", "8bit;", "")},
    **{name: (uuencoded(DATA), name) for name in ("x-uuencode", "uuencode", "x-uue", "X-UU")},
    **{name: (PLAIN, name) for name in ("BASE64", "(c) base64", "base64 (a (b))", "base64,",
       '"base64"', "x-base64", "base-64")},
    "two fields, the first true": (PLAIN, "base64\r\nContent-Transfer-Encoding: 7bit"),
    "two fields, the last true": (PLAIN, "7bit\r\nContent-Transfer-Encoding: base64"),
    "two fields, text": (DATA, "base64\r\nContent-Transfer-Encoding: 8bit"),
    "quoted printable": (QUOTED, "quoted printable"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "encoding"), NAMED.values(), ids=NAMED)
def test_however_an_encoding_is_named_the_part_is_read(body: bytes, encoding: str) -> None:
    raw = leaf(body, encoding)
    assert found(raw) == {BEACON}
    assert BEACON.encode() not in payload(silenced(raw))


CHARSETS = {
    "EBCDIC": (HTML.encode("cp037"), "cp037"),
    "no charset of mail": (DATA, "rot13"),
    "a charset that changes ASCII": (DATA, "cp864"),
    "UTF-16 as ASCII": (HTML.encode("utf-16-le"), "us-ascii"),
    "UTF-16 with its mark as UTF-8": (HTML.encode("utf-16"), "utf-8"),
    "broken UTF-16": (HTML.encode("utf-16-le") + b"\0\xd8\x41", "utf-16"),
    "ASCII as UTF-16": (DATA, "utf-16"),
    "undecodable": (b"\xff\xfe\xfd" + DATA, "utf-8"),
    "UTF-7": (DATA.replace(b"<", b"+ADw-").replace(b">", b"+AD4-"), "utf-7"),
    "a comment in UTF-7 only": (b"+ADw-!--" + DATA + b"--+AD4-", "utf-7"),
    "NUL bytes in names": (DATA.replace(b"src", b"s\0rc").replace(b"img", b"i\0mg"), "utf-8"),
    "a NUL byte far behind": (b"x" * 5000 + b"\0" + DATA, "utf-8"),
}


@pytest.mark.parametrize("encoding", ["8bit", "base64"])
@pytest.mark.parametrize(("data", "charset"), CHARSETS.values(), ids=CHARSETS)
def test_whatever_its_charset_is_called_a_part_is_read(
    data: bytes, charset: str, encoding: str
) -> None:
    body = base64.encodebytes(data) if encoding == "base64" else data
    raw = leaf(body, encoding, f"text/html; charset={charset}")
    assert found(raw) == {BEACON}
    copy = payload(silenced(raw))
    assert BEACON.encode() not in copy.replace(b"\0", b"")
    assert b"Hello, dear reader" in copy.replace(b"\0", b"") or charset in ("cp037", "utf-16")


def test_the_escapes_of_iso_2022_jp_hide_nothing() -> None:
    html = b"\x1b$B<!--\x1b(B" + DATA + b"\x1b$B-->\x1b(B"
    for label in ("text/html", "text/html; charset=us-ascii", "text/html; charset=iso-2022-jp"):
        assert found(leaf(html, "7bit", label)) == {BEACON}
        silenced(leaf(html, "7bit", label))


INNER = b"Subject: inside\r\nContent-Type: text/html\r\n\r\n" + DATA
MESSAGES = {
    "base64": base64.encodebytes(INNER),
    "quoted-printable": quopri.encodestring(INNER),
    "x-uuencode": uuencoded(INNER),
    "utf-8": INNER,
}


@pytest.mark.parametrize(("encoding", "body"), MESSAGES.items())
@pytest.mark.parametrize("kind", ["message/rfc822", "message/global", "message/rfc2822"])
def test_an_encoded_message_in_the_message_is_read(kind: str, encoding: str, body: bytes) -> None:
    fields = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}"
    raw = multipart("mixed", ("Content-Type: text/plain", "hi"), (fields, body.decode()))
    (tracker,) = inspect(raw).trackers
    assert (tracker.url, tracker.part, tracker.shown) == (BEACON, "2.1", True)
    silenced(raw)


def test_encoded_messages_in_encoded_messages_are_read_and_put_back() -> None:
    raw = INNER
    for _ in range(5):
        head = b"A: b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        raw = head + base64.encodebytes(raw)
    assert found(raw) == {BEACON}
    silenced(raw)


def test_an_encoded_multipart_is_read() -> None:
    inner = multipart("mixed", ("Content-Type: text/html", HTML)).partition(b"\r\n\r\n")[2]
    raw = leaf(base64.encodebytes(inner), "base64", 'multipart/mixed; boundary="b-mixed"')
    assert found(raw) == {BEACON}
    silenced(raw)


TYPES = ("text/plain\r\nContent-Type: text/html", "text/html charset=utf-8", "text / html",
         "text/(x)html", "TEXT/HTML", "text/html;;charset")  # fmt: skip


@pytest.mark.parametrize("content_type", TYPES)
def test_html_is_html_however_its_type_is_written(content_type: str) -> None:
    raw = leaf(DATA, "8bit", content_type)
    assert found(raw) == {BEACON}
    silenced(raw)


def test_parts_below_the_usual_depth_are_read_or_named() -> None:
    for depth in (90, 150, 3000):
        raw = HEAD.encode() + b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
            for n in range(depth)
        )
        report = inspect(raw + b"Content-Type: text/html\r\n\r\n" + DATA)
        assert report.unread or depth < 3000
        assert report.trackers or depth == 3000


def test_what_cannot_be_looked_into_is_said_everywhere() -> None:
    raw = multipart(
        "mixed",
        ("Content-Type: text/html\r\nContent-Transfer-Encoding: base64", "!!!!"),
        ("Content-Type: text/html", HTML),
    )
    cleaned = clean(raw)
    ((path, why),) = cleaned.report.unread
    assert (path, why) == ("1", "its encoding 'base64' cannot be undone")
    assert as_object(cleaned.report, "a")["unread"] == [{"part": path, "why": why}]
    assert f"  not looked into  part 1: {why}" in list(as_text(cleaned.report, "a"))
    assert cleaned.left_alone == (f"1: {why}",)
    assert str(email.message_from_bytes(cleaned.data)[HEADER]).endswith("; unread=1")
    assert json.loads(json.dumps(clean_object(cleaned, "a", raw)))["left_alone"] == [f"1: {why}"]


NOISE = st.sampled_from([b"*", b" ", b"!", b"\r\n", b"\t", b"\xff", b"%", b"#~", b"\0"])
PIECES = st.sampled_from(
    ["<p>text</p>", f"<td background='{BEACON}'>", "日本 ü", "\r\n", "a=b ", "<!-- x -->", HTML]
)


@st.composite
def noisy(draw: st.DrawFn) -> tuple[str, bytes]:
    """Text, and a message in which it is encoded with something injected into the encoding."""
    html = "".join(draw(st.lists(PIECES, min_size=1, max_size=8)))
    encoding = draw(st.sampled_from(["base64", "quoted-printable", "x-uuencode"]))
    data = html.encode()
    chance = random.Random(draw(st.integers(0, 1000)))
    if encoding == "base64":
        body = base64.encodebytes(data).rstrip(b"\n")
        body = body.rstrip(b"=") if draw(st.booleans()) else body
        for _ in range(draw(st.integers(0, 6))):
            at = chance.randrange(len(body) + 1)
            body = body[:at] + draw(NOISE) + body[at:]
    elif encoding == "quoted-printable":
        body = quopri.encodestring(data)
        body = body.replace(b"=\n", draw(st.sampled_from([b"=\n", b"= \r\n", b"=\t\n"])))
        body = body.replace(b"=3D", draw(st.sampled_from([b"=3d", b"=3D"])))
        body += draw(st.sampled_from([b"", b"=", b"=G", b"= ", b"\r\n=\r\n"]))
    else:
        body = uuencoded(data)
    footer = draw(st.sampled_from([b"", b"\r\n", b"\r\n-- \r\nlist footer\r\n"]))
    return html, leaf(body + footer, encoding)


@settings(max_examples=300)
@given(noisy())
def test_noise_in_an_encoding_hides_nothing(case: tuple[str, bytes]) -> None:
    html, raw = case
    assert found(raw) >= found(mail(html))
    assert BEACON.encode() not in payload(silenced(raw))


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from(["base64", "quoted-printable", "x-uue", "7bit"]))
def test_whatever_the_standard_library_decodes_to_markup_is_found(
    noise: bytes, encoding: str
) -> None:
    """A differential test: what it reads a beacon in, the guard reads one in."""
    body = {
        "base64": PLAIN,
        "quoted-printable": QUOTED,
        "x-uue": uuencoded(DATA),
        "7bit": DATA,
    }[encoding]
    raw = leaf(noise[:20] + b"\r\n" + body + noise[20:], encoding)
    theirs = inspect(mail(payload(raw).replace(b"\r\n.\r\n", b"")))
    assert found(raw) >= {tracker.url for tracker in theirs.trackers}
    silenced(raw)


@pytest.mark.parametrize(
    "written",
    [
        b"\x1b$Ba\x1b(B<im\x1b(Bg src=%b width=1>",
        b"\x1b<im\x1b(Bg src=%b width=1>",
        b"\x1b$B!!a\x1b(B<im\x1b(Bg src=%b width=1>",
        b"<im\x1b(Bg sr\x1b(Bc=%b width=1>",
        b"x<img sr\x1b(Jc=%b width=1>",
        b'x<p style="background:u\x1b(Brl(%b)">y',
    ],
)
@pytest.mark.parametrize("label", ["iso-2022-jp", "csISO2022JP"])
def test_badly_written_iso_2022_jp_hides_nothing(written: bytes, label: str) -> None:
    url = "https://u1.ct.sendgrid.net/wf/open?upn=u001.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
    html = b"\n" + written.replace(b"%b", url.encode()) + b"\n"
    raw = mail(html, charset=label)
    assert [one.url for one in inspect(raw).trackers] == [url]
    cleaned = clean(raw)
    assert url.encode() not in cleaned.data
    assert inspect(cleaned.data).trackers == ()
    assert clean(cleaned.data).data == cleaned.data
    assert restore(cleaned.data, cleaned.edits) == raw


def test_well_written_iso_2022_jp_is_read_as_the_codec_reads_it() -> None:
    from mailglass.mime.iso2022jp import decode_iso2022jp

    text = "日本語の<b title='表示'>メール</b>です。\r\n次の行"
    assert decode_iso2022jp(text.encode("iso2022_jp")) == text
