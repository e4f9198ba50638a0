"""Charset labels that a hostile or careless sender chooses."""

from __future__ import annotations

import codecs
import encodings
import pkgutil

import pytest

from mailglass.mime import Change, Hole, NotEditable, find_charset, read_content, splice, walk

NO_CHARSETS = [
    *("rot13", "rot-13", "hex", "zlib", "base64", "bz2", "uu", "quopri"),
    *("idna", "punycode", "undefined", "unicode_escape", "raw-unicode-escape"),
]
FOREIGN_ASCII = [
    *("cp037", "cp500", "cp1026", "cp1140", "cp424", "cp273", "cp875", "ibm037", "ebcdic-cp-us"),
    *("cp864", "mac-arabic", "mac-farsi", "shift_jisx0213"),
]
EVERY = sorted(module.name for module in pkgutil.iter_modules(encodings.__path__))


def page(data: bytes, charset: str) -> bytes:
    head = f"A: b\nContent-Type: text/html; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n"
    return head.encode() + data


def with_a_link(raw: bytes) -> bytes:
    parsed = walk(raw)
    content = read_content(parsed, parsed.root)
    at = content.markup.index('"x"')
    patches = content.patches([Change(at + 1, at + 2, ("https://t/", Hole(0, 3), "?"))])
    return splice(raw, [patch.edit(["abc"]) for patch in patches])[len(page(b"", label_of(raw))) :]


def label_of(raw: bytes) -> str:
    return walk(raw).root.charset


@pytest.mark.parametrize("label", NO_CHARSETS)
def test_a_codec_that_is_no_charset_is_refused(label: str) -> None:
    parsed = walk(page(b'<a href="x">', label))
    with pytest.raises(NotEditable, match="is no charset"):
        read_content(parsed, parsed.root)


@pytest.mark.parametrize("label", FOREIGN_ASCII)
def test_a_charset_that_does_not_keep_ascii_is_refused(label: str) -> None:
    parsed = walk(page(b"<p>", label))
    with pytest.raises(NotEditable, match="ASCII"):
        read_content(parsed, parsed.root)


@pytest.mark.parametrize("label", EVERY)
def test_every_codec_of_python_is_read_right_or_refused(label: str) -> None:
    before, after = '<p><a href="', '">y</a>'
    try:
        data = (before + "x" + after).encode(label)
    except (LookupError, UnicodeError):
        data = b'<p><a href="x">y</a>'
    try:
        out = with_a_link(page(data, label))
    except NotEditable:
        assert find_charset(label).refusal or label == "utf_7"
        return
    codec = find_charset(label).codec or "ascii"
    assert codecs.decode(out, codec).removeprefix("\ufeff") == f"{before}https://t/abc?{after}"


@pytest.mark.parametrize(
    ("label", "start", "codec"),
    [
        ("utf-8-sig", b"\xef\xbb\xbf", "utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "utf-8"),
        ("utf-16", b"\xff\xfe", "utf-16-le"),
        ("utf-16", b"\xfe\xff", "utf-16-be"),
        ("utf-16le", b"\xfe\xff", "utf-16-be"),
        ("ucs-2", b"\xfe\xff", "utf-16-be"),
        ("utf-32", b"\xff\xfe\0\0", "utf-32-le"),
        ("utf-32", b"\0\0\xfe\xff", "utf-32-be"),
        *((label, b"", codec) for label in ("ucs-2", "unicode", "utf-16", "u16")
          for codec in ("utf-16-le", "utf-16-be")),
        ("utf-32", b"", "utf-32-le"),
        ("utf-32", b"", "utf-32-be"),
    ],
)  # fmt: skip
def test_what_is_added_has_the_order_of_the_text_and_no_mark(label, start, codec) -> None:
    data = start + '<p>ü中</p><a href="x">'.encode(codec)
    out = with_a_link(page(data, label))
    assert out == start + '<p>ü中</p><a href="https://t/abc?">'.encode(codec)


@pytest.mark.parametrize("label", ["utf-16", "ucs-2", "unicode", "utf-32"])
def test_a_byte_order_that_cannot_be_told_is_refused(label: str) -> None:
    parsed = walk(page("中文商店".encode("utf-16-be"), label))
    with pytest.raises(NotEditable, match="order"):
        read_content(parsed, parsed.root)
