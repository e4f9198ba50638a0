"""Parts by offsets: what the standard library's parser sees, and where it gives up."""

from __future__ import annotations

import email
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.errors import NotAMessage
from mailglass.mime import MAX_DEPTH, Edit, Standing, parse_parameters, splice, standings, walk

LEAF = st.tuples(
    st.sampled_from(["text/plain", "text/html", "image/png", "application/pdf"]),
    st.text("ab \n-", max_size=20),
)
TREE = st.recursive(LEAF, lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=12)


def build(tree, depth: int = 0) -> bytes:
    """A message whose parts are the tree."""
    if isinstance(tree, tuple):
        return f"Content-Type: {tree[0]}\n\n{tree[1]}".encode()
    boundary = f"b{depth}".encode()
    parts = b"".join(b"--" + boundary + b"\n" + build(t, depth + 1) + b"\n" for t in tree)
    head = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\n\n'
    return head + b"preamble\n" + parts + b"--" + boundary + b"--\nepilogue\n"


@given(TREE, st.sampled_from([b"\n", b"\r\n"]))
def test_generated_trees_are_seen_as_the_standard_library_sees_them(tree, line_end: bytes) -> None:
    raw = b"Subject: x\n" + build(tree)
    raw = raw.replace(b"\n", line_end)
    message = walk(raw)
    expected = list(email.message_from_bytes(raw).walk())
    assert [p.content_type for p in message.parts] == [p.get_content_type() for p in expected]
    for ours, theirs in zip(message.parts, expected, strict=True):
        if not ours.is_multipart:
            payload = theirs.get_payload()
            assert bytes(message.body(ours)).decode() == payload


def test_a_message_of_bare_carriage_returns_has_the_same_parts() -> None:
    raw = b"Subject: x\n" + build([("text/plain", "one"), ("text/html", "two")])
    message = walk(raw.replace(b"\n", b"\r"))
    assert [bytes(message.body(p)) for p in message.parts[1:]] == [b"one", b"two"]
    assert message.line_end == b"\r"


@pytest.mark.parametrize(
    ("raw", "types", "fault"),
    [
        (b"A: b\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\na\n", 2, "missing closing"),
        (b"A: b\nContent-Type: multipart/mixed\n\n--x\n\na\n", 1, "without a boundary"),
        (b"A: b\nContent-Type: text\n\nbody", 1, "unreadable"),
        (b"A: b\nContent-Type: text/html\nContent-Type: text/plain\n\nx", 1, "repeated"),
        (b"A: b\nContent-Type: text/html", 1, "no empty line"),
    ],
)
def test_what_is_odd_is_named(raw: bytes, types: int, fault: str) -> None:
    message = walk(raw)
    assert len(message.parts) == types
    assert any(fault in name for name in message.root.faults)


def test_an_outer_delimiter_ends_an_inner_multipart() -> None:
    raw = (
        b"A: b\nContent-Type: multipart/mixed; boundary=o\n\n--o\n"
        b"Content-Type: multipart/mixed; boundary=i\n\n--i\n\ninner\n--o\n\nouter\n--o--\n"
    )
    message = walk(raw)
    assert [bytes(message.body(p)) for p in message.parts[2:]] == [b"inner", b"outer"]
    assert [message.path(p) for p in message.parts] == ["0", "1", "1.1", "2"]


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"<html>\n", b"hello world\nSubject: x\n", b"\0\1"])
def test_what_has_no_field_is_no_message(raw: bytes) -> None:
    with pytest.raises(NotAMessage):
        walk(raw)


def test_a_mailbox_line_may_stand_before_the_header() -> None:
    message = walk(b"From a@b Mon Jan 1\nSubject: =?utf-8?q?x?=\n  more\n\nbody")
    assert message.value("subject") == "=?utf-8?q?x?= more"


@pytest.mark.parametrize(
    ("value", "word", "name", "expected"),
    [
        ('text/html; charset="UTF-8"', "text/html", "charset", "UTF-8"),
        ("text/html (c) ; charset=x (comment)", "text/html", "charset", "x"),
        ('a/b; boundary="(x)"', "a/b", "boundary", "(x)"),
        ("a/b; boundary=--(x)", "a/b", "boundary", "--(x)"),
        ('a/b;; n="a\\"b"', "a/b", "n", 'a"b'),
        ("a/b; n*0=one; n*1=two", "a/b", "n", "onetwo"),
        ("a/b; n*=utf-8'de'%C3%BC", "a/b", "n", "ü"),
        ("a/b; n*1*=%20b; n*0*=iso-8859-1''%FC", "a/b", "n", "ü b"),
        ("attachment; filename=a b.txt", "attachment", "filename", "a"),
    ],
)
def test_parameters_are_read_as_readers_do(value, word, name, expected) -> None:
    found, parameters = parse_parameters(value)
    assert (found, parameters[name]) == (word, expected)


def typed(kind: str, body: bytes = b"", **fields: str) -> bytes:
    lines = "".join(f"{k.replace('_', '-')}: {v}\n" for k, v in fields.items())
    return f"Content-Type: {kind}\n{lines}\n".encode() + body


def multi(kind: str, *parts: bytes) -> bytes:
    name = kind.replace("/", "").replace(";", "").replace('"', "").replace("=", "").replace(" ", "")
    head = f'Content-Type: {kind}; boundary="{name}"\n\n'.encode()
    body = b"".join(b"--%b\n%b\n" % (name.encode(), part) for part in parts)
    return head + body + b"--%b--\n" % name.encode()


HTML = typed("text/html", b"<p>x</p>")


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (HTML, Standing.SHOWN),
        (multi("multipart/mixed", typed("text/plain"), HTML), Standing.SHOWN),
        (multi("multipart/alternative", typed("text/plain"), HTML), Standing.SHOWN),
        (multi("multipart/related", HTML, typed("image/png")), Standing.SHOWN),
        (multi("multipart/related", typed("image/png"), HTML), Standing.RESOURCE),
        (
            multi(
                'multipart/related; start="<r>"',
                typed("image/png"),
                typed("text/html", b"<p>", Content_ID="<r>"),
            ),
            Standing.SHOWN,
        ),
        (
            multi("multipart/mixed", typed("text/html", Content_Disposition="attachment")),
            Standing.ATTACHMENT,
        ),
        (
            multi("multipart/mixed", typed("text/html", Content_Disposition="strange")),
            Standing.ATTACHMENT,
        ),
        (multi("multipart/mixed", typed('text/html; name="a.html"')), Standing.ATTACHMENT),
        (multi("multipart/alternative", typed('text/html; name="a.html"')), Standing.SHOWN),
        (multi("multipart/mixed", typed("message/rfc822", HTML)), Standing.EMBEDDED),
        (multi("multipart/signed", HTML, typed("application/pgp-signature")), Standing.SIGNED),
        (multi("multipart/mixed", multi("multipart/signed", HTML)), Standing.SIGNED),
        (multi("multipart/encrypted", HTML), Standing.ENCRYPTED),
    ],
)
def test_only_the_messages_own_text_is_displayed(tree: bytes, expected: Standing) -> None:
    message = walk(b"MIME-Version: 1.0\n" + tree)
    found = standings(message)
    assert [found[p.number] for p in message.parts if p.content_type == "text/html"] == [expected]


def test_deep_nesting_stops_being_read_at_a_bound() -> None:
    raw = b"A: b\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(5000)
    )
    message = walk(raw + b"\nx")
    assert len(message.parts) <= MAX_DEPTH + 1
    assert any("deep" in fault for part in message.parts for fault in part.faults)


def test_no_more_parts_are_looked_for_than_a_caller_wants() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 9 + b"--b--\n"
    assert len(walk(raw, max_parts=10).parts) == 10
    assert not walk(raw, max_parts=10).root.faults
    message = walk(raw, max_parts=9)
    assert "more than 9 parts in all" in message.root.faults
    assert set(standings(message)) == {Standing.UNREADABLE}


@given(st.binary(max_size=300))
def test_any_bytes_are_walked_or_refused(raw: bytes) -> None:
    try:
        message = walk(b"Content-Type: multipart/mixed; boundary=x\n" + raw)
    except NotAMessage:
        return
    for part in message.parts:
        assert 0 <= part.start <= part.body_start <= part.end <= len(message.raw)


def test_splicing_refuses_edits_that_overlap() -> None:
    with pytest.raises(Exception, match="overlaps"):
        splice(b"abc", [Edit(offset=0, length=2, new=b""), Edit(offset=1, length=1, new=b"")])
    assert splice(b"abc", [Edit(offset=1, length=1, new=b"xy")]) == b"axyc"


def test_real_messages_have_the_standard_librarys_parts(shared_data: Path) -> None:
    """Those with message/* parts are left out: the library splits more of them than we do."""
    other = total = 0
    for file in (shared_data / "corpus").rglob("*.eml"):
        raw = file.read_bytes()
        try:
            ours = [part.content_type for part in walk(raw).parts]
        except NotAMessage:
            continue
        theirs = [part.get_content_type() for part in email.message_from_bytes(raw).walk()]
        if not any(kind.startswith("message/") for kind in theirs):
            total += 1
            other += ours != theirs
    assert total > 1500
    assert other <= 10  # folded or invalid boundaries and types, read as mail programs read them
