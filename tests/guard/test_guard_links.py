"""Links: unwrapped when the target is inside, left alone whenever that could break them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.guard import examine_link, strip_parameters, unwrap

TARGET = "https://www.example.com/a?b=1"
IN_BASE64 = base64.urlsafe_b64encode(TARGET.encode()).decode().rstrip("=")
QUOTED = "https%3A%2F%2Fwww.example.com%2Fa%3Fb%3D1"


@pytest.mark.parametrize(
    "url",
    [
        f"https://link.shop.example/click/1234.56/{IN_BASE64}/5f0cabc",
        f"https://t.shop.example/r?x={IN_BASE64}",
        f"https://t.shop.example/{TARGET.encode().hex()}",
        f"https://t.shop.example/click?url={QUOTED}&id=1",
        f"https://t.shop.example/redirect?target={QUOTED}",
        f"https://t.shop.example/x?id=k30OPLTmG6zi5UytN22DhSZubSc&u={QUOTED}",
        f"https://t.shop.example/click?url={QUOTED.replace('%', '%25')}",
        "https://urldefense.com/v3/__https:/www.example.com/a?b=1__;!!A$",
        f"https://www.google.com.br/url?q={QUOTED}",
        f"https://news.google.fr/news/url?url={QUOTED}",
        f"https://l.facebook.com/l.php?u={QUOTED.replace('%', '%25')}",
        f"https://l.facebook.com/l.php?u={QUOTED.replace('%', '%2525')}",
        f"https://click.shop.example/?u={QUOTED.replace('%', '%25')}",
        f"https://links.shop.example/x?to={QUOTED}",
        f"https://shop.example/away.php?to={QUOTED}",
        f"https://shop.example/go?target={QUOTED}",
        f"https://forum.example/external-link?url={QUOTED}",
        f"https://www.bing.com/ck/a?!&&p=abc&u=a1{IN_BASE64}&ntb=1",
        f"https://eu-west-1.protection.sophos.com/?d=example.com&u={IN_BASE64}&p=m&i=NWY=&t=a&h=d",
        f"https://clicktime.symantec.com/a/1/abc=?d=x&u={QUOTED}",
        f"https://cas5-0-urlprotect.trendmicro.com/wis/clicktime/v1/query?url={QUOTED}&umid=A",
        f"https://secure-web.cisco.com/1AbCdEfGhIj/{QUOTED}",
        f"https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Ft.example%2Fclick%3F"
        f"url%3D{QUOTED.replace('%', '%25')}&data=x",
    ],
)
def test_a_target_that_stands_in_the_link_is_read(url: str) -> None:
    found = unwrap(url)
    assert found is not None
    assert found.target == TARGET


@pytest.mark.parametrize(
    "url",
    [
        "https://www.facebook.com/sharer.php?u=https%3A%2F%2Fexample.com%2Fa",
        "https://twitter.com/intent/tweet?url=https%3A%2F%2Fexample.com%2Fa",
        "https://example.com/login?redirect=https%3A%2F%2Fexample.com%2Fa",
        "https://accounts.example.com/oauth/authorize?redirect_url=https%3A%2F%2Fa.example%2Fb",
        "https://translate.google.com/translate?u=https%3A%2F%2Fexample.com%2Fa",
        "https://web.archive.org/web/2020/https://example.com/",
        "https://validator.w3.org/check?url=https%3A%2F%2Fexample.com%2Fa",
        "https://example.com/page?url=https%3A%2F%2Fexample.com%2Fa",
        "https://example.com/?url=https%3A%2F%2Fexample.org%2Fa",
        "https://shop.example/account?redirect=https%3A%2F%2Fshop.example%2Forders",
        "https://shop.example/members?next=https%3A%2F%2Fshop.example%2Fclick",
        "https://shop.example/enter?return_to=https%3A%2F%2Fother.example%2F",
        "https://shop.example/m?token=k30OPLTmG6zi5UytN22DhSZubSc&redirect=https%3A%2F%2Fa.example",
        "https://shop.example/m?code=k30OPLTmG6zi5UytN22DhSZubSc&url=https%3A%2F%2Fa.example",
        "https://a.example/k30OPLTmG6zi5UytN22DhSZubSc?redirect=https%3A%2F%2Fa.example%2Fb",
        "https://click.shop.example/login?url=https%3A%2F%2Fshop.example%2F",
        "https://links.shop.example/oauth/go?redirect=https%3A%2F%2Fshop.example%2F",
        "https://www.google.de/maps?q=https%3A%2F%2Fexample.com%2Fa",
        "https://track.carrier.example/parcel?id=42&url=https%3A%2F%2Fshop.example%2Fa",
        "https://www.facebook.com/dialog/feed?u=https%3A%2F%2Fexample.com%2Fa",
        "https://protect-eu.mimecast.com/s/AbCdEf?domain=example.com",
        "https://url.avanan.click/v2/___mailto:a@b.example___.YXAz",
        "https://pagespeed.example/?url=https%3A%2F%2Fexample.com%2F",
        f"https://links.example/magic-link?redirect={QUOTED}&code=k30OPLTmG6zi5U",
        f"https://click.example/ls?target={QUOTED}&otp=123456",
        f"https://click.example/ls?target={QUOTED}&access_token=1",
        f"https://click.example/ls?target={QUOTED}&invitationId=1",
        f"https://click.example/ls?target={QUOTED};id=5",
        "https://t.example/click?url=http://a.example/?x=1&y=2",
        "https://t.example/click?url=javascript%3Aalert(1)",
        "https://t.example/click?url=https%3A%2F%2F",
        "https://t.example/click?url=/relative",
        "https://t.example/click?url=https%3A%2F%2Fa.example%2F%0d%0aX",
        "mailto:a@example.com?body=https://example.com",
        "",
    ],
)
def test_a_link_that_needs_its_wrapping_keeps_it(url: str) -> None:
    assert unwrap(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.us1.list-manage.com/track/click?u=3c&id=24&e=16",
        "https://u1.ct.sendgrid.net/ls/click?upn=k30OPLTmG6zi5UytN22DhSZubSc",
        "https://news.shop.example/c/k30OPLTmG6zi5UytN22DhSZubScXy",
    ],
)
def test_a_link_whose_target_only_the_sender_knows_is_opaque_and_stays(url: str) -> None:
    link = examine_link(url)
    assert link.opaque
    assert link.cleaned is None
    assert link.unwrapped is None


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("https://a.example/?utm_source=x", "https://a.example/"),
        ("https://a.example/p?id=7&utm_source=x&b=%20c#d", "https://a.example/p?id=7&b=%20c#d"),
        ("https://a.example/p?UTM_Source=x&e=16ca", "https://a.example/p?e=16ca"),
        ("https://a.example/p?mc_eid=1&mc_cid=2&fbclid=3", "https://a.example/p"),
    ],
)
def test_campaign_parameters_go_and_the_rest_keeps_its_spelling(url: str, cleaned: str) -> None:
    assert strip_parameters(url) == cleaned


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/unsubscribe?mkt_tok=abc",
        "https://a.example/preferences?mc_eid=abc&utm_source=x",
        "https://a.example/confirm?utm_source=x&code=1",
        "https://a.example/f?utm_source=x&X-Amz-Signature=abc",
        "https://a.example/f?utm_source=x&sig=abc",
        "https://a.example/f?e=abc&id=1&u=2&token=3",
        "https://a.example/f?q=utm_source=x",
        "https://a.example/f?utm_source=n;id=5#utm_x",
        "https://a.example/f?id=5;utm_source=n",
        "https://a.example/#utm_source=x",
    ],
)
def test_a_link_that_could_break_keeps_its_parameters(url: str) -> None:
    assert strip_parameters(url) == url


def test_a_link_of_the_list_unsubscribe_field_is_kept() -> None:
    url = f"https://t.shop.example/click?url={QUOTED}"
    assert examine_link(url, keep=True).cleaned is None
    assert examine_link(url, keep=True).unwrapped == TARGET


PIECES = st.sampled_from(
    ["https://", "a.example", "/click", "/", "?", "url=", "&", "%3A", "%2F", "utm_source=x", "#",
     QUOTED, IN_BASE64, "/CL0/", "urldefense.com/v3/__", "__;", "!", "*", "aHR0cHM6", "u=", "=",
     "nam02.safelinks.protection.outlook.com"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
def test_a_cleaned_link_is_clean(url: str) -> None:
    link = examine_link("https://" + url)
    if link.cleaned is not None:
        assert examine_link(link.cleaned).cleaned is None
        assert link.cleaned.startswith(("http://", "https://"))


@pytest.mark.parametrize(
    "piece", ["https%3A", "?url=", "aHR0cHM6", "/v3/__*", "68747470", "&u=http:"]
)
def test_a_link_of_a_megabyte_is_read(piece: str) -> None:
    examine_link("https://a.example/click?url=" + piece * (1_000_000 // len(piece)))
