"""What mail that comes back does to deliveries and to the suppression list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailglass.history import History, StoredEvent, StoredMessage
from mailglass.ingest.returned import new_returned, take_returned
from mailglass.model import Delivery, Event, EventType
from mailglass.tokens import Kind, Ring

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
RING = Ring([b"k" * 32])
FOREIGN = Ring([b"f" * 32])
RETURN_PATH = f"bounce+{RING.mint(Kind.RETURN_PATH, 11)}@sender.example"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    yield from filled(f"sqlite:///{tmp_path}/history.db")


def filled(address: str) -> Iterator[History]:
    """One message, <m1@sender.example>, to two recipients: deliveries 11 and 12."""
    history = History(address)
    with history.transaction() as t:
        account = t.add_account("sender", NOW)
        message = StoredMessage(
            id=1,
            account_id=account.id,
            accepted_at=NOW,
            return_path="n@sender.example",
            author="News <n@sender.example>",
            subject="news",
            message_id_field="<m1@sender.example>",
            campaign=None,
        )
        t.add_message(
            message,
            [
                Delivery(id=11, message_id=1, recipient="one@example.net"),
                Delivery(id=12, message_id=1, recipient="two@example.net"),
            ],
        )
    yield history
    history.close()


def take(history: History, raw: bytes, to: str = "") -> set[int]:
    with history.transaction() as t:
        t.add_returned(NOW, to, raw)
        return take_returned(t, new_returned(t), RING, NOW)


def events(history: History, delivery_id: int) -> list[EventType]:
    with history.transaction() as t:
        return [stored.event.type for stored in t.events_of([delivery_id])]


def suppressed(history: History, at: datetime = NOW) -> dict[str, str]:
    with history.transaction() as t:
        return {entry.recipient: entry.reason for entry in t.suppressions(at)}


def bounce(
    who: str = "one@example.net",
    reply: str = "550 5.1.1 user unknown",
    *,
    action: str = "failed",
    envelope_id: str = "",
    original: str = "Message-ID: <m1@sender.example>\n",
) -> bytes:
    extra = f"Original-Envelope-Id: {envelope_id}\n" if envelope_id else ""
    return (
        "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n{extra}\n"
        f"Final-Recipient: rfc822; {who}\nAction: {action}\nStatus: 5.0.0\n"
        f"Diagnostic-Code: smtp; {reply}\n\n"
        f"--b\nContent-Type: message/rfc822\n\n{original}\n--b--\n"
    ).encode()


def answer(header: str) -> bytes:
    return f"From: one@example.net\n{header}\n\nYes.\n".encode()


MDN = (
    b"From: one@example.net\nSubject: Read: news\n"
    b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n"
    b"--b\nContent-Type: message/disposition-notification\n\n"
    b"Final-Recipient: rfc822; one@example.net\nOriginal-Message-ID: <m1@sender.example>\n"
    b"Disposition: %s; displayed\n\n--b--\n"
)
COMPLAINT = (
    b"From: fbl@provider.example\nSubject: complaint\n"
    b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
    b"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n"
    b"Original-Rcpt-To: one@example.net\n\n--b\nContent-Type: message/rfc822\n\n"
    b"Message-ID: <m1@sender.example>\n\n--b--\n"
)
REPLY = "Subject: Re: news\nIn-Reply-To: <m1@sender.example>"
KINDS = {
    "a bounce": (bounce(), EventType.BOUNCED),
    "a delay": (bounce(action="delayed", reply="421 4.4.1 later"), EventType.DEFERRED),
    "a confirmation": (bounce(action="delivered", reply="250 2.0.0 ok"), EventType.DELIVERED),
    "a complaint": (COMPLAINT, EventType.COMPLAINED),
    "a receipt": (MDN % b"manual-action/MDN-sent-manually", EventType.DISPLAYED),
    "an automatic answer": (
        answer(f"{REPLY}\nAuto-Submitted: auto-replied"),
        EventType.AUTORESPONDED,
    ),
    "an answer": (answer(REPLY), EventType.REPLIED),
}


@pytest.mark.parametrize("what", KINDS)
def test_each_kind_becomes_its_event(history: History, what: str) -> None:
    raw, expected = KINDS[what]
    assert take(history, raw, RETURN_PATH) == {11}
    assert events(history, 11) == [expected]
    assert events(history, 12) == []


def test_an_automatic_receipt_is_no_display(history: History) -> None:
    take(history, MDN % b"automatic-action/MDN-sent-automatically", RETURN_PATH)
    assert events(history, 11) == []


def test_the_same_mail_twice_counts_once(history: History) -> None:
    take(history, bounce(), RETURN_PATH)
    assert take(history, bounce(), RETURN_PATH) == set()
    assert events(history, 11) == [EventType.BOUNCED]


def test_a_message_id_leads_to_the_copy_of_the_named_recipient(history: History) -> None:
    assert take(history, bounce("two@example.net")) == {12}


def test_a_message_id_without_a_recipient_of_ours_changes_nothing(history: History) -> None:
    assert take(history, bounce("stranger@example.net")) == set()


SIGNED_ID = RING.mint(Kind.RETURN_PATH, 12)


def test_a_signed_envelope_id_names_the_delivery(history: History) -> None:
    assert take(history, bounce("alias@example.net", envelope_id=SIGNED_ID, original="")) == {12}


def test_a_forged_return_path_is_kept_apart(history: History) -> None:
    forged = f"bounce+{FOREIGN.mint(Kind.RETURN_PATH, 11)}@sender.example"
    assert take(history, bounce(), forged) == set()
    assert events(history, 11) == []
    with history.transaction() as t:
        apart = t.returned("apart")
    assert [(mail.kind, mail.trust) for mail in apart] == [("bounce", "forged")]


def test_what_is_about_nothing_of_ours_is_kept_apart(history: History) -> None:
    assert take(history, bounce(original="Message-ID: <x@elsewhere.example>\n")) == set()
    with history.transaction() as t:
        assert len(t.returned("apart")) == 1


def test_a_dead_address_is_suppressed_with_its_evidence(history: History) -> None:
    take(history, bounce(), RETURN_PATH)
    assert suppressed(history) == {"one@example.net": "unknown-user"}
    with history.transaction() as t:
        assert "550 5.1.1 user unknown" in t.suppressions(NOW)[0].evidence


def test_a_complaint_suppresses_at_once(history: History) -> None:
    take(history, COMPLAINT, RETURN_PATH)
    assert suppressed(history) == {"one@example.net": "complaint"}


def test_a_closed_mailbox_is_tried_again_after_its_time(history: History) -> None:
    take(history, bounce(reply="550 5.2.1 account disabled"), RETURN_PATH)
    assert suppressed(history) == {"one@example.net": "mailbox-disabled"}
    assert suppressed(history, NOW + timedelta(days=91)) == {}


NO_REASON = ["550 MI:STC 163 smtp5", "550 Ip frequency limited", "554 5.7.1 spam", "452 4.2.2 full"]


@pytest.mark.parametrize("reply", NO_REASON)
def test_a_reply_that_speaks_of_something_else_suppresses_nobody(
    history: History, reply: str
) -> None:
    take(history, bounce(reply=reply), RETURN_PATH)
    assert events(history, 11) == [EventType.BOUNCED]
    assert suppressed(history) == {}


def test_a_bounce_known_by_its_message_id_alone_suppresses_nobody(history: History) -> None:
    take(history, bounce())
    assert events(history, 11) == [EventType.BOUNCED]
    assert suppressed(history) == {}


def test_an_envelope_id_with_the_right_recipient_suppresses(history: History) -> None:
    take(history, bounce("two@example.net", envelope_id=SIGNED_ID))
    assert suppressed(history) == {"two@example.net": "unknown-user"}


def test_mail_to_a_signed_unsubscribe_address_unsubscribes(history: History) -> None:
    address = f"unsubscribe+{RING.mint(Kind.UNSUBSCRIBE, 12)}@sender.example"
    assert take(history, b"From: two@example.net\nSubject: unsubscribe\n\n", address) == {12}
    assert events(history, 12) == [EventType.UNSUBSCRIBED]
    assert suppressed(history) == {"two@example.net": "unsubscribed"}
    with history.transaction() as t:
        assert t.suppressions(NOW)[0].evidence == "mail to the message's unsubscribe address"


def test_a_suppression_can_be_lifted(history: History) -> None:
    take(history, bounce(), RETURN_PATH)
    with history.transaction() as t:
        entry = t.suppressions(NOW)[0]
        assert t.unsuppress(entry.account_id, "One@Example.NET")
        assert not t.unsuppress(entry.account_id, "one@example.net")
    assert suppressed(history) == {}


# what a stranger, or a recipient of the same mailing, can write


def went_out_signed(history: History, *delivery_ids: int) -> None:
    """Say of deliveries that they were sent with a return path of their own."""
    event = Event(type=EventType.DELIVERED, at=NOW, raw={"signed_return_path": True})
    with history.transaction() as t:
        t.add_events([StoredEvent(delivery_id=i, event=event) for i in delivery_ids])
        for number in delivery_ids:
            t.set_delivered({number: NOW})


OWN_BEACON = f"Message-ID: <m1@sender.example>\n\n/o/{RING.mint(Kind.OPEN, 11)}.gif\n"
FORGERIES = {
    "a neighbour's bounce by Message-ID": (bounce("two@example.net"), "back@sender.example"),
    "the same, in a mailbox": (bounce("two@example.net"), ""),
    "a numeric envelope id": (
        bounce("two@example.net", envelope_id="12", original=""),
        "back@sender.example",
    ),
    "an envelope id of foreign keys": (
        bounce("two@example.net", envelope_id=FOREIGN.mint(Kind.RETURN_PATH, 12)),
        "back@sender.example",
    ),
    "an open token as return path": (
        bounce("two@example.net"),
        f"bounce+{RING.mint(Kind.OPEN, 12)}@sender.example",
    ),
    "a field that names foreign keys": (
        f"Delivered-To: bounce+{FOREIGN.mint(Kind.RETURN_PATH, 12)}@s.example\n".encode()
        + bounce("two@example.net"),
        "",
    ),
    "a confirmation by Message-ID": (
        bounce("two@example.net", "250 ok", action="delivered"),
        "back@sender.example",
    ),
    "a bounce of the recipient alone": (
        bounce("two@example.net", original=""),
        "back@sender.example",
    ),
    "an answer in the name of nobody we wrote to": (
        answer(REPLY).replace(b"one@example.net", b"stranger@example.net"),
        "",
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_changes_no_delivery(history: History, what: str) -> None:
    went_out_signed(history, 11, 12)
    raw, to = FORGERIES[what]
    assert take(history, raw, to) == set()
    assert events(history, 12) == [EventType.DELIVERED]
    assert suppressed(history) == {}
    with history.transaction() as t:
        assert [mail.delivery_id for mail in t.returned("apart")] == [None]


def test_a_recipients_own_tokens_stop_nobody_else(history: History) -> None:
    went_out_signed(history, 11, 12)
    take(history, bounce("two@example.net", original=OWN_BEACON), "back@sender.example")
    take(history, bounce("two@example.net"), f"bounce+{RING.mint(Kind.RETURN_PATH, 11)}@s.example")
    assert events(history, 12) == [EventType.DELIVERED]
    assert "two@example.net" not in suppressed(history)


def test_a_bounce_that_brings_an_unsubscribe_link_back_is_no_wish(history: History) -> None:
    original = (
        "Message-ID: <m1@sender.example>\n"
        f"List-Unsubscribe: <https://t.sender.example/u/{RING.mint(Kind.UNSUBSCRIBE, 11)}>\n"
    )
    take(history, bounce(reply="452 4.2.2 full", original=original), "back@sender.example")
    assert events(history, 11) == [EventType.BOUNCED]
    assert suppressed(history) == {}


def test_a_bounce_to_an_unsubscribe_address_is_no_wish(history: History) -> None:
    address = f"unsubscribe+{RING.mint(Kind.UNSUBSCRIBE, 12)}@sender.example"
    take(history, bounce("two@example.net", reply="452 4.2.2 full"), address)
    assert suppressed(history) == {}


def test_a_bounce_that_was_cut_off_says_that_it_failed_and_not_that_a_program_answered(
    history: History,
) -> None:
    raw = (
        b"From: MAILER-DAEMON@mx.example.net\nSubject: Undelivered Mail Returned to Sender\n"
        b"Auto-Submitted: auto-replied\nContent-Type: multipart/report; boundary=B\n"
    )
    take(history, raw, RETURN_PATH)
    assert events(history, 11) == [EventType.BOUNCED]
    assert suppressed(history) == {}


def test_other_mail_to_a_return_path_is_no_answer(history: History) -> None:
    raw = b"From: seller@spam.example\nSubject: Re: your order\n\nBuy now\n"
    take(history, raw, RETURN_PATH)
    assert events(history, 11) == []


@pytest.fixture
def only_copy(history: History) -> History:
    with history.transaction() as t:
        message = StoredMessage(
            id=2,
            account_id=1,
            accepted_at=NOW,
            return_path="n@sender.example",
            author="News <n@sender.example>",
            subject="news",
            message_id_field="<m2@sender.example>",
        )
        t.add_message(message, [Delivery(id=21, message_id=2, recipient="one@example.net")])
    return history


@pytest.mark.parametrize(
    ("author", "is_by_another"),
    [("one@example.net", None), ("One+news@example.net", True), ("friend@example.org", True)],
)
def test_an_answer_that_only_names_the_message_says_from_whom_it_is(
    only_copy: History, author: str, is_by_another: bool | None
) -> None:
    raw = f"From: {author}\nSubject: Re: news\nIn-Reply-To: <m2@sender.example>\n\nYes.\n"
    assert take(only_copy, raw.encode()) == {21}
    with only_copy.reading() as t:
        (replied,) = (stored.event for stored in t.events_of([21]))
    assert replied.type is EventType.REPLIED
    assert replied.raw.get("by_another") is is_by_another
    assert ("another address" in replied.evidence[0].text) is (is_by_another is True)


def test_the_author_who_goes_on_in_their_own_thread_answers_nobody(only_copy: History) -> None:
    raw = b"From: N@sender.example\nSubject: Re: news\nIn-Reply-To: <m2@sender.example>\n\nAnd?\n"
    take(only_copy, raw)
    take(only_copy, raw + b"\n", RETURN_PATH)
    assert events(only_copy, 21) == []
    assert events(only_copy, 11) == []


def test_a_complaint_with_a_hidden_recipient_and_our_token_suppresses(history: History) -> None:
    hidden = COMPLAINT.replace(b"Original-Rcpt-To: one@example.net\n", b"").replace(
        b"Message-ID: <m1@sender.example>\n", OWN_BEACON.encode()
    )
    take(history, hidden, "fbl@sender.example")
    assert events(history, 11) == [EventType.COMPLAINED]
    assert suppressed(history) == {"one@example.net": "complaint"}


def test_recipient_and_time_lead_to_the_only_mail_that_can_be_meant(history: History) -> None:
    with history.transaction() as t:
        t.set_delivered({12: NOW - timedelta(days=1)})
    assert take(history, bounce("two@example.net", original="")) == {12}
    assert events(history, 12) == [EventType.BOUNCED]
    assert suppressed(history) == {}


def test_recipient_and_time_lead_nowhere_after_a_week(history: History) -> None:
    with history.transaction() as t:
        t.set_delivered({12: NOW - timedelta(days=7)})
    assert take(history, bounce("two@example.net", original="")) == set()


HOSTILE = [
    b"Subject: \0\r\nFrom: \0@x\r\nIn-Reply-To: <m1\0@sender.example>\r\n\r\n\0",
    bounce(reply="550 5.1.1 user\0 unknown").replace(b"one@", b"one\0@"),
    bytes(range(256)) * 20,
    b"",
]


@pytest.mark.parametrize("raw", HOSTILE)
def test_hostile_mail_is_taken_on_each_database(history_address: str, raw: bytes) -> None:
    for history in filled(history_address):
        take(history, raw, RETURN_PATH)
        with history.transaction() as t:
            assert t.returned("new") == []
            (mail,) = t.latest_returned(None)
            assert t.returned_mail(mail.id) == mail
        assert mail.raw == raw
