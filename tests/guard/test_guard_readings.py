"""Markup that one program reads and another does not hides nothing from the guard."""

from __future__ import annotations

import shutil

import pytest
from guard_mail import mail
from hypothesis import given
from hypothesis import strategies as st
from test_guard_browser import CHROMIUM, QUIET, collecting, html_of, opened

from mailglass.guard import Remove, clean, inspect, restore

BEACON = "http://t.example/open/reader@example.org/5f0c1d2e3b4a59687786a5b4c3d2e1f0"
IMG = f"<img src={BEACON} width=1 height=1>"

# Each shows the beacon to some program: raw text that is none there, or that ends elsewhere.
HIDDEN = {
    "svg left by an end tag": f'<svg></p><style><a id="</style>{IMG}">',
    "svg left by a line break": f'<svg></br><style><a id="</style>{IMG}">',
    "math left by an end tag": f'<math></p><style><a id="</style>{IMG}">',
    "svg left by a coloured font": f'<svg><font color=x><style><a id="</style>{IMG}">',
    "text in math": f'<math><mtext><style><a id="</style>{IMG}">',
    "an attribute over the end of a style": f'<svg><style><a id="</style><p title=">{IMG}">',
    "a picture over the end of a style": f'<svg><style><img alt="</style>" src={BEACON}>',
    "a picture in a style of svg": f"<svg><style>{IMG}</style></svg>",
    "a picture in a title of svg": f"<svg><title>{IMG}</title></svg>",
    "a picture in a title in a style": f"<svg><style><title>{IMG}</title></style></svg>",
    "a script in svg": f"<svg><script>{IMG}</script></svg>",
    "a style without content": f"<svg><style/>{IMG}",
    "a title without end": f"<svg><title>{IMG}",
    "plain text in svg": f"<svg><plaintext>{IMG}",
    "a style in a list of choices": f"<select><style></select>{IMG}</style>",
    "a text area in a list of choices": f"<select><xmp></select>{IMG}</xmp>",
    "a frame set": f"<frameset><style></frameset>{IMG}</style>",
    "character data": f'<svg><![CDATA[ x> <a id=" ]]>{IMG}<b id="">',
    "a comment in a style of svg": f"<svg><style><!--</style>{IMG}--></style>",
    "noscript in an attribute": f'<noscript><img alt="</noscript>{IMG}" src=cid:x>',
    "noscript in a comment": f"<noscript><!--</noscript>{IMG}-->",
    "noscript in a style": f"<noscript><style></noscript>{IMG}</style>",
    "a style sheet of references": f"<svg><style>&#64;import '{BEACON}';</style></svg>",
    "a style sheet in pieces": f"<svg><style>@imp<!-- -->ort '{BEACON}';</style></svg>",
    "character data in a style sheet": f"<svg><style><![CDATA[@imp]]>ort '{BEACON}';</style>",
    "a style sheet without end": f"<svg><style>@import '{BEACON}';",
}
LOADED = {
    "a style sheet in a URL": "<link rel=stylesheet href=\"data:text/css,@import '{}';\">",
    "a style sheet in base64": "<link rel=stylesheet href='data:text/css;base64,{b64css}'>",
    "a style sheet in a style sheet": "<style>@import \"data:text/css,@import '{}'\";</style>",
    "a style sheet of two bytes": "<link rel=stylesheet href='data:text/css;charset=utf-16le;"
    "base64,{b64wide}'>",
    "a document of two bytes": "<iframe src='data:text/html;charset=utf-16le;base64,{b64doc}'>"
    "</iframe>",
    "a style sheet behind a vocabulary": '<style>@namespace svg "http://www.w3.org/2000/svg";'
    "p{background:url({})}</style><p>x",
    "a variable": "<p style='--a:\"{}\";background:image-set(var(--a) 1x)'>x",
    "a variable of a sheet": "<style>p{background:image-set(var(--a) 1x)}</style>"
    "<p style='--a:\"{}\"'>x",
    "a variable's other value": "<p style='background:image-set(var(--q,\"{}\") 1x)'>x",
    "a declared value": "<style>@property --a{syntax:'*';inherits:true;initial-value:\"{}\"}"
    "p{background:image-set(var(--a) 1x)}</style><p>x",
    "a second base": "<base href='http://[bad/'><base href='{}/'><img src=x.gif>",
    "a base behind a template": "<template><base href='http://no.example/'></template>"
    "<base href='{}/'><img src=x.gif>",
    "a frame under a base": "<base href='{}/'><iframe srcdoc='<img src=x.gif>'></iframe>",
    "a document in a frame": "<iframe src='data:text/html,<img src={}>'></iframe>",
    "a document in a document": "<iframe srcdoc='<img src=&quot;{}&quot;>'></iframe>",
    "a handler": "<img src=data:, onerror=\"this.onerror=null;this.src='{}'\">",
    "a handler of another element": "<body onload='new Image().src=\"{}\"'>",
    "a script": "<script>fetch('{}')</script>",
    "what to fetch ahead": "<script type=speculationrules>"
    '{"prefetch":[{"source":"list","urls":["{}"]}]}</script><script>fetch("{}")</script>',
    "a script that hides it": "<script>fetch(atob('{b64}'))</script>",
    "a link that runs": "<a href='javascript:void fetch(\"{}\")'>x</a>"
    "<script>document.links[0].click()</script>",
    "a frame that runs": "<iframe src=\"javascript:fetch('{}')\"></iframe>",
}


def loaded(form: str, url: str) -> str:
    import base64

    css = base64.b64encode(f"@import '{url}';".encode()).decode()
    wide = base64.b64encode(f"@import '{url}';".encode("utf-16-le")).decode()
    document = base64.b64encode(f"<img src='{url}'>".encode("utf-16-le")).decode()
    return (
        form.replace("{b64css}", css)
        .replace("{b64wide}", wide)
        .replace("{b64doc}", document)
        .replace("{b64}", base64.b64encode(url.encode()).decode())
        .replace("{}", url)
    )


@pytest.mark.parametrize("html", HIDDEN.values(), ids=HIDDEN)
def test_a_beacon_that_only_some_programs_see_is_found_and_goes(html: str) -> None:
    raw = mail(f"<p>Hello</p>{html}")
    found = inspect(raw)
    assert BEACON in {resource.url for resource in found.trackers}
    cleaned = clean(raw)
    assert BEACON.encode() not in cleaned.data or not inspect(cleaned.data).trackers
    assert clean(cleaned.data).data == cleaned.data
    assert restore(cleaned.data, cleaned.edits) == raw


@pytest.mark.parametrize(
    "html",
    [
        "<svg><title>a</title><style>p > a {color: red}</style></svg>",
        "<style><!-- p{} --></style><svg></svg>",
        "<select><option>a</select><style>a</style>",
        "<noscript><p>b</p></noscript>",
        "<svg viewBox='0 0 1 1'><path d='M0 0'/></svg><p>c",
        "<title></title><svg/><textarea></textarea>",
    ],
)
def test_ordinary_drawings_and_forms_stay_as_they_are(html: str) -> None:
    raw = mail(html)
    assert inspect(raw).ambiguous == ()
    assert clean(raw, remove=Remove.ALL).data == raw


def test_what_is_read_in_two_ways_is_said_to_be() -> None:
    assert inspect(mail(HIDDEN["text in math"])).ambiguous == ("0",)


@pytest.fixture(scope="module")
def browser() -> None:
    pytest.importorskip("playwright.sync_api")
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium")


@pytest.mark.servers
@pytest.mark.usefixtures("browser")
def test_a_browser_asks_nobody_for_a_beacon_that_only_some_programs_see() -> None:
    with collecting() as collector:
        there = BEACON.replace("t.example", collector.authority)
        mails = [
            mail(html.replace(BEACON, f"{there}/{number}"))
            for number, html in enumerate(HIDDEN.values())
        ]
        assert len(opened(collector, *map(html_of, mails))) > 15, "they do load"
        assert opened(collector, *(html_of(clean(raw).data) for raw in mails)) == []


@pytest.mark.servers
@pytest.mark.usefixtures("browser")
def test_with_everything_removed_nothing_runs_and_nothing_inside_a_url_loads() -> None:
    with collecting() as collector:
        base = f"http://{collector.authority}/images"
        mails = [
            mail(loaded(form, f"{base}/{number}.png"))
            for number, form in enumerate(LOADED.values())
        ]
        asked = opened(collector, *map(html_of, mails))
        assert len(set(asked)) == len(LOADED), asked
        cleaned = (html_of(clean(raw, remove=Remove.ALL).data) for raw in mails)
        assert opened(collector, *cleaned) == []


@pytest.mark.parametrize("form", LOADED.values(), ids=LOADED)
def test_a_beacon_in_a_script_or_inside_a_url_is_found(form: str) -> None:
    raw = mail(loaded(form, BEACON))
    report = inspect(raw)
    if "{b64}" not in form:
        assert any(one.url.startswith(BEACON) for one in report.trackers)
        assert BEACON.encode() not in clean(raw).data
    assert bool(report.scripts) == any(word in form for word in ("script", "onload", "onerror",
                                                                 "<iframe"))  # fmt: skip


def test_a_dictionary_for_compression_is_fetched_in_silence() -> None:
    url = "https://t.example/open.php?id=8f3a9b2c1d4e5f60"
    raw = mail(f"<link rel=compression-dictionary href='{url}'>")
    assert [one.url for one in inspect(raw).trackers] == [url]
    assert url.encode() not in clean(raw).data


def test_a_file_on_another_machine_is_asked_for_with_the_readers_name() -> None:
    for url in ("file://t.example/share/a.png", "file:////t.example/share/a.png"):
        [found] = inspect(mail(f"<img src='{url}'>")).trackers
        assert (found.url, found.band) == ("file://t.example/share/a.png", "tracker")
    assert inspect(mail("<img src='file:///C:/a.png'><img src=file://localhost/a>")).resources == ()


@pytest.mark.parametrize(
    "svg",
    [
        f"<!DOCTYPE svg [<!ENTITY e \"<image href='{BEACON}'/>\">]><svg>&e;</svg>",
        f'<!DOCTYPE svg [<!ENTITY a "http://t."><!ENTITY b "&a;{BEACON[9:]}">]>'
        '<svg><image href="&b;"/></svg>',
        f'<!DOCTYPE svg [<!ATTLIST image href CDATA "{BEACON}">]><svg><image/></svg>',
    ],
)
def test_what_an_xml_document_declares_is_read(svg: str) -> None:
    raw = mail(svg, content_type="image/svg+xml")
    assert BEACON in {resource.url for resource in inspect(raw).trackers}
    assert not inspect(clean(raw).data).trackers


XLINK = "http://www.w3.org/1999/xlink"
XML = {
    "a prefix of its own": f'<svg><image xmlns:q="{XLINK}" q:href="{BEACON}"/></svg>',
    "a style under a prefix": f'<svg><s:style>p{{background:url("{BEACON}")}}</s:style></svg>',
    "a base under a prefix": f'<html><h:base href="{BEACON}/"/><h:img src="x"/></html>',
    "a style sheet inside an instruction":
        f'<?xml-stylesheet href="data:text/css,p>a{{background:url({BEACON})}}"?><svg/>',
    "an instruction of references":
        f'<?xml-stylesheet href="{BEACON.replace(":", "&#58;", 1)}"?><svg/>',
    "a default without a scheme":
        f'<!DOCTYPE svg [<!ATTLIST image href CDATA "{BEACON[5:]}">]><svg><image/></svg>',
    "an entity declared twice":
        f'<!DOCTYPE svg [<!ENTITY u "{BEACON}"><!ENTITY u "x">]><svg><image href="&u;"/></svg>',
    "an entity behind a comment":
        f'<!DOCTYPE svg [<!-- ]> "> --><!ENTITY u "{BEACON}">]><svg><image href="&u;"/></svg>',
    "an entity behind an instruction":
        f'<!DOCTYPE svg [<?x ]>" ?><!ENTITY u "{BEACON}">]><svg><image href="&u;"/></svg>',
    "an entity of another script":
        f'<!DOCTYPE svg [<!ENTITY 图 "{BEACON[:9]}">]><svg><image href="&图;{BEACON[9:]}"/></svg>',
    "a parameter entity":
        "<!DOCTYPE svg [<!ENTITY % p \"&#60;!ENTITY u 'ht&#38;#116;p'>\">%p;]>"
        f'<svg><image href="&u;{BEACON[4:]}"/></svg>',
    "an element whose attribute is another entity":
        f"<!DOCTYPE svg [<!ENTITY a \"<image href='&b;'/>\"><!ENTITY b '{BEACON}'>]><svg>&a;</svg>",
}  # fmt: skip


@pytest.mark.parametrize("document", XML.values(), ids=XML)
@pytest.mark.parametrize("content_type", ["image/svg+xml", "application/xhtml+xml"])
def test_what_only_xml_readers_see_is_found_and_goes(document: str, content_type: str) -> None:
    raw = mail(document, content_type=content_type)
    found = inspect(raw)
    assert any(BEACON[5:] in one.url for one in found.trackers), found.resources
    cleaned = clean(raw)
    assert not inspect(cleaned.data).trackers
    assert clean(cleaned.data).data == cleaned.data
    assert restore(cleaned.data, cleaned.edits) == raw


def test_entities_of_entities_do_not_grow_without_end() -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    inspect(mail(f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><svg>&a11;</svg>',
                 content_type="image/svg+xml"))  # fmt: skip


def test_a_script_under_a_prefix_runs_and_goes_with_everything() -> None:
    raw = mail("<html><h:script>fetch('x')</h:script></html>", content_type="application/xhtml+xml")
    assert inspect(raw).scripts == 1
    assert b"fetch" not in clean(raw, remove=Remove.ALL).data


PIECES = st.sampled_from(
    [
        *("<svg>", "</svg>", "<math>", "<mtext>", "<select>", "</select>", "<style>", "</style>"),
        *("<title>", "</title>", "<noscript>", "</noscript>", "<xmp>", "</xmp>", "</p>", "<p>"),
        *('<a id="', '">', "<!--", "-->", "<![CDATA[", "]]>", "<style/>", "<font color=x>", "x"),
        *("<desc>", "<foreignObject>", "<table>", "<textarea>", "</textarea>", "<template>"),
        *("<script>", "</script>", "<plaintext>", "<iframe>", "</iframe>", "<br>", "'", "<b a='"),
    ]
)


@given(st.lists(PIECES, max_size=12), st.lists(PIECES, max_size=6))
def test_whatever_a_tree_builder_shows_is_found(before: list[str], behind: list[str]) -> None:
    from selectolax.lexbor import LexborHTMLParser

    html = "".join((*before, IMG, *behind))
    cleaned = html_of(clean(mail(html)).data).decode()
    pictures = LexborHTMLParser(cleaned).css("img")
    assert BEACON not in {picture.attributes.get("src") for picture in pictures}


def shuffled(seed: int, number: int) -> list[str]:
    """Documents of such pieces and a beacon."""
    from random import Random

    rng = Random(seed)
    pieces = [*PIECES.elements, *MORE_PIECES]
    return [
        "".join(
            [
                *rng.choices(pieces, k=rng.randint(0, 9)),
                IMG,
                *rng.choices(pieces, k=rng.randint(0, 6)),
            ]
        )
        for _ in range(number)
    ]


MORE_PIECES = (
    *("<select>", "<option>", "<input>", "</table>", "<tr>", "<td>", "</div>", "<div>", "<mi>"),
    *("<annotation-xml encoding=text/html>", "<a>", "<svg/>", "<math/>", "</math>", "<title/>"),
    *("<?x ", "?>", "<!-->", "--!>", "<!doctype html>", "<html>", "<head>", "</head>", "<body>"),
    *("<frameset>", "<noframes>", "</noframes>", "<noembed>", "</noembed>", "&lt;", "<mglyph>"),
)


@pytest.mark.soak
def test_no_document_of_40000_shows_a_tree_builder_its_beacon_when_clean() -> None:
    from selectolax.lexbor import LexborHTMLParser

    for html in shuffled(1, 40_000):
        cleaned = html_of(clean(mail(html)).data).decode()
        shown = {one.attributes.get("src") for one in LexborHTMLParser(cleaned).css("img")}
        assert BEACON not in shown, html


@pytest.mark.soak
@pytest.mark.servers
@pytest.mark.usefixtures("browser")
def test_no_document_of_5000_shows_a_browser_its_beacon_when_clean() -> None:
    """As its page, scripts on, and as its DOMParser reads it, scripts off."""
    from playwright.sync_api import sync_playwright

    look = """documents => documents.map(html => {
        const frame = document.createElement('iframe');
        document.body.append(frame);
        frame.contentDocument.open();
        frame.contentDocument.write(html);
        frame.contentDocument.close();
        const parsed = new DOMParser().parseFromString(html, 'text/html');
        const shows = one => !!one.querySelector('img[src^="http"]');
        const found = shows(frame.contentDocument) || shows(parsed);
        frame.remove();
        return found;
    })"""
    documents = shuffled(2, 5_000)
    cleaned = [html_of(clean(mail(html)).data).decode() for html in documents]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        tab = browser.new_page()
        shown = [
            shows
            for at in range(0, 5_000, 500)
            for shows in tab.evaluate(look, cleaned[at : at + 500])
        ]
        originals = tab.evaluate(look, documents[:500])
        browser.close()
    assert sum(originals) > 150, "they do show it"
    assert [html for html, is_shown in zip(documents, shown, strict=True) if is_shown] == []
