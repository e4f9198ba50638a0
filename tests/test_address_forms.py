"""Addresses: one form for comparing, what is an address at all, and how people see a domain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.addresses import (
    BadAddress,
    canonical_address,
    canonical_domain,
    check_address,
    check_domain,
    domain_spellings,
    readable_address,
    readable_domain,
    spellings,
)

SAME = [
    ("x@例子.cn", "x@xn--fsqu00a.cn"),
    ("X@XN--FSQU00A.CN", "x@xn--fsqu00a.cn"),
    ("x@例子。cn", "x@xn--fsqu00a.cn"),  # UTS 46: the ideographic full stop is a dot
    ("x@例子.cn.", "x@xn--fsqu00a.cn"),
    ("x@BÜCHER.example", "x@xn--bcher-kva.example"),
    ("x@bu\u0308cher.example", "x@xn--bcher-kva.example"),
    ("x@straße.example", "x@xn--strae-oqa.example"),  # nontransitional: not strasse
    ("x@ｅｘａｍｐｌｅ.org", "x@example.org"),
    ("x@☃.example", "x@xn--n3h.example"),
    ("Ä@x.test", "a\u0308@x.test"),
    ('"anna"@x.test', "anna@x.test"),
    (r'"an\na"@x.test', "anna@x.test"),
    (r'"a\ b"@x.test', '"a b"@x.test'),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_mailbox_compare_equal(one: str, other: str) -> None:
    assert canonical_address(one) == canonical_address(other)


@pytest.mark.parametrize("other", ["y@例子.cn", "x@例.cn", "ab@x.test", "x@strasse.example"])
def test_other_mailboxes_do_not(other: str) -> None:
    assert canonical_address(other) not in {canonical_address(one) for one, _ in SAME}


@given(st.text())
def test_the_form_for_comparing_stays_itself_and_nothing_raises(text: str) -> None:
    once = canonical_domain(text)
    assert canonical_domain(once) == once
    canonical_address(text)
    readable_address(text)
    assert spellings(text)[0] == canonical_address(spellings(text)[0])


def test_what_an_earlier_version_kept_is_among_the_spellings() -> None:
    assert spellings("X@xn--fsqu00a.CN") == ("x@xn--fsqu00a.cn", "x@例子.cn")
    assert spellings("x@plain.test") == ("x@plain.test",)
    assert domain_spellings("例子.cn") == ("xn--fsqu00a.cn", "例子.cn")


@pytest.mark.parametrize(
    ("domain", "shown"),
    [
        ("xn--fsqu00a.cn", "例子.cn"),
        ("例子.cn", "例子.cn"),
        ("xn--e1afmkfd.xn--p1ai", "пример.рф"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("Example.org", "Example.org"),
        ("xn--80ak6aa92e.com", "xn--80ak6aa92e.com"),  # Cyrillic that looks like apple.com
        ("раypal.com", "xn--ypal-43d9g.com"),  # two scripts in one label
        ("xn--n3h.example", "xn--n3h.example"),  # no letter of any script
        ("xn--a.example", "xn--a.example"),  # no Punycode
    ],
)
def test_a_domain_is_shown_in_its_script_where_nobody_is_deceived(domain: str, shown: str) -> None:
    assert readable_domain(domain) == shown


@pytest.mark.parametrize(
    "address",
    [
        "a@x.test",
        '"a b"@example.net',
        r'"a\"@b"@example.net',
        "a..b.@docomo.example",
        "o'neil+x=y@x.test",
        "用户@例子.测试",
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "a@localhost",
    ],
)
def test_an_address_is_taken_as_it_stands(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a@", "@b", "a@b@c", "a b@c", '"a"b"@c', "notanaddress", "Name <t@ex.com>"),
        *("a@b.test ", "a@b..c", "a@-b", "a@b-.c", "a@\u2048.x", "a@b\r\nc", "a@b, c@d"),
        *("a@" + "x" * 64 + ".test", "a@" + "例" * 63 + ".test", "a@" + "x." * 127 + "test"),
        *("a" * 400 + "@x.test", "a@x.test.", "mailto:a@x.test", "a@[1.2.3.4", "a@*.x"),
    ],
)
def test_what_is_no_address_is_refused_with_its_value(text: str) -> None:
    with pytest.raises(BadAddress) as caught:
        check_address(text)
    assert caught.value.id == "bad-address"
    told = str(caught.value)
    assert repr(text[:320]) in told or repr(text.rpartition("@")[2][:253]) in told


@pytest.mark.parametrize(
    "text",
    ["", ".", "@off.test", "x@off.test", "*.off.test", "bad domain", "a..b", "a/b", "\u2048.x"],
)
def test_what_is_no_domain_is_refused_with_its_value(text: str) -> None:
    with pytest.raises(BadAddress, match="is no domain name"):
        check_domain(text)


def test_a_domain_is_taken_in_its_form_for_comparing() -> None:
    assert check_domain("例子.CN") == "xn--fsqu00a.cn"
    assert check_domain("Example.net.") == "example.net"
