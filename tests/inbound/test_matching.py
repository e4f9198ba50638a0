"""Which delivery a report belongs to, and how far that can be believed."""

from __future__ import annotations

import base64

from mailglass.inbound import Trust, candidates, parse
from mailglass.tokens import Kind, Ring, return_address

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


def test_a_token_inside_an_encoded_part_of_the_returned_message_is_found() -> None:
    token = RING.mint(Kind.OPEN, 9)
    markup = f'<p>Hello</p><img src="https://t.sender.example/o/{token}.gif">'
    body = base64.encodebytes(markup.encode()).decode()
    header = "Content-Type: text/html\nContent-Transfer-Encoding: base64\n\n"
    original = ORIGINAL.rstrip("\n") + f"\n{header}{body}"
    found = candidates(parse(bounce(original)), envelope_recipient=OURS, ring=RING)
    assert (found[0].trust, found[0].delivery_id) == (Trust.SIGNED, 9)


def test_a_signed_envelope_id_names_its_delivery_and_a_number_names_none() -> None:
    raw = bounce(ORIGINAL).replace(b"env-1", RING.mint(Kind.RETURN_PATH, 9).encode())
    found = candidates(parse(raw), envelope_recipient=OURS, ring=RING)
    assert (found[0].trust, found[0].delivery_id) == (Trust.SIGNED, 9)
    guessed = candidates(
        parse(bounce(ORIGINAL).replace(b"env-1", b"9")), envelope_recipient=OURS, ring=RING
    )
    assert {c.delivery_id for c in guessed} == {None}


def test_the_sender_that_a_complaint_names_is_our_return_path() -> None:
    address = return_address(RING, 9, "back.example")
    raw = (
        "From: fbl@provider.example\nSubject: complaint\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
        "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
        f"Original-Mail-From: <{address}>\n\n--b--\n"
    ).encode()
    found = candidates(parse(raw), envelope_recipient="fbl@sender.example", ring=RING)
    assert (found[0].trust, found[0].delivery_id) == (Trust.SIGNED, 9)


def test_in_a_mailbox_the_field_of_the_addressee_stands_for_the_envelope() -> None:
    address = return_address(RING, 9, "back.example")
    raw = bounce(ORIGINAL, extra=f"Delivered-To: {address.upper()}\n")
    found = candidates(parse(raw), envelope_recipient="", ring=RING)
    assert (found[0].trust, found[0].delivery_id) == (Trust.ADDRESSED, 9)
    elsewhere = candidates(parse(raw), envelope_recipient=OURS, ring=RING)
    assert elsewhere[0].trust is Trust.SIGNED  # the sender wrote that field, not our server


def test_a_signed_address_is_short_and_reads_alike_in_any_case() -> None:
    address = return_address(RING, 2**63 - 1, "back.example")
    local = address.partition("@")[0]
    assert len(local) < 64
    assert local == local.lower()


def test_then_come_message_id_references_and_recipient() -> None:
    raw = bounce(ORIGINAL, extra="References: <r1@sender.example>\n")
    found = candidates(parse(raw), envelope_recipient=OURS, ring=RING)
    assert [(c.trust, c.message_id or c.recipient) for c in found] == [
        (Trust.NAMED, "<m1@sender.example>"),
        (Trust.NAMED, "<r1@sender.example>"),
        (Trust.GUESSED, "who@example.net"),
    ]
