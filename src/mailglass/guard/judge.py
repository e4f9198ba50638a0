"""Judges one reference: does it report on the reader, how sure is that, and why.

Each sign adds its weight (`weights.tsv`), the sum is a probability, and that falls into one of
three bands. No single sign decides what could be otherwise: size alone makes no tracker of a
spacer, and a token alone none of a picture from a content store.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache, lru_cache
from math import exp
from typing import NamedTuple

from ..model import Evidence
from .address import AddressBook
from .learn import Mailbox
from .references import Reference, Shows
from .rules import MailList, find_rule
from .shape import Shape, shape_of
from .tables import read_table

__all__ = ["Band", "Context", "Opinion", "judge", "proxied", "sentences"]


class Band(StrEnum):
    """How sure it is that a resource reports on its reader."""

    TRACKER = "tracker"
    MAYBE = "maybe"
    PLAIN = "plain"


# A tracker is right in four of five cases at least; a maybe is worth a person's look.
_TRACKER = 0.8
_MAYBE = 0.35
# Ordinary mail reaches one host by up to five kinds (img, background, CSS, style sheet, font).
_PROBE_LOADERS = 8

_ASSET_FOLDER = re.compile(
    r"/(images?|imgs?|assets?|static|media|uploads?|content|gallery|files|public|themes?|"
    r"templates?|graphics|pics|pictures|wp-content|email_?images|newsletter)(?=/)",
    re.IGNORECASE,
)
_SPACER = re.compile(
    r"(?:spacer?|blank|clear|trans(?:parent)?|dot|pixel|shim|leer|vide|empty|1x1|s)[\w-]{0,12}"
    r"\.(?:gif|png)\Z",
    re.IGNORECASE,
)
_TRACK_WORD = re.compile(
    r"/(?:[a-z]+[-_.])?(opens?|opened|mailopen|emailopen|track(?:er|ing)?|trk|beacons?|pixel|px|"
    r"impressions?|webbug|readreceipt|mark_?read|opentrack|web_?beacon|emailtracking)(?=[-_./?]|\Z)",
    re.IGNORECASE,
)
_SAME_FOR_ALL = frozenset(("static", "asset_folder", "spacer_name"))
_PROXIED = re.compile(r"https?://[\w.-]*googleusercontent\.com/[^#]*#(https?://.+)\Z")


class Opinion(NamedTuple):
    """What is thought of one reference."""

    band: Band
    score: float  # the probability that it reports on its reader
    vendor: str | None
    evidence: tuple[Evidence, ...]


class Context:
    """What the judgement of one reference takes from its message and its mailbox."""

    def __init__(
        self,
        references: Iterable[Reference],
        addresses: AddressBook,
        mailbox: Mailbox | None = None,
        mail_list: MailList | None = None,
    ) -> None:
        self.addresses = addresses
        self.mailbox = mailbox
        self.mail_list = mail_list
        self.uses: Counter[str] = Counter()
        loaders: dict[str, set[str]] = {}
        for reference in references:
            self.uses[reference.url] += 1
            host = shape_of(proxied(reference.url)).host
            loaders.setdefault(host, set()).add(_family(reference.loader))
        self.probed = {h: len(f) for h, f in loaders.items() if len(f) >= _PROBE_LOADERS}


def judge(reference: Reference, context: Context) -> Opinion:
    """The band of one reference, with the evidence for and against."""
    url = proxied(reference.url)
    shape = shape_of(url)
    vendor, signs = _who(url, context)
    signs += _place(reference)
    if url.startswith("file:"):
        signs.append(("file_server", shape.host))
    signs += _form(url, shape, reference, context, is_named=vendor is not None)
    if any(signal == "address" for signal, _ in signs):
        # What names somebody varies, whichever folder it lies in.
        signs = [sign for sign in signs if sign[0] not in _SAME_FOR_ALL]
    evidence = tuple(_evidence(signal, detail) for signal, detail in signs)
    score = 1 / (1 + exp(-_weight("prior") - sum(item.weight for item in evidence)))
    band = Band.TRACKER if score >= _TRACKER else Band.MAYBE if score >= _MAYBE else Band.PLAIN
    return Opinion(band, round(score, 3), vendor, evidence)


def proxied(url: str) -> str:
    """The URL behind Gmail's image proxy, which keeps it after the `#`."""
    if "googleusercontent.com" not in url:
        return url
    match = _PROXIED.match(url)
    return match.group(1) if match else url


Sign = tuple[str, str]


def _who(url: str, context: Context) -> tuple[str | None, list[Sign]]:
    """Who is behind it, and whom it names."""
    signs: list[Sign] = []
    vendor = None
    if rule := find_rule(url, "asset", "open", "click"):
        vendor = rule["vendor"]
        signs.append(("asset_host" if rule["kind"] == "asset" else "named", vendor))
    elif context.mail_list is not None and context.mail_list.names(url):
        signs.append(("listed", ""))
    if carried := context.addresses.find(url):
        form = "" if carried.form == "plain" else f" as {carried.form}"
        signs.append(("address", carried.address + form))
    return vendor, signs


def _place(reference: Reference) -> list[Sign]:
    """What the place in the document says: can it be seen?"""
    if reference.shows is Shows.SILENT or reference.shows is Shows.FRAME:
        return [("silent", reference.loader)]
    if reference.shows is Shows.INERT:
        return [("inert", "")]
    if reference.shows is not Shows.PICTURE and reference.shows is not Shows.MEDIA:
        return []
    box = reference.box
    if box.is_invisible:
        return [("invisible", f"{_side(box.width)}×{_side(box.height)}")]
    if reference.is_hidden:
        known = box.width is not None or box.height is not None
        return [("hidden_large" if known else "hidden", "")]
    return []


def _form(
    url: str, shape: Shape, reference: Reference, context: Context, *, is_named: bool
) -> list[Sign]:
    """What the form of the URL says, here and across the mailbox."""
    signs: list[Sign] = []
    outside = [t for t in shape.query_tokens if t] + ([] if shape.is_file else [*shape.path_tokens])
    if outside:
        signs.append(("token", str(max(map(len, outside)))))
    elif shape.path_tokens:
        signs.append(("path_token", ""))
    elif shape.file_token:
        signs.append(("asset_token", ""))
    if shape.has_number and not outside:
        signs.append(("number", ""))
    elif shape.query and not outside:
        signs.append(("query", ""))
    shown = reference.shows is Shows.PICTURE
    if shown and not shape.is_file and len(shape.path) > 1:
        signs.append(("endpoint", ""))
    if not is_named and (word := _TRACK_WORD.search(shape.path)):
        signs.append(("track_word", word.group(1).lower()))
    if reference.shows in (Shows.PICTURE, Shows.STYLE, Shows.FONT, Shows.MEDIA):
        signs += _harmless(shape, context.uses[reference.url])
    repeats = context.mailbox.repeats(url) if context.mailbox else 0
    if repeats > 1:
        is_content = shape.is_file and not shape.query_tokens
        signs.append(("repeated_file" if is_content else "repeated", str(repeats)))
    if loaders := context.probed.get(shape.host):
        signs.append(("probe", str(loaders)))
    return signs


def _harmless(shape: Shape, uses: int) -> list[Sign]:
    signs: list[Sign] = []
    if shape.is_static:
        signs.append(("static", ""))
    if uses > 1 and not (shape.tokens or shape.has_number):
        signs.append(("reused", str(uses)))
    if shape.is_file and not shape.query:
        if folder := _ASSET_FOLDER.search(shape.path):
            signs.append(("asset_folder", folder.group(1)))
        if _SPACER.match(shape.path.rpartition("/")[2]):
            signs.append(("spacer_name", ""))
    return signs


def _side(length: float | None) -> str:
    return "?" if length is None else f"{length:g}"


def _family(loader: str) -> str:
    """The kind of a loader: one for each element, or for CSS."""
    return "css" if "css" in loader else loader


@cache
def _table() -> dict[str, tuple[float, str]]:
    return {row["signal"]: (float(row["weight"]), row["text"]) for row in read_table("weights.tsv")}


def sentences() -> Iterator[str]:
    """Every sentence that evidence can say, with names for what is put in."""
    yield from (text for _, text in _table().values() if text)
    yield _table()["address"][1].replace("{detail}", "{detail} as {form}")


def _weight(signal: str) -> float:
    return _table()[signal][0]


@lru_cache(maxsize=1024)
def _evidence(signal: str, detail: str) -> Evidence:
    weight, text = _table()[signal]
    return Evidence(signal=signal, weight=weight, text=text.format(detail=detail))
