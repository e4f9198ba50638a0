"""Who answered, a program or a person, and what a person said themselves."""

from __future__ import annotations

import pytest

from mailglass.inbound import Kind, parse

REFERS = "In-Reply-To: <m1@sender.example>\n"


def answer(header: str, body: str = "Thank you.\n") -> bytes:
    return f"From: who@example.net\nTo: news@sender.example\n{header}\n{body}".encode()


AUTOMATIC = [
    "Auto-Submitted: auto-replied\nSubject: away\n",
    "Auto-Submitted: auto-replied (vacation)\nPrecedence: bulk\nSubject: away\n",
    "Auto-Submitted: auto-generated\nSubject: Ticket 5\n" + REFERS,
    "Precedence: auto_reply\nSubject: away\n",
    "X-Autoreply: yes\nSubject: away\n",
    "X-Autorespond: news\nSubject: away\n",
    "X-Apple-Action: vacation\nSubject: away\n",
    "Subject: Automatic reply: news\n",
    "Subject: Out of Office: news\n",
    "Subject: 自动回复：news\n",
    "Subject: =?utf-8?B?6Ieq5Yqo5Zue5aSNOiBuZXdz?=\n",
    "Subject: 부재중 자동회신\n",
    "Subject: 自動応答: news\n",
    "Subject: Abwesenheitsnotiz: news\n",
    "Subject: Réponse automatique : news\n",
    "Subject: Respuesta automática: news\n",
    "Subject: Risposta automatica: news\n",
    "Subject: Автоматический ответ: news\n",
    "Subject: Automatická odpoveď: news\n",
    "Subject: Automatski odgovor: news\n",
    "Subject: תשובה אוטומטית: news\n",
    "Subject: رد تلقائي: news\n",
    "Subject: OOO - back on Monday\n",
    "Subject: Vacation: news\n",
    "Subject: Absent\n",
]


@pytest.mark.parametrize("header", AUTOMATIC)
def test_a_program_answered(header: str) -> None:
    found = parse(answer(header))
    assert found.kind is Kind.AUTO_REPLY
    assert found.records[0].recipient == "who@example.net"


NOT_AUTOMATIC = {
    "says no": ("Auto-Submitted: no\nSubject: Re: news\n" + REFERS, Kind.REPLY),
    "a list": ("List-Id: <l.example.net>\nSubject: Re: news\n" + REFERS, Kind.OTHER),
    "bulk": ("Precedence: bulk\nSubject: Sale\n", Kind.OTHER),
    "a report of a machine": ("Auto-Submitted: auto-generated\nSubject: cron\n", Kind.OTHER),
    "a person who quotes the words": ("Subject: Re: Automatic reply: news\n" + REFERS, Kind.REPLY),
    "writes of holidays": ("Subject: Vacation rentals in Spain\n" + REFERS, Kind.REPLY),
    "writes of distance": ("Subject: Away from the crowd\n" + REFERS, Kind.REPLY),
    "writes of voting": ("Subject: Absentee ballots\n", Kind.OTHER),
    "asks programs to be silent": (
        "X-Auto-Response-Suppress: All\nSubject: Re: news\n" + REFERS,
        Kind.REPLY,
    ),
}


@pytest.mark.parametrize("case", NOT_AUTOMATIC)
def test_no_program_answered(case: str) -> None:
    header, kind = NOT_AUTOMATIC[case]
    assert parse(answer(header)).kind is kind


QUOTES = {
    "Gmail": "On Sun, 22 Nov 2026 at 10:00, News <n@sender.example> wrote:\n> Hi\n",
    "Thunderbird in German": "Am 22.11.26 um 10:00 schrieb News:\n> Hi\n",
    "French": "Le dim. 22 nov. 2026, News a écrit :\n> Hi\n",
    "Outlook": "-----Original Message-----\nFrom: News\nSent: Sunday\n\nHi\n",
    "Outlook without a rule": "From: News <n@sender.example>\nSent: Sunday\nTo: Who\n\nHi\n",
    "QQ": "------ 原始邮件 ------\n发件人: News\n发送时间: 2026年11月22日\n\nHi\n",
    "NetEase": '在 2026-11-22 10:00:00，"News" <n@sender.example> 写道：\n> Hi\n',
    "Naver": "-----Original Message-----\n보낸사람: News\n\nHi\n",
    "only marks": "> Hi\n> there\n",
}


@pytest.mark.parametrize("client", QUOTES)
def test_a_persons_own_words_are_told_from_what_they_quote(client: str) -> None:
    found = parse(
        answer("Subject: Re: news\n" + REFERS, "Please send me more.\n\n" + QUOTES[client])
    )
    assert found.kind is Kind.REPLY
    assert found.answer == "Please send me more."
    assert found.quoted
    assert "Hi" in found.quoted


def test_an_answer_in_html_loses_its_quote() -> None:
    body = (
        '<html><style>p{}</style><p>Please send me more.</p><div class="gmail_quote">On Sunday '
        "News wrote:<blockquote>Hi</blockquote></div></html>"
    )
    found = parse(answer("Subject: Re: news\nContent-Type: text/html\n" + REFERS, body))
    assert found.answer == "Please send me more."
    assert found.quoted
    assert "Hi" in found.quoted


def test_an_answer_names_the_message_that_it_answers() -> None:
    header = "Subject: Re: news\nReferences: <old@x.example> <m1@sender.example>\n"
    assert parse(answer(header)).in_reply_to == "<m1@sender.example>"


BOUNCE = (
    "From: MAILER-DAEMON@mx.example\nTo: news@sender.example\nSubject: Undelivered Mail\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=r\n\n"
    "--r\n\n<who@example.net>: user unknown\n\n"
    "--r\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n"
    "Final-Recipient: rfc822; who@example.net\nAction: failed\nStatus: 5.1.1\n\n"
    "--r\nContent-Type: message/rfc822\n\nMessage-ID: <m1@sender.example>\n\nnews\n\n--r--\n"
)
MIXED = "Content-Type: multipart/mixed; boundary=m\n"


def around(text: str, kind: str = "message/rfc822", bounce: str = BOUNCE) -> str:
    """A body with words and a bounce below them."""
    return f"--m\n\n{text}\n\n--m\nContent-Type: {kind}\n\n{bounce}\n--m--\n"


STATUS = BOUNCE.partition("message/delivery-status\n\n")[2].partition("\n--r")[0]
PEOPLES = {
    "attached below a question": (f"Subject: what is this?\n{MIXED}", around("Who is that?")),
    "attached, the subject kept": (
        f"Subject: Fwd: Undelivered Mail\n{MIXED}",
        around("See below."),
    ),
    "attached to an answer": (f"Subject: Undelivered Mail\n{REFERS}{MIXED}", around("Look.")),
    "in pieces": (
        f"Subject: Undelivered Mail\n{MIXED}",
        around("Did you see it?", "message/delivery-status", STATUS),
    ),
    "quoted in an answer": (
        "Subject: Re: Undelivered Mail Returned to Sender\n",
        "Which address is meant?\n\nThe mail system wrote:\n"
        "> <who@example.net>: host mx[192.0.2.1] said: 550 5.1.1 user unknown\n",
    ),
}


@pytest.mark.parametrize("what", PEOPLES)
def test_a_person_who_speaks_of_a_bounce_is_none(what: str) -> None:
    header, body = PEOPLES[what]
    found = parse(answer(header, body))
    is_answer = "Re:" in header or REFERS in header
    assert found.kind is (Kind.REPLY if is_answer else Kind.OTHER)
    assert not any(record.class_ for record in found.records)


HANDED_ON = {
    "by a program": f"Auto-Submitted: auto-forwarded\nSubject: Undelivered Mail\n{MIXED}",
    "by a mail system": f"Return-Path: <>\nSubject: Undelivered Mail\n{MIXED}",
}


@pytest.mark.parametrize("what", HANDED_ON)
def test_a_bounce_that_a_program_hands_on_is_one(what: str) -> None:
    found = parse(answer(HANDED_ON[what], around("This came back.")))
    assert found.kind is Kind.BOUNCE
    assert [record.recipient for record in found.records] == ["who@example.net"]


def test_a_bounce_that_is_handed_on_without_a_word_is_one() -> None:
    found = parse(answer(f"Subject: Fwd: Undelivered Mail\n{MIXED}", around("")))
    assert found.kind is Kind.BOUNCE
