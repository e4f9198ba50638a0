"""Every message and HTML mail of the corpora: exact undo, and what other programs see."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from instrument.independent import BASE, leaves, links, shape, text_of, types
from mailglass.errors import NotAMessage
from mailglass.instrument import (
    Options,
    Template,
    apply,
    attachment_digest,
    compile_message,
    read_plan,
    restore,
    write_plan,
)
from mailglass.tokens import Ring

RING = Ring([bytes(range(32))])
HEADER = (
    b"From: a@example.com\nSubject: x\nMIME-Version: 1.0\n"
    b"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: %s\n\n"
)


def corpus(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every message; a bare HTML mail becomes the body of one."""
    for file in sorted((folder / "corpus").rglob("*")):
        if file.suffix == ".html":
            yield str(file), HEADER % b"8bit" + file.read_bytes()
        elif file.is_file() and file.suffix not in (".tsv", ".md"):
            yield str(file), file.read_bytes()


def compiled(raw: bytes, options: Options) -> Template | None:
    try:
        return compile_message(
            raw, options, ring=RING, store=lambda content, _: attachment_digest(content)
        )
    except NotAMessage:
        return None


EVERYTHING = Options(
    base_url=BASE,
    attachments="link",
    text_links=True,
    html_alternative=True,
    list_unsubscribe=True,
    honeypot=True,
    subject_label="AD",
    receipt_to="sender@example.com",
)


@pytest.mark.parametrize("options", [Options(base_url=BASE), EVERYTHING], ids=["usual", "all"])
def test_undo_is_exact_for_every_real_message(shared_data: Path, options: Options) -> None:
    count = 0
    for name, raw in corpus(shared_data):
        template = compiled(raw, options)
        if template is None:
            continue
        out = template.render(count, RING)
        plan = read_plan(b"".join(write_plan(template.plan(count, RING))))
        assert b"".join(apply(raw, plan)) == out, name
        assert restore(out, plan) == raw, name
        count += 1
    assert count > 2000


def test_other_programs_see_the_same_message_apart_from_the_edits(shared_data: Path) -> None:
    options = Options(base_url=BASE)
    documents = 0
    faults: list[str] = []
    for name, raw in corpus(shared_data):
        template = compiled(raw, options)
        if template is None:
            continue
        out = template.render(1, RING)
        targets = {t.url for t in template.targets if t.url}
        unsubscribes = set(re.findall(r"<\s*(http[^>\s]+)\s*>", _unsubscribe(raw)))
        if types(raw) != types(out):
            faults.append(f"{name}: other parts")
            continue
        expected: set[str] = set()
        for old, new in zip(leaves(raw), leaves(out), strict=True):
            if old.get_payload(decode=True) == new.get_payload(decode=True):
                continue
            documents += 1
            before, after = text_of(old), text_of(new)
            expected |= links(before, unsubscribes)
            if shape(before) != shape(after):
                faults.append(f"{name}: another document")
            if f"{BASE}/o/" not in after:
                faults.append(f"{name}: no beacon")
        if expected != targets:
            faults.append(f"{name}: {sorted(map(repr, expected ^ targets))[:4]}")
    print(documents, "documents")
    assert not faults, "\n".join(faults)
    assert documents > 800


def _unsubscribe(raw: bytes) -> str:
    return str(email.message_from_bytes(raw).get("List-Unsubscribe", ""))
