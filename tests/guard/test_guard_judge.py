"""What is a tracker, what may be one, and what is plain, with the reasons."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from guard_mail import mail

from mailglass.guard import Band, Mailbox, Resource, examine, inspect, load_easyprivacy, resources

TOKEN = "k30OPLTmG6zi5UytN22DhSZubSc"
READER = "reader@example.org"


def judged(html: str) -> Resource:
    (resource,) = inspect(mail(html)).resources
    return resource


def signals(resource: Resource) -> set[str]:
    return {item.signal for item in resource.evidence}


@pytest.mark.parametrize(
    "html",
    [
        f"<img src='https://news.shop.example/e/{TOKEN}.gif' width=1 height=1>",
        f"<img src='https://shop.example/p.php?m={TOKEN}' width=0 height=0>",
        f"<img src='https://shop.example/p?m={TOKEN}' style='display:none'>",
        f"<img src='https://shop.example/p?m={TOKEN}' style='width:1px!important;height:1px'>",
        "<div style='max-height:0;overflow:hidden'>"
        f"<img src='https://shop.example/p?m={TOKEN}'></div>",
        "<img src='https://shop.example/pic?id=447112&u=993714' width=1 height=1>",
        f"<img src='https://u1.ct.sendgrid.net/wf/open?upn={TOKEN}'>",
        f"<img src='https://shop.example/track/open/{TOKEN}' width=300 height=80>",
        f"<p style='background:url(https://shop.example/p.php?m={TOKEN});width:1px;height:1px'>",
        f"<link rel=prefetch href='https://shop.example/p.php?m={TOKEN}'>",
        *(
            f"<td style='{style}'><img src='https://shop.example/p?m={TOKEN}'>"
            for style in (
                "display : none",
                "display:\tnone",
                "display/**/:/**/none",
                "d\\69splay:none",
                "visibility:\nhidden",
                "opacity:.0",
                "opacity:0.0",
                "overflow : hidden;height:0",
                "display&colon;none",
                "&#100;isplay:none",
                "position: fixed;top:-999px",
            )
        ),
        "<img src='https://ci3.googleusercontent.com/proxy/abc=s0-d#https://pstmrk.it/open?m=v3_1'>",
    ],
)
def test_a_beacon_is_a_tracker(html: str) -> None:
    assert judged(html).band is Band.TRACKER


@pytest.mark.parametrize(
    "html",
    [
        "<img src='https://shop.example/images/spacer.gif' width=1 height=1>",
        "<img src='https://shop.example/images/shadow.gif' width=600 height=3>",
        "<img src='https://shop.example/i/line.gif' width=600 height=1>",
        "<img src='https://shop.example/Email%20Assets/OpenSea-Email-Logo.png' width=200>",
        "<img src='https://i1.cmail20.com/ei/t/AA/BB/logo.png' width=600>",
        "<img src='https://shop.example/campaign_images/2024/1.gif' width=600 height=200>",
        "<img src='https://shop.example/open.gif.png' width=90 height=30>",
        "<img src='https://mcusercontent.com/0a1b2c3d4e5f60718293a4b5c/images/"
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301.png' width=564>",
        "<img src='https://gallery.mailchimp.com/0a1b2c3d4e5f60718293a4b5c/images/spacer.gif'"
        " width=1 height=1>",
        "<img src='https://image.e.shop.example/lib/fe9213727567077c70/m/1/"
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301.png' width=600 height=200>",
        "<img src='https://cdn.shop.example/a/logo.png?v=1612345678' width=200 height=50>",
        "<img src='https://cdn.shop.example/banner-600x200.jpg' width=600 height=200>",
        "<link rel=stylesheet href='https://fonts.googleapis.com/css?family=Lato:400,700'>",
        "<link rel=preconnect href='https://fonts.gstatic.com'>",
        "<div style='display:none'><img src='https://shop.example/mobile/banner.jpg' width=320"
        " height=200></div>",
        "<img src='https://shop.example/logo@2x.png' width=200 height=40>",
    ],
)
def test_a_spacer_a_logo_and_a_banner_are_plain(html: str) -> None:
    assert judged(html).band is Band.PLAIN


def test_a_spacer_used_many_times_is_plain() -> None:
    html = "<img src='https://shop.example/x.gif?1' width=1 height=1>"
    assert {r.band for r in inspect(mail(html * 6)).resources} == {Band.MAYBE}
    html = "<img src='https://shop.example/x.gif' width=1 height=1>"
    assert {r.band for r in inspect(mail(html * 6)).resources} == {Band.PLAIN}


def test_naming_a_beacon_spacer_does_not_hide_it() -> None:
    html = f"<img src='https://shop.example/{TOKEN}/spacer.gif?u={TOKEN}' width=1 height=1>"
    assert judged(html).band is Band.TRACKER


def test_a_quoted_link_to_a_tracker_is_no_resource() -> None:
    assert inspect(mail("<a href='https://pstmrk.it/open?m=v3_1'>x</a>")).resources == ()


@pytest.mark.parametrize(
    "form",
    [
        READER,
        READER.replace("@", "%40"),
        READER.replace("@", "%2540"),
        READER.replace("@", "="),
        "v2_" + base64.b64encode(READER.encode()).decode().rstrip("="),
        base64.b64encode(READER.encode()).decode(),
        base64.urlsafe_b64encode(b"id=1;" + READER.encode()).decode().rstrip("="),
        READER.encode().hex(),
        hashlib.md5(READER.encode()).hexdigest(),
        hashlib.sha1(READER.encode()).hexdigest().upper(),
        hashlib.sha256(READER.encode()).hexdigest(),
    ],
)
def test_the_readers_address_is_seen_in_every_form(form: str) -> None:
    for place in ("images/a.png?x={}", "images/{}/a.png"):
        url = f"https://shop.example/{place.format(form)}"
        resource = judged(f"<img src='{url}' width=90 height=90>")
        assert resource.band is Band.TRACKER
        assert "address" in signals(resource)


def test_the_authors_own_address_in_a_url_is_no_sign() -> None:
    resource = judged("<img src='https://shop.example/a.png?by=news@shop.example'>")
    assert "address" not in signals(resource)


def test_an_address_given_by_the_caller_is_watched_for_too() -> None:
    digest = hashlib.md5(b"other@example.org").hexdigest()
    raw = mail(f"<img src='https://shop.example/a.png?x={digest}'>")
    (resource,) = inspect(raw, recipients=["other@example.org"]).resources
    assert "address" in signals(resource)


def visible(token: str) -> bytes:
    return mail(f"<img src='https://shop.example/header/{token}' width=600 height=200>")


def test_a_visible_picture_with_another_token_in_each_message_is_a_tracker() -> None:
    messages = [visible(hashlib.sha1(bytes([n])).hexdigest()) for n in range(3)]
    mailbox = Mailbox()
    for raw in messages:
        mailbox.add(resources(examine(raw)))
    (alone,) = inspect(messages[0]).resources
    (together,) = inspect(messages[0], mailbox=mailbox).resources
    assert alone.band is Band.MAYBE
    assert together.band is Band.TRACKER
    assert "repeated" in signals(together)


def test_a_logo_that_comes_back_is_no_repetition() -> None:
    mailbox = Mailbox()
    raw = visible(TOKEN * 2)
    for _ in range(3):
        mailbox.add(resources(examine(raw)))
    (resource,) = inspect(raw, mailbox=mailbox).resources
    assert "repeated" not in signals(resource)


def test_a_shops_products_are_no_repetition() -> None:
    mailbox = Mailbox()
    for number in range(3):
        several = [hashlib.sha1(bytes([number, n])).hexdigest() for n in range(4)]
        mailbox.add([f"https://shop.example/img/{name}" for name in several])
    (resource,) = inspect(visible(TOKEN * 2), mailbox=mailbox).resources
    assert "repeated" not in signals(resource)


def test_a_judgement_says_why_and_the_sum_of_the_reasons_is_its_score() -> None:
    resource = judged(f"<img src='https://shop.example/p.php?m={TOKEN}' width=1 height=1>")
    assert signals(resource) == {"invisible", "token", "endpoint"}
    assert resource.score == pytest.approx(0.971)
    assert all(item.text for item in resource.evidence)


def test_an_installed_list_names_what_the_pack_does_not() -> None:
    mail_list = load_easyprivacy()
    if mail_list is None:
        pytest.skip("needs webext-ublock-origin-firefox and the package adblock")
    raw = mail("<img src='https://www.bhphotovideo.com/mo/x.gif'>")
    (resource,) = inspect(raw, mail_list=mail_list).resources
    assert "listed" in signals(resource)


def test_without_the_list_nothing_is_missing_but_its_names(tmp_path: Path) -> None:
    assert load_easyprivacy(tmp_path / "absent.txt") is None
