"""One message against the rules: a good one, and one change for each rule."""

from __future__ import annotations

import asyncio
import base64
import os
from functools import cache
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from mailglass.errors import NotAMessage
from mailglass.lookup import Answer, FilterScore, Outcome
from mailglass.postmaster import FINDINGS, LintReport, lint

GOOD = """\
Return-Path: <bounce@news.shop.test>
From: Shop <news@shop.test>
To: Reader <reader@example.test>
Subject: (AD) Spring sale in our shop
Date: Sun, 22 Nov 2026 08:00:00 +0000
Message-ID: <1@shop.test>
List-Unsubscribe: <https://click.shop.test/u/abc>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Our spring sale begins on Monday. Come and see. Unsubscribe: https://click.shop.test/u/abc

--b
Content-Type: text/html; charset=utf-8

<html><body><p>Our spring sale begins on Monday. There are many things to see and some to try,
and whoever comes early finds most of them. We open at nine and close when the last guest has gone,
which on the first day tends to be late in the evening, so there is time enough for everybody.</p>
<p><img src="https://shop.test/i.png" alt="tulips" width="600" height="200"></p>
<p><a href="https://click.shop.test/c/abc">To the shop</a></p>
<p><a href="https://click.shop.test/u/abc">Unsubscribe</a></p>
<img src="https://click.shop.test/o/abc.gif" width="1" height="1">
</body></html>

--b--
"""


@cache
def key_pair() -> tuple[bytes, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()


class Names:
    """A resolver with the shop's records."""

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        known = {
            "s._domainkey.shop.test": key_pair()[1],
            "s._domainkey.mailer.test": key_pair()[1],
            "news.shop.test": "v=spf1 ip4:192.0.2.10 -all",
        }
        if name == "silent._domainkey.shop.test":
            return Answer(name=name, kind=kind, outcome=Outcome.TIMEOUT, detail="silent")
        if kind == "TXT" and name in known:
            records = (known[name],)
            return Answer(name=name, kind=kind, outcome=Outcome.ANSWERS, records=records)
        return Answer(name=name, kind=kind, outcome=Outcome.NXDOMAIN)


def raw(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def signed(text: str, domain: str = "shop.test", selector: str = "s", **options: object) -> bytes:
    message = raw(text)
    private = key_pair()[0]
    names = [b"from", b"subject", b"date", b"list-unsubscribe", b"list-unsubscribe-post"]
    chosen = {"include_headers": names, **options}
    return dkim.sign(message, selector.encode(), domain.encode(), private, **chosen) + message


def check(message: bytes, ip: str | None = "192.0.2.10", **options: object) -> LintReport:
    return asyncio.run(lint(message, resolver=Names(), ip=ip, **options))  # type: ignore[arg-type]


def statuses(report: LintReport) -> dict[str, str]:
    return {each.id: str(each.status) for each in report.findings}


def test_a_good_message_is_well_for_every_rule_and_provider() -> None:
    report = check(signed(GOOD))
    bad = [each for each in report.findings if each.status not in ("ok", "info")]
    assert not bad
    assert {each.outcome for each in report.forecasts} == {"accepted"}
    assert report.is_marketing


LONG = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklm"
HTML = '<p><a href="https://click.shop.test/c/abc">To the shop</a></p>'

# What is changed in the good message, the rule that speaks up, and how.
CHANGES = [
    ("From: Shop <news@shop.test>", "From: a@shop.test, b@shop.test", "lint.author", "fail"),
    ("From: Shop <news@shop.test>", "From: Shop <shop@naver.com>", "lint.author", "warn"),
    ("From: Shop <news@shop.test>", "X-From: nobody", "lint.header", "fail"),
    ("Date: Sun", "Subject: again\nDate: Sun", "lint.header", "fail"),
    ("Message-ID: <1@shop.test>\n", "", "lint.header", "warn"),
    ("Subject: (AD) Spring sale in our shop", "Subject: ", "lint.subject", "warn"),
    ("Spring sale in our shop", "SPRING SALE IN OUR SHOP", "lint.subject", "warn"),
    ("Subject: (AD)", "Subject: Re: (AD)", "lint.subject", "warn"),
    ("Subject: (AD) Spring", "Subject: (AD) Früh", "lint.lines", "warn"),
    ("Our spring sale begins on Monday. Come", "x" * 1000, "lint.lines", "warn"),
    ("boundary=b", "boundary=c", "lint.mime", "fail"),
    ("--b--\n", "", "lint.mime", "fail"),
    ("MIME-Version: 1.0\n", "", "lint.mime", "warn"),
    (
        "text/plain; charset=utf-8\n",
        "text/plain\nContent-Transfer-Encoding: uu\n",
        "lint.mime",
        "fail",
    ),
    ("(AD) ", "", "lint.ad-label", "warn"),
    ("(AD) ", "[ad] ", "lint.ad-label", "warn"),
    ("(AD) ", "=?utf-8?B?77yh77yk?= ", "lint.ad-label", "warn"),  # full-width letters
    ("(AD) ", "ADVICE ", "lint.ad-label", "warn"),
    ("(AD) ", "AD: ", "lint.ad-label", "ok"),
    ("(AD) ", "=?gb2312?B?o6hBRKOp?= ", "lint.ad-label", "ok"),  # AD in full-width brackets
    ("List-Unsubscribe-Post: List-Unsubscribe=One-Click\n", "", "lint.one-click", "warn"),
    ("=One-Click", "=Yes", "lint.one-click", "warn"),
    ("<https://click.shop.test/u/abc>\n", "<mailto:u@shop.test>\n", "lint.one-click", "warn"),
    ("<https://click.shop.test/u/abc>\n", "https://click.shop.test/u\n", "lint.one-click", "warn"),
    (">Unsubscribe<", ">More<", "lint.unsubscribe-link", "warn"),
    (">Unsubscribe<", ">退订<", "lint.unsubscribe-link", "ok"),
    (">Unsubscribe<", ">수신거부<", "lint.unsubscribe-link", "ok"),
    ("<p>Our", "<p>" + "y" * 105_000 + " Our", "lint.clipping", "warn"),
    (
        "Our spring sale begins on Monday. Come and see. Unsubscribe: https://click.shop.test/u/abc",
        "Hello",
        "lint.text-part",
        "warn",
    ),
    ("text/plain; charset=utf-8", "application/x-other", "lint.text-part", "warn"),
    (' alt="tulips"', "", "lint.images", "info"),
    ("https://click.shop.test/c/abc", "https://192.0.2.1/c", "lint.links", "warn"),
    ("https://click.shop.test/c/abc", "https://user:pw@shop.test/c", "lint.links", "warn"),
    ("https://click.shop.test/c/abc", "https://shop.test:8443/c", "lint.links", "warn"),
    ("https://click.shop.test/c/abc", "https://shop.test:port/c", "lint.links", "warn"),
    ("https://click.shop.test/c/abc", f"https://shop.test/{LONG}", "lint.links", "warn"),
    ("https://click.shop.test/c/abc", "javascript:alert(1)", "lint.links", "warn"),
    ("https://click.shop.test/c/abc", "http://shop.test/c", "lint.links", "info"),
    ("https://click.shop.test/c/abc", "https://[::1/c", "lint.links", "warn"),
    (">To the shop<", ">www.bank.test<", "lint.link-text", "warn"),
    (">To the shop<", ">www.shop.test<", "lint.link-text", "ok"),
    ("https://click.shop.test/c/abc", "https://bit.ly/x", "lint.shorteners", "warn"),
    ("https://click.shop.test/c/abc", "https://dwz.cn/x", "lint.shorteners", "warn"),
    ("/c/abc", "/c?to=reader@example.test", "lint.privacy", "warn"),
    ("/c/abc", "/c?to=reader%40example.test", "lint.privacy", "warn"),
    ("/c/abc", "/c/cmVhZGVyQGV4YW1wbGUudGVzdA", "lint.privacy", "warn"),
    ("/o/abc.gif", "/o.gif?reader@example.test", "lint.privacy", "warn"),
    (HTML, "<form action=x></form><script>1</script>", "lint.active", "warn"),
    ("<bounce@news.shop.test>", "<bounce@mailer.test>", "lint.envelope", "warn"),
    ("<bounce@news.shop.test>", "<>", "lint.envelope", "info"),
]


@pytest.mark.parametrize(("old", "new", "rule", "status"), CHANGES)
def test_one_change_is_found_by_its_rule(old: str, new: str, rule: str, status: str) -> None:
    assert old in GOOD
    # Signed as the tool signs that made the change, so that nothing else speaks up.
    text = GOOD.replace(old, new, 1) if "alt=" not in old else GOOD.replace(old, new)
    message = signed(text) if "X-From" not in new and "Subject: again" not in new else raw(text)
    found = {each.id: each for each in check(message).findings}
    assert found[rule].status == status, found[rule]
    if status in ("warn", "fail"):
        assert found[rule].fix


def test_little_text_beside_a_picture_is_found() -> None:
    start, end = GOOD.index("<p>Our"), GOOD.index("<p><img")
    assert statuses(check(signed(GOOD[:start] + GOOD[end:])))["lint.images"] == "warn"


def test_a_refused_kind_of_attachment_is_found() -> None:
    part = "--b\nContent-Type: application/zip; name=offer.pdf.exe\n\nMZ\n\n--b--\n"
    found = statuses(check(signed(GOOD.replace("--b--\n", part))))
    assert found["lint.attachments"] == "fail"


def test_a_message_of_26_megabytes_is_too_large() -> None:
    filling = ("x" * 70 + "\n") * (26 * 15_000)
    found = statuses(check(raw(GOOD.replace("Our spring", filling + "Our spring", 1))))
    assert found["lint.size"] == "fail"


@pytest.mark.parametrize(
    ("message", "dkim_status", "dmarc_status"),
    [
        (lambda: signed(GOOD), "ok", "ok"),
        (lambda: raw(GOOD), "fail", "ok"),  # SPF passes and is aligned
        (lambda: signed(GOOD, domain="mailer.test"), "fail", "ok"),
        (lambda: signed(GOOD).replace(b"Monday", b"Tuesday"), "fail", "ok"),
        (lambda: signed(GOOD).replace(b"Spring", b"Autumn"), "fail", "ok"),
        (lambda: signed(GOOD, selector="gone"), "fail", "ok"),
        (lambda: signed(GOOD, selector="silent"), "unknown", "ok"),
        (lambda: b"DKIM-Signature: v=1; nonsense\r\n" + raw(GOOD), "fail", "ok"),
    ],
)
def test_a_signature_is_verified_and_aligned(
    message: object, dkim_status: str, dmarc_status: str
) -> None:
    assert callable(message)
    found = statuses(check(message()))
    assert (found["lint.dkim"], found["lint.dmarc"]) == (dkim_status, dmarc_status)


@pytest.mark.parametrize(
    ("message", "ip", "status"),
    [
        (lambda: raw(GOOD), "198.51.100.1", "fail"),  # no signature, SPF fails
        (lambda: raw(GOOD), None, "unknown"),  # SPF was not asked for an address
        (lambda: signed(GOOD, selector="silent"), "198.51.100.1", "unknown"),
        (lambda: signed(GOOD, domain="mailer.test"), "198.51.100.1", "fail"),
        (lambda: signed(GOOD), "198.51.100.1", "ok"),
    ],
)
def test_dmarc_passes_when_one_of_the_two_is_aligned(
    message: object, ip: str | None, status: str
) -> None:
    assert callable(message)
    assert statuses(check(message(), ip=ip))["lint.dmarc"] == status


def test_a_signature_that_leaves_out_the_unsubscribe_fields_is_found() -> None:
    found = statuses(check(signed(GOOD, include_headers=[b"from", b"subject", b"date"])))
    assert found["lint.dkim-coverage"] == "warn"


def test_a_signature_over_a_part_of_the_body_is_found() -> None:
    assert statuses(check(signed(GOOD, length=True)))["lint.dkim-coverage"] == "warn"


def test_without_the_dns_what_needs_it_is_unknown() -> None:
    found = statuses(asyncio.run(lint(signed(GOOD))))
    assert (found["lint.dkim"], found["lint.spf"], found["lint.dmarc"]) == ("unknown",) * 3


def test_a_personal_message_is_not_asked_for_labels() -> None:
    lines = [line for line in GOOD.split("\n") if not line.startswith("List-")]
    report = check(signed("\n".join(lines).replace("(AD) ", "")))
    assert not report.is_marketing
    found = statuses(report)
    assert found["lint.ad-label"] == found["lint.one-click"] == "info"
    assert statuses(check(signed("\n".join(lines)), is_marketing=True))["lint.one-click"] == "warn"


def test_a_discussion_list_is_no_marketing() -> None:
    text = GOOD.replace(
        "MIME-Version", "List-Id: <l.test>\nList-Post: <mailto:l@l.test>\nMIME-Version"
    )
    assert not check(raw(text)).is_marketing


def test_each_provider_is_told_with_its_own_reply() -> None:
    text = GOOD.replace("<bounce@news.shop.test>", "<bounce@mailer.test>")
    report = check(raw(text), ip="198.51.100.1")
    said = {each.provider: each for each in report.forecasts}
    assert said["netease"].outcome == "refused"
    assert "554 DT:SUM" in said["netease"].sentence
    assert "550 5.7.26" in said["gmail"].sentence
    assert "550 5.7.515" in said["outlook"].sentence
    assert all(reason.meaning for reason in said["netease"].reasons if reason.reply)
    assert all(reason.source for each in said.values() for reason in each.reasons)


def test_rules_for_bulk_senders_do_not_count_for_a_personal_message() -> None:
    lines = [line for line in GOOD.split("\n") if not line.startswith("List-")]
    report = check(raw("\n".join(lines)))
    said = {each.provider: each.outcome for each in report.forecasts}
    assert said["gmail"] == said["outlook"] == "accepted"


def test_the_score_of_a_filter_is_a_finding() -> None:
    high = FilterScore(
        program="spamassassin", points=7.5, threshold=5.0, rules=(("A", 1.0), ("B", 6.5))
    )
    absent = FilterScore(program="rspamd", points=None, detail="not there")
    report = check(signed(GOOD), scores=[high, absent])
    found = {each.id: each for each in report.findings}
    assert found["lint.spamassassin"].status == "warn"
    assert "B 6.5, A 1" in found["lint.spamassassin"].fix
    assert found["lint.rspamd"].status == "info"


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(NotAMessage):
        asyncio.run(lint(b"hello"))


@given(st.binary(max_size=400))
def test_no_bytes_break_a_rule(tail: bytes) -> None:
    message = raw(GOOD)
    for place in (0, 40, 300, len(message) // 2, len(message)):
        try:
            report = asyncio.run(lint(message[:place] + tail + message[place:]))
        except NotAMessage:
            continue
        assert all(each.id in FINDINGS for each in report.findings)


MESSAGE = signed(GOOD)


@given(st.binary(max_size=60), st.sampled_from(["", "k=rsa; ", "k=ed25519; "]))
def test_no_key_in_the_dns_breaks_a_rule(data: bytes, kind: str) -> None:
    class Hostile:
        async def ask(self, name: str, record: str, *, unchecked: bool = False) -> Answer:
            text = f"v=DKIM1; {kind}p={base64.b64encode(data).decode()}"
            return Answer(name=name, kind=record, outcome=Outcome.ANSWERS, records=(text,))

    report = asyncio.run(lint(MESSAGE, resolver=Hostile()))
    assert statuses(report)["lint.dkim"] in ("fail", "unknown")


def test_real_messages_are_read_without_a_crash(shared_data: Path) -> None:
    count = 0
    for folder, _, names in os.walk(shared_data / "corpus"):
        for name in sorted(names)[:40]:
            if not name.endswith(".eml"):
                continue
            message = Path(folder, name).read_bytes()
            try:
                asyncio.run(lint(message))
            except NotAMessage:
                continue
            count += 1
    assert count > 200
