"""Calendar entries and cards: what their lines load, and how a value is written into them.

Both are lines of `NAME;PARAMETER=…:value`, folded at 75 bytes (RFC 5545 section 3.1, RFC 6350
section 3.2). Their text values escape commas, semicolons and line breaks; their URIs do not.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import a2b_qp
from collections.abc import Iterator

from .derived import Derived
from .html import find_references
from .reach import nested_urls
from .references import Anchor, Document, Reference, Shows

__all__ = ["escaped", "find_in_calendar", "find_in_card", "folded", "is_escaped"]

_FOLD = re.compile(r"\r?\n[ \t]")
# vCard 2.1 breaks quoted-printable values at a `=`.
_CARD_FOLD = re.compile(r"\r?\n[ \t]|=\r?\n")
# What stands behind the name is looked through whole: where its parameters end, programs differ.
_LINE = re.compile(r"^(?:[\w-]+\.)?([\w-]++)[ \t]*+([;:])([^\r\n]*+)", re.MULTILINE)
_ESCAPE = re.compile(r"\\([nN,;:\\\\])")
_URL = re.compile(r"https?:[/\\]{2}[^\s\"'<>()\\{}|^`]++", re.IGNORECASE)
_LIMIT = 75

# Of a calendar: HTML, and what is loaded or named to be (RFC 5545 section 3.8.1.1, RFC 7986
# sections 5.8, 5.10 and 5.11, RFC 9073 section 6.6, RFC 9253 section 6.1).
_CALENDAR_HTML = frozenset(("x-alt-desc", "styled-description"))
_CALENDAR = {
    "attach": Shows.INERT,
    "image": Shows.PICTURE,
    "source": Shows.INERT,
    "conference": Shows.INERT,
    "structured-data": Shows.INERT,
    "link": Shows.INERT,
}
_FOLLOWED = frozenset(("conference",))  # a link for a person as well
_IS_URI = re.compile(r"value[ \t]*+=[ \t]*+\"?uri\b", re.IGNORECASE)
# Any line's text written elsewhere, mostly as HTML (RFC 5545 section 3.2.1).
_ALTERNATIVE = re.compile(
    r"\baltrep[ \t]*+=[ \t]*+(?:\"[ \t]*+([^\"]*+)|([a-z]+:[^\s\";:,]*+(?::\d+)?[^\s\";:,]*+))",
    re.IGNORECASE,
)
# Of a card, RFC 6350 sections 6.2.4, 6.6.3, 6.7.5 and 6.8.1; and what programs ask for anew: where
# the card itself is, when its owner has time (6.1.3, 6.9.1, 6.9.3; RFC 2426 section 3.5.4).
_CARD = {
    "photo": Shows.PICTURE,
    "logo": Shows.PICTURE,
    "sound": Shows.MEDIA,
    "key": Shows.SILENT,
    "source": Shows.SILENT,
    "fburl": Shows.SILENT,
    "caluri": Shows.INERT,
    "agent": Shows.INERT,
}


def find_in_calendar(text: str) -> Document:
    """What a calendar entry loads and links to (RFC 5545, RFC 7986)."""
    unfolded = Derived(text, _FOLD, _nothing)
    found = Document()
    for match in _LINE.finditer(unfolded.text):
        name, value, place = match[1].lower(), match[3], match.start(3)
        for other in _ALTERNATIVE.finditer(value) if match[2] == ";" else ():
            start, end = other.span(other.lastindex or 0)
            found.references += _loaded(
                other[0][start - other.start() :],
                place + start,
                unfolded,
                "calendar-altrep",
                Shows.FRAME,
            )
            value = value[:start] + " " * (end - start) + value[end:]
        loader = f"calendar-{name}"
        if name in _CALENDAR_HTML:
            _html(value, place, unfolded, found)
            if match[2] == ";" and _IS_URI.search(value):
                found.references += _loaded(value, place, unfolded, loader, Shows.FRAME)
        elif name in _CALENDAR:
            found.references += _loaded(value, place, unfolded, loader, _CALENDAR[name])
        if name in _FOLLOWED or name not in _CALENDAR_HTML | _CALENDAR.keys():
            found.anchors += (
                Anchor(url, unfolded.back(place + start), unfolded.back(place + end))
                for url, start, end in _urls(value)
            )
    return found


def find_in_card(text: str) -> Document:
    """What a card loads and links to (RFC 6350, and vCard 2.1 and 3.0)."""
    found = _card(Derived(text, _FOLD, _nothing))
    if "quoted-printable" in text.lower():
        # The `=` at a line's end is a break there, and the padding of a picture elsewhere.
        known = {(reference.url, reference.loader) for reference in found.references}
        further = _card(Derived(text, _CARD_FOLD, _nothing)).references
        found.references += (one for one in further if (one.url, one.loader) not in known)
    return found


def _card(unfolded: Derived) -> Document:
    found = Document()
    for match in _LINE.finditer(unfolded.text):
        name, place, value = match[1].lower(), match.start(3), match[3]
        if name not in _CARD:
            found.anchors += (
                Anchor(url, unfolded.back(place + start), unfolded.back(place + end))
                for url, start, end in _urls(value)
            )
            continue
        loader = f"card-{name}"
        colon = max(value.find(":"), 0) if match[2] == ";" else -1
        span = unfolded.back(place + colon + 1), unfolded.back(match.end(3))
        references = [
            _reference(url, loader, _CARD[name], *span) for url in nested_urls(_decoded(value))
        ] or list(_loaded(value, place, unfolded, loader, _CARD[name]))
        found.references += references
    return found


def _nothing(match: re.Match[str]) -> str:
    return ""


def _plain(match: re.Match[str]) -> str:
    return "\n" if match[1] in "nN" else match[1]


def _html(value: str, place: int, unfolded: Derived, found: Document) -> None:
    plain = Derived(value, _ESCAPE, _plain)
    html = find_references(plain.text).moved(
        lambda offset: unfolded.back(place + plain.back(offset))
    )
    found.references += html.references
    found.anchors += html.anchors
    found.scripts += html.scripts
    found.repairs += html.repairs


def _loaded(
    value: str, place: int, unfolded: Derived, loader: str, shows: Shows
) -> Iterator[Reference]:
    for url, start, end in _urls(value):
        yield _reference(
            url, loader, shows, unfolded.back(place + start), unfolded.back(place + end)
        )


def _reference(url: str, loader: str, shows: Shows, start: int, end: int) -> Reference:
    return Reference(url=url, loader=loader, shows=shows, when="display", start=start, end=end)


def _urls(value: str) -> Iterator[tuple[str, int, int]]:
    """The http URLs in a value and where each stands, as `nested_urls` finds them."""
    for match in _URL.finditer(value):
        text = match.group().rstrip(".,;")
        yield from ((url, match.start(), match.start() + len(text)) for url in nested_urls(text))


def _decoded(value: str) -> str:
    """A value that is encoded by itself, as vCard 2.1 and 3.0 have it, behind its parameters."""
    parameters, _, text = value.partition(":")
    parameters, data = parameters.lower(), text.encode("latin-1", "replace")
    if "quoted-printable" in parameters:
        return a2b_qp(data).decode("latin-1")
    if "encoding=b" in parameters or "base64" in parameters:
        try:
            return b64decode(data[:4096] + b"==").decode("latin-1")
        except ValueError:
            return ""
    return ""


def is_escaped(reference: Reference) -> bool:
    """Whether the reference stands in a text value, in which commas and semicolons are escaped."""
    return not reference.loader.startswith(("calendar-", "card-"))


def escaped(text: str) -> str:
    """Text as a text value holds it (RFC 5545 section 3.3.11)."""
    return re.sub(r"[\\;,]", r"\\\g<0>", text).replace("\r\n", "\n").replace("\n", "\\n")


def folded(markup: str, start: int, end: int, new: str) -> str:
    """New text for a span, on lines of its own where the line would grow too long."""
    # Not looked for farther than it matters: a line may have megabytes, and ten thousand changes.
    line = markup.rfind("\n", max(0, start - _LIMIT), start) + 1
    is_short = line > 0 or start <= _LIMIT
    stop = markup.find("\n", end, end + _LIMIT + 2)
    rest = len(markup[end : stop if stop >= 0 else end + _LIMIT + 2].rstrip("\r"))
    if is_short and start - line + len(new) + rest <= _LIMIT:
        return new
    fold = ("\r\n" if "\r\n" in markup[:1000] else "\n") + " "
    size = _LIMIT - 1
    pieces = [new[at : at + size] for at in range(0, len(new), size)]
    return fold + fold.join(pieces) + (fold if rest else "")
