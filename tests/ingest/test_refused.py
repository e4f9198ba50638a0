"""What a refusal while a mail is handed over says of its recipient, as a report would by mail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_ingest import DELIVERED_AT, House

from mailglass.evidence import load_rules
from mailglass.history import Suppression
from mailglass.model import Delivery, EventType
from mailglass.replies import explain_reply

DEAD = [
    ("550", "5.1.1 User unknown", "unknown-user"),
    ("550", "5.1.1 <gone@x.test>: Recipient address rejected: User unknown", "unknown-user"),
    ("550", "No such user here", "unknown-user"),
    ("550", "5.2.1 The email account that you tried to reach is disabled", "mailbox-disabled"),
    ("550", "5.1.2 Host unknown", "dns"),
]


class Refusal(House):
    """A house whose next server refuses."""

    def refuse(self, text: str, *, step: str = "rcpt", **more: Any) -> list[tuple[str, str, str]]:
        self.submit(1, "Gone@x.test", deliver=False)
        code, _, words = text.partition(" ")
        body = {"step": step, "reply_code": int(code), "reply_text": words, **more}
        delivery = Delivery(id=100, message_id=1, recipient="Gone@x.test")
        self.spool.end(delivery, EventType.BOUNCED, DELIVERED_AT, body)
        self.catch_up()
        with self.history.reading() as t:
            found = t.suppressions(self.now)
        return [(e.recipient, e.reason, e.evidence) for e in found]

    def catch_up(self) -> None:
        while self.ingest.step():
            pass


@pytest.fixture
def house(tmp_path: Path) -> Refusal:
    return Refusal(tmp_path, load_rules())


@pytest.mark.parametrize(("code", "words", "class_"), DEAD)
@pytest.mark.parametrize(("step", "told"), [("rcpt", "RCPT"), ("data", "the data")])
def test_a_dead_address_is_suppressed_with_the_words_that_named_it(
    house: Refusal, code: str, words: str, class_: str, step: str, told: str
) -> None:
    assert explain_reply(f"{code} {words}").suppress  # as a report with these words would
    assert house.refuse(f"{code} {words}", step=step) == [
        ("gone@x.test", class_, f"the next server said at {told}: {code} {words}")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "550 5.7.1 Message refused as spam",
        "550 5.7.1 Relay access denied",
        "552 5.2.2 Mailbox full",
        "553 5.6.7 The smarthost does not take non-ASCII addresses (no SMTPUTF8)",
        "550 5.1.1 <me@home.test>: Sender address rejected: User unknown",
        "550 Verification failed for <me@home.test> 550-No Such User Here 550 Sender verify failed",
        f"550 Verification failed for <bounce+{'a' * 31}@back.test> 550-No Such User Here",
        "550 5.1.1 unknown user me@home.test",
        "450 4.1.1 User unknown",
    ],
)
def test_what_is_about_the_sender_the_content_or_passes_suppresses_nobody(
    house: Refusal, text: str
) -> None:
    assert house.refuse(text) == []


@pytest.mark.parametrize("step", ["connect", "sign-in", "mail"])
def test_what_is_said_before_the_recipient_is_named_suppresses_nobody(
    house: Refusal, step: str
) -> None:
    assert house.refuse("550 5.1.1 User unknown", step=step) == []


def test_a_refusal_replaces_no_word_of_the_persons_own(house: Refusal) -> None:
    house.submit(2, "gone@x.test")
    house.catch_up()
    with house.history.transaction() as t:
        t.suppress(
            Suppression(
                account_id=house.account_id,
                recipient="gone@x.test",
                reason="unsubscribed",
                evidence="asked",
                since=DELIVERED_AT,
            )
        )
    assert house.refuse("550 5.2.1 Mailbox disabled") == [("gone@x.test", "unsubscribed", "asked")]
