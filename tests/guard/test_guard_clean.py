"""The clean copy: silent, of the same layout, changed nowhere else, and undone exactly."""

from __future__ import annotations

import base64
import email
import email.policy
import struct
from collections.abc import Callable

import dkim
import pytest
from guard_mail import mail, multipart
from hypothesis import example, given
from hypothesis import strategies as st

from mailglass.errors import NotAMessage, PlanMismatch
from mailglass.guard import HEADER, Clean, Remove, clean, inspect, restore
from mailglass.guard.authentication import authentication_results
from mailglass.guard.blank import blank_gif

TOKEN = "k30OPLTmG6zi5UytN22DhSZubSc"
BEACON = f"https://shop.example/open.php?m={TOKEN}"
PIXEL = f"<img src='{BEACON}' width=1 height=1>"


def html_of(message: bytes) -> str:
    body = email.message_from_bytes(message, policy=email.policy.default).get_body(("html",))
    assert body is not None
    return str(body.get_content())


def test_a_beacon_becomes_a_blank_of_its_size() -> None:
    html = html_of(clean(mail(f"<p>hello</p><img src='{BEACON}' width=3 height=0>")).data)
    assert BEACON not in html
    assert "src='data:image/gif;base64," in html
    assert "width=3 height=0" in html


@pytest.mark.parametrize(("width", "height"), [(1, 1), (600, 200), (0, 5), (70_000, 1)])
def test_a_blank_picture_is_a_gif_of_that_size(width: int, height: int) -> None:
    data = base64.b64decode(blank_gif(width, height).partition(",")[2])
    assert data[:6] == b"GIF89a"
    assert struct.unpack("<HH", data[6:10]) == (min(max(width, 1), 65535), max(height, 1))
    assert len(data) == 43


ENCODINGS = [
    ("8bit", "utf-8"),
    ("quoted-printable", "gb2312"),
    ("base64", "utf-8"),
    ("base64", "utf-16"),
    ("quoted-printable", "iso-2022-jp"),
]


@pytest.mark.parametrize(("encoding", "charset"), ENCODINGS)
def test_outside_the_edits_every_character_stays(encoding: str, charset: str) -> None:
    before, after = "<p>日本 a=b</p>" * 40, "<p>本日</p>" * 40
    raw = mail(f"{before}{PIXEL}{after}", encoding=encoding, charset=charset)
    cleaned = clean(raw)
    html = html_of(cleaned.data)
    assert html.startswith(before)
    assert html.rstrip().endswith(after)
    assert BEACON not in html
    assert restore(cleaned.data, cleaned.edits) == raw


def test_only_the_bytes_of_the_edits_differ() -> None:
    raw = mail("<p>one</p>\r\n" * 50 + PIXEL + "<p>two</p>\r\n" * 50, encoding="quoted-printable")
    cleaned = clean(raw)
    position = 0
    rest = cleaned.data
    for edit in cleaned.edits:
        same = raw[position : edit.offset]
        assert rest.startswith(same + edit.new)
        rest = rest[len(same) + len(edit.new) :]
        position = edit.offset + len(edit.old)
    assert rest == raw[position:]


def test_what_has_nothing_to_take_out_stays_byte_for_byte() -> None:
    raw = mail(
        "<img src='https://shop.example/images/logo.png' width=90><a href='https://a.example'>"
    )
    cleaned = clean(raw)
    assert cleaned.data == raw
    assert not cleaned.is_changed


def test_a_visible_maybe_stays_unless_it_is_asked_for() -> None:
    raw = mail(f"<img src='https://shop.example/banner.jpg?x={TOKEN}' width=600 height=200>")
    assert not clean(raw).is_changed
    html = html_of(clean(raw, remove=Remove.MAYBE).data)
    assert blank_gif(600, 200) in html


def test_one_url_goes_everywhere_or_nowhere() -> None:
    raw = mail(f"{PIXEL}<td background='{BEACON}'>")
    assert BEACON not in html_of(clean(raw).data)


def test_links_are_unwrapped_and_stripped_and_opaque_ones_stay() -> None:
    opaque = f"https://u1.ct.sendgrid.net/ls/click?upn={TOKEN}"
    raw = mail(
        "<a href='https://t.example/click?url=https%3A%2F%2Fa.example%2F%3Fb%3D1%26c%3D2'>1</a>"
        f"<a href=\"https://a.example/?utm_source=x&amp;b=1\">2</a><a href='{opaque}'>3</a>"
    )
    html = html_of(clean(raw).data)
    assert "href='https://a.example/?b=1&amp;c=2 '" in html.replace("c=2'", "c=2 '")
    assert 'href="https://a.example/?b=1' in html
    assert opaque in html


def test_a_list_unsubscribe_link_stays_as_it_is() -> None:
    url = "https://t.example/click?url=https%3A%2F%2Fa.example%2Fbye"
    raw = mail(f"<a href='{url}'>bye</a>", head=f"List-Unsubscribe: <{url}>\r\n")
    assert not clean(raw).is_changed


def test_links_in_plain_text_change_only_when_that_is_asked_for() -> None:
    raw = mail("see https://a.example/?utm_source=x now\r\n", content_type="text/plain")
    assert not clean(raw).is_changed
    assert b"see https://a.example/ now" in clean(raw, text_links=True).data


def test_receipt_requests_go_and_the_header_counts() -> None:
    raw = mail(PIXEL, head="Disposition-Notification-To: news@shop.example\r\n")
    data = clean(raw).data
    message = email.message_from_bytes(data)
    assert message["Disposition-Notification-To"] is None
    assert message[HEADER] == ("v=1; trackers=1; maybe=0; plain=0; links=0; opaque=0; receipts=1")


def test_a_forged_guard_header_does_not_stay() -> None:
    cleaned = clean(mail(PIXEL, head=f"{HEADER}: v=1; trackers=0\r\n"))
    assert email.message_from_bytes(cleaned.data).get_all(HEADER) == [
        "v=1; trackers=1; maybe=0; plain=0; links=0; opaque=0; receipts=0"
    ]


HTML = "Content-Type: text/html; charset=utf-8"
SIGNATURE = "-----BEGIN PGP SIGNATURE-----\r\n\r\niQ==\r\n-----END PGP SIGNATURE-----"
ENCRYPTED = "-----BEGIN PGP MESSAGE-----\r\n\r\niQ==\r\n-----END PGP MESSAGE-----"
PKCS7 = "Content-Transfer-Encoding: base64\r\nContent-Type: application/"
SEALED = {
    "PGP": (
        "signed; protocol=application/pgp-signature",
        [(HTML, PIXEL), ("Content-Type: application/pgp-signature", SIGNATURE)],
    ),
    "S/MIME": (
        'signed; protocol="application/pkcs7-signature"',
        [(HTML, PIXEL), (f"{PKCS7}x-pkcs7-signature; name=smime.p7s", "MIAGCSqGSIb3DQEHAqCA")],
    ),
    "encrypted": (
        'encrypted; protocol="application/pgp-encrypted"',
        [
            ("Content-Type: application/pgp-encrypted", "Version: 1"),
            ("Content-Type: application/octet-stream", ENCRYPTED),
        ],
    ),
}


@pytest.mark.parametrize(("kind", "children"), SEALED.values(), ids=SEALED)
def test_signed_and_encrypted_mail_is_reported_and_left_alone(
    kind: str, children: list[tuple[str, str]]
) -> None:
    raw = multipart(kind, *children, head="Disposition-Notification-To: a@b.example\r\n")
    cleaned = clean(raw)
    assert cleaned.data == raw
    assert cleaned.left_alone == ("0: the whole message is signed or encrypted",)
    assert cleaned.report.sealed == (f"0 multipart/{kind.partition(';')[0]}",)


P = "protocol=application/pgp-signature"
SIGNED = ("Content-Type: application/pgp-signature", SIGNATURE)
HOLLOW = {
    "no signature": (f"signed; {P}", [(HTML, PIXEL)]),
    "no protocol": ("signed", [(HTML, PIXEL), SIGNED]),
    "another protocol": (
        "signed; protocol=application/pkcs7-signature",
        [(HTML, PIXEL), SIGNED],
    ),
    "another part": (f"signed; {P}", [(HTML, PIXEL), ("Content-Type: text/plain", SIGNATURE)]),
    "a third part": (f"signed; {P}", [("", "hello"), SIGNED, (HTML, PIXEL)]),
    "the signature first": (f"signed; {P}", [SIGNED, (HTML, PIXEL)]),
    "an empty signature": (f"signed; {P}", [(HTML, PIXEL), (SIGNED[0], "x")]),
    "an S/MIME signature of words": (
        "signed; protocol=application/pkcs7-signature",
        [(HTML, PIXEL), ("Content-Type: application/pkcs7-signature", "x")],
    ),
    "nothing encrypted": ("encrypted; protocol=application/pgp-encrypted", [(HTML, PIXEL)]),
    "HTML beside what is encrypted": (
        "encrypted; protocol=application/pgp-encrypted",
        [*SEALED["encrypted"][1], (HTML, PIXEL)],
    ),
    "HTML in place of it": (
        "encrypted; protocol=application/pgp-encrypted",
        [SEALED["encrypted"][1][0], (HTML, PIXEL)],
    ),
}


@pytest.mark.parametrize(("kind", "children"), HOLLOW.values(), ids=HOLLOW)
@pytest.mark.parametrize("is_nested", [False, True])
def test_what_only_calls_itself_signed_or_encrypted_is_cleaned(
    kind: str, children: list[tuple[str, str]], is_nested: bool
) -> None:
    raw = multipart(kind, *children)
    if is_nested:
        head, _, body = raw.partition(b"Content-Type: multipart/")[2].partition(b"\r\n\r\n")
        raw = multipart("mixed", (f"Content-Type: multipart/{head.decode()}", body.decode()))
    cleaned = clean(raw)
    assert BEACON.encode() not in cleaned.data
    assert cleaned.report.sealed == ()
    assert clean(cleaned.data).data == cleaned.data


def test_a_signed_part_stays_while_the_footer_around_it_is_cleaned() -> None:
    inner = "\r\n".join(["--s", HTML, "", PIXEL, "--s", SIGNED[0], "", SIGNATURE, "--s--"])
    fields = f'Content-Type: multipart/signed; boundary="s"; {P}'
    raw = multipart("mixed", (fields, inner), (HTML, PIXEL))
    cleaned = clean(raw)
    assert inner.encode() in cleaned.data
    assert cleaned.data.count(BEACON.encode()) == 1
    assert [r.band for r in cleaned.report.resources] == ["tracker", "tracker"]


def test_an_attachment_is_reported_and_left_alone() -> None:
    attached = f"{HTML}\r\nContent-Disposition: attachment; filename=a.html"
    raw = multipart("mixed", (HTML, PIXEL), (attached, PIXEL))
    cleaned = clean(raw)
    assert cleaned.data.count(BEACON.encode()) == 1
    assert cleaned.left_alone == ("2: it is an attachment",)


def test_the_edits_of_another_message_do_not_undo() -> None:
    cleaned = clean(mail(PIXEL))
    with pytest.raises(PlanMismatch):
        restore(mail("<p>another, and long enough for it</p>" * 30), cleaned.edits)


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(NotAMessage):
        clean(b"\x00\x01 no header here")


LOADED = st.sampled_from(
    [PIXEL, "<p>text</p>", f"<td background={BEACON}>", "<style>p{{background:url(%s)}}</style>",
     "<!--", "-->", "<div style='display:none'>", "</div>", "<script src=//t.example/a></script>",
     f"<img srcset='{BEACON} 1x, https://a.example/b.png 2x'>", "<base href='https://t.example/'>",
     "<img src='x?u=1'>", "<a href='https://a.example/?utm_source=b&amp;c=d'>e</a>", "<", "'", '"',
     f"<p style=\"background:url&#40;{BEACON}&#41;\">", "<iframe srcdoc='<img src=//t.example/q>'>",
     "<svg><style>", "</style></svg>", f"<meta http-equiv=refresh content='1;url={BEACON}'>"]
)  # fmt: skip


# The blank that fills up a group of base64 has two bytes, as the text has.
@example("<iframe srcdoc='<img src=//t.example/q>'><img>", ("base64", "utf-16"), Remove.TRACKERS)
@given(
    st.lists(LOADED, max_size=12).map("".join),
    st.sampled_from(ENCODINGS),
    st.sampled_from(list(Remove)),
)
def test_cleaning_twice_changes_nothing_more_and_undoes(
    html: str, encoding: tuple[str, str], remove: Remove
) -> None:
    raw = mail(html, encoding=encoding[0], charset=encoding[1])
    once = clean(raw, remove=remove)
    assert clean(once.data, remove=remove).data == once.data
    assert restore(once.data, once.edits) == raw
    if remove is Remove.ALL:
        assert {r.loader for r in inspect(once.data).resources} <= {"base-href"}


@pytest.fixture(scope="module")
def keys() -> tuple[bytes, bytes]:
    """A private key for signing, and the record that publishes its other half."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    private = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
    )
    public = key.public_key().public_bytes(
        form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo
    )
    return private, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def signed(private: bytes) -> bytes:
    raw = mail(PIXEL)
    return bytes(dkim.sign(raw, b"one", b"shop.example", private)) + raw


def results(raw: bytes, find_txt: Callable[[str], bytes | None]) -> str:
    return authentication_results(raw, "guard.example.org", find_txt)


def test_a_signature_is_verified_before_the_edits_and_written_down(
    keys: tuple[bytes, bytes],
) -> None:
    private, record = keys
    raw = signed(private)
    found = results(raw, {"one._domainkey.shop.example.": record}.get)
    assert found == "guard.example.org; dkim=pass header.d=shop.example header.s=one"
    cleaned: Clean = clean(raw, authentication=found)
    message = email.message_from_bytes(cleaned.data)
    assert message["Authentication-Results"] == found
    again = results(cleaned.data, {"one._domainkey.shop.example.": record}.get)
    assert "dkim=fail" in again or "dkim=permerror" in again


def test_signatures_that_cannot_be_checked_are_never_a_pass(keys: tuple[bytes, bytes]) -> None:
    raw = signed(keys[0])
    assert results(mail("x"), lambda _: None) == "guard.example.org; dkim=none"
    assert "dkim=pass" not in results(raw, lambda _: None)
    assert "dkim=pass" not in results(raw, lambda _: b"v=DKIM1; p=garbage")
    assert "dkim=pass" not in results(raw.replace(b"b=", b"b=%%%", 1), lambda _: b"v=DKIM1; p=")

    def unreachable(name: str) -> bytes:
        raise OSError("no route to the name server")

    assert "dkim=temperror" in results(raw, unreachable)


OURS = "Authentication-Results: guard.example.org; dkim=pass header.d=bank.example\r\n"


def test_a_forged_result_gives_way_to_ours_also_in_mail_that_is_clean() -> None:
    found = "guard.example.org; dkim=none"
    for head in (OURS, OURS.replace("guard.example.org", '(a(b)) "Guard.Example.ORG"')):
        done = clean(mail("<p>hello</p>", head=head), authentication=found)
        results = email.message_from_bytes(done.data).get_all("Authentication-Results")
        assert results == [found]
        assert clean(done.data, authentication=found).data == done.data


def test_a_forged_result_goes_from_signed_mail_and_nothing_else() -> None:
    raw = multipart(f"signed; {P}", (HTML, "<p>a</p>"), SIGNED, head=OURS)
    found = "guard.example.org; dkim=none"
    done = clean(raw, authentication=found)
    assert done.data == f"Authentication-Results: {found}\r\n".encode() + raw.replace(
        OURS.encode(), b""
    )


def test_in_a_mailbox_the_results_of_the_border_stay() -> None:
    raw = mail("<p>hello</p>", head=OURS)
    assert clean(raw, authentication="guard.example.org; dkim=none", is_border=False).data == raw
