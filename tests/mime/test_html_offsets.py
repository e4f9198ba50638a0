"""The HTML tokenizer: what a browser takes for a tag, and where its attributes stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from mailglass.mime import (
    Shortcut,
    TokenKind,
    conditional_content,
    tokenize,
    tokenize_around,
    unescape_attribute,
)

LINKS = {"a", "area"}


def hrefs(markup: str, **how) -> list[str | None]:
    found = []
    for token in tokenize(markup, **how):
        if token.kind is TokenKind.START and token.name in LINKS:
            value = token.attribute(markup, "href")
            if value is not None:
                found.append(
                    "" if value.value_start < 0 else markup[value.value_start : value.value_end]
                )
    return found


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ('<a href="x">', ["x"]),
        ("<A HREF='x'>", ["x"]),
        ("<a href=x>", ["x"]),
        ("<a href = x >", ["x"]),
        ("<a\nhref\n=\n'x'\n>", ["x"]),
        ("<a href=x/>", ["x/"]),
        ('<a/href="x"/>', ["x"]),
        ("<a href=>", [""]),
        ("<a href>", [""]),
        ('<a href="x" href="y">', ["x"]),
        ('<a title=">" href="x">', ["x"]),
        ('<a title="<b>" href="x">', ["x"]),
        ('<a data-href="y" href="x">', ["x"]),
        ('<a title=x"y href=z>', ["z"]),
        ('<a ="y" href=x>', ["x"]),
        ("<area href=x><abbr href=y>", ["x"]),
        ('<img alt="<a href=y>"><a href=x>', ["x"]),
        ('<img alt="> <a href=y>"><a href=x>', ["x"]),
        ('<img alt="a>b" <a href=y><a href=x>', ["x"]),
        ("<img alt='a>b' <a href=y><a href=x>", ["x"]),
        ('<p>don\'t say "x" <a href=x>', ["x"]),
        ("<p>1 < 2 <a href=x>", ["x"]),
        ("<img alt=<a href=y><a href=x>", ["x"]),
        ("<!-- <a href=y> --><a href=x>", ["x"]),
        ("<!--><a href=x>", ["x"]),
        ("<!---><a href=x>", ["x"]),
        ("<!-- --!><a href=x>", ["x"]),
        ("<!-- -- > <a href=y>", []),
        ("<![if !mso]><a href=x><![endif]>", ["x"]),
        ("<?xml <a href=y?><a href=x>", ["x"]),
        ("</ <a href=y><a href=x>", ["x"]),
        ("<script><a href=y></script><a href=x>", ["x"]),
        ("<script><!-- <script> </script> <a href=y> --></script><a href=x>", ["x"]),
        ("<style><a href=y></style ><a href=x>", ["x"]),
        ("<title><a href=y></titlex></title><a href=x>", ["x"]),
        ("<textarea><a href=y></TEXTAREA><a href=x>", ["x"]),
        ("<svg><style><a href=x></style></svg>", ["x"]),
        ("<svg><desc><style><a href=y></style></desc></svg><a href=x>", ["x"]),
        ("<svg><![CDATA[ > <a href=y>]]></svg><a href=x>", ["x"]),
        ("<plaintext><a href=y>", []),
        ("<a href=x><a href='y", ["x"]),
        ("<a href=x><b title='<a href=y>", ["x"]),
    ],
)
def test_links_are_found_where_a_browser_finds_them(markup: str, expected: list[str]) -> None:
    assert hrefs(markup) == expected
    assert hrefs(markup, names=LINKS) == expected
    assert hrefs(markup, names=LINKS | {"body"}, ends=set()) == expected


WORDS = [
    *("<a href=", "<A ", "href", "=", '"', "'", ">", "<", "/", "x", " ", "\n", "<!--", "-->", "-"),
    *("<b ", "alt=", "</a>", "<!", "<?", "<area href=y", "<p>", "&amp;", "</", "<td title='"),
    *("</b>", "<td>", "``", "=''", '=""'),
]
SOUP = st.lists(st.sampled_from(WORDS), max_size=25).map("".join)


@given(SOUP)
def test_random_markup_gives_the_links_of_the_dom(markup: str) -> None:
    # Two anchors on one position are one tag; the tree builder may copy an anchor, never lose one.
    tree = LexborHTMLParser(markup)
    dom = {node.attributes["href"] or "" for node in tree.css("a[href], area[href]")}
    assert {unescape_attribute(v or "") for v in hrefs(markup)} == dom
    assert {unescape_attribute(v or "") for v in hrefs(markup, names=LINKS)} == dom


@given(SOUP)
def test_the_fast_scan_reports_what_the_full_scan_does(markup: str) -> None:
    names = {"a", "area", "b"}
    full = [
        t
        for t in tokenize(markup)
        if t.kind not in (TokenKind.START, TokenKind.END) or t.name in names
    ]
    fast = list(tokenize(markup, names=names))
    assert [t for t in fast if t.kind is not TokenKind.CUT] == [
        t for t in full if t.kind is not TokenKind.CUT
    ]


ORDINARY = Shortcut("a", r'(?: alt="[^"<>]*+")*+ href="([^"<>]*+)" *+>')
TAGS = [*WORDS, *('<a href="x">', '<a alt="y" href="x">', '<a href="x" >', '="<a href="x">', "svg")]


@given(st.lists(st.sampled_from(TAGS), max_size=25).map("".join))
def test_a_shortcut_finds_the_same_tags_and_values(markup: str) -> None:
    names = {"a", "area", "b"}
    tokens, values = tokenize_around(markup, names, set(), ORDINARY)
    full = list(tokenize(markup, names=names, ends=set()))
    assert [token for token in full if token in tokens] == tokens
    again = list(tokenize(markup, names=names, ends=set(), shortcut=ORDINARY))
    assert [token._replace(value=None) for token in again] == full
    assert [token.value for token in again if token.value] == values
    short = [token for token in full if token not in tokens]
    assert len(short) == len(values)
    for token, value in zip(short, values, strict=True):
        href = token.attribute(markup, "href")
        assert href is not None
        assert value == (href.value_start, href.value_end)
        assert markup[href.start : value[0]] == 'href="'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a?b&amp;c", "a?b&c"),
        ("?a=1&copy=2", "?a=1&copy=2"),
        ("?a=1&copyx=2", "?a=1&copyx=2"),
        ("&copy", "©"),
        ("&copy;=", "©="),
        ("&#x41;&#66;&#67", "ABC"),
        ("&unknown;&", "&unknown;&"),
        ("&notit;", "&notit;"),
    ],
)
def test_references_in_attributes_keep_queries_whole(value: str, expected: str) -> None:
    assert unescape_attribute(value) == expected


@pytest.mark.parametrize(
    ("comment", "inner"),
    [
        ("<!--[if mso]>x<![endif]-->", "x"),
        ("<!--[if gte mso 9]>\n<v:rect href='y'>\n<![endif]-->", "\n<v:rect href='y'>\n"),
        ("<!--[IF MSO]>x<! [ENDIF]-->".replace(" [E", "[E"), "x"),
        ("<!--[if !mso]><!-->", None),
        ("<!--<![endif]-->", None),
        ("<!-- x -->", None),
    ],
)
def test_outlooks_part_of_a_comment_is_located(comment: str, inner: str | None) -> None:
    token = next(tokenize(comment))
    span = conditional_content(comment, token)
    assert (None if span is None else comment[slice(*span)]) == inner
