"""The places in a document that lead out of it, before anybody judges them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from .visibility import NO_BOX, Box

__all__ = ["Anchor", "Document", "Reference", "Repair", "Shows"]


class Shows(StrEnum):
    """What the answer to a request would show."""

    PICTURE = "picture"
    STYLE = "style"
    FONT = "font"
    MEDIA = "media"
    FRAME = "frame"
    SILENT = "silent"  # asked for, and nothing is seen of it
    INERT = "inert"  # named, but not asked for by itself


class Reference(NamedTuple):
    """One place in a document that makes a program ask a server.

    A tuple, as the links are: a document has hundreds, and a tuple is made three times as fast.
    """

    url: str  # absolute
    loader: str  # such as img-src, css-background, link-preconnect
    shows: Shows
    when: str  # display, click, submit, script or never
    start: int  # the span of the markup that holds it
    end: int
    is_css: bool = False  # whether the span is inside CSS
    is_text: bool = False  # whether the span is inside running text, and may simply go
    box: Box = NO_BOX
    is_hidden: bool = False


class Anchor(NamedTuple):
    """A link for a person to follow."""

    url: str
    start: int
    end: int


class Repair(NamedTuple):
    """A stretch that programs read in different ways, and what makes them agree."""

    start: int
    end: int
    new: str


@dataclass(slots=True)
class Document:
    """What was found in one document."""

    references: list[Reference] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    scripts: list[tuple[int, int]] = field(default_factory=list)  # what would run, by its span
    repairs: list[Repair] = field(default_factory=list)

    def moved(self, to: Callable[[int], int]) -> Document:
        """The same, its offsets those of the text that this document's text was made from."""
        return Document(
            [one._replace(start=to(one.start), end=to(one.end)) for one in self.references],
            [one._replace(start=to(one.start), end=to(one.end)) for one in self.anchors],
            [(to(start), to(end)) for start, end in self.scripts],
            [one._replace(start=to(one.start), end=to(one.end)) for one in self.repairs],
        )
