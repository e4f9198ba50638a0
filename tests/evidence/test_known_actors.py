"""Every kind of actor in the field, in other versions, networks and hours than those on record.

The rows are of our own making, after what is published of each actor; none is a recorded hit. What
is tested is that the rules know the kind, and not the sample.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from mailglass.cli.judge import command

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{}.0.0.0 Safari/537.36"
)
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Safari/605.1.15"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) "
)
IPHONE_SAFARI = IPHONE + "Version/17.5 Mobile/15E148 Safari/604.1"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; {}) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/126.0.6478.188 Mobile Safari/537.36"
)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
GMAIL_PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
PROXIES = {
    GMAIL: 15169,
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html": 36646,
    "FastmailUA/2.3": 151847,
    "hey.com/imageproxy Mozilla/5.0 (X11; Linux x86_64) Chrome/147.0.0.0 Safari/537.36": 25657,
    "Mozilla/5.0 SeznamEmailProxy/2.2.1": 43037,
    CHROME.format(88) + " (via secureurl.fwdcdn.com - mail.ukr.net proxy)": 8856,
    "RamblerMail/7.1 (incompatible; ImageProxy/7.1)": 24638,
}
GMAIL_ADDRESSES = ("66.249.84.131", "66.102.6.77", "74.125.208.9", "2607:f8b0:4864:20::5c")
RELAYS = ("172.225.6.17", "172.226.1.2", "2a02:26f7:b3c8:4000::1")
MAIL_PROGRAMS = (
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; Trident/7.0; ms-office; MSOffice 14)",
    "MacOutlook/16.89.24090815 (Intelx64 Mac OS X Version 14.6.1 (Build 23G93))",
    "Outlook-iOS/709.2226530.prod.iphone (3.24.1)",
    "Outlook-Android/2.0",
    "WindowsMail/16005.14326.21606.0",
    "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Thunderbird/140.2.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_6) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    IPHONE + "Mobile/21F90",
    IPHONE.replace("iPhone; CPU iPhone", "iPad; CPU") + "Mobile/15E148",
    ANDROID.format("Pixel 8 Build/UQ1A; wv"),
    CHROME.format(49) + " MailMasterPC/5.0.10.1003",
    IPHONE + "Mobile/15E148 MailMaster/7.18.2.1245",
    CHROME.format(86) + " Foxmail/7.2.25.375",
    "NaverMailApp/2.5.0 (iOS 17.1; iPhone14,2)",
    ANDROID.format("SM-G991N; wv") + " DaumMail/1.2.1",
    "Mail/3774.300.61.1.2 CFNetwork/1496 Darwin/23.2.0",
    "Yahoo%20Mail/8.1 CFNetwork/1490 Darwin/23.0",
    "eM Client/9.2",
    "The Bat! 9.5",
    "Airmail 5.6 rv:800 (Macintosh; Mac OS X 13.1; en_US)",
    "Evolution/3.52.1",
    "Claws Mail/4.1.1",
    "Mozilla/4.0 (compatible; Lotus-Notes/9.0; Windows-NT)",
)
APP_BROWSERS = (
    IPHONE + "Mobile/15E148 MicroMessenger/8.0.50(0x18003230) NetType/WIFI Language/zh_CN",
    ANDROID.format("23127PN0CC; wv") + " MicroMessenger/8.0.49.2600 WeChat/arm64 Weixin",
    IPHONE + "Mobile/15E148 KAKAOTALK 10.4.5",
    ANDROID.format("SM-S911N; wv") + ";KAKAOTALK 2410430",
    IPHONE + "Mobile/15E148 NAVER(inapp; search; 2000; 12.5.2; 14PRO)",
    IPHONE + "GSA/320.0 Mobile/15E148 Safari/604.1",
    IPHONE + "Mobile/15E148 Safari Line/13.20.0",
    CHROME.format(130).replace("Safari", "Whale/4.29.282.14 Safari"),
    CHROME.format(94) + " Core/1.94.201.400 QQBrowser/11.9.5355.400",
    CHROME.format(86) + " QIHU 360SE",
    CHROME.format(108) + " wxwork/4.1.20 (MicroMessenger/6.2) WindowsWechat",
    CHROME.format(108) + " dingtalk-win/1.0.0 DingTalk(7.5.0-Release.240205)",
    ANDROID.format("SM-S921N").replace("Version/4.0", "SamsungBrowser/25.0"),
)
SCANNING_ADDRESSES = (
    "40.92.7.9",
    "40.107.33.4",
    "52.103.9.9",
    "104.47.1.66",
    "2a01:111:f403::5",
    "64.235.150.1",
    "209.222.82.9",
    "35.157.190.230",
)
ISOLATING = (22843, 26211, 52129, 30031, 39588, 42427, 60492, 16417)
VENDORS = (54538, 16880, 40934, 17330, 46484, 25046, 398391, 58976)
HOSTERS = (16509, 14061, 24940, 16276, 9009, 30633, 396982, 37963, 55990)
WEB_PROXIES = (13448, 44444, 22616, 53813, 55256)
PREVIEWERS = (
    "Slackbot-LinkExpanding 1.1 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    SAFARI + " facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/t/scrap/33984",
    "facebookexternalhit/1.1;line-poker/1.0",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.2412.50 W",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "DingTalkBot-LinkService/1.0 (+https://open-doc.dingtalk.com/)",
    CHROME.format(79) + " Larkbot",
    "Mozilla/5.0 (compatible; MicrosoftPreview/2.0; +https://aka.ms/MicrosoftPreview)",
    "Mozilla/5.0 (compatible; SignalPreview)",
    "Viber/13.3.0.22",
)
CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
    "Mozilla/5.0 (compatible; Linux x86_64; Mail.RU_Bot/2.0; +http://go.mail.ru/help/robots)",
    "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/151.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 PhantomJS/2.1.1 Safari/538.1",
    "Mozilla/5.0 (compatible; some-new-checker/1.0)",
    "AppEngine-Google; (+http://code.google.com/appengine; appid: s~virustotalcloud)",
    "Mozilla/5.0 zgrab/0.x",
)
TOOLS = (
    "python-requests/2.32.3",
    "Python/3.12 aiohttp/3.10.5",
    "python-httpx/0.28.1",
    "Java/21.0.1",
    "Java-http-client/17.0.1",
    "Apache-HttpClient/5.2 (Java/17)",
    "Go-http-client/2.0",
    "curl/8.5.0",
    "curl",
    "Wget/1.21.3",
    "lua-resty-http/0.17",
    "node-fetch/1.0",
    "Dart/3.1 (dart:io)",
    "RestSharp/106.11",
    "Acme HTTP client/2",
    "Scrapy/2.11 (+https://scrapy.org)",
    "",
)


class Row(NamedTuple):
    """A hit and what may be said of it: verdicts, and the actor unless it is left open."""

    hit: dict[str, Any]
    verdicts: tuple[str, ...]
    actor: str | None


def row(verdict: str, actor: str | None = None, **hit: Any) -> Row:
    return Row({"kind": "open", "method": "GET", **hit}, tuple(verdict.split()), actor)


def image_proxies() -> Iterator[Row]:
    for (agent, system), delay in product(PROXIES.items(), (None, 45, 700, 90_000)):
        yield row("human", "image_proxy", user_agent=agent, t_since_delivery_s=delay)
        yield row("human", "image_proxy", user_agent=agent, t_since_delivery_s=delay, asn=system)
    for agent, delay in product(PROXIES, (0.5, 4, 9)):
        yield row("human unknown", user_agent=agent, t_since_delivery_s=delay)
    for address, delay in product(GMAIL_ADDRESSES, (None, 30, 4000)):
        yield row("human", "image_proxy", user_agent=GMAIL, ip=address, t_since_delivery_s=delay)
    yield row(
        "human",
        "image_proxy",
        rdns="google-proxy-66-102-6-22.google.com",
        t_since_delivery_s=400,
        context={"fcrdns": True},
    )


def prefetchers() -> Iterator[Row]:
    places: tuple[dict[str, Any], ...] = ({}, {"ip": "74.125.150.9"}, {"ip": GMAIL_ADDRESSES[0]})
    for place, delay in product(places, (None, 1, 25, 90_000)):
        yield row(
            "machine", "prefetch", user_agent=GMAIL_PREFETCH, t_since_delivery_s=delay, **place
        )
    yield row(
        "machine", "prefetch", rdns="rate-limited-proxy-66-249-87-12.google.com", ip="66.249.87.12"
    )
    for name, said in (
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "prefetch"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
    ):
        for agent in (CHROME.format(141), SAFARI, FIREFOX):
            yield row(
                "machine",
                "prefetch",
                kind="click",
                user_agent=agent,
                headers={name: said},
                t_since_delivery_s=5000,
            )


def privacy_proxies() -> Iterator[Row]:
    for place, delay in product((None, *RELAYS), (None, 1, 40, 200_000)):
        yield row(
            "unknown",
            "privacy_proxy",
            user_agent="Mozilla/5.0",
            ip=place,
            t_since_delivery_s=delay,
        )
    for address, agent in product(RELAYS, (SAFARI, IPHONE_SAFARI)):
        yield row(
            "human",
            "human",
            kind="click",
            user_agent=agent,
            ip=address,
            t_since_delivery_s=3000,
            context={"distinct_links_10s": 1},
        )


def people() -> Iterator[Row]:
    for agent, delay in product(MAIL_PROGRAMS, (None, 200, 5000)):
        yield row("human", "human", user_agent=agent, t_since_delivery_s=delay)
    for agent in (*APP_BROWSERS, CHROME.format(141), SAFARI, IPHONE_SAFARI, FIREFOX):
        yield row(
            "human", "human", kind="click", user_agent=agent, t_since_delivery_s=3700,
            ip_class="residential",
        )  # fmt: skip
        yield row("human unknown", kind="click", user_agent=agent)
    yield row(
        "human",
        "human",
        kind="click",
        user_agent=CHROME.format(141),
        ip_class="residential",
        t_since_delivery_s=900,
        context={"scan_before_s": 1},
    )
    for system, delay in product(ISOLATING, (700, 90_000)):
        yield row(
            "unknown",
            kind="click",
            asn=system,
            user_agent=CHROME.format(141),
            t_since_delivery_s=delay,
        )
    for system in (*WEB_PROXIES, 45062, 45090, 23576, 38099, 13238, 47764):
        yield row(
            "human unknown",
            kind="click",
            asn=system,
            user_agent=CHROME.format(141),
            t_since_delivery_s=3000,
        )


def scanners() -> Iterator[Row]:
    agents = (CHROME.format(57), CHROME.format(96), CHROME.format(141))
    for address, agent, kind in product(SCANNING_ADDRESSES, agents, ("open", "click")):
        for delay in (None, 3, 4000):
            yield row(
                "machine", "security_scanner", kind=kind, ip=address, user_agent=agent,
                t_since_delivery_s=delay,
            )  # fmt: skip
    for agent, delay in product(agents, (None, 3, 4000)):
        yield row(
            "machine",
            "security_scanner",
            kind="click",
            ip="40.94.20.9",
            asn=8075,
            user_agent=agent,
            t_since_delivery_s=delay,
        )
    yield row("unknown machine", asn=8075, t_since_delivery_s=4000)
    yield row("machine", "security_scanner", user_agent="Barracuda Sentinel (US)")
    for system, delay in product(ISOLATING, (1, 100, 500)):
        yield row("machine", "security_scanner", kind="click", asn=system, t_since_delivery_s=delay)
    for system, delay in product((*VENDORS, *HOSTERS), (None, 2, 100)):
        yield row("machine", "security_scanner", kind="click", asn=system, t_since_delivery_s=delay)
    for method in ("POST", "OPTIONS", "HEAD"):
        yield row("machine", "security_scanner", kind="click", method=method, user_agent=agents[2])
    for context in (
        {"all_links_10s": True},
        {"distinct_links_10s": 7},
        {"clicks_3s": 5},
        {"honeypot": True},
        {"mutated_token_probe": True},
        {"before_delivery": True},
    ):
        for delay in (None, 20, 3700):
            yield row(
                "machine", "security_scanner", kind="click", user_agent=agents[2],
                t_since_delivery_s=delay, context=context,
            )  # fmt: skip


def programs() -> Iterator[Row]:
    for actor, agents in (
        ("link_preview", PREVIEWERS),
        ("crawler", CRAWLERS),
        ("tool", TOOLS),
    ):
        for agent, kind in product(agents, ("open", "click")):
            yield row("machine", actor, kind=kind, user_agent=agent, t_since_delivery_s=4000)


def others() -> Iterator[Row]:
    for agent, seconds in product((None, GMAIL, "Mozilla/5.0"), (1, 5, 9.5)):
        yield row("sender", "sender", user_agent=agent, context={"sender_headsup_s": seconds})
    yield row("sender", "sender", user_agent=GMAIL, context={"recipient_provider": "naver"})
    yield row("human", "image_proxy", user_agent=GMAIL, context={"recipient_provider": "gmail"})
    for context in (
        {"earlier_human_open_country": "KR", "this_country": "US"},
        {"after_human_open": True, "new_device": True, "new_network": True},
        {"after_human_open": True, "country_change": True},
    ):
        yield row(
            "third_party",
            "third_party",
            user_agent=CHROME.format(141),
            t_since_delivery_s=9000,
            context=context,
        )


@pytest.mark.parametrize(
    "kind",
    [image_proxies, prefetchers, privacy_proxies, people, scanners, programs, others],
    ids=lambda kind: kind.__name__,
)
def test_each_kind_of_actor_is_told_in_all_its_guises(kind: Any) -> None:
    rows: list[Row] = list(kind())
    wrong = []
    for one, answer in zip(rows, judge(r.hit for r in rows), strict=True):
        named = one.actor in (None, answer["actor"])
        if answer["verdict"] not in one.verdicts or not named:
            wrong.append((one.hit, answer["verdict"], answer["actor"]))
    assert not wrong


def judge(hits: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = b"".join(json.dumps(hit).encode() + b"\n" for hit in hits)
    done = CliRunner().invoke(command, ["-", "--json"], input=lines, catch_exceptions=False)
    return [json.loads(line) for line in done.output.splitlines()]
