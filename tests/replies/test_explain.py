"""What replies of servers mean: the providers' own codes, phrases, statuses, reply codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from mailglass.cli.explain import command
from mailglass.replies import ReplyClass, explain_reply, find_codes, provider_codes
from product import environment

NETEASE = [row for row in provider_codes() if row.provider == "netease"]
HELP = "163 smtp5,D9GowA.9035S2 1473730639,please see http://mail.163.com/help/help_spam_16.htm?ip="


def forms(code: int, key: str) -> dict[str, str]:
    """The three shapes in which NetEase's reply reaches a sender."""
    return {
        "as the server says it": f"{code} {key} {HELP}",
        "as Postfix quotes it": f"host mx.netease.example[192.0.2.1] said: {code} {key} {HELP} "
        "(in reply to end of DATA command)",
        "as Exim quotes it": "SMTP error from remote mail server after RCPT TO:<spam@163.example>: "
        f"host mx.netease.example [192.0.2.1]: {code} {key} {HELP}: retry timeout exceeded",
    }


def test_all_47_codes_of_netease_are_known() -> None:
    official = [row for row in NETEASE if "help.163.com" in row.source]
    assert sum(len(row.reply_codes) for row in official) == 47


@pytest.mark.parametrize("row", NETEASE, ids=lambda row: row.keys[0])
def test_a_netease_code_is_explained_in_each_form_of_reply(row) -> None:  # type: ignore[no-untyped-def]
    key = row.keys[0].upper() if ":" in row.keys[0] else row.keys[0]
    for code in row.reply_codes:
        for form, text in forms(code, key).items():
            found = explain_reply(text)
            assert (found.provider, found.meaning) == ("netease", row.meaning), form
            assert found.class_ is row.class_, form
            assert found.permanent is (code >= 500), form
            assert found.suppress is (code >= 500 and row.is_dead), form


@pytest.mark.parametrize("row", provider_codes(), ids=lambda row: f"{row.provider} {row.keys[0]}")
def test_every_row_of_a_provider_is_found_by_its_own_words(row) -> None:  # type: ignore[no-untyped-def]
    code = min(row.reply_codes)
    status = f"{min(row.statuses)} " if row.statuses else ""
    found = explain_reply(f"{code} {status}{row.keys[0]} here", provider=row.provider)
    assert found.class_ is row.class_


REPLIES = [
    ("550 5.1.1 <who@example.net>: Recipient address rejected: User unknown", "unknown-user", True),
    ("550 No such user here", "unknown-user", True),
    ("550 5.1.1 收件人不存在", "unknown-user", True),
    ("550 존재하지 않는 사용자입니다", "unknown-user", True),
    ("550 Unbekannter Empfänger, existiert nicht", "unknown-user", True),
    ("552 5.2.2 Mailbox full", "mailbox-full", False),
    ("452 4.2.2 邮箱已满", "mailbox-full", False),
    ("550 5.2.1 This account has been disabled", "mailbox-disabled", True),
    (
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "blocked",
        False,
    ),
    ("550 5.7.1 Message rejected as spam", "spam", False),
    ("550 5.7.26 Unauthenticated email from sender.example is not accepted", "auth", False),
    ("450 4.2.0 <who@example.net>: Recipient address rejected: Greylisted", "greylisted", False),
    ("421 4.7.0 Too many connections from your IP", "rate-limited", False),
    ("450 4.7.1 Client host rejected: cannot find your hostname", "dns-ptr", False),
    ("530 5.7.0 Must issue a STARTTLS command first", "tls", False),
    ("552 5.3.4 Message size exceeds fixed limit", "size", False),
    ("554 5.7.1 Relay access denied", "relay", False),
    ("550 5.4.4 Host or domain name not found", "dns", True),
    ("connect to mx.example.net[192.0.2.1]:25: Connection timed out", "network", False),
    ("503 5.5.1 Bad sequence of commands", "protocol", False),
    ("451 4.3.0 Local error in processing", "system", False),
    ("550 5.7.1 The message contains a virus", "content", False),
    ("550 5.1.1", "unknown-user", True),
    ("550 5.7.23 x", "auth", False),
    ("554 No", "undetermined", False),
    ("", "undetermined", False),
]


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("250 ok", 250, None),
        ("250 2.1.5 User unknown", 250, "2.1.5"),
        ("250-8BITMIME", 250, None),
        ("250", 250, None),
        ("354 End data with <CR><LF>.<CR><LF>", 354, None),
        ("2.0.0 accepted", None, "2.0.0"),
    ],
)
def test_a_reply_that_refuses_nothing_is_no_trouble(
    text: str, code: int | None, status: str | None
) -> None:
    found = explain_reply(text)
    assert (found.reply_code, found.enhanced_status) == (code, status)
    assert not found.permanent
    assert not found.suppress
    assert found.class_ is ReplyClass.ACCEPTED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("250 ok", "class 2 or 3"),
        ("354 go on", "class 2 or 3"),
        ("450 later", "class 4"),
        ("4.2.0 later", "class 4"),
        ("550 no", "class 5"),
        ("no such user", "class 5"),
        ("connection timed out", "without a code"),
        ("2500 bytes were refused", "without a code"),
    ],
)
def test_the_class_that_is_told_is_the_replys_own(text: str, says: str) -> None:
    told = CliRunner().invoke(command, ["--language", "en", text])
    assert says in told.output


@pytest.mark.parametrize(("text", "class_", "suppress"), REPLIES)
def test_a_reply_is_explained(text: str, class_: str, suppress: bool) -> None:
    found = explain_reply(text)
    assert found.class_ == class_
    assert found.suppress is suppress
    assert found.meaning
    assert found.advice
    assert found.source


TRAPS = {
    "Gmail's rate limit with the status of a dead account": (
        "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents "
        "additional messages from being delivered. - gsmtp",
        "rate-limited",
        True,
    ),
    "Tencent's flooded mailbox with a 5xx": (
        "550 Mailbox unavailable or access denied https://service.mail.qq.com/detail/122/169",
        "rate-limited",
        True,
    ),
    "a reply code of class 4 with a status of class 5": (
        "421 5.7.32 the From domain isn't aligned - gsmtp",
        "auth",
        False,
    ),
    "the word spam in an address and in a help page": (
        "550 5.1.1 <spam@example.net>: user unknown, see http://example.net/spam/blocked.htm",
        "unknown-user",
        True,
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_known_trap_is_avoided(trap: str) -> None:
    text, class_, permanent = TRAPS[trap]
    found = explain_reply(text)
    assert (found.class_, found.permanent) == (class_, permanent)


def test_a_temporary_reply_never_suppresses() -> None:
    found = explain_reply("450 4.1.1 user unknown")
    assert found.class_ is ReplyClass.UNKNOWN_USER
    assert not found.suppress


def test_the_host_that_answered_names_the_provider() -> None:
    assert explain_reply("550 Invalid User", mx="mx1.netease.com").provider == "netease"
    assert explain_reply("550 Mailbox not found", recipient="who@qq.com").provider == "tencent"
    assert explain_reply("550 Mailbox not found").provider is None


CODES = [
    ("550 5.1.1 no", 550, "5.1.1"),
    ("550-5.7.1 first\n550 5.7.1 second", 550, "5.7.1"),
    ("said: 554 no", 554, None),
    ("<<< 421 later", 421, None),
    ("554 <who@example.net>... 550 Host unknown", 550, None),
    ("Remote host said: 550 no (#5.1.1)", 550, "5.1.1"),
    ("host 192.0.2.25 port 550 took 450 seconds", None, None),
    ("address 5.1.1.1 refused", None, None),
    ("sent 550 EUR", None, None),
    ("250 2.0.0 Ok", None, None),
]


@pytest.mark.parametrize(("text", "code", "status"), CODES)
def test_codes_are_found_where_a_reply_stands(
    text: str, code: int | None, status: str | None
) -> None:
    found = find_codes(text)
    assert (found.reply_code, found.enhanced_status) == (code, status)


Run = Callable[..., subprocess.CompletedProcess[bytes]]


def test_the_command_prints_the_fields_of_its_contract(run_cli: Run) -> None:
    done = run_cli("explain", "554 DT:SPM 163 smtp5", "--json")
    told = json.loads(done.stdout)
    assert list(told) == [
        "provider",
        "reply_code",
        "enhanced_status",
        "code",
        "class",
        "permanent",
        "suppress",
        "meaning",
        "advice",
        "source",
    ]
    assert (told["provider"], told["code"], told["class"]) == ("netease", "DT:SPM", "spam")


def test_the_command_speaks_to_people_too(run_cli: Run) -> None:
    done = run_cli("explain", "550 MI:STC", "--provider", "netease")
    assert "tomorrow" in done.stdout.decode()


@pytest.mark.parametrize("arguments", [(), ("550 no", "--provider", "nobody")])
def test_the_command_says_what_to_do_next(run_cli: Run, arguments: tuple[str, ...]) -> None:
    done = run_cli("explain", *arguments)
    assert done.returncode == 65
    assert b"mailglass: " in done.stderr


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        (
            "550 5.7.26 Unauthenticated email from x.example is not accepted due to domain's "
            "DMARC policy. Please contact the administrator of x.example domain",
            "google",
        ),
        ("550-5.1.1 The email account that you tried to reach does not exist.", "google"),
        ("452 4.2.2 no room. See https://support.google.com/mail/?p=OverQuotaTemp", "google"),
        ("421 4.7.28 Gmail has detected an unusual rate of unsolicited mail", "google"),
        ("421 4.7.0 Messages temporarily deferred due to unexpected volume or user complaints",
         "yahoo"),
        ("554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30).",
         "yahoo"),
        ("550 5.7.515 Access denied, sending domain X.EXAMPLE does not meet the required "
         "authentication level.", "outlook"),
        ("550 5.4.1 Recipient address rejected: Access denied. "
         "[BN8NAM11FT066.eop-nam11.prod.protection.outlook.com]", "outlook"),
        ("451 4.7.500 Server busy. Please try again later from [192.0.2.1].", "outlook"),
        ("550 Ip frequency limited", "tencent"),
        ("550 Mailbox not found. http://service.mail.qq.com/detail/122", "tencent"),
        ("550 5.1.1 No such user k1Nxq+1bRzu - nsmtp", "naver"),
        ("554 Client host [mail-x.outbound.protection.outlook.com] blocked using a list", None),
        ("550 5.1.1 <x@gmail.com>: user unknown", None),
    ],
)  # fmt: skip
def test_words_that_only_one_provider_writes_name_it(text: str, provider: str | None) -> None:
    assert explain_reply(text).provider == provider


@pytest.mark.parametrize(
    ("words", "class_"),
    [
        ("552 邮件大小超出限制", ReplyClass.SIZE),
        ("552 附件超出限制", ReplyClass.SIZE),
        ("550 收件人邮箱空间超出限制", ReplyClass.MAILBOX_FULL),
        ("550 您的发信数量超出限制", ReplyClass.RATE_LIMITED),
        ("550 用户被冻结", ReplyClass.MAILBOX_DISABLED),
        ("550 发件人验证失败", ReplyClass.AUTH),
        ("550 1일 발송한도를 초과하였습니다", ReplyClass.RATE_LIMITED),
        ("550 시간당 발송 건수를 초과했습니다", ReplyClass.RATE_LIMITED),
        ("550 하루 발송량을 초과했습니다", ReplyClass.RATE_LIMITED),
        ("552 메일 크기 제한을 초과했습니다", ReplyClass.SIZE),
    ],
)
def test_a_limit_is_the_one_that_the_words_name(words: str, class_: ReplyClass) -> None:
    assert explain_reply(words).class_ is class_


@pytest.mark.parametrize(
    ("words", "charset", "class_"),
    [
        ("550 하루 발송량을 초과했습니다", "euc-kr", "rate-limited"),
        ("550 邮箱已满", "gb2312", "mailbox-full"),
        ("550 信箱已滿", "big5", "mailbox-full"),
        ("550 邮箱已满", "utf-16", "mailbox-full"),
        ("550 邮箱已满", "utf-8-sig", "mailbox-full"),
    ],
)
def test_the_command_reads_words_in_the_charsets_of_servers(
    words: str, charset: str, class_: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mailglass", "explain", "--json"],
        input=words.encode(charset), env=environment(), capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["class"] == class_


@pytest.mark.parametrize(
    ("name", "provider"), [("gmail", "google"), ("QQ", "tencent"), ("163.com", "netease")]
)
def test_a_provider_is_known_by_the_names_of_its_mail(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]], name: str, provider: str
) -> None:
    done = run_cli("explain", "550 x", "--provider", name, "--json")
    assert json.loads(done.stdout)["provider"] == provider
