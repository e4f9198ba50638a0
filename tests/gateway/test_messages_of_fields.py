"""Fields become a message that Python's own parser reads back, in any script."""

from __future__ import annotations

import email
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.errors import InputError
from mailglass.gateway import (
    AttachedFile,
    Fields,
    NamedAddress,
    compose,
    read_address,
    recipients_of,
    without_bcc,
)
from mailglass.instrument import Options, compile_message, fill
from mailglass.tokens import Ring

ME = NamedAddress(address="me@home.test", name="王小明")
YOU = NamedAddress(address="you@x.test", name='Kim, "민수"')


def parsed(raw: bytes) -> email.message.EmailMessage:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, email.message.EmailMessage)
    return message


def test_names_subjects_and_texts_in_chinese_and_korean_come_back() -> None:
    made = compose(
        Fields(
            author=ME,
            to=(YOU,),
            subject="关于下周会议 — 회의 안내 " * 5,
            text="您好，\n안녕하세요\n",
            html="<p>您好</p>",
            headers={"X-Note": "메모 备注", "In-Reply-To": "<1@x.test>"},
            attachments=(AttachedFile(name="报价单.pdf", content=b"%PDF\x00\xff"),),
        )
    )
    assert made.raw.isascii()
    assert max(map(len, made.raw.split(b"\r\n"))) <= 78
    message = parsed(made.raw)
    assert message["From"].addresses[0].display_name == "王小明"
    assert message["To"].addresses[0].display_name == 'Kim, "민수"'
    assert message["Subject"].strip() == ("关于下周会议 — 회의 안내 " * 5).strip()
    assert message["X-Note"] == "메모 备注"
    text = message.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == "您好，\n안녕하세요\n"
    (file,) = message.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("报价单.pdf", b"%PDF\x00\xff")
    assert made.recipients == ("you@x.test",)


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\r\x00")))
def test_any_text_comes_back(text: str) -> None:
    made = compose(Fields(author=ME, to=(YOU,), text=text, subject="x"))
    assert max(map(len, made.raw.split(b"\r\n"))) <= 78
    got = parsed(made.raw).get_payload(decode=True)
    assert isinstance(got, bytes)
    assert got.decode().replace("\r\n", "\n") == text


@pytest.mark.parametrize(
    ("given", "address", "name"),
    [
        ("a@b.test", "a@b.test", ""),
        ("Ann <a@b.test>", "a@b.test", "Ann"),
        ('"Lee, A" <a@b.test>', "a@b.test", "Lee, A"),
        ("王 <a@例子.测试>", "a@xn--fsqu00a.xn--0zwm56d", "王"),
        ("用户@b.test", "用户@b.test", ""),
    ],
)
def test_an_address_is_read(given: str, address: str, name: str) -> None:
    assert read_address(given) == NamedAddress(address=address, name=name)


@pytest.mark.parametrize(
    "wrong", ["", "a", "a@", "@b", "a@b.test, c@d.test", "a@b\r\nBcc: x@y", "a b@c", "a@-\u2048.x"]
)
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(InputError):
        read_address(wrong)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"subject": "a\r\nBcc: x@y.test"}, "subject"),
        ({"headers": {"X-A": "b\nBcc: c"}}, "X-A"),
        ({"headers": {"Bcc": "x@y.test"}}, "Bcc"),
        ({"headers": {"Content-Type": "text/html"}}, "Content-Type"),
        ({"headers": {"a b": "c"}}, "a b"),
        ({"headers": {"X-A": "x" * 1200}}, "X-A"),
        ({"to": ()}, "recipient"),
        ({"text": None}, "text"),
        ({"attachments": (AttachedFile(name="a\nb", content=b""),)}, "attachments"),
        (
            {"attachments": (AttachedFile(name="a", content=b"", content_type="multipart/x"),)},
            "attachments",
        ),
        ({"attachments": (AttachedFile(name="a", content=b"", content_id="x"),)}, "html"),
        ({"substitutions": {}, "text": "{{name}}"}, "name"),
        ({"substitutions": {"other@x.test": {}}}, "other@x.test"),
        ({"substitutions": {}, "cc": (YOU,)}, "cc"),
    ],
)
def test_a_fault_is_refused_by_the_name_of_its_field(change: dict[str, object], named: str) -> None:
    fields = {"author": ME, "to": (YOU,), "text": "x", **change}
    with pytest.raises(InputError, match=named):
        compose(Fields(**fields))  # type: ignore[arg-type]


def test_images_that_the_page_shows_stay_with_it() -> None:
    made = compose(
        Fields(
            author=ME,
            to=(YOU,),
            text="x",
            html='<img src="cid:logo@x">',
            attachments=(
                AttachedFile(
                    name="l.gif", content=b"G", content_type="image/gif", content_id="logo@x"
                ),
                AttachedFile(name="a.txt", content=b"a"),
            ),
        )
    )
    kinds = [part.get_content_type() for part in parsed(made.raw).walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/gif",
        "application/octet-stream",
    ]


def test_a_blind_copy_is_sent_and_not_named() -> None:
    made = compose(Fields(author=ME, bcc=(YOU,), text="x"))
    assert b"you@" not in made.raw
    assert made.recipients == ("you@x.test",)
    assert b"undisclosed-recipients:;" in made.raw


def test_a_merge_is_compiled_once_and_filled_for_each() -> None:
    ann, bo = (NamedAddress(address=f"{n}@x.test", name=n) for n in ("ann", "박보"))
    ann = NamedAddress(address="ann@x.test", name="Ann")
    bo = NamedAddress(address="bo@x.test", name="박보")
    made = compose(
        Fields(
            author=ME,
            to=(ann, bo),
            subject="您好 {{ name }}",
            text="Dear {{name}},\n{{ text }}",
            html='<p title="{{name}}">{{name}} &amp; <a href="https://x.test/">x</a></p>',
            substitutions={
                "ann@x.test": {"name": "Ann", "text": "a" * 300},
                "bo@x.test": {"name": 'bo<script>"\r\nBcc: x@y.test', "text": "안녕\n你好"},
            },
        )
    )
    ring = Ring([b"k" * 32])
    template = compile_message(made.raw, Options(base_url="https://t.test"), ring=ring)
    texts = {}
    for number, recipient in enumerate(made.recipients):
        copy = fill(template.render(number + 1, ring), made.fillings[recipient])
        assert max(map(len, copy.split(b"\r\n"))) <= 998
        texts[recipient] = message = parsed(copy)
        assert len(message["To"].addresses) == 1
        assert message["To"].addresses[0].addr_spec == recipient
        assert message["Bcc"] is None
        page = message.get_body(("html",))
        assert page is not None
        assert "https://t.test/c/" in page.get_content()
        assert "<script" not in page.get_content()
        assert "{{" not in copy.decode()
    assert texts["ann@x.test"]["Subject"] == "您好 Ann"
    assert texts["bo@x.test"]["Subject"] == '您好 bo<script>" Bcc: x@y.test'
    plain = texts["bo@x.test"].get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n").rstrip("\n").endswith("안녕\n你好")


def test_recipients_are_read_from_a_raw_message_and_bcc_goes() -> None:
    raw = (
        b"From: me@x.test\r\nTo: A <a@x.test>,\r\n b@x.test\r\nbcc: c@x.test,\r\n\td@x.test\r\n"
        b"Cc: =?utf-8?q?e?= <e@x.test>\r\nSubject: x\r\n\r\nBcc: stays\r\n"
    )
    assert recipients_of(raw) == ("a@x.test", "b@x.test", "e@x.test", "c@x.test", "d@x.test")
    kept = without_bcc(raw)
    assert b"c@x.test" not in kept
    assert b"d@x.test" not in kept
    assert kept.endswith(b"\r\n\r\nBcc: stays\r\n")
    assert without_bcc(kept) == kept


@pytest.mark.parametrize("line", [b"\r\n", b"\n"])
def test_bcc_goes_wherever_in_the_header_it_stands(line: bytes) -> None:
    fields = [b"Bcc: a@x.test,%b b@x.test" % line, b"From: me@x.test", b"Resent-Bcc: c@x.test"]
    for first, second in ((0, 1), (1, 0), (1, 2)):
        raw = line.join([fields[first], fields[second], b"", b"Bcc: stays", b""])
        assert without_bcc(raw) == line.join([b"From: me@x.test", b"", b"Bcc: stays", b""])
    assert without_bcc(line.join(fields)) == b"From: me@x.test" + line
