"""Generated messages, charsets, encodings and hostile bytes: exact undo, no crash, linear work."""

from __future__ import annotations

import base64
import binascii
import random
import re
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.independent import BASE, clean, leaves, links, shape, text_of, types
from mailglass.errors import Error, NotAMessage, PlanMismatch
from mailglass.instrument import (
    Options,
    apply,
    attachment_digest,
    compile_message,
    read_plan,
    restore,
    write_plan,
)
from mailglass.tokens import Ring

RING = Ring([bytes(range(32))])
WORDS = {
    "us-ascii": "ab c",
    "utf-8": "aü 中😀",
    "iso-8859-1": "aüß é",
    "windows-1251": "aж я",
    "gb2312": "a中 文",
    "shift_jis": "aソ 表",
    "iso-2022-jp": "a日 本",
    "utf-16-be": "aü 中",
}
ATTACHED = "Content-Disposition: attachment; filename=a.html\n"
URLS = st.sampled_from(
    [
        "https://e.example/",
        "http://e.example/?a=1&amp;b=2",
        "HTTPS://E.example/a,b!c",
        "mailto:a@b.example",
        "#x",
        "https://e.example/{{id}}",
        "https://[2001:db8::1]/x?f[0]=1",
        " https://e.example/sp ",
    ]
)


@st.composite
def documents(draw, charset: str) -> str:
    words = st.text(WORDS[charset], max_size=30)
    pieces = []
    for _ in range(draw(st.integers(0, 5))):
        url, text = draw(URLS), draw(words)
        form = draw(st.integers(0, 5))
        pieces.append(
            [
                f'<p>{text}</p><a class="x" href="{url}">{text}</a>\n',
                f"<A HREF='{url}'>{text}</A>",
                f"<!--[if mso]><v:rect href='{url}'>{text}</v:rect><![endif]-->\r\n",
                f'<table><tr><td>{text}<a title=">" href="{url}">{text}</a></table>',
                f"<div>{text}</div>\n" * 20,
                f'<style>a{{}}</style><!-- <a href="{url}"> -->{text}',
            ][form]
        )
    frame = draw(
        st.sampled_from(["{}", "<html><body>{}</body></html>\n", "<BODY>{}</BODY>", "{}\n"])
    )
    return frame.replace("{}", "".join(pieces) or "x")


def leaf(kind: str, charset: str, encoding: str, data: bytes, extra: str = "") -> bytes:
    body = {
        "base64": base64.encodebytes,
        "quoted-printable": lambda d: binascii.b2a_qp(d, istext=charset != "utf-16-be"),
    }.get(encoding, lambda d: d)(data)
    head = (
        f"Content-Type: {kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}\n{extra}\n"
    )
    return head.encode() + body


@st.composite
def messages(draw) -> bytes:
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        charset = draw(st.sampled_from(sorted(WORDS)))
        encoding = draw(st.sampled_from(["7bit", "8bit", "quoted-printable", "base64"]))
        kind = draw(st.sampled_from(["text/html", "text/html", "text/plain"]))
        extra = draw(
            st.sampled_from(["", "", "Content-Disposition: attachment; filename=a.html\n"])
        )
        document = draw(documents(charset))
        codec = {"gb2312": "gb18030", "iso-8859-1": "cp1252", "shift_jis": "cp932"}.get(charset)
        parts.append(leaf(kind, charset, encoding, document.encode(codec or charset), extra))
    kind = draw(st.sampled_from(["mixed", "alternative", "related", "signed"]))
    if len(parts) == 1:
        return b"From: a@example.com\nMIME-Version: 1.0\n" + parts[0]
    body = b"".join(b"--zz\n" + part + b"\n" for part in parts)
    head = (
        f"From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=zz\n\n"
    )
    return head.encode() + body + b"--zz--\n"


OPTIONS = st.builds(
    Options,
    base_url=st.just(BASE),
    opens=st.booleans(),
    links=st.booleans(),
    attachments=st.sampled_from(["keep", "link"]),
    text_links=st.booleans(),
    html_alternative=st.booleans(),
    list_unsubscribe=st.booleans(),
    unsubscribe_domain=st.sampled_from([None, "back.example"]),
    honeypot=st.booleans(),
    subject_label=st.sampled_from([None, "AD"]),
)


@given(messages(), OPTIONS, st.integers(0, 2**63 - 1))
def test_undo_is_exact_and_nothing_outside_the_edits_differs(raw, options, delivery) -> None:
    template = compile_message(raw, options, ring=RING, store=lambda c, _: attachment_digest(c))
    out = template.render(delivery, RING)
    plan = read_plan(b"".join(write_plan(template.plan(delivery, RING))))
    assert b"".join(apply(raw, plan)) == out
    assert restore(out, plan) == raw
    position = 0
    for edit in plan.edits:
        assert edit.offset >= position
        assert raw[edit.offset : edit.offset + edit.length] == edit.old
        position = edit.offset + edit.length


@given(messages())
def test_other_programs_see_the_same_parts_and_documents(raw: bytes) -> None:
    template = compile_message(raw, Options(base_url=BASE), ring=RING)
    out = template.render(1, RING)
    assert types(raw) == types(out)
    expected: set[str] = set()
    for old, new in zip(leaves(raw), leaves(out), strict=True):
        if old.get_payload(decode=True) == new.get_payload(decode=True):
            continue
        assert old.get_content_type() == "text/html"
        expected |= links(text_of(old), set())
        assert shape(text_of(old)) == shape(text_of(new))
        shown = re.sub(r"<!--.*?-->|<style>.*?</style>", "", text_of(old), flags=re.DOTALL)
        assert text_of(new).count(f"{BASE}/o/") == bool(shown.strip())
        expected |= {
            clean(unescape(url))
            for url in re.findall(r"<v:rect href='(\s*http[^'{]+)'", text_of(old), re.I)
        }
    assert expected == {t.url for t in template.targets if t.url}


@given(messages(), st.integers(0, 10**6), st.binary(max_size=3))
def test_a_changed_message_is_never_restored_wrongly(raw: bytes, place: int, junk: bytes) -> None:
    template = compile_message(raw, Options(base_url=BASE), ring=RING)
    out = template.render(1, RING)
    place %= len(out) + 1
    bent = out[:place] + junk + out[place:]
    try:
        assert restore(bent, template.plan(1, RING)) == raw
    except PlanMismatch:
        assert bent != out


def mutate(raw: bytes, chance: random.Random) -> bytes:
    """A few bytes cut, doubled or replaced."""
    data = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data) + 1)
        size = chance.choice((1, 2, 10, 200))
        form = chance.randrange(4)
        if form == 0:
            del data[at : at + size]
        elif form == 1:
            data[at:at] = data[at : at + size]
        elif form == 2:
            data[at : at + 1] = chance.choice(
                (b"<", b"=", b"\r", b"\n", b"--", b'"', b"\0", b"\xff")
            )
        else:
            junk = (b"<!--", b"<a href=", b"<title>", b"\n\n", b"=\n", b"]]>")
            data[at:at] = chance.choice(junk)
    return bytes(data)


def survives(raw: bytes, options: Options) -> None:
    try:
        template = compile_message(raw, options, ring=RING, store=lambda c, _: attachment_digest(c))
    except NotAMessage:
        return
    out = template.render(1, RING)
    assert restore(out, template.plan(1, RING)) == raw


def fuzz(folder: Path, rounds: int, seed: int) -> None:
    files = [f for f in sorted((folder / "corpus").rglob("*.eml")) if f.stat().st_size < 30_000]
    chance = random.Random(seed)
    everything = Options(
        base_url=BASE, attachments="link", text_links=True, html_alternative=True, honeypot=True
    )
    for _ in range(rounds):
        survives(mutate(chance.choice(files).read_bytes(), chance), everything)


def test_bent_real_messages_neither_crash_nor_lose_a_byte(shared_data: Path) -> None:
    fuzz(shared_data, 1500, seed=1)


@pytest.mark.soak
def test_many_bent_real_messages_neither_crash_nor_lose_a_byte(shared_data: Path) -> None:
    for seed in range(100):
        fuzz(shared_data, 2000, seed)


@given(st.binary(max_size=400), st.sampled_from(["7bit", "base64", "quoted-printable"]))
def test_any_bytes_are_instrumented_or_left_alone(data: bytes, encoding: str) -> None:
    head = f"A: b\nContent-Type: text/html\nContent-Transfer-Encoding: {encoding}\n\n"
    survives(head.encode() + data, Options(base_url=BASE))


HEAD = b"A: b\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n"
MIXED = b"A: b\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"


def nested(size: int) -> bytes:
    level = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"
    count = size // 60
    return b"A: b\n" + b"".join(level % (n, n) for n in range(count)) + b"\n<p>x"


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "parts": lambda n: MIXED + b"--b\nContent-Type: text/html\n\n<p>\n" * (n // 33) + b"--b--\n",
    "empty parts": lambda n: MIXED + b"--b\n\n" * (n // 5),
    "other delimiters": lambda n: MIXED + b"--c\n" * (n // 4),
    "nesting": nested,
    "embedded": lambda n: b"A: b\n" + b"Content-Type: message/rfc822\n\n" * (n // 30),
    "header fields": lambda n: b"A: b\n" + b"X-Mailglass-A: b\n" * (n // 17) + b"\n",
    "dkim fields": lambda n: b"DKIM-Signature: h=a\nX-Mailglass-A: b\n" * (n // 36) + b"\n",
    "folded field": lambda n: b"Content-Type: text/html;\n" + b" x=y;\n" * (n // 6) + b"\n<p>",
    "parentheses": lambda n: b"Content-Type: text/html " + b"(" * n + b"\n\n<p>",
    "one endless tag": lambda n: HEAD + b"\n<a " + b"x=y " * (n // 4),
    "endless value": lambda n: HEAD + b'\n<p><a href="' + b"x" * n,
    "open tags": lambda n: HEAD + b"\n" + b"<a " * (n // 3),
    "open quotes": lambda n: HEAD + b"\n" + b"<b x='\"" * (n // 7),
    "less than": lambda n: HEAD + b"\n" + b"<" * n,
    "open comments": lambda n: HEAD + b"\n" + b"<!--" * (n // 4),
    "dashes": lambda n: HEAD + b"\n<!--" + b"-" * n,
    "conditionals": lambda n: HEAD + b"\n" + b"<!--[if x]>" * (n // 11),
    "closed conditionals": lambda n: HEAD + b"\n" + b"<!--[if x]><![endif]-->" * (n // 23),
    "titles": lambda n: HEAD + b"\n" + b"<title>" * (n // 7),
    "scripts": lambda n: HEAD + b"\n" + b"<script><!--<script></script>" * (n // 29),
    "svg": lambda n: HEAD + b"\n" + b"<svg><desc>" * (n // 11),
    "templates": lambda n: HEAD + b"\n" + b"<template>" * (n // 10),
    "links": lambda n: HEAD + b"\n" + b'<a href="http://e/">' * (n // 20),
    "other links": lambda n: (
        HEAD + b"\n" + b"".join(b"<a href=http://e/%d>" % k for k in range(n // 22))
    ),
    "links of text": lambda n: b"A: b\n\n" + b"http://e/))) " * (n // 13),
    "brackets": lambda n: b"A: b\n\nhttp://e/" + b")" * n,
    "references": lambda n: HEAD + b'\n<a href="http://e/?' + b"&amp" * (n // 4) + b'">',
    "attributes": lambda n: HEAD + b"\n<a " + b'h="" ' * (n // 5) + b"href=http://e/>",
    "ambiguous quotes": lambda n: HEAD + b"\n" + b'<b>="<a>' * (n // 8),
    "quoted-printable": lambda n: (
        HEAD
        + b"Content-Transfer-Encoding: quoted-printable\n\n"
        + b'<a href=3D"http://e/">=\n' * (n // 25)
    ),
    "base64": lambda n: (
        HEAD
        + b"Content-Transfer-Encoding: base64\n\n"
        + base64.b64encode(b'<a href="http://e/">' * (n * 3 // 80))
    ),
    "utf-7": lambda n: (
        b"A: b\nContent-Type: text/html; charset=utf-7\n\n" + b'<a href="http://e/">' * (n // 20)
    ),
}


class Work:
    """Counts the calls of functions, Python's and C's, and the bytes that strings hold."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Work:
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, frame: object, event: str, argument: object) -> None:
        self.calls += 1


@pytest.mark.parametrize("name", HOSTILE)
def test_work_grows_no_faster_than_hostile_input(name: str) -> None:
    counts = []
    for size in (20_000, 80_000):
        raw = HOSTILE[name](size)
        with Work() as work:
            survives(raw, Options(base_url=BASE, text_links=True, html_alternative=True))
        counts.append(work.calls)
    assert counts[1] <= 4 * counts[0] * 1.2 + 500


@pytest.mark.soak
@pytest.mark.parametrize("name", HOSTILE)
def test_ten_megabytes_of_hostile_input_end(name: str) -> None:
    options = Options(base_url=BASE, text_links=True, html_alternative=True)
    survives(HOSTILE[name](10_000_000), options)


def test_errors_are_of_our_own_tree() -> None:
    for plan in (b"", b"{}", b"[]", b'{"version": 2}', b"[" * 100_000):
        with pytest.raises(Error):
            read_plan(plan)
