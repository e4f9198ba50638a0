"""What each kind of message that comes back is read as."""

from __future__ import annotations

import pytest

from mailglass.inbound import Action, Kind, Record, parse
from mailglass.replies import ReplyClass

ORIGINAL = (
    b"From: news@sender.example\nTo: who@example.net\nMessage-ID: <m1@sender.example>\n\nHi\n"
)


def notice(
    text: str,
    *,
    author: str = "MAILER-DAEMON@mx.example",
    subject: str = "failure notice",
    extra: str = "",
) -> bytes:
    return (
        f"Return-Path: <>\nFrom: {author}\nTo: bounce@sender.example\nSubject: {subject}\n{extra}\n"
        f"{text}\n"
    ).encode()


def report(fields: str, *, text: str = "Delivery report.", original: bytes = ORIGINAL) -> bytes:
    head = (
        "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\n\n{text}\n--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.example\n\n{fields}\n--b\nContent-Type: message/rfc822\n\n"
    )
    return head.encode() + original + b"\n--b--\n"


def only(raw: bytes) -> Record:
    records = parse(raw).records
    assert len(records) == 1, records
    return records[0]


FAILED = "Final-Recipient: rfc822; who@example.net\nAction: failed\nStatus: {status}\n{more}"


def test_a_failed_recipient_is_a_bounce() -> None:
    raw = report(
        FAILED.format(status="5.1.1", more="Diagnostic-Code: smtp; 550 5.1.1 user unknown\n")
    )
    found = parse(raw)
    record = only(raw)
    assert found.kind is Kind.BOUNCE
    assert (record.recipient, record.action) == ("who@example.net", Action.FAILED)
    assert (record.reply_code, record.enhanced_status) == (550, "5.1.1")
    assert (record.class_, record.permanent, record.suppress) == ("unknown-user", True, True)
    assert found.in_reply_to == "<m1@sender.example>"


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("delayed", "delay"),
        ("delivered", "delivered"),
        ("relayed", "delivered"),
        ("expanded", "delivered"),
        ("failed", "bounce"),
        ("deliverable", "delivered"),
    ],
)
def test_the_action_decides_the_kind(action: str, kind: str) -> None:
    fields = f"Final-Recipient: rfc822; who@example.net\nAction: {action}\nStatus: 2.0.0\n"
    assert parse(report(fields)).kind == kind


def test_the_words_of_a_reply_win_over_a_vague_status() -> None:
    more = "Diagnostic-Code: smtp; 421 4.7.0 try again later\n"
    record = only(report(FAILED.format(status="5.0.0", more=more)))
    assert (record.enhanced_status, record.permanent) == ("4.7.0", False)


def test_a_final_failure_can_carry_a_temporary_status() -> None:
    found = parse(report(FAILED.format(status="4.4.1", more="")))
    assert found.kind is Kind.BOUNCE
    assert not found.records[0].permanent
    assert not found.records[0].suppress


def test_a_reply_that_stands_in_the_text_only_is_found() -> None:
    text = "The following address(es) failed:\n\n  who@example.net\n    550 5.1.1 no such user\n"
    record = only(report(FAILED.format(status="5.0.0", more=""), text=text))
    assert (record.reply_code, record.enhanced_status) == (550, "5.1.1")


def test_an_exim_pipe_falls_back_to_the_original_recipient() -> None:
    fields = (
        "Original-Recipient: rfc822; who@example.net\n"
        "Final-Recipient: rfc822; |/usr/bin/filter -x\nAction: failed\nStatus: 5.0.0\n"
    )
    assert only(report(fields)).recipient == "who@example.net"


def test_groups_without_empty_lines_between_are_told_apart() -> None:
    fields = "".join(
        f"Final-Recipient: rfc822; {who}@example.net\nAction: failed\nStatus: 5.1.1\n"
        for who in ("one", "two", "three")
    )
    assert [r.recipient for r in parse(report(fields)).records] == [
        "one@example.net",
        "two@example.net",
        "three@example.net",
    ]


def test_utf8_addresses_are_read() -> None:
    fields = "Final-Recipient: utf-8; 用户@例子.example\nAction: failed\nStatus: 5.1.1\n"
    assert only(report(fields)).recipient == "用户@例子.example"


def test_a_daily_cap_with_a_5xx_never_suppresses() -> None:
    more = "Diagnostic-Code: smtp; 550 MI:STC 163 smtp5,please see http://mail.163.com/help/help_spam_16.htm\n"
    record = only(report(FAILED.format(status="5.0.0", more=more)))
    assert (record.class_, record.permanent, record.suppress) == ("rate-limited", True, False)


NOTICES = {
    "qmail": "Hi. This is the qmail-send program.\n\n<who@example.net>:\n"
    "192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 user unknown\n",
    "Exim": "A message that you sent could not be delivered.\nThe following address(es) failed:\n\n"
    "  who@example.net\n    host mx.example.net [192.0.2.1]: 550 5.1.1 user unknown\n",
    "Postfix": "I'm sorry to have to inform you.\n\n<who@example.net>: host mx.example.net said: "
    "550 5.1.1\n    user unknown\n",
    "sendmail": "   ----- The following addresses had permanent fatal errors -----\n"
    "<who@example.net>\n\n   ----- Transcript of session follows -----\n"
    ">>> RCPT To:<who@example.net>\n<<< 550 5.1.1 user unknown\n"
    "550 5.1.1 <who@example.net>... User unknown\n",
    "Gmail": "Delivery to the following recipient failed permanently:\n\n     who@example.net\n\n"
    "The error that the other server returned was:\n550 5.1.1 user unknown\n",
    "label": "Sorry.\n\nFailed Recipient: who@example.net\nReason: 550 5.1.1 user unknown\n",
    "Chinese": "很抱歉，您的邮件无法送达以下收件人：\n\nwho@example.net\n550 5.1.1 用户不存在\n",
}


@pytest.mark.parametrize("server", NOTICES)
def test_a_notice_in_words_is_read(server: str) -> None:
    record = only(notice(NOTICES[server]))
    assert record.recipient == "who@example.net"
    assert (record.reply_code, record.enhanced_status) == (550, "5.1.1")
    assert record.class_ == "unknown-user"


def test_addresses_of_the_returned_message_are_no_recipients() -> None:
    text = (
        NOTICES["qmail"]
        + "\n--- Below this line is a copy of the message.\n\n<other@example.org>:\n"
    )
    assert only(notice(text)).recipient == "who@example.net"


def test_a_warning_is_a_delay() -> None:
    text = (
        "THIS IS A WARNING MESSAGE ONLY.\n\nDelivery to the following recipient has been delayed:\n"
        "\n     who@example.net\n"
    )
    found = parse(notice(text, subject="Delivery Status Notification (Delay)"))
    assert found.kind is Kind.DELAY
    assert found.records[0].action is Action.DELAYED


ARF = (
    "From: fbl@provider.example\nSubject: FW: news\n"
    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
    "--b\nContent-Type: text/plain\n\nA complaint.\n--b\nContent-Type: message/feedback-report\n\n"
    "Feedback-Type: {kind}\nUser-Agent: x/1\nVersion: 1\n{more}\n"
    "--b\nContent-Type: message/rfc822\n\n"
)


@pytest.mark.parametrize(
    ("kind", "suppress"),
    [("abuse", True), ("opt-out", True), ("auth-failure", False), ("not-spam", False)],
)
def test_a_complaint_suppresses_when_the_person_wants_no_more(kind: str, suppress: bool) -> None:
    more = "Original-Rcpt-To: <who@example.net>\n"
    record = only(ARF.format(kind=kind, more=more).encode() + ORIGINAL + b"\n--b--\n")
    assert (record.recipient, record.feedback_type) == ("who@example.net", kind)
    assert record.suppress is suppress


def test_a_redacted_complaint_still_names_our_message() -> None:
    original = b"From: news@sender.example\nMessage-ID: <m1@sender.example>\n\nHi\n"
    found = parse(ARF.format(kind="abuse", more="").encode() + original + b"\n--b--\n")
    assert found.kind is Kind.COMPLAINT
    assert found.records[0].recipient is None
    assert found.in_reply_to == "<m1@sender.example>"


def test_microsofts_complaint_without_a_report_part_is_read() -> None:
    raw = (
        b"From: staff@hotmail.com\nSubject: complaint about message from 192.0.2.1\n"
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
        b"X-HmXmrOriginalRecipient: who@example.net\n" + ORIGINAL + b"\n--b--\n"
    )
    assert parse(raw).kind is Kind.COMPLAINT
    assert only(raw).recipient == "who@example.net"


def mdn(disposition: str, *, subject: str = "Read: news", extra: str = "") -> bytes:
    return (
        f"From: who@example.net\nSubject: {subject}\n{extra}"
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n"
        "--b\n\nThe message was shown.\n--b\nContent-Type: message/disposition-notification\n\n"
        "Final-Recipient: rfc822; who@example.net\nOriginal-Message-ID: <m1@sender.example>\n"
        f"Disposition: {disposition}\n\n--b--\n"
    ).encode()


@pytest.mark.parametrize(
    "disposition",
    [
        "manual-action/MDN-sent-manually; displayed",
        "automatic-action/MDN-sent-automatically; deleted",
    ],
)
def test_a_receipt_is_neither_bounce_nor_reply(disposition: str) -> None:
    found = parse(mdn(disposition))
    assert found.kind is Kind.MDN
    assert found.records[0].disposition == disposition
    assert not found.records[0].suppress
    assert found.in_reply_to == "<m1@sender.example>"


def test_a_filters_refusal_in_the_form_of_a_receipt_is_a_bounce() -> None:
    raw = mdn(
        "automatic-action/MDN-sent-automatically; deleted",
        subject="Rejected: news",
        extra="Auto-Submitted: auto-replied (rejected)\n",
    )
    assert parse(raw).kind is Kind.BOUNCE
    assert only(raw).class_ == "policy"


def test_a_bounce_of_amazon_is_read_from_its_json() -> None:
    body = (
        '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":'
        '"who@example.net","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]}}'
    )
    raw = (
        f"From: no-reply@sns.amazonaws.com\nSubject: AWS Notification Message\n\n{body}\n".encode()
    )
    assert parse(raw).kind is Kind.BOUNCE
    assert only(raw).class_ == "unknown-user"


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"no header here", b"\x00" * 100, b"\r\r\r"])
def test_what_is_no_message_is_said_to_be_none(raw: bytes) -> None:
    found = parse(raw)
    assert found.kind is Kind.OTHER
    assert found.error


ORDINARY = {
    "a newsletter about mail": "From: news@example.org\nSubject: Mail delivery in the mountains\n\n"
    "Our postman climbs 900 m.\n",
    "an invoice": "From: shop@example.org\nSubject: Your order\n\nwho@example.net\n550 EUR\n",
    "a postmaster who writes": "From: postmaster@example.org\nSubject: Meeting\n\n"
    "who@example.net\n\nPlease come at ten.\n",
}


@pytest.mark.parametrize("what", ORDINARY)
def test_ordinary_mail_is_no_bounce(what: str) -> None:
    assert parse(ORDINARY[what].encode()).kind is Kind.OTHER


CUT_OFF = (
    b"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net (Mail Delivery System)\n"
    b"Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\n"
    b"MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=B\n"
)


def test_a_bounce_that_was_cut_off_is_no_answer_of_the_recipients_program() -> None:
    found = parse(CUT_OFF)
    assert found.kind is Kind.BOUNCE
    assert found.records[0].class_ is ReplyClass.UNDETERMINED
    success = CUT_OFF.replace(b"Undelivered Mail Returned to Sender", b"Mail Delivery Report")
    assert parse(success).kind is Kind.OTHER


def test_a_notice_that_tells_the_cause_and_nobodys_address_is_a_bounce_that_suppresses_nobody() -> (
    None
):
    found = parse(CUT_OFF + b"\n--B\nContent-Type: text/plain\n\n550 5.1.1 User unknown\n")
    assert found.kind is Kind.BOUNCE
    (record,) = found.records
    assert (record.recipient, record.reply_code, record.suppress) == (None, 550, False)
    assert record.class_ is ReplyClass.UNKNOWN_USER


def test_an_address_beyond_ascii_is_read_out_of_its_ascii_form() -> None:
    report = parse(
        b"From: MAILER-DAEMON@mx.example\nSubject: Undelivered\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        b"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n"
        b"Original-Recipient: utf-8; \\x{7528}\\x{6237}@\\x{4F8B}.example\n"
        b"Final-Recipient: rfc822; x@relay.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n"
    )
    assert report.records[0].original_recipient == "用户@例.example"
