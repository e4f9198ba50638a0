"""Finds what an HTML document would ask a network for, and where its links go.

One pass over the tags; `loaders.tsv` says where a reference can stand. Every reference comes with
the span of the markup that has to change for it to fall silent. What is hidden is followed through
the elements that hold it; no tree is built.
A state machine over the tokens of a document, hence its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from ..mime import (
    Attribute,
    Shortcut,
    Token,
    TokenKind,
    conditional_content,
    tokenize,
    unescape_attribute,
)
from .carried import Carried, carried
from .css import CssUrl, attribute_names, find_urls
from .hints import Hints
from .reach import absolute, is_namespace, nested_urls
from .readings import Doubt, doubts, is_doubtful, shadow_style, subset_of, without_prefixes
from .references import Anchor, Document, Reference, Repair, Shows
from .tables import read_table
from .values import Value
from .visibility import NO_BOX, box_of, hidden_selectors, hides, is_hidden_by_rule

__all__ = ["find_in_style", "find_references"]


_Loader = tuple[str, Shows, str]  # kind, shows, when

# Elements that can hide what they hold are followed to their end; these have none, or an implied
# one when the next of their name begins.
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
     "track", "wbr", "image", "bgsound", "basefont", "frame", "keygen")
)  # fmt: skip
_IMPLIED_END = frozenset(("p", "li", "option", "dd", "dt"))
_ANCHORS = frozenset(("a", "area"))
_MATH = frozenset(("math", "mi", "mo", "mn", "mtext", "mrow", "ms"))
# How nearly all links and pictures are written: they are read in one step.
_OTHERS = r'(?:[\t\n\f\r ]++(?!href=)[a-z-]++="[^"<>]*+")*+'
_PLAIN_LINK = Shortcut("a", rf'{_OTHERS}[\t\n\f\r ]++href="([^"<>]*+)"{_OTHERS}[\t\n\f\r ]*+>')
_PLAIN_PICTURE = re.compile(r'<img(?:[\t\n\f\r ]++[a-z]++=(?:"[^"]*+"|\w++))++[\t\n\f\r ]*+/?+>')
_PAIR = re.compile(r'([a-z]++)=(?:"([^"]*+)"|(\w++))')
_PLAIN_NAMES = frozenset(
    ("src", "width", "height", "alt", "border", "style", "title", "align", "class", "id",
     "hspace", "vspace", "name", "loading")
)  # fmt: skip
_READ = ("style", "width", "height", "class", "id", "rel", "http-equiv", "hidden")
_SRCSET = re.compile(r"[\s,]*+(\S++)")
_PIECE = re.compile(r"\S+")
_REFRESH = re.compile(r"""[\d.\s]*+[;,]?\s*+(?:url\s*+=)?\s*+['"]?+([^'"\s]++)""", re.IGNORECASE)
_REPORT = re.compile(r"report-uri\s++([^;]++)", re.IGNORECASE)
_IN_TEXT = re.compile(r"(?:https?:)?[/\\]{2}[^\s\"'<>()\\{}|^`;]++", re.IGNORECASE)
_IN_SCRIPT = re.compile(r"""(?:https?:|(?<=["'`]))//[^\s"'<>(){}|^`;,\\]++""", re.IGNORECASE)
_SYSTEM_ID = re.compile(r"""["'](https?://[^"']++)["']""", re.IGNORECASE)
_PI_VALUE = re.compile(
    r"""\b(?:href|implementation|src)\s*+=\s*+(?:"([^"]*+)|'([^']*+)|([^"'\s>]++))""",
    re.IGNORECASE,
)
_SOURCE_MAP = re.compile(r"sourceMappingURL=(\S++)")
# What a browser takes for a script (HTML standard 4.12.1.1), and for what to fetch before a click.
_RUNS = re.compile(
    r"(?:(?:text|application)/)?(?:x-)?(?:java|ecma|j|vb|live)script(?:1\.\d)?"
    r"|module|speculationrules"
)
_STYLE_END = re.compile("</style", re.IGNORECASE)
_DEEPEST = 3  # documents within documents


@dataclass(frozen=True, slots=True)
class _Element:
    """Where references stand in one element, and all attributes that have to be read for them."""

    loaders: dict[str, _Loader]
    wanted: frozenset[str]


@cache
def _elements() -> dict[str, _Element]:
    found: dict[str, dict[str, _Loader]] = {"*": {}}
    for row in read_table("loaders.tsv"):
        entry = (row["kind"], Shows(row["shows"]), row["when"])
        found.setdefault(row["element"], {})[row["attribute"]] = entry
    for name in _ANCHORS | _MATH:
        found.setdefault(name, {})
    everywhere = found["*"]
    return {
        element: _Element(
            everywhere | loaders, frozenset((*everywhere, *loaders, *_READ, "href", "xlink:href"))
        )
        for element, loaders in found.items()
    }


# What most newsletters are made of. A document with any other element of the table is read tag by
# tag, because the tokenizer's time grows with the number of names that it looks for.
_COMMON = frozenset(
    ("a", "area", "img", "link", "meta", "base", "html", "head", "style", "script", "input", "form")
)
_TAG_NAMES = re.compile(r"<([a-z][^\t\n\f\r />]*+)")


@cache
def _relations() -> dict[str, Shows]:
    return {row["relation"]: Shows(row["shows"]) for row in read_table("link_relations.tsv")}


def find_references(
    markup: str, *, is_xml: bool = False, depth: int = 0, base: str | None = None
) -> Document:
    """Everything in the document that causes a request, in the order of the markup.

    Where programs read it in different ways, what any of them would ask for. `depth` is the number
    of documents that this one lies in; `base` is that of the one around it.
    """
    return _Finder(markup, is_xml, depth, base).run()


def find_in_style(css: str) -> Document:
    """Everything in a style sheet that causes a request, in its order."""
    return _Finder(css, False, 0, None).run_style()


@dataclass(slots=True)
class _Hiding:
    """An element that hides, and how many of its name are open in it and with it."""

    name: str
    open: int = 1


class _Texts(Mapping[str, str]):
    """The values of one tag's attributes, each read when it is asked for."""

    def __init__(self, markup: str, attributes: dict[str, Attribute]) -> None:
        self._markup, self._attributes = markup, attributes

    def __getitem__(self, name: str) -> str:
        if name not in self._attributes:
            raise KeyError(name)
        return self.get(name)

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # as dict, faster
        attribute = self._attributes.get(name)
        if attribute is None or attribute.value_start < 0:
            return default
        raw = self._markup[attribute.value_start : attribute.value_end]
        return unescape_attribute(raw) if "&" in raw else raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)


class _Finder:
    """The state of one pass: what hides, what the style sheets take from attributes."""

    def __init__(self, markup: str, is_xml: bool, depth: int, base: str | None) -> None:
        self._markup = markup
        self._is_xml = is_xml
        self._depth = depth
        self._document = Document()
        self._base = base
        self._selectors: set[str] = set()
        self._css_attributes: set[str] = set()
        self._set_aside: list[tuple[str, str, Attribute]] = []
        self._hiding: list[_Hiding] = []
        self._in_doubt = False
        self._style_end = -1
        self._runs = False  # whether the script element that began last holds a script
        self._texts = _Texts(markup, {})
        self._is_hidden = False
        self._ends: frozenset[str] | None = None
        self._wanted_of: dict[int, frozenset[str]] = {}

    def run_style(self) -> Document:
        self._css(self._markup, 0, "css")
        return self._document

    def run(self) -> Document:
        lowered = self._markup.lower()
        if "<base" in lowered:
            self._base = self._find_base() or self._base
        self._read_style_rules(lowered)
        self._hints = Hints(lowered, self._selectors)
        self._ends = None if self._hints.may_hide else frozenset()
        tags = set(_TAG_NAMES.findall(lowered))
        self._in_doubt = self._is_xml or is_doubtful(tags)
        if self._in_doubt:
            self._read_in_doubt()
        else:
            self._pass(0, len(self._markup), None if self._is_rare(tags) else _COMMON)
        for element, name, attribute in self._set_aside:
            if name in self._css_attributes:
                value = Value(self._markup, attribute)
                self._add(value.text, f"{element}-css-attr", Shows.PICTURE, value=value)
        self._document.references.sort(key=lambda reference: reference.start)
        return self._document

    def _read_in_doubt(self) -> None:
        """Read the document plainly, and each stretch that programs disagree on in every way."""
        tokens = list(tokenize(self._markup, plain=True))
        for token in tokens:
            self._token(token, None)
        found = self._document
        if self._is_xml:
            self._read_declared()
            self._read_without_prefixes()
        for doubt in doubts(self._markup, tokens, is_xml=self._is_xml):
            references, anchors = len(found.references), len(found.anchors)
            for token in doubt.tokens:
                self._token(token, None)
            if not doubt.is_read:
                self._unread(doubt)
            if self._markup[doubt.start : doubt.start + 5].lower() == "style":
                self._open_style(doubt)
            found.anchors[anchors:] = [
                one for one in found.anchors[anchors:] if one.end <= doubt.end
            ]
            if doubt.differs or any(token.name == "base" for token in doubt.tokens):
                found.repairs.append(Repair(doubt.start, doubt.end, doubt.new))
                found.references[references:] = [
                    one._replace(start=doubt.start, end=doubt.end, is_text=True, is_css=False)
                    for one in found.references[references:]
                ]

    def _read_declared(self) -> None:
        """What an XML document asks for by names and attributes that it declares itself."""
        if (subset := subset_of(self._markup)) is None:
            return
        start, end, text, expanded = subset
        inside = find_references(expanded, is_xml=True, depth=self._depth + 1).references
        known = {r.url for r in self._document.references if not start <= r.start < end}
        urls = (absolute(match.group()) for match in _IN_TEXT.finditer(text))
        told = (url for url in urls if url is not None and not is_namespace(url))
        for url in dict.fromkeys((*(one.url for one in inside), *told)):
            if url not in known:
                self._document.references.append(
                    Reference(
                        url, "xml-declared", Shows.SILENT, "display", start, end, is_text=True
                    )
                )

    def _read_without_prefixes(self) -> None:
        """What stands in elements and attributes under a prefix of the document's own."""
        if (plain := without_prefixes(self._markup)) is None:
            return
        found = self._document
        inside = _Finder(plain.text, False, self._depth, self._base).run().moved(plain.back)
        known = {(one.url, one.start) for one in found.references}
        found.references += (r for r in inside.references if (r.url, r.start) not in known)
        linked = {one.start for one in found.anchors}
        found.anchors += (one for one in inside.anchors if one.start not in linked)
        found.scripts = list(dict.fromkeys((*found.scripts, *inside.scripts)))
        found.repairs += inside.repairs

    def _unread(self, doubt: Doubt) -> None:
        for url in nested_urls(self._markup[doubt.start : doubt.end]):
            self._document.references.append(
                Reference(url, "doubtful-text", Shows.SILENT, "display", doubt.start, doubt.end)
            )

    def _open_style(self, doubt: Doubt) -> None:
        """A style sheet without an end, which some read and some do not."""
        if doubt.start < self._style_end:
            return
        end = _STYLE_END.search(self._markup, doubt.start)
        self._style_end = end.start() if end else len(self._markup)
        self._css(self._markup[doubt.start : self._style_end], doubt.start, "css")

    def _is_rare(self, tags: set[str]) -> bool:
        """Whether references may stand in other elements than the common ones."""
        if self._css_attributes:
            return True
        others = tags - _COMMON
        return any(":" in n or n.startswith("amp-") or n in _elements() for n in others)

    def _find_base(self) -> str | None:
        """The first base; which of several counts, programs do not agree, so the others go."""
        found: str | None = None
        for token in tokenize(self._markup, names=("base",), plain=True):
            href = token.attribute(self._markup, "href") if token.name == "base" else None
            if token.kind is not TokenKind.START or href is None or href.value_start < 0:
                continue
            text = Value(self._markup, href).text
            url = absolute(text)
            if found is None and url is not None and _has_host(url):
                found = url
            elif text.strip():
                self._document.repairs.append(Repair(href.value_start, href.value_end, ""))
        return found

    def _read_style_rules(self, lowered: str) -> None:
        """What the style sheets hide, wherever in the document they stand."""
        position = lowered.find("<style")
        while position >= 0:
            end = lowered.find("</style", position)
            css = self._markup[position : end if end >= 0 else None]
            self._selectors |= hidden_selectors(css.partition(">")[2])
            self._css_attributes |= attribute_names(css)
            position = lowered.find("<style", end) if end >= 0 else -1

    def _pass(self, start: int, end: int, names: frozenset[str] | None) -> None:
        """Read the tags of these names; of the others those with a hint or in hidden elements."""
        position = start
        shortcut = None if names is None else _PLAIN_LINK
        tokens = tokenize(
            self._markup, start, end, names, self._ends, shortcut, plain=self._in_doubt
        )
        for token in tokens:
            if names is not None and token.start > position:
                self._gap(position, token.start)
            self._token(token, names)
            position = token.end
        if names is not None and position < end:
            self._gap(position, end)

    def _gap(self, start: int, end: int) -> None:
        if self._hiding or self._hints.has_one(start, end):
            self._pass(start, end, None)

    def _token(self, token: Token, names: frozenset[str] | None) -> None:
        if token.kind is TokenKind.START:
            self._start(token)
            if token.name == "script":
                self._runs = self._is_script(token)
        elif token.kind is TokenKind.END:
            if self._hiding:
                self._leave(token.name)
        elif token.kind is TokenKind.RAW:
            self._raw(token)
        elif token.kind is TokenKind.DECLARATION:
            self._declaration(token)
        elif span := conditional_content(self._markup, token):
            self._pass(*span, names)

    def _start(self, token: Token) -> None:
        name = token.name
        short = name.rpartition(":")[2] if ":" in name else name
        if not self._css_attributes and not self._has_hint(token):
            if short in _ANCHORS:
                self._plain_anchor(token)
                return
            if name == "img" and self._plain_picture(token):
                return
        element = _elements().get("amp-*" if short.startswith("amp-") else short)
        is_hiding = False
        if (
            element is not None
            or self._has_hint(token)
            or name.startswith("v:")
            or self._css_attributes
        ):
            is_hiding = self._element(token, name, short, element or _elements()["*"])
        if self._hiding or is_hiding:
            self._enter(name, is_hiding)

    def _plain_anchor(self, token: Token) -> None:
        """A link that neither loads nor hides anything, as nearly all are."""
        span = token.value
        if span is None and (href := token.attribute(self._markup, "href")):
            span = href.value_start, href.value_end
        if span is not None and span[0] >= 0:
            self._anchor(*span)
        if self._hiding:
            self._enter(token.name, False)

    def _plain_picture(self, token: Token) -> bool:
        """Read a picture that loads its source and nothing else; False when it may be another."""
        if _PLAIN_PICTURE.fullmatch(self._markup, token.start, token.end) is None:
            return False
        texts: dict[str, str] = {}
        place = (-1, -1)
        for match in _PAIR.finditer(self._markup, token.start, token.end):
            name, quoted, bare = match.groups()
            if name in texts or name not in _PLAIN_NAMES:
                return False
            texts[name] = unescape_attribute(quoted) if quoted is not None else bare
            if name == "src":
                place = match.span(2)
        url = absolute(texts.get("src", ""), self._base)
        if url is None or place[0] < 0:
            return False
        self._document.references.append(
            Reference(
                url=url,
                loader="img-src",
                shows=Shows.PICTURE,
                when="display",
                start=place[0],
                end=place[1],
                box=box_of(texts),
                is_hidden=bool(self._hiding),
            )
        )
        return True

    def _has_hint(self, token: Token) -> bool:
        return self._hints.has_one(token.start, token.end)

    def _is_script(self, token: Token) -> bool:
        for name in ("type", "language"):
            if attribute := token.attribute(self._markup, name):
                text = Value(self._markup, attribute).text.partition(";")[0].strip().lower()
                return not text or _RUNS.fullmatch(text) is not None
        return True

    def _enter(self, name: str, is_hiding: bool) -> None:
        if name in _VOID:
            return
        if self._hiding and self._hiding[-1].name == name:
            if name in _IMPLIED_END:
                self._hiding.pop()
            else:
                self._hiding[-1].open += 1
        if is_hiding and (not self._hiding or self._hiding[-1].name != name):
            self._hiding.append(_Hiding(name))

    def _leave(self, name: str) -> None:
        top = self._hiding[-1]
        if top.name == name:
            top.open -= 1
            if top.open == 0:
                self._hiding.pop()

    def _element(self, token: Token, name: str, short: str, element: _Element) -> bool:
        """Read one tag; says whether it hides what it holds."""
        wanted = self._wanted(element) if self._css_attributes else element.wanted
        attributes = token.attributes_named(self._markup, wanted)
        self._texts = _Texts(self._markup, attributes)
        hides_itself = self._has_hint(token) and (
            hides(self._texts.get("style", ""))
            or "hidden" in attributes
            or is_hidden_by_rule(self._texts, self._selectors)
        )
        self._is_hidden = hides_itself or bool(self._hiding)
        for key, attribute in attributes.items():
            if attribute.value_start < 0:
                continue
            if loader := element.loaders.get(key):
                self._attribute(name, short, key, attribute, loader)
            elif key in ("href", "xlink:href"):
                if short in _ANCHORS or short in _MATH or name.startswith("v:"):
                    self._anchor(attribute.value_start, attribute.value_end)
            elif key in self._css_attributes:
                self._set_aside.append((short, key, attribute))
        if self._hints.has_handler(token.start, token.end):
            for attribute in token.attributes(self._markup):
                if attribute.name.startswith("on") and attribute.value_start >= 0:
                    self._script(Value(self._markup, attribute), "script-handler")
        return hides_itself

    def _wanted(self, element: _Element) -> frozenset[str]:
        """The attributes to read; the union is made once an element's name, not once a tag."""
        key = id(element)
        if key not in self._wanted_of:
            self._wanted_of[key] = element.wanted | self._css_attributes
        return self._wanted_of[key]

    def _anchor(self, start: int, end: int) -> None:
        raw = self._markup[start:end]
        text = unescape_attribute(raw) if "&" in raw else raw
        url = absolute(text, self._base)
        if url is not None:
            self._document.anchors.append(Anchor(url, start, end))
        elif (inside := carried(text)) and inside.is_script:
            self._script(_value_at(self._markup, start, end), "script-link")

    def _attribute(
        self, name: str, short: str, key: str, attribute: Attribute, loader: _Loader
    ) -> None:
        kind, shows, when = loader
        if kind == "css" and not self._has_hint_in(attribute):
            return
        value = Value(self._markup, attribute)
        label = f"{short}-{key.rpartition(':')[2]}"
        if kind == "css":
            self._css(value.text, value, "inline-css" if key == "style" else label)
        elif kind == "srcset":
            for start, end in _candidates(value.text):
                self._add(value.text[start:end], label, shows, when, value, start, end)
        elif kind == "urls":
            for match in _PIECE.finditer(value.text):
                self._add(match.group(), label, shows, when, value, *match.span(), is_text=True)
        elif kind == "text":
            self._text(value, label, shows, when)
        elif kind == "html":
            self._nested(value, Carried("text/html", (value.text,)), label, shows, self._base)
        elif kind == "link":
            self._link(value)
        elif kind == "meta":
            self._meta(value)
        elif inside := carried(value.text):
            self._nested(value, inside, label, shows)
        else:
            self._add(value.text, label, shows, when, value)

    def _has_hint_in(self, attribute: Attribute) -> bool:
        return self._hints.has_one(attribute.value_start, attribute.value_end)

    def _link(self, value: Value) -> None:
        relations = self._texts.get("rel", "").lower().split()
        known = [_relations()[name] for name in relations if name in _relations()]
        shows = Shows.STYLE if Shows.STYLE in known else known[0] if known else Shows.INERT
        label = "link-" + "-".join(relations)
        if known and (inside := carried(value.text)):
            self._nested(value, inside, label, shows)
        else:
            self._add(value.text, label, shows, "never" if not known else "display", value)

    def _meta(self, value: Value) -> None:
        directive = self._texts.get("http-equiv", "").lower().strip()
        if directive == "refresh":
            if match := _REFRESH.match(value.text):
                url = absolute(match.group(1), self._base)
                if url is not None:
                    self._append(url, "meta-refresh", Shows.FRAME, "display", value)
        elif directive.startswith("content-security-policy"):
            for match in _REPORT.finditer(value.text):
                span = match.span(1)
                self._add(match.group(1), "meta-csp-report", Shows.SILENT, "display", value, *span)
        else:
            self._text(value, "meta-content", Shows.INERT, "never")

    def _text(self, value: Value, label: str, shows: Shows, when: str) -> None:
        for match in _IN_TEXT.finditer(value.text):
            url = absolute(match.group())
            if url is not None and not is_namespace(url):
                self._add(url, label, shows, when, value, *match.span(), is_text=True)

    def _nested(
        self, value: Value, inside: Carried, label: str, shows: Shows, base: str | None = None
    ) -> None:
        """A document inside the value: every URL in it falls with the value."""
        if inside.is_script or (inside.is_markup and shows is Shows.FRAME):
            self._document.scripts.append((value.attribute.value_start, value.attribute.value_end))
        for url in _urls_in(inside, self._depth, base):
            self._append(url, f"{label}-nested", shows, "display", value)

    def _script(self, value: Value, label: str) -> None:
        """What runs when a program runs scripts; what it would ask for goes with the whole."""
        start, end = value.attribute.value_start, value.attribute.value_end
        self._document.scripts.append((start, end))
        for match in _IN_SCRIPT.finditer(value.text.replace("\\/", "/")):
            url = absolute(match.group().rstrip("."))
            if url is not None and not is_namespace(url):
                self._document.references.append(
                    Reference(url, label, Shows.INERT, "script", start, end, is_text=True)
                )

    def _raw(self, token: Token) -> None:
        text = self._markup[token.start : token.end]
        if token.name == "style":
            self._css(text, token.start, "css")
            if self._in_doubt and (shadow := shadow_style(text)) is not None:
                self._shadow_css(shadow, text, token)
        elif token.name == "script":
            if self._runs and text.strip():
                self._script(_value_at(self._markup, token.start, token.end), "script-text")
            for match in _SOURCE_MAP.finditer(text):
                self._raw_span(match, token.start, "script-source-map", Shows.SILENT)
            if "<!doctype" in text.lower():
                for match in _SYSTEM_ID.finditer(text):
                    self._raw_span(match, token.start, "script-doctype", Shows.INERT)

    def _shadow_css(self, css: str, plainly: str, token: Token) -> None:
        """A style sheet as XML reads it; where its characters stand cannot be told."""
        known = {found.url for found in find_urls(plainly)}
        for found in find_urls(css):
            url = absolute(found.url, self._base)
            for one in _urls_in(inside, self._depth) if (inside := carried(found.url)) else [url]:
                if one is not None and found.url not in known:
                    self._document.references.append(
                        Reference(
                            url=one,
                            loader=_css_label(found, "css"),
                            shows=_CSS_SHOWS[found.use],
                            when="display",
                            start=token.start,
                            end=token.end,
                            is_text=True,
                        )
                    )

    def _declaration(self, token: Token) -> None:
        text = self._markup[token.start : token.end]
        if text.startswith("<?"):
            self._instruction(token)
        elif text[:9].lower() == "<!doctype":
            for match in _SYSTEM_ID.finditer(text):
                self._raw_span(match, token.start, "doctype", Shows.INERT)

    def _instruction(self, token: Token) -> None:
        """A processing instruction, such as one that names a style sheet (its W3C note, 1.0)."""
        end = self._markup.find("?>", token.start) if self._is_xml else token.end
        for match in _PI_VALUE.finditer(self._markup, token.start, max(end, token.end)):
            value = _value_at(self._markup, *match.span(match.lastindex or 1))
            inside = carried(value.text)
            urls = _urls_in(inside, self._depth) if inside else [absolute(value.text)]
            for url in urls:
                if url is not None and not is_namespace(url):
                    span = value.attribute.value_start, value.attribute.value_end
                    self._document.references.append(
                        Reference(url, "processing-instruction", Shows.SILENT, "display", *span,
                                  is_text=True)
                    )  # fmt: skip

    def _raw_span(self, match: re.Match[str], offset: int, label: str, shows: Shows) -> None:
        url = absolute(match.group(1))
        if url is not None and not is_namespace(url):
            start, end = match.span(1)
            self._document.references.append(
                Reference(
                    url=url,
                    loader=label,
                    shows=shows,
                    when="never" if shows is Shows.INERT else "display",
                    start=offset + start,
                    end=offset + end,
                    is_text=True,
                )
            )

    def _css(self, css: str, place: Value | int, label: str) -> None:
        for found in find_urls(css):
            self._css_url(found, place, label)

    def _css_url(self, found: CssUrl, place: Value | int, label: str) -> None:
        url = absolute(found.url, self._base)
        if url is not None:
            self._css_reference(url, found, place, label)
        elif inside := carried(found.url):
            for url in _urls_in(inside, self._depth):
                self._css_reference(url, found, place, label)

    def _css_reference(self, url: str, found: CssUrl, place: Value | int, label: str) -> None:
        inline = isinstance(place, Value)
        start, end = (
            place.span(found.start, found.end)
            if isinstance(place, Value)
            else (place + found.start, place + found.end)
        )
        self._document.references.append(
            Reference(
                url=url,
                loader=_css_label(found, label),
                shows=_CSS_SHOWS[found.use],
                when="display",
                start=start,
                end=end,
                is_css=True,
                is_text=found.use == "source-map",
                box=box_of(self._texts) if inline else NO_BOX,
                is_hidden=inline and self._is_hidden,
            )
        )

    def _add(
        self,
        reference: str,
        label: str,
        shows: Shows,
        when: str = "display",
        value: Value | None = None,
        start: int | None = None,
        end: int | None = None,
        is_text: bool = False,
    ) -> None:
        url = absolute(reference, self._base)
        if url is not None and value is not None:
            self._append(url, label, shows, when, value, start, end, is_text)

    def _append(
        self,
        url: str,
        label: str,
        shows: Shows,
        when: str,
        value: Value,
        start: int | None = None,
        end: int | None = None,
        is_text: bool = False,
    ) -> None:
        attribute = value.attribute
        span = (
            (attribute.value_start, attribute.value_end)
            if start is None or end is None
            else value.span(start, end)
        )
        self._document.references.append(
            Reference(
                url=url,
                loader=label,
                shows=shows,
                when=when,
                start=span[0],
                end=span[1],
                is_text=is_text,
                box=box_of(self._texts),
                is_hidden=self._is_hidden,
            )
        )


def _urls_in(inside: Carried, depth: int, base: str | None = None) -> list[str]:
    """What a document inside another asks for; `base` is what it takes from that one."""
    found: dict[str, None] = {}
    for text in inside.texts:
        found |= dict.fromkeys(nested_urls(text))
        if depth >= _DEEPEST:
            continue
        if inside.is_markup:
            document = find_references(text, is_xml="xml" in inside.media_type, depth=depth + 1,
                                       base=base)  # fmt: skip
            found |= dict.fromkeys(one.url for one in document.references)
        elif inside.media_type == "text/css":
            for one in find_urls(text):
                url = absolute(one.url)
                if url is not None:
                    found[url] = None
                elif within := carried(one.url):
                    found |= dict.fromkeys(_urls_in(within, depth + 1))
    return list(found)


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _value_at(markup: str, start: int, end: int) -> Value:
    return Value(markup, Attribute("", start, start, start, end, ""))


_CSS_SHOWS = {
    "image": Shows.PICTURE,
    "font": Shows.FONT,
    "import": Shows.STYLE,
    "source-map": Shows.SILENT,
}


def _css_label(found: CssUrl, label: str) -> str:
    if found.use == "font":
        return f"{label}-font-face"
    if found.use in ("import", "source-map"):
        return f"{label}-{found.use}"
    return f"{label}-{found.property}" if found.property else label


def _candidates(srcset: str) -> Iterator[tuple[int, int]]:
    """The spans of the URLs of a srcset (HTML standard 4.8.4.2.1)."""
    position = 0
    while match := _SRCSET.match(srcset, position):
        url = match.group(1).rstrip(",")
        yield match.start(1), match.start(1) + len(url)
        position = match.end()
        if len(url) == len(match.group(1)):
            comma = srcset.find(",", position)
            position = len(srcset) if comma < 0 else comma + 1
