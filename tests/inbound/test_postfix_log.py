"""What the log of a local Postfix says."""

from __future__ import annotations

from mailglass.inbound import Action, read_postfix_log

PREFIX = "2026-11-22T09:00:00.000000+00:00 mx postfix"
LOG = f"""\
{PREFIX}/cleanup[10]: 4ABCDE12345: message-id=<m1@sender.example>
{PREFIX}/qmgr[11]: 4ABCDE12345: from=<n@sender.example>, size=900, nrcpt=3 (queue active)
{PREFIX}/smtp[12]: 4ABCDE12345: to=<one@example.net>, relay=mx.example.net[192.0.2.1]:25, \
delay=1.2, delays=0/0/1/0.2, dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.1] said: \
550 5.1.1 <one@example.net>: user unknown (in reply to RCPT TO command))
{PREFIX}/smtp[12]: 4ABCDE12345: to=<two@163.com>, relay=163mx01.mxmail.netease.com[192.0.2.2]:25, \
delay=1.2, delays=0/0/1/0.2, dsn=5.0.0, status=bounced (host 163mx01.mxmail.netease.com[192.0.2.2] \
said: 550 MI:STC 163 smtp5 (in reply to MAIL FROM command))
{PREFIX}/smtp[12]: 4ABCDE12345: to=<three@example.net>, orig_to=<alias@example.net>, relay=none, \
delay=30, delays=0/0/30/0, dsn=4.4.1, status=deferred (connect to mx.example.net[192.0.2.1]:25: \
Connection timed out)
{PREFIX}/smtp[13]: 4FFFFF12345: to=<four@example.net>, relay=mx.example.net[192.0.2.1]:25, \
delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 5XYZ)
"""


def test_each_recipient_gets_its_record() -> None:
    entries = list(read_postfix_log(LOG.splitlines()))
    found = [
        (
            e.record.recipient,
            e.record.action,
            e.record.reply_code,
            e.record.class_,
            e.record.suppress,
        )
        for e in entries
    ]
    assert found == [
        ("one@example.net", Action.FAILED, 550, "unknown-user", True),
        ("two@163.com", Action.FAILED, 550, "rate-limited", False),
        ("three@example.net", Action.DELAYED, None, "network", False),
        ("four@example.net", Action.RELAYED, 250, None, False),
    ]


def test_the_message_is_named_by_the_queue_id() -> None:
    entries = list(read_postfix_log(LOG.splitlines()))
    assert [e.message_id for e in entries] == ["<m1@sender.example>"] * 3 + [None]


def test_an_alias_keeps_the_address_that_we_wrote_to() -> None:
    entries = list(read_postfix_log(LOG.splitlines()))
    assert entries[2].record.original_recipient == "alias@example.net"


def test_lines_about_anything_else_are_passed_over() -> None:
    assert list(read_postfix_log(["", "x" * 100_000, PREFIX, "to=<a@b>, status=sent"])) == []
