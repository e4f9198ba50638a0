"""Changes of a part's text, in every charset and transfer encoding."""

from __future__ import annotations

import base64
import binascii
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.mime import ROOM, Change, Hole, NotEditable, read_content, splice, walk

LETTERS = {
    "us-ascii": "ab",
    "utf-8": "aü中😀",
    "iso-8859-1": "aü",
    "iso-8859-15": "aü€",
    "windows-1251": "aж",
    "koi8-r": "aж",
    "gb2312": "a中文",
    "gb18030": "a中😀",
    "big5": "a中文",
    "shift_jis": "aソ表",
    "euc-jp": "a日本",
    "euc-kr": "a한글",
    "iso-2022-jp": "a日本",
    "utf-7": "aü中",
    "utf-16": "aü中😀",
    "utf-16-be": "aü中😀",
    "utf-32": "a中",
}
CODECS = {"gb2312": "gb18030", "iso-8859-1": "cp1252", "shift_jis": "cp932", "euc-kr": "cp949"}
ENCODINGS = ("8bit", "quoted-printable", "base64")


def encode(data: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(data)
    return binascii.b2a_qp(data, istext=False) if encoding == "quoted-printable" else data


def message(text: str, charset: str, encoding: str, line_end: bytes = b"\n") -> bytes:
    head = (
        f"A: b\nContent-Type: text/html; charset={charset}\nContent-Transfer-Encoding: {encoding}"
    )
    body = encode(text.encode(CODECS.get(charset, charset)), encoding)
    if encoding != "8bit":
        body = body.replace(b"\n", line_end)
    return head.encode().replace(b"\n", line_end) + line_end * 2 + body


@st.composite
def cases(draw):
    charset = draw(st.sampled_from(sorted(LETTERS)))
    words = st.text(LETTERS[charset] + "bc =.", max_size=60)
    pieces = draw(st.lists(st.tuples(words, words), min_size=1, max_size=6))
    return charset, pieces


@given(cases(), st.sampled_from(ENCODINGS), st.sampled_from([b"\n", b"\r\n"]))
def test_a_change_of_the_text_changes_nothing_else(case, encoding: str, line_end: bytes) -> None:
    charset, pieces = case
    text = "".join(f'{before}<a href="{value}">\n' for before, value in pieces) + "end\n"
    raw = message(text, charset, encoding, line_end)
    parsed = walk(raw)
    content = read_content(parsed, parsed.root)
    changes, at = [], 0
    for number in range(len(pieces)):
        start = content.markup.index('<a href="', at) + 9
        at = content.markup.index('">\n', start)
        changes.append(Change(start, at, ("https://t/", Hole(number, 29), "?to=x")))
        changes.append(Change(at + 1, at + 1, (ROOM,)))
    tokens = [f"{number:x}" * 29 for number in range(len(pieces))]
    if charset == "utf-7" and not all(value.isascii() for _, value in pieces):
        return  # its codec has several spellings, and the change is refused unless ours is there
    out = splice(raw, [patch.edit(tokens) for patch in content.patches(changes)])
    again = walk(out)
    found = read_content(again, again.root).text()
    expected = "".join(
        f'{before}<a href="https://t/{token}?to=x">\n'
        for (before, _), token in zip(pieces, tokens, strict=True)
    )
    assert re.sub(r'"\s*>', '">', found.removeprefix("\ufeff")) == expected + "end\n"
    if encoding != "8bit":
        assert (
            max(map(len, out.split(b"\n\n" if line_end == b"\n" else b"\r\n\r\n")[-1].split()))
            <= 76
        )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_bytes_far_from_a_change_stay(encoding: str) -> None:
    text = "".join(f"line {n} of the text with ümläut\n" for n in range(50))
    raw = message(f'{text}<a href="x">{text}', "utf-8", encoding)
    parsed = walk(raw)
    content = read_content(parsed, parsed.root)
    at = content.markup.index('"x"')
    (patch,) = content.patches(
        [Change(at + 1, at + 2, ("y" * 30,)), Change(at + 3, at + 3, (ROOM,))]
    )
    assert patch.length < 10
    out = splice(raw, [patch.edit()])
    assert out.startswith(raw[: patch.offset])
    assert out.endswith(raw[patch.offset + patch.length :])


def test_a_long_line_is_broken_only_where_there_is_room() -> None:
    raw = message("x" * 900 + '<a href="y">' + "z" * 80, "utf-8", "8bit")
    parsed = walk(raw)
    content = read_content(parsed, parsed.root)
    at = content.markup.index('"y"')
    change = Change(at + 1, at + 2, ("u" * 90,))
    with pytest.raises(NotEditable):
        content.patches([change])
    assert content.wants_room
    place = content.markup.index("href")
    room = [Change(place, place, (ROOM,)), change, Change(at + 3, at + 3, (ROOM,))]
    out = splice(raw, [patch.edit() for patch in content.patches(room)])
    assert max(map(len, out.splitlines())) <= 998
    assert b'<a \nhref="' + b"u" * 90 + b'"' in out


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("base64", b"PGE!!!+", "foreign"),
        ("base64", b"PGE", "cut off"),
        ("x-uuencode", b"begin", "unknown"),
        ("8bit", b"<\0a\0", "NUL"),
    ],
)
def test_irregular_bodies_are_refused_with_the_reason(encoding, body, reason) -> None:
    raw = f"A: b\nContent-Transfer-Encoding: {encoding}\n\n".encode() + body
    parsed = walk(raw)
    with pytest.raises(NotEditable, match=reason):
        read_content(parsed, parsed.root)


def test_a_character_that_the_charset_lacks_is_refused() -> None:
    parsed = walk(message("abc", "iso-8859-1", "8bit"))
    content = read_content(parsed, parsed.root)
    with pytest.raises(NotEditable, match="lacks"):
        content.patches([Change(0, 1, ("中",))])
