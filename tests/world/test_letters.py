"""The demo's mail is real mail: parsable, varied, the same for a seed, and for nobody real."""

from __future__ import annotations

import re
from collections import Counter
from email import message_from_bytes
from email.policy import default

import pytest

from mailglass.instrument import Options, compile_message, restore
from mailglass.journal import Attachments
from mailglass.model import TargetKind
from mailglass.tokens import Ring
from mailglass.world import Letter, letters, read_mail


@pytest.fixture(scope="module")
def mail() -> list[Letter]:
    return list(letters(200, seed=1))


def test_the_same_seed_writes_the_same_bytes(mail: list[Letter]) -> None:
    assert list(letters(200, seed=1)) == mail
    assert next(letters(1, seed=2)) != mail[0]


def test_languages_and_purposes_are_mixed(mail: list[Letter]) -> None:
    kinds = Counter((letter.language, letter.kind) for letter in mail)
    assert len(kinds) == 9
    assert min(kinds.values()) >= 5


def test_every_letter_has_an_id_of_its_own(mail: list[Letter]) -> None:
    assert len({read_mail(letter.content).message_id for letter in mail}) == len(mail)


def test_nobody_real_is_written_to(mail: list[Letter]) -> None:
    for letter in mail:
        for address in (letter.author, *letter.recipients):
            assert address.endswith(".example")


def test_letters_parse_without_defects_and_name_their_recipients(mail: list[Letter]) -> None:
    for letter in mail:
        message = message_from_bytes(letter.content, policy=default)
        assert [part.defects for part in message.walk() if part.defects] == []
        addresses = [address.addr_spec for address in message["To"].addresses]
        assert tuple(addresses) == letter.recipients
        assert message["From"].addresses[0].addr_spec == letter.author


def test_every_letter_has_text_page_and_link(mail: list[Letter]) -> None:
    for letter in mail:
        message = message_from_bytes(letter.content, policy=default)
        plain, page = message.get_body(("plain",)), message.get_body(("html",))
        assert plain is not None
        assert page is not None
        found = set(re.findall(r"https://\S+", plain.get_content()))
        assert found
        assert {target.url for target in read_mail(letter.content).targets} == found


def test_instrumented_letters_show_a_client_every_target(mail: list[Letter]) -> None:
    ring = Ring([bytes(32)])
    options = Options(base_url="http://127.0.0.1:1", attachments="link", honeypot=True)
    kinds: Counter[TargetKind] = Counter()
    for number, letter in enumerate(mail, start=1):
        template = compile_message(
            letter.content, options, ring=ring, store=lambda content, _: Attachments.digest(content)
        )
        sent = Counter(target.kind for target in template.targets)
        sent_bytes = template.render(number, ring)
        assert restore(sent_bytes, template.plan(number, ring)) == letter.content
        read = read_mail(sent_bytes)
        ours = [target for target in read.targets if "//127.0.0.1:1/" in (target.url or "")]
        seen = Counter(target.kind for target in ours)
        assert seen == sent
        assert read.is_bulk == (letter.kind == "newsletter")
        kinds += seen
    assert kinds[TargetKind.BEACON] == kinds[TargetKind.HONEYPOT] == len(mail)
    assert kinds[TargetKind.LINK] > len(mail)
    assert kinds[TargetKind.ATTACHMENT]


def test_no_placeholder_is_left_open(mail: list[Letter]) -> None:
    for letter in mail:
        page = message_from_bytes(letter.content, policy=default).get_body(("html",))
        assert page is not None
        assert not re.search(r"[{}]", page.get_content())


def test_charsets_and_attachments_vary(mail: list[Letter]) -> None:
    parts = [part for letter in mail for part in message_from_bytes(letter.content).walk()]
    assert {"us-ascii", "utf-8", "gb18030", "euc-kr"} <= {
        part.get_content_charset() for part in parts
    }
    assert {"7bit", "8bit", "base64", "quoted-printable"} <= {
        str(part["Content-Transfer-Encoding"]) for part in parts
    }
    assert {".csv", ".ics"} == {(part.get_filename() or "....")[-4:] for part in parts} - {"...."}
    assert any(len(letter.recipients) > 1 for letter in mail)


def test_lines_end_as_smtp_wants_them(mail: list[Letter]) -> None:
    for letter in mail:
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", letter.content)
        assert max(map(len, letter.content.split(b"\r\n"))) <= 998
