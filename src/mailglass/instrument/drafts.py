"""Changes on their way into a plan: what, why, and the tokens in them still open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import itemgetter
from typing import NamedTuple

from ..mime import ROOM, Content, Patch, Pieces, Run
from . import reasons

__all__ = ["Draft", "Drafts", "Links", "Note", "Wish", "line_break"]

Note = tuple[str, str | None, str]  # kind, target and reason of a change


class Links(NamedTuple):
    """The ordinary links of a part, all in one."""

    run: Run
    urls: Sequence[str]  # where each leads


class Wish(NamedTuple):
    """A change of a part's text: characters `start` to `end` give way to `new`."""

    start: int
    end: int
    new: Pieces
    kind: str
    target: str | None
    reason: str


class Draft(NamedTuple):
    """A change of the message's bytes; its tokens are filled in for each recipient."""

    patch: Patch
    kind: str
    target: str | None
    reason: str


class Drafts:
    """The changes of a message, gathered part by part, and why each is made."""

    def __init__(self) -> None:
        self.patches: list[Patch] = []  # each names its changes by their place in `notes`
        self.notes: list[Note] = []

    def add(self, drafts: Iterable[Draft]) -> None:
        """Changes that are ready."""
        for patch, kind, target, reason in drafts:
            self.patches.append(patch._replace(changes=(len(self.notes),)))
            self.notes.append((kind, target, reason))

    def add_part(self, content: Content, wishes: Sequence[Wish], links: Links | None) -> None:
        """The changes of one part; raises NotEditable as `Content.patches` does, and adds none."""
        run = None if links is None else links.run
        made = content.patches([wish[:3] for wish in wishes], run, first=len(self.notes))
        self.patches += made
        self.notes += [wish[3:] for wish in wishes]
        if links is not None:
            self.notes += zip(repeat("link"), links.urls, repeat(reasons.TRACKED), strict=False)

    def sort(self) -> None:
        """Put them in the order of their offsets; insertions at one place keep theirs."""
        self.patches.sort(key=itemgetter(0))

    def edits(self) -> list[Draft]:
        """Each change by itself."""
        found: list[Draft] = []
        for patch in self.patches:
            made = [self.notes[number] for number in patch.changes]
            named = [note for note in made if note[0] != _LINE_BREAK] or made[:1]
            for note, piece in zip(named, _divide(patch, len(named)), strict=True):
                found.append(Draft(piece, *note))
        return found


_LINE_BREAK = "line-break"


def line_break(place: int) -> Wish:
    """White space that is added only where a line would grow too long."""
    return Wish(place, place, (ROOM,), _LINE_BREAK, None, reasons.LINE_BREAK)


def _divide(patch: Patch, count: int) -> list[Patch]:
    """One patch that makes several changes as one for each, side by side.

    Changes that share a base64 group cannot be told apart byte by byte: the first holds the new
    bytes, each other one takes a single byte of the old, or none where an insertion between two
    groups replaces none.
    """
    if count == 1:
        return [patch]
    rest = count - 1
    taken = min(rest, patch.length)
    first = Patch(patch.offset, patch.length - taken, patch.pieces, patch.changes)
    end = patch.offset + patch.length
    of_the_old = [Patch(end - n, 1, (), patch.changes) for n in range(taken, 0, -1)]
    return [first, *of_the_old, *[Patch(end, 0, (), patch.changes)] * (rest - taken)]
