"""The words of many servers in many languages mean what a postmaster reads in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailglass.replies import explain_reply

LINES = (Path(__file__).parent / "wordings.tsv").read_text(encoding="utf-8").splitlines()
ROWS = [line.split("\t") for line in LINES if not line.startswith("#")][1:]


@pytest.mark.parametrize(("class_", "text"), ROWS, ids=lambda value: value[:60])
def test_words_are_read_as_a_postmaster_reads_them(class_: str, text: str) -> None:
    assert explain_reply(text).class_ == class_


def test_an_access_list_of_postfix_closes_no_address_for_ever() -> None:
    found = explain_reply("554 5.7.1 <who@example.net>: Recipient address rejected: Access denied")
    assert found.permanent
    assert not found.suppress


def test_words_of_a_quoted_header_do_not_outvote_the_reply() -> None:
    quoted = "550 5.1.1 <who@example.net>... User unknown" + " x" * 300 + " X-Virus-Scanned: ClamAV"
    assert explain_reply(quoted).class_ == "unknown-user"
