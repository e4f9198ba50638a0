"""Notices in words, as many servers write them: who failed is found in each."""

from __future__ import annotations

import pytest

from mailglass.inbound import Kind, parse

NOTICES = {
    "a list of failed recipients": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "Here is your list of failed recipients:\n"
        "\n"
        "<userx@example.com>\n"
        "    no such user\n"
        "\n"
        "Here is your returned mail:\n"
        "\n"
        "Received: x\n"
        "\n"
    ),
    "a list with reasons": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "here is your list of failed recipients\n"
        "\n"
        "userx@example.com mailbox full\n"
        "\n"
        "here is your returned mail\n"
        "\n"
    ),
    "addresses below": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "The address(es) below could not be reached:\n"
        "\n"
        "   userx@example.com\n"
        "\n"
    ),
    "a command of the session": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "This message was created automatically by mail delivery software.\n"
        "\n"
        "We could not deliver your message to the following recipient:\n"
        " RCPT TO:<userx@example.com>\n"
        "550 unknown\n"
        "\n"
        "original message follows\n"
        "\n"
    ),
    "InterScan": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Mail could not be delivered\n"
        "\n"
        "****** Message from InterScan E-Mail VirusWall NT ******\n"
        "\n"
        "Sent <<< RCPT TO:<userx@example.com>\n"
        "Received >>> 550 userx@example.com... User unknown\n"
        "\n"
        "Unable to deliver message to <userx@example.com>.\n"
        "\n"
        "************************     End of message     **********************\n"
    ),
    "InterScan, all recipients": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Undeliverable mail\n"
        "\n"
        "------------\n"
        "Message from InterScan E-Mail VirusWall NT\n"
        "\n"
        "All RCPT failed for recipients:\n"
        "<userx@example.com>\n"
        "\n"
        "end of message\n"
    ),
    "newmail.ru": (
        "From: MAILER-DAEMON@newmail.ru\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Delivery failure\n"
        "\n"
        "This is the machine generated message from mail service.\n"
        "\n"
        "Unable to deliver your message to:\n"
        "<userx@example.com>\n"
        " unknown user\n"
        "\n"
        "--- Below the next line is a copy of the message.\n"
        "\n"
    ),
    "MDaemon": (
        "From: MDaemon@x.example\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Permanent Delivery Failure\n"
        "\n"
        "The following data may contain sections\n"
        "\n"
        "Message could not be delivered to:\n"
        "\n"
        "  userx@example.com - no such user here.\n"
        "\n"
    ),
    "Prodigy, full mailbox": (
        "From: Postmaster@prodigy.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Mail System Error - Returned Mail\n"
        "\n"
        "Unable to deliver mail.\n"
        "\n"
        "User's mailbox is full:  <userx@example.com>\n"
        "\n"
        "Original message follows.\n"
        "\n"
    ),
    "Domino": (
        "From: Postmaster@x.example\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: DELIVERY FAILURE: User unknown\n"
        "\n"
        "Your message\n"
        "\n"
        "  To:      x\n"
        "  Subject: y\n"
        "\n"
        "was not delivered to:\n"
        "\n"
        "  userx@example.com\n"
        "\n"
        "because:\n"
        "\n"
        "  User unknown\n"
        "\n"
    ),
    "a refusal in a sentence": (
        "From: postmaster@x.example\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Rejected: hello\n"
        "\n"
        "Your message to userx@example.com was automatically rejected:\n"
        "Mailbox is full\n"
        "\n"
    ),
    "a full mailbox in a sentence": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Undelivered Mail\n"
        "\n"
        "The message to userx@example.com from <list@x.org> was not delivered because the "
        "mailbox is over quota.\n"
        "\n"
    ),
    "Netscape, unknown addresses": (
        "From: Mail Administrator <Postmaster@x.example>\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Mail System Error - Returned Mail\n"
        "\n"
        "This Message was undeliverable due to the following reason:\n"
        "\n"
        "The following destination addresses were unknown (please check\n"
        "the addresses and re-mail the message):\n"
        "\n"
        "SMTP <userx@example.com>\n"
        "\n"
        "Please reply to Postmaster@x.example if you feel this message to be in error.\n"
        "\n"
    ),
    "Netscape, over quota": (
        "From: postmaster@x.example\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Mail System Error - Returned Mail\n"
        "\n"
        "This Message was undeliverable due to the following reason:\n"
        "\n"
        "The user(s) account is temporarily over quota.\n"
        "\n"
        "<userx@example.com>\n"
        "\n"
        "Please reply to <postmaster@x.example>\n"
        "if you feel this message to be in error.\n"
        "\n"
    ),
    "CompuServe": (
        "From: postmaster@compuserve.com\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Undeliverable message\n"
        "\n"
        "Your message could not be delivered for the following reason:\n"
        "\n"
        "Your message could not be delivered for the following reason:\n"
        "\n"
        "     ! Invalid receiver address: userx@example.com\n"
        "\n"
        "Receiver not found: userx\n"
        "\n"
        "The text\n"
        "\n"
    ),
    "a name and an address": (
        "From: Postmaster@llnl.gov\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Failed mail: unknown\n"
        "\n"
        "The message you sent could not be delivered:\n"
        "\n"
        " Your mail message to 'userx', userx@example.com, could not be delivered;\n"
        " the person left.\n"
        "\n"
    ),
    "GroupWise": (
        "From: <Mailer-Daemon@x.example>\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Message status - undeliverable\n"
        "\n"
        "The attached message was undeliverable:\n"
        "\n"
        "userx@example.com (user not found)\n"
        "\n"
    ),
    "Exchange 2003": (
        "From: System Administrator <postmaster@x.example>\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Undeliverable: hi\n"
        "\n"
        "Your message did not reach some or all of the intended recipients.\n"
        "\n"
        "      Subject:\thi\n"
        "      Sent:\t1/1/2020\n"
        "\n"
        "The following recipient(s) could not be reached:\n"
        "\n"
        "      'userx@example.com' on 1/1/2020 3:33 AM\n"
        "            550 5.1.1 User unknown\n"
        "\n"
    ),
    "sendmail, short": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "   ----- The following addresses had permanent fatal errors -----\n"
        "userx@example.com\n"
        "\n"
        "   ----- Transcript of session follows -----\n"
        "550 userx@example.com... User unknown\n"
        "\n"
    ),
    "a transcript of names": (
        "From: postmaster@x.example\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Undeliverable\n"
        "\n"
        "   ----- Transcript of session follows -----\n"
        "userx@example.com\n"
        "The user's email name is not found.\n"
        "\n"
        "   ----- Original message follows -----\n"
        "\n"
    ),
    "a name in quotes": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "The following recipient could not be reached:\n"
        "\n"
        ' "userx@example.com" <userx@example.com>\n'
        "  550 no\n"
        "\n"
    ),
    "Sina": (
        "From: MAILER-DAEMON@sina.com\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: 退信\n"
        "\n"
        "This is a MIME-encapsulated message.\n"
        "\n"
        "<userx@example.com>: host mx[1.2.3.4] said: 550 no such user\n"
        "\n"
    ),
    "a relative of qmail": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "Hi. This is the deliver program at x.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "\n"
        "<userx@example.com>:\n"
        "vpopmail: no such user\n"
        "--- Enclosed are the original headers of the message.\n"
        "\n"
        "<other@x>:\n"
        "\n"
    ),
    "a person who left": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Mail failure\n"
        "\n"
        "I'm sorry, userx no longer works here.\n"
        "Message to <userx@example.com> rejected.\n"
        "\n"
    ),
    "Mercury": (
        "From: Mail Delivery Subsystem <postmaster@x>\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Failed mail: See body for details.\n"
        "\n"
        "The attached message has failed delivery and is being returned\n"
        "to you. If you are not the original sender of the message, please\n"
        "accept our apologies.\n"
        "\n"
        "The following address failed:\n"
        "  userx@example.com\n"
        "  Reason: 550 no such user\n"
        "\n"
    ),
    "a loop": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "<userx@example.com>: mail for example.com loops back to myself\n"
        "\n"
    ),
    "NetEase in Chinese": (
        "From: Postmaster@163.com\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: 系统退信\n"
        "\n"
        "抱歉，您的邮件被退回来了……\n"
        "\n"
        "收件人邮件地址：userx@example.com\n"
        "退信原因：收件人的邮箱不存在 550 User not found\n"
        "\n"
    ),
    "QQ in Chinese": (
        "From: PostMaster@qq.com\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: 来自qq.com的退信\n"
        "\n"
        "很抱歉您发送的邮件被退回，以下是该邮件的相关信息：\n"
        "\n"
        "收件人（userx@example.com）所属域名不存在，邮件无法送达。\n"
        "host x[1.1.1.1] said: 550 Mailbox not found\n"
        "\n"
    ),
    "Naver in Korean": (
        "From: postmaster@naver.com\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: [메일 발송 실패 안내]\n"
        "\n"
        "메일 발송에 실패하였습니다.\n"
        "\n"
        "받는 사람: userx@example.com\n"
        "실패 사유: 존재하지 않는 사용자입니다. 550 5.1.1\n"
        "\n"
    ),
    "web.de in German": (
        "From: mailer-daemon@web.de\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Nachricht unzustellbar\n"
        "\n"
        "Ihre Nachricht konnte nicht zugestellt werden:\n"
        "\n"
        "userx@example.com:\n"
        "  550 Unbekannter Empfaenger\n"
        "\n"
    ),
    "Exchange Online, HTML only": (
        "From: <postmaster@x.onmicrosoft.com>\n"
        "Subject: Undeliverable: hi\n"
        "Content-Type: text/html\n"
        "\n"
        "<html><style>x</style><p>Your message to <b>userx@example.com</b> "
        "couldn't be delivered.</p><p>userx wasn't found at example.com.</p>"
    ),
    "iMail": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "Could not deliver message to the following recipient(s):\n"
        "\n"
        "Failed Recipient: userx@example.com\n"
        "Reason: Remote host said: 550 no\n"
        "\n"
    ),
    "a scanner": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Undelivered mail\n"
        "\n"
        "A message sent by you to userx@example.com could not be delivered: blocked for spam\n"
        "\n"
    ),
    "CommuniGate": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Undeliverable mail: hi\n"
        "\n"
        "Failed to deliver to 'userx@example.com'\n"
        "SMTP module(domain x.example) reports:\n"
        " account not found\n"
        "\n"
    ),
    "CommuniGate, full mailbox": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Undeliverable mail\n"
        "\n"
        "Failed to deliver to '<userx@example.com>'\n"
        "mailbox is full\n"
        "\n"
    ),
    "Domino, directory": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: DELIVERY FAILURE\n"
        "\n"
        "Your message\n"
        "\n"
        "  Subject: x\n"
        "\n"
        "could not be delivered to userx@example.com\n"
        "\n"
        "because User not listed in Domino Directory\n"
        "\n"
    ),
    "Exim, no route": (
        "From: MAILER-DAEMON@mx.example.net\n"
        "To: list-bounces@lists.example.org\n"
        "Subject: Returned mail\n"
        "\n"
        "This message was created automatically by mail delivery software (Exim).\n"
        "\n"
        "A message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n"
        "\n"
        "  userx@example.com\n"
        "    Unrouteable address\n"
        "\n"
        "------ This is a copy of the message, including all the headers. ------\n"
        "\n"
    ),
}


@pytest.mark.parametrize("server", NOTICES)
def test_the_failed_recipient_of_a_notice_is_found(server: str) -> None:
    report = parse(NOTICES[server].encode())
    assert report.kind is Kind.BOUNCE
    assert [r.recipient for r in report.records] == ["userx@example.com"]


def test_each_recipient_of_a_list_keeps_its_own_reason() -> None:
    report = parse(
        b"From: MAILER-DAEMON@mx.example\nSubject: Returned mail\n\nYour message could not be "
        b"delivered to these recipients:\n\n  - one@example.com: mailbox full\n"
        b"  - two@example.com: no such user\n"
    )
    assert [(r.recipient, r.class_) for r in report.records] == [
        ("one@example.com", "mailbox-full"),
        ("two@example.com", "unknown-user"),
    ]


def test_a_list_that_holds_a_mail_for_its_moderator_is_no_bounce() -> None:
    report = parse(
        b"From: list-owner@x.example\nSubject: Your message to List awaits moderator approval\n\n"
        b"Is being held until the list moderator can review it for approval.\n"
    )
    assert report.kind is Kind.OTHER
