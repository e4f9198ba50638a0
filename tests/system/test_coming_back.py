"""What Postfix and Exim report, what Dovecot's mailbox holds, and what follows from it."""

from __future__ import annotations

import smtplib
from pathlib import Path
from typing import Any

import pytest
from eximhost import exim_host
from installation import free_ports, running
from mailhost import MailHost, mail_host

# It relays, tries again each second, and warns of a delay after one.
RELAY = """\
transport_maps = texthash:{place}/transport
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
delay_warning_time = 1s
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
"""
NAME = "<news@writer.test>"
LETTER = (
    "From: bob@reader.test\r\nTo: readers:;\r\nSubject: News\r\nMessage-ID: <news@writer.test>\r\n"
    "\r\nHello\r\n"
)
RECIPIENTS = [
    "alice@reader.test",
    "refused@exim.test",
    "later@exim.test",
    "gone@exim.test",
    "slow@exim.test",
    "fine@exim.test",
]
ANSWER = (
    "From: alice@reader.test\r\nTo: bob@reader.test\r\nSubject: Re: News\r\n"
    "In-Reply-To: <news@writer.test>\r\n\r\nThank you\r\n"
)
# Who else gets the mailing knows its Message-ID, and may write to where bounces go.
FORGED = (
    "From: MAILER-DAEMON@dead.test\r\nSubject: Undelivered Mail Returned to Sender\r\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; dead.test\r\n\r\n"
    "Final-Recipient: rfc822; alice@reader.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
    "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <news@writer.test>\r\n\r\n"
    "--b--\r\n"
)


@pytest.mark.servers
def test_reports_log_and_answers_tell_what_became_of_each_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smtp, lmtp, imap, exim, closed, back = free_ports(6)
    transports = f"exim.test smtp:[127.0.0.1]:{exim}\nback.test smtp:[127.0.0.1]:{back}\n"
    with (
        mail_host([smtp, lmtp, imap], postfix=RELAY, files={"transport": transports}) as host,
        exim_host(exim, closed=closed, back=back),
        running(
            tmp_path / "data",
            smarthost_host="127.0.0.1",
            smarthost_port=str(host.smtp_port),
            smarthost_security="none",
            returns_domains="back.test",
            returns_port=str(back),
            returns_notify="success failure delay",
            returns_mailboxes=f"imap://bob%40reader.test:secret@127.0.0.1:{imap}/INBOX",
            returns_postfix__log=str(host.place / "postfix.log"),
        ) as glass,
    ):
        glass.wait_for_log("reads the mailbox of bob@reader.test")
        with glass.client(glass.password()) as client:
            client.sendmail("bob@reader.test", RECIPIENTS, LETTER)
        host.messages("alice@reader.test", 1)
        write(host, "bob@reader.test", ANSWER)
        write(host, "abuse@back.test", FORGED)
        story = glass.wait_for_story(NAME, lambda told: is_all_told(witnesses(told)))
        told = witnesses(story)
        levels = {d["recipient"]: d["verdict"]["level"] for d in story["deliveries"]}
        listed = glass.command("suppressions").stdout
    assert told["alice@reader.test"] >= {("delivered", "log"), ("delivered", "mail")}
    assert ("bounced", "mail") not in told["alice@reader.test"]  # the forged one
    assert levels == {
        "alice@reader.test": "answered",
        "refused@exim.test": "undelivered",
        "later@exim.test": "delivered",
        "gone@exim.test": "undelivered",
        "slow@exim.test": "delivered",
        "fine@exim.test": "delivered",
    }
    assert "refused@exim.test" in listed
    assert "gone@exim.test" in listed
    assert not any(name in listed for name in ("alice@", "later@", "slow@", "fine@"))
    with capsys.disabled():
        print("\nwhat came back of each copy:")
        for name, events in told.items():
            print(f"  {name}: {', '.join(f'{what} by {by}' for what, by in sorted(events))}")


def write(host: MailHost, to: str, mail: str) -> None:
    with smtplib.SMTP("127.0.0.1", host.smtp_port) as client:
        client.sendmail("alice@reader.test", [to], mail)


def witnesses(story: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """What happened to each recipient's copy, and by whose word."""
    return {
        d["recipient"]: {(e["type"], by_whom(e["raw"])) for e in d["events"]}
        for d in story["deliveries"]
    }


def by_whom(raw: dict[str, Any]) -> str:
    return "log" if "relay" in raw else "mail" if "out_of_band" in raw else "us"


def is_all_told(told: dict[str, set[tuple[str, str]]]) -> bool:
    wanted = {
        "alice@reader.test": {("delivered", "log"), ("delivered", "mail"), ("replied", "mail")},
        "refused@exim.test": {("bounced", "log"), ("bounced", "mail")},
        "later@exim.test": {("deferred", "log"), ("deferred", "mail")},
        "gone@exim.test": {("delivered", "log"), ("bounced", "mail")},
        "slow@exim.test": {("deferred", "mail")},
        "fine@exim.test": {("delivered", "mail")},
    }
    return all(events <= told[name] for name, events in wanted.items())
