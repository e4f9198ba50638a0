"""Bytes from attackers: no crash, no hang, whatever they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounce_scores import files
from mailglass.inbound import Kind, candidates, parse
from mailglass.inbound.records import Report
from mailglass.replies import explain_reply
from mailglass.tokens import Ring

LONG = 1_000_000

RING = Ring([b"k" * 32])


def head(more: str = "") -> bytes:
    return f"From: MAILER-DAEMON@x.example\nSubject: failure notice\n{more}\n".encode()


LARGE = {
    "no line end": head() + b"a" * LONG,
    "at signs": head() + b"@" * LONG,
    "angle brackets": head() + b"<" * LONG,
    "addresses": head() + b"<a@b.example>: " * (LONG // 15),
    "one address a line": head() + b"<a@b.example>:\n" * (LONG // 15),
    "local part without end": head() + b"a." * (LONG // 2) + b"@b.example",
    "domain without end": head() + b"a@" + b"b." * (LONG // 2),
    "codes": head() + b"550 5.1.1 " * (LONG // 10),
    "colons": head() + b"a@b.example:" + b":" * LONG,
    "one long reply": head() + b"<a@b.example>:\n" + (b": " * 400 + b"\n") * (LONG // 801),
    "dots": head() + b"a@b.example " + b"." * LONG,
    "blank lines": head() + b"\n" * LONG,
    "spaces": head() + b" " * LONG + b"\n" + b"\t" * LONG,
    "header without end": b"X: " + b"y\n " * (LONG // 3),
    "many fields": b"X: y\n" * (LONG // 5),
    "boundaries": head("Content-Type: multipart/mixed; boundary=b\n") + b"--b\n" * (LONG // 4),
    "nested parts": b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(5000)
    ),
    "groups": head("Content-Type: multipart/report; boundary=b\n")
    + b"--b\nContent-Type: message/delivery-status\n\n"
    + b"Final-Recipient: rfc822; a@b.example\nAction: failed\n\n" * (LONG // 54),
    "html": head("Content-Type: text/html\n") + b"<style " * (LONG // 7),
    "tags": head("Content-Type: text/html\n") + b"<" + b"a<" * (LONG // 2),
    "encoded words": b"Subject: " + b"=?utf-8?B?" * 20_000 + b"\n\nx",
    "json": head() + b'{"notificationType":' + b"[" * LONG,
    "comments": head() + b"((((" * (LONG // 4),
    "message ids": b"References: " + b"<" * LONG + b"\nSubject: Re: x\n\nx",
    "tokens": head() + b"From: x\n\n" + b"a" * 31 + (b" " + b"a" * 31) * (LONG // 32),
}


@pytest.mark.parametrize("shape", LARGE)
def test_a_large_hostile_message_is_read(shape: str) -> None:
    assert isinstance(parse(LARGE[shape]), Report)


@given(st.binary(max_size=2000))
def test_any_bytes_are_read(raw: bytes) -> None:
    parse(raw)
    parse(head() + raw)


@given(st.text(max_size=500))
def test_any_text_is_explained(text: str) -> None:
    explanation = explain_reply(text)
    assert explanation.meaning
    assert explanation.permanent or not explanation.suppress


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Cut, doubled, swapped, with wrong bytes: what a broken relay or an attacker makes of it."""
    data = bytearray(raw)
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(5)
        if what == 0:
            data = data[:at]
        elif what == 1:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 30)))
        elif what == 2:
            data[at:at] = data[chance.randrange(len(data) + 1) :][:2000]
        elif what == 3:
            del data[at : at + chance.randrange(1, 200)]
        elif at < len(data):
            data[at] = chance.randrange(256)
    return bytes(data)


def read_mutated(folder: Path, rounds: int) -> None:
    chance = random.Random(20261122)
    for path in files(folder):
        raw = path.read_bytes()[:100_000]
        for _ in range(rounds):
            report = parse(mutated(raw, chance))
            candidates(report, envelope_recipient="", ring=RING)


def test_broken_copies_of_real_mails_are_read(shared_data: Path) -> None:
    read_mutated(shared_data / "bounces", 2)


@pytest.mark.soak
def test_many_broken_copies_of_real_mails_are_read(shared_data: Path) -> None:
    read_mutated(shared_data / "bounces", 200)
    read_mutated(shared_data / "reports", 500)


def test_ordinary_mail_of_the_world_is_no_bounce(shared_data: Path) -> None:
    folder = shared_data / "corpus" / "stdlib-js+datasets-spam-assassin"
    wrong = [
        path.name
        for path in sorted(folder.iterdir())
        if parse(path.read_bytes()).kind in (Kind.BOUNCE, Kind.DELAY, Kind.COMPLAINT, Kind.MDN)
    ]
    assert wrong == []
