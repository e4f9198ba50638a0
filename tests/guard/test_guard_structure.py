"""What one program takes for text and another displays as HTML is found, and silenced."""

from __future__ import annotations

import pytest
from guard_mail import HEAD, mail, multipart

from mailglass.guard import clean, inspect, restore

BEACON = "https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
HTML = f"<p>Hello</p>\r\n<img src='{BEACON}' width=1 height=1>\r\n"
PART = "Content-Type: text/html\r\n\r\n" + HTML
BODY = f"--b\r\n{PART}\r\n--b--\r\n"
HELLO = ("Content-Type: text/plain", "hello")


def parts(content_type: str, body: str) -> bytes:
    return f"{HEAD}Content-Type: {content_type}\r\n\r\n{body}".encode()


FAULTY = {
    "no boundary": parts("multipart/mixed", BODY),
    "two boundaries": parts("multipart/mixed; boundary=a; boundary=b", BODY),
    "two types": parts(
        "multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed; boundary=b",
        BODY,
    ),
    "no multipart": parts("multipart; boundary=b", BODY),
    "a longer delimiter": parts(
        "multipart/mixed; boundary=b", f"--b\r\n\r\nhello\r\n--bx\r\n{PART}\r\n--b--\r\n"
    ),
    "a bare carriage return": parts(
        "multipart/mixed; boundary=b", f"--b\r\n\r\nhello\r\n\r--b\r{PART}\r\n--b--\r\n"
    ),
    "a line in the header": f"{HEAD}no field at all\r\nnor this\r\n{PART}".encode(),
    "a line in a part's header": parts(
        "multipart/mixed; boundary=b", f"--b\r\nX: y\r\nno field\r\n{PART}\r\n--b--\r\n"
    ),
    "a line before a part's header": parts(
        "multipart/mixed; boundary=b", f"--b\r\n:\r\n{PART}\r\n--b--\r\n"
    ),
    "no empty line": f"{HEAD}Content-Type: text/html\r\n{HTML}".encode(),
    "an unknown kind of message": parts("message/x-mail", f"Subject: x\r\n{PART}"),
    "a part of a message": parts("message/partial; number=1; total=1", f"Subject: x\r\n{PART}"),
    "an attached multipart": parts(
        "multipart/mixed; boundary=b\r\nContent-Disposition: attachment", BODY
    ),
    "an attached body": parts("text/html\r\nContent-Disposition: attachment", HTML),
    "an attached alternative": multipart(
        "alternative", HELLO, ("Content-Type: text/html\r\nContent-Disposition: attachment", HTML)
    ),
    "an unknown disposition": multipart(
        "mixed", HELLO, ("Content-Type: text/html\r\nContent-Disposition: shown", HTML)
    ),
    "a file that is shown": multipart(
        "mixed",
        HELLO,
        ("Content-Type: text/html\r\nContent-Disposition: inline; filename=a.html", HTML),
    ),
    "another root of a related part": multipart(
        "related", ("Content-Type: image/gif", "x"), ("Content-Type: text/html", HTML)
    ),
    "the words of a signature": mail(f"<!-- -----BEGIN PGP MESSAGE----- -->{HTML}"),
}  # fmt: skip


@pytest.mark.parametrize("raw", FAULTY.values(), ids=FAULTY)
def test_a_part_that_some_program_displays_is_found_and_silenced(raw: bytes) -> None:
    report = inspect(raw)
    assert {tracker.url for tracker in report.trackers} == {BEACON}
    assert all(tracker.shown for tracker in report.trackers)
    cleaned = clean(raw)
    assert BEACON.encode() not in cleaned.data
    assert restore(cleaned.data, cleaned.edits) == raw
    assert clean(cleaned.data).data == cleaned.data


GIVEN = [
    *("a(x)", '"a(x)"', "(x)a", "a\\(x", "'a'", "a b", "a; boundary=b", "a;boundary*=b"),
    *('"a\\b"', "a,b", "=a", '""', '"a', 'a"', "a%20b", "a:b", "[a]", "<a>", "a=b", "boundary=a"),
]
MEANT = [
    *("a", "a(x)", "a (x)", "b", "'a'", "a b", "ab", "=a", "a:b", "[a]", "<a>", "a\\b", 'a"', "c"),
]


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("meant", MEANT)
def test_a_boundary_is_read_in_every_way(given: str, meant: str) -> None:
    raw = parts(f"multipart/mixed; boundary={given}", f"--{meant}\r\n{PART}\r\n--{meant}--\r\n")
    assert {tracker.url for tracker in inspect(raw).trackers} == {BEACON}
    cleaned = clean(raw)
    assert BEACON.encode() not in cleaned.data
    assert restore(cleaned.data, cleaned.edits) == raw


@pytest.mark.parametrize(
    "given",
    ["text/ht\0ml", "text/html\0", "\0text/html", '"text/html"', "'text/html'", "text/html (c)",
     "(c) text/html", "text / html", "text/(x)html", 'text/"html"', "<text/html>", "text/html,",
     "text/plain, text/html", "text\\html", "=?utf-8?q?text/html?=", "html", "text//html",
     "text/html/x", ":text/html", ";text/html", "x;text/html", "text/html.", "text/html charset=x",
     "multipart/mixed, text/html"],
)  # fmt: skip
@pytest.mark.parametrize("is_part", [False, True])
def test_a_type_is_read_in_every_way(given: str, is_part: bool) -> None:
    raw = parts(given, HTML)
    if is_part:
        raw = multipart("mixed", HELLO, (f"Content-Type: {given}", HTML))
    assert {tracker.url for tracker in inspect(raw).trackers} == {BEACON}
    cleaned = clean(raw)
    assert BEACON.encode() not in cleaned.data
    assert restore(cleaned.data, cleaned.edits) == raw
    assert clean(cleaned.data).data == cleaned.data


def test_a_part_that_several_ways_of_reading_have_in_common_is_told_once() -> None:
    body = f"--b\r\n{PART}\r\n--b\r\n{PART}\rx\r\n--b\r\n\r\rhello\r\n--b--\r\n"
    assert len(inspect(parts("multipart/mixed; boundary=b", body)).trackers) == 2


def test_nested_boundaries_that_begin_alike_are_no_other_structure() -> None:
    inner = (
        f'Content-Type: multipart/alternative; boundary="b-mixed_1"\r\n\r\n--b-mixed_1\r\n{PART}'
    )
    raw = multipart("mixed", HELLO, tuple(f"{inner}\r\n--b-mixed_1--".split("\r\n\r\n", 1)))
    assert len(inspect(raw).trackers) == 1


def test_what_is_signed_by_its_own_words_stays() -> None:
    text = "-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nhttps://a.example/?utm_source=x\r\n"
    raw = mail(text, content_type="text/plain")
    assert clean(raw, text_links=True).data == raw
