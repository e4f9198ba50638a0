"""What each path answers, and what is recorded of it."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from collector.running import KEYS, RING, Running, receive, request_bytes, serve
from mailglass.collector import KEPT_HEADERS
from mailglass.ids import Ids, delivery_time
from mailglass.journal import Attachments, encode
from mailglass.tokens import (
    Kind,
    Ring,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    notice_url,
    recipient_mark,
    self_url,
    unsubscribe_url,
)

ID = Ids(clock=lambda: datetime(2026, 3, 9, 12, tzinfo=UTC).timestamp()).next()
TO = "https://shop.example/a?b=ü&c=%20d#e"
BEACON = beacon_url("", RING.mint(Kind.OPEN, ID, 2))


def link(to: str = TO, ring: Ring = RING) -> str:
    return link_url("", ring.mint(Kind.CLICK, ID, 3, bound=link_bound(to)), to)


def notice(**options: bool) -> str:
    return notice_url("", RING.mint(Kind.NOTICE, ID, **options))


UNSUBSCRIBE = unsubscribe_url("", RING.mint(Kind.UNSUBSCRIBE, ID))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serve(tmp_path) as server:
        yield server


# The beacon


def test_a_beacon_gets_the_whole_image_and_is_recorded(running: Running) -> None:
    before = datetime.now(UTC)
    answer = running.get(BEACON, User_Agent="Reader/1", Cookie="secret=1", Accept="image/*")
    assert answer.status == 200
    assert len(answer.body) == 43
    assert answer.body[:6] == b"GIF89a"
    assert answer.body[-1] == 0x3B
    hit = running.hit()
    assert (hit.path_kind, hit.method, hit.delivery_id, hit.target) == ("o", "GET", ID, 2)
    assert hit.address == "127.0.0.1"
    assert hit.http_version == "1.1"
    assert hit.headers == {
        "host": "track.example.com",
        "connection": "close",
        "user-agent": "Reader/1",
        "accept": "image/*",
    }
    assert timedelta(milliseconds=-1) <= hit.at - before < timedelta(seconds=10)
    assert hit.at.microsecond % 1000 == 0


BEACONS = {
    "ours": BEACON,
    "anonymous": beacon_url("", RING.mint(Kind.OPEN, ID, 2, anonymous=True)),
    "folded to upper case": BEACON.upper(),
    "with a query": BEACON + "?x=1",
    "under a path of its own": "/mail" + BEACON,
    "of an old key": beacon_url("", Ring(KEYS[:1]).mint(Kind.OPEN, ID, 2)),
}
FOREIGN_BEACONS = {
    "forged": BEACON[:-6] + ("aa" if BEACON[-6:-4] != "aa" else "bb") + ".gif",
    "of another kind": beacon_url("", RING.mint(Kind.CLICK, ID, 2)),
    "of a key that is not ours": beacon_url("", Ring([b"x" * 32]).mint(Kind.OPEN, ID, 2)),
    "with a quotation mark": BEACON[:-4] + "%27.gif",
    "without an ending": BEACON[:-4],
    "empty": "/o/",
    "long": "/o/" + "a" * 7000 + ".gif",
    "odd": "/o/..%2f..%2fetc/passwd",
}


@pytest.mark.parametrize("name", BEACONS)
def test_a_token_of_ours_is_recognised(running: Running, name: str) -> None:
    running.get(BEACONS[name])
    hit = running.hit()
    assert (hit.delivery_id, hit.target) == (ID, 2)
    assert hit.anonymous == (name == "anonymous")
    assert hit.token in BEACONS[name].lower()


@pytest.mark.parametrize("name", FOREIGN_BEACONS)
def test_a_token_that_is_not_ours_is_recorded_without_a_delivery(
    running: Running, name: str
) -> None:
    running.get(FOREIGN_BEACONS[name])
    hit = running.hit()
    assert (hit.path_kind, hit.delivery_id, hit.target) == ("o", None, None)
    assert len(hit.token) <= 64


def test_every_beacon_gets_the_same_bytes(running: Running) -> None:
    answers = set()
    for target in [*BEACONS.values(), *FOREIGN_BEACONS.values()]:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            answer = running.get(target, method)
            headers = {k: v for k, v in answer.headers.items() if k != "date"}
            answers.add((answer.status, str(headers), answer.body))
    assert len(answers) == 1


def test_head_gets_the_image_headers_and_is_recorded_as_head(running: Running) -> None:
    answer = running.get(BEACON, "HEAD")
    assert (answer.headers["content-length"], answer.body) == ("43", b"")
    assert running.hit().method == "HEAD"


def test_a_key_rotated_twice_still_reads_old_tokens(tmp_path: Path) -> None:
    keys = (*KEYS, *(bytes([n]) * 32 for n in range(1, 12)))
    with serve(tmp_path, keys=keys) as server:
        server.get(BEACON)
        server.get(link())
        assert [hit.delivery_id for hit in server.hits()] == [ID, ID]


# The headers of every answer


@pytest.mark.parametrize(
    "target", [BEACON, link(), link() + "x", UNSUBSCRIBE, notice(), "/", "/x", "/robots.txt"]
)
def test_every_answer_says_not_to_keep_it_and_not_to_tell(running: Running, target: str) -> None:
    headers = running.get(target).headers
    assert headers["cache-control"] == "no-cache, no-store, max-age=0, must-revalidate"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize("target", [link() + "x", UNSUBSCRIBE, notice(), "/"])
def test_a_page_may_load_and_run_nothing(running: Running, target: str) -> None:
    answer = running.get(target)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert b"<script" not in answer.body
    assert b"http" not in answer.body or b"<code>" in answer.body


# What is kept


def test_the_headers_that_evidence_needs_are_kept_and_no_others(running: Running) -> None:
    needed = {
        "user-agent", "accept", "accept-language", "accept-encoding", "referer", "sec-purpose",
        "purpose", "x-moz", "range", "via", "from", "dnt", "sec-gpc", "te",
    }  # fmt: skip
    assert needed <= KEPT_HEADERS
    secret = {"Cookie": "c", "Authorization": "a", "X-Forwarded-For": "192.0.2.1", "X-Other": "o"}
    running.get(BEACON, **{name: f"value of {name}" for name in needed} | secret)
    hit = running.hit()
    assert needed <= set(hit.headers)
    assert not {name.lower() for name in secret} & set(hit.headers)
    assert hit.headers["te"] == "value of te"


def test_repeated_headers_are_joined_and_long_ones_cut(running: Running) -> None:
    data = request_bytes(BEACON).replace(
        b"\r\n\r\n", b"\r\nVia: a\r\nvia: b\r\nReferer: " + b"r" * 9000 + b"\r\n\r\n"
    )
    assert running.send(data).status == 200
    hit = running.hit()
    assert hit.headers["via"] == "a, b"
    assert hit.headers["referer"] == "r" * 1024


def test_a_header_with_eight_bit_bytes_is_kept_as_latin_1(running: Running) -> None:
    running.get(BEACON, User_Agent="Müller \x80")
    assert running.hit().headers["user-agent"] == "Müller \x80"


def test_the_second_request_with_the_same_head_is_recorded_like_the_first(
    running: Running,
) -> None:
    other = beacon_url("", RING.mint(Kind.OPEN, ID + 1, 9))
    for target in (BEACON, other, BEACON):
        running.get(target, User_Agent="Proxy/1")
    first, second, third = running.hits()
    assert (second.delivery_id, second.target) == (ID + 1, 9)
    for hit in (first, second, third):
        assert hit.headers == first.headers
        assert (hit.method, hit.http_version, hit.address) == ("GET", "1.1", "127.0.0.1")


# The link


def test_a_link_leads_to_its_destination_and_is_recorded(running: Running) -> None:
    answer = running.get(link())
    assert answer.status == 302
    assert answer.headers["location"] == "https://shop.example/a?b=%C3%BC&c=%20d#e"
    hit = running.hit()
    assert (hit.path_kind, hit.to, hit.delivery_id, hit.target) == ("c", TO, ID, 3)


def test_head_of_a_link_is_answered_and_recorded_as_head(running: Running) -> None:
    assert running.get(link(), "HEAD").status == 302
    assert running.hit().method == "HEAD"


@pytest.mark.parametrize("extra", ["&utm_source=x", "#fragment", "&fbclid=1&x"])
def test_what_the_way_adds_to_a_link_does_not_hurt_it(running: Running, extra: str) -> None:
    assert running.get(link().replace("#", "%23") + extra).status == 302


def test_a_link_sent_as_raw_utf_8_leads_to_its_destination(running: Running) -> None:
    target = link().replace("%C3%BC", "ü").encode().decode("latin-1")
    assert running.get(target).status == 302


def forged_links() -> list[str]:
    signed, evil = link(), "https%3A//evil.example/"
    token = signed[3:34].partition("?")[0]
    open_token = RING.mint(Kind.OPEN, ID, 3)
    flipped = [
        f"/c/{token[:n]}{'a' if token[n] != 'a' else 'b'}{token[n + 1 :]}?to={evil}"
        for n in range(len(token))
    ]
    return [
        *flipped,
        f"/c/{token}?to={evil}",
        f"/c/{token}?to={evil}&{signed.partition('?')[2]}",
        f"{signed}&to={evil}",
        f"/c/{open_token}?to={evil}",
        f"/c/{token}?to=//evil.example",
        f"/c/{token}?to=/%5Cevil.example",
        f"/c/{token}?to=javascript:alert(1)",
        f"/c/{token}?to=data:text/html,x",
        f"/c/{token}?to=https://shop.example%40evil.example/",
        f"/c/{token}?to=https://shop.example/%0d%0aLocation:%20https://evil.example",
        f"/c/{token}?to=https://xn--shp-9cd.example/",
        f"/c/{token}?TO={evil}",
        f"/c/{token}?url={evil}",
        f"//evil.example/c/{token}?to={evil}",
        f"/c//{evil}",
    ]


def test_no_changed_link_is_followed(running: Running) -> None:
    for target in forged_links():
        answer = running.get(target)
        assert answer.status == 404, target
        assert "location" not in answer.headers
        assert "refresh" not in answer.headers
        assert b"href" not in answer.body
    hits = running.hits()
    assert len(hits) == len(forged_links())
    assert {hit.delivery_id for hit in hits} == {None}


@pytest.mark.parametrize(
    "to",
    [
        "javascript:alert(1)",
        "data:text/html,<script>1</script>",
        "//evil.example/",
        "/relative",
        "https:///path",
        "https://\\evil.example",
        "vbscript:x",
        " https://shop.example/",
        "https://@evil.example",
        "",
    ],
)
def test_even_a_signed_destination_is_followed_only_to_the_web(running: Running, to: str) -> None:
    answer = running.get(link(to))
    assert answer.status == 404
    assert "location" not in answer.headers


def test_a_signed_destination_cannot_begin_a_header(running: Running) -> None:
    answer = running.get(link("https://a.example/\r\nSet-Cookie: x=1\r\n\r\n<b>\\\"' \t\0"))
    assert answer.headers["location"] == (
        "https://a.example/%0D%0ASet-Cookie:%20x=1%0D%0A%0D%0A%3Cb%3E%5C%22'%20%09%00"
    )
    assert "set-cookie" not in answer.headers


def test_a_changed_link_shows_its_destination_as_text(running: Running) -> None:
    answer = running.get(link()[:-1] + "%3Cb%3E%22")
    assert b"<code>https://shop.example/" in answer.body
    assert b"&lt;b&gt;&quot;</code>" in answer.body
    assert running.hit().to == TO[:-1] + '<b>"'


def test_a_link_without_its_destination_gets_a_page_and_is_recorded(running: Running) -> None:
    answer = running.get(link().partition("?")[0], "HEAD")
    assert answer.status == 404
    answer = running.get(link().partition("?")[0])
    assert b"The link is incomplete" in answer.body
    assert [(h.path_kind, h.delivery_id, h.to) for h in running.hits()] == [("c", None, None)] * 2


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_link_is_followed_by_get_and_head_alone(running: Running, method: str) -> None:
    answer = running.get(link(), method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert running.hit().method == method


@pytest.mark.parametrize(
    "damage", ["c/x?", "c/?", "c/aaaa)?", "c/%00?", "C/" + "a" * 28 + "?", "c/x%3F", "c/x;"]
)
def test_a_link_with_a_damaged_token_shows_the_destination_that_it_names(
    running: Running, damage: str
) -> None:
    answer = running.get(f"/{damage}to=https%3A//shop.example/%3Cb%3E%E9&to=second")
    assert answer.status == 404
    assert "location" not in answer.headers
    assert "<code>https://shop.example/&lt;b&gt;\ufffd</code>" in answer.body.decode()
    assert running.hit().to == "https://shop.example/<b>\ufffd"


# The attachment

CONTENT = random.Random(1).randbytes(307200)
NAME = 'Angebot 5 € "x".pdf'


@pytest.fixture
def attachment(running: Running) -> str:
    digest = Attachments(running.directory / "attachments").add(CONTENT)
    token = RING.mint(Kind.ATTACHMENT, ID, 4, bound=attachment_bound(digest, NAME))
    return attachment_url("", token, digest, NAME)


def test_an_attachment_arrives_whole_and_is_recorded(running: Running, attachment: str) -> None:
    answer = running.get(attachment)
    assert answer.status == 200
    assert answer.body == CONTENT
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="Angebot 5 _ _x_.pdf"; '
        "filename*=UTF-8''Angebot%205%20%E2%82%AC%20%22x%22.pdf"
    )
    hit = running.hit()
    assert (hit.path_kind, hit.name, hit.delivery_id, hit.target) == ("a", NAME, ID, 4)
    assert (hit.bytes_sent, hit.completed) == (len(CONTENT), True)


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-99", 206, CONTENT[:100]),
        ("bytes=300000-", 206, CONTENT[300000:]),
        ("bytes=-5", 206, CONTENT[-5:]),
        ("bytes=100-100", 206, CONTENT[100:101]),
        ("bytes=0-999999999", 206, CONTENT),
        ("bytes=307199-", 206, CONTENT[-1:]),
        ("bytes=307200-", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=5-4", 200, CONTENT),
        ("bytes=0-1,5-6", 200, CONTENT),
        ("lines=0-1", 200, CONTENT),
        ("bytes=-", 200, CONTENT),
    ],
)
def test_a_range_of_an_attachment(
    running: Running, attachment: str, asked: str, status: int, expected: bytes
) -> None:
    answer = running.get(attachment, Range=asked)
    assert (answer.status, answer.body) == (status, expected)
    hit = running.hit()
    assert hit.bytes_sent == len(expected)
    assert hit.completed == (status != 416 and CONTENT.endswith(expected))
    if status == 206:
        start = CONTENT.index(expected) if len(expected) > 4 else None
        assert answer.headers["content-range"].endswith(f"/{len(CONTENT)}")
        assert start is None or answer.headers["content-range"].startswith(f"bytes {start}-")


def test_an_interrupted_attachment_is_resumed_with_its_etag(
    running: Running, attachment: str
) -> None:
    etag = running.get(attachment, "HEAD").headers["etag"]
    resumed = running.get(attachment, Range="bytes=1000-", If_Range=etag)
    changed = running.get(attachment, Range="bytes=1000-", If_Range='"other"')
    known = running.get(attachment, If_None_Match=f'W/{etag}, "x"')
    assert (resumed.status, resumed.body) == (206, CONTENT[1000:])
    assert (changed.status, changed.body) == (200, CONTENT)
    assert (known.status, known.body) == (304, b"")
    assert [h.bytes_sent for h in running.hits()] == [0, len(CONTENT) - 1000, len(CONTENT), 0]


def test_a_range_of_head_means_nothing(running: Running, attachment: str) -> None:
    answer = running.get(attachment, "HEAD", Range="bytes=0-4")
    assert (answer.status, answer.headers["content-length"]) == (200, str(len(CONTENT)))
    assert "content-range" not in answer.headers


def test_a_part_of_another_file_than_expected_is_not_sent(
    running: Running, attachment: str
) -> None:
    etag = running.get(attachment, "HEAD").headers["etag"]
    expected = {etag: 206, f'"x", {etag}': 206, "*": 206, '"x"': 412, f"W/{etag}": 412}
    for if_match, status in expected.items():
        assert running.get(attachment, Range="bytes=0-4", If_Match=if_match).status == status


def test_head_of_an_attachment_sends_no_byte_of_it(running: Running, attachment: str) -> None:
    answer = running.get(attachment, "HEAD")
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["accept-ranges"] == "bytes"
    hit = running.hit()
    assert (hit.method, hit.bytes_sent, hit.completed) == ("HEAD", 0, False)


def test_a_client_that_leaves_is_recorded_with_what_it_took(running: Running) -> None:
    content = bytes(8 << 20)
    digest = Attachments(running.directory / "attachments").add(content)
    token = RING.mint(Kind.ATTACHMENT, ID, bound=attachment_bound(digest, "a"))
    with running.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(request_bytes(attachment_url("", token, digest, "a")))
        connection.recv(1000)
    running.collector_is_idle()
    hit = running.hit()
    assert hit.completed is False
    assert hit.bytes_sent is not None
    assert 0 < hit.bytes_sent < len(content)


@pytest.mark.parametrize("size", [0, 1, 2, 65535, 65536, 65537, 65538, 131073])
def test_an_attachment_of_any_size_arrives_whole(running: Running, size: int) -> None:
    content = CONTENT[:size]
    digest = Attachments(running.directory / "attachments").add(content)
    token = RING.mint(Kind.ATTACHMENT, ID, bound=attachment_bound(digest, "a"))
    url = attachment_url("", token, digest, "a")
    with running.connect() as connection:
        for _ in range(2):
            connection.sendall(request_bytes(url, Connection="keep-alive"))
            assert receive(connection).body == content
    assert [(h.bytes_sent, h.completed) for h in running.hits()] == [(size, True)] * 2


def test_a_file_that_is_gone_or_another_gets_a_page(running: Running, attachment: str) -> None:
    changed = running.get(attachment.replace(".pdf", ".exe"))
    Attachments(running.directory / "attachments").remove(Attachments.digest(CONTENT))
    gone = running.get(attachment)
    assert (changed.status, gone.status) == (404, 404)
    assert b"damaged" in changed.body
    assert b"no longer there" in gone.body
    assert [hit.delivery_id for hit in running.hits()] == [None, ID]


def test_a_file_that_cannot_be_read_now_is_not_called_gone(
    running: Running, attachment: str
) -> None:
    digest = Attachments.digest(CONTENT)
    path = running.directory / "attachments" / digest[:2] / digest
    path.unlink()
    path.symlink_to(path)
    busy = running.get(attachment)
    assert busy.status == 503
    assert [hit.delivery_id for hit in running.hits()] == [ID]


@pytest.mark.parametrize("name", ["page.html", "a.svg", "x.xml", "no ending", "a.js"])
def test_a_browser_is_never_told_to_show_a_file(running: Running, name: str) -> None:
    digest = Attachments(running.directory / "attachments").add(b"<script>1</script>")
    token = RING.mint(Kind.ATTACHMENT, ID, bound=attachment_bound(digest, name))
    headers = running.get(attachment_url("", token, digest, name)).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"


# Unsubscribing and the notice

ONE_CLICK = b"List-Unsubscribe=One-Click"
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
)


def test_get_of_unsubscribe_asks_and_changes_nothing(running: Running) -> None:
    answer = running.get(UNSUBSCRIBE)
    assert answer.status == 200
    assert b'<form method="post">' in answer.body
    assert running.hit().action is None


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded"),
        (MULTIPART, "multipart/form-data; boundary=b"),
        (b"confirm=yes", "application/x-www-form-urlencoded"),
    ],
)
def test_post_unsubscribes(running: Running, body: bytes, content_type: str) -> None:
    answer = running.get(UNSUBSCRIBE, "POST", body, Content_Type=content_type)
    assert answer.status == 200
    assert b"Done" in answer.body
    hit = running.hit()
    assert (hit.action, hit.delivery_id, hit.method) == ("unsubscribe", ID, "POST")


@pytest.mark.parametrize("body", [b"", b"x=1", b"confirm=no", b"\xff\x00" * 50])
def test_post_without_the_word_asks_again(running: Running, body: bytes) -> None:
    answer = running.get(UNSUBSCRIBE, "POST", body)
    assert b"<form" in answer.body
    assert running.hit().action is None


def test_a_forged_unsubscription_does_nothing(running: Running) -> None:
    answer = running.get(UNSUBSCRIBE[:-1] + "!", "POST", ONE_CLICK)
    assert answer.status == 404
    assert running.hit().action is None


def test_the_notice_says_what_and_since_when(running: Running) -> None:
    answer = running.get(notice())
    text = answer.body.decode()
    assert delivery_time(ID).strftime("%Y-%m-%d") == "2026-03-09"
    assert "sent to you on 2026-03-09" in text
    for word in ("the time", "network address", "languages", "No cookies", "say no", "<button"):
        assert word in text
    assert running.hit().path_kind == "n"


def test_the_notice_of_an_anonymous_token_claims_to_know_nobody(running: Running) -> None:
    text = running.get(notice(anonymous=True)).body.decode()
    assert "several people" in text
    assert 'name="address"' in text
    assert "network address that asked and what the asking program says" in text
    assert "are not kept" in text


@pytest.mark.parametrize("given", ["Anna@X.test", " anna@x.test ", "anna@x.test"])
def test_a_no_on_the_page_of_many_says_who_by_a_mark_alone(running: Running, given: str) -> None:
    body = urlencode({"confirm": "yes", "address": given}).encode()
    answer = running.get(notice(anonymous=True), "POST", body)
    assert "Your no is noted" in answer.body.decode()
    hit = running.hit()
    assert (hit.action, hit.delivery_id, hit.anonymous) == ("object", ID, True)
    assert hit.name == recipient_mark(ID, "anna@x.test")
    assert "anna" not in encode(hit).decode().lower()
    running.get(BEACONS["anonymous"])
    assert len(running.hits()) == 2  # nobody is told apart: the others go on to be counted


@pytest.mark.parametrize(
    "body", [b"confirm=yes", b"confirm=yes&address=", b"confirm=yes&address=x", b"address=a@x.test"]
)
def test_who_does_not_say_who_they_are_is_asked_again(running: Running, body: bytes) -> None:
    answer = running.get(notice(anonymous=True), "POST", body)
    assert answer.status == 200
    assert 'name="address"' in answer.body.decode()
    assert running.hit().action is None


@pytest.mark.parametrize("language", ["en", "zh", "ko"])
def test_every_notice_has_a_button(running: Running, language: str) -> None:
    for page in (notice(), notice(anonymous=True)):
        answer = running.get(page, Accept_Language=language)
        assert b'<button name="confirm" value="yes">' in answer.body


def test_after_a_no_nothing_more_is_recorded_and_everything_works(running: Running) -> None:
    running.get(BEACON)
    answer = running.get(notice(), "POST", b"confirm=yes")
    assert b"Recording has stopped" in answer.body
    assert len(running.get(BEACON).body) == 43
    assert running.get(link()).status == 302
    assert running.get(UNSUBSCRIBE, "POST", ONE_CLICK).status == 200
    assert [hit.action for hit in running.hits()] == [None, "object", "unsubscribe"]
    assert running.metric("untracked_total") == 2


def test_a_sender_marks_their_own_program(running: Running) -> None:
    answer = running.get(self_url("", RING.mint(Kind.SELF, ID)))
    assert answer.status == 200
    assert "set-cookie" not in answer.headers
    assert running.hit().path_kind == "s"
    assert running.get(self_url("", RING.mint(Kind.SELF, ID)), "DELETE").status == 405


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", 'lang="en"'),
        ("zh-CN,zh;q=0.9,en;q=0.8", 'lang="zh-Hans"'),
        ("ko-KR,ko;q=0.9", 'lang="ko"'),
        ("en;q=0.5, ko", 'lang="ko"'),
        ("fr, de;q=0.9, zh;q=0.1", 'lang="zh-Hans"'),
        ("ko;q=x, zh;q=0", 'lang="en"'),
        ("," * 500, 'lang="en"'),
    ],
)
def test_pages_speak_the_language_that_is_asked_for(
    running: Running, accepted: str, expected: str
) -> None:
    assert expected in running.get(notice(), Accept_Language=accepted).body.decode()


@pytest.mark.parametrize("target", ["/x", "/c", "/favicon.ico", "/O", "/.env", "/%00", "/ocaun/x"])
def test_other_addresses_are_answered_and_not_recorded(running: Running, target: str) -> None:
    assert running.get(target).status == 404
    assert running.hits() == []


@pytest.mark.parametrize("method", ["POST", "DELETE", "TRACE"])
def test_the_front_page_takes_no_other_method(running: Running, method: str) -> None:
    for target in ("/", "/robots.txt"):
        answer = running.get(target, method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_crawlers_are_asked_to_stay_away(running: Running) -> None:
    assert running.get("/robots.txt").body == b"User-agent: *\nDisallow: /\n"
