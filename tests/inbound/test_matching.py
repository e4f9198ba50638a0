"""Which delivery a report belongs to, and how far that can be believed."""

from __future__ import annotations

from mailglass.inbound import Trust, candidates, parse
from mailglass.tokens import Kind, Ring

RING = Ring([b"k" * 32])
FOREIGN = Ring([b"f" * 32])
OURS = "bounce@sender.example"


def bounce(original: str = "", extra: str = "") -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n"
        f"{extra}\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n"
        "Original-Envelope-Id: env-1\n\n"
        "Final-Recipient: rfc822; who@example.net\nAction: failed\nStatus: 5.1.1\n\n"
        f"--b\nContent-Type: message/rfc822\n\n{original}\n--b--\n"
    ).encode()


ORIGINAL = "Message-ID: <m1@sender.example>\nFrom: n@sender.example\n\n"


def test_our_signed_return_path_comes_first() -> None:
    token = RING.mint(Kind.RETURN_PATH, 7)
    found = candidates(
        parse(bounce(ORIGINAL)), envelope_recipient=f"bounce+{token}@sender.example", ring=RING
    )
    assert (found[0].trust, found[0].delivery_id) == (Trust.ADDRESSED, 7)


def test_an_address_folded_to_upper_case_still_verifies() -> None:
    token = RING.mint(Kind.RETURN_PATH, 7).upper()
    found = candidates(parse(bounce()), envelope_recipient=f"B+{token}@SENDER.EXAMPLE", ring=RING)
    assert found[0].trust is Trust.ADDRESSED


def test_a_reply_address_names_its_delivery() -> None:
    token = RING.mint(Kind.REPLY, 8)
    raw = b"From: who@example.net\nSubject: Re: news\nIn-Reply-To: <m1@sender.example>\n\nYes\n"
    found = candidates(parse(raw), envelope_recipient=f"{token}@reply.sender.example", ring=RING)
    assert found[0].delivery_id == 8


def test_a_forged_return_path_leads_to_no_delivery() -> None:
    token = FOREIGN.mint(Kind.RETURN_PATH, 7)
    found = candidates(
        parse(bounce(ORIGINAL)), envelope_recipient=f"bounce+{token}@sender.example", ring=RING
    )
    assert [c.trust for c in found] == [Trust.FORGED]
    assert all(c.delivery_id is None and c.message_id is None for c in found)


def test_a_token_of_another_kind_is_no_return_path() -> None:
    token = RING.mint(Kind.OPEN, 7)
    found = candidates(parse(bounce()), envelope_recipient=f"{token}@sender.example", ring=RING)
    assert [c.trust for c in found] == [Trust.FORGED]


def test_a_token_inside_the_returned_message_is_found() -> None:
    token = RING.mint(Kind.OPEN, 9)
    original = f'{ORIGINAL}<img src="https://t.sender.example/o/{token}.gif">\n'
    found = candidates(parse(bounce(original)), envelope_recipient=OURS, ring=RING)
    assert (found[0].trust, found[0].delivery_id) == (Trust.SIGNED, 9)


def test_then_come_envelope_id_message_id_references_and_recipient() -> None:
    raw = bounce(ORIGINAL, extra="References: <r1@sender.example>\n")
    found = candidates(parse(raw), envelope_recipient=OURS, ring=RING)
    assert [(c.trust, c.envelope_id or c.message_id or c.recipient) for c in found] == [
        (Trust.NAMED, "env-1"),
        (Trust.NAMED, "<m1@sender.example>"),
        (Trust.NAMED, "<r1@sender.example>"),
        (Trust.GUESSED, "who@example.net"),
    ]
