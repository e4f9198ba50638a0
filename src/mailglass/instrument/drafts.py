"""Changes on their way into a plan: what, why, and the tokens in them still open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..mime import Change, Content, Filling, Patch

__all__ = ["Draft", "Wish", "draft_changes"]


class Wish(NamedTuple):
    """A change of a part's text."""

    change: Change
    kind: str
    target: str | None
    reason: str


class Draft(NamedTuple):
    """A change of the message's bytes; its tokens are filled in for each recipient."""

    patch: Patch
    kind: str
    target: str | None
    reason: str


_LINE_BREAK = "keeps the line within the length it may have"


def draft_changes(content: Content, wishes: Sequence[Wish]) -> list[Draft]:
    """The wishes as changes of the message; raises NotEditable as `Content.patches` does."""
    found: list[Draft] = []
    for patch in content.patches([wish.change for wish in wishes]):
        if len(patch.changes) == 1:
            _, kind, target, reason = wishes[patch.changes[0]]
            found.append(Draft(patch, kind, target, reason))
            continue
        made = [wishes[number] for number in patch.changes]
        named = [wish for wish in made if wish.kind != "line-break"] or made[:1]
        for wish, piece in zip(named, _divide(patch, len(named)), strict=True):
            found.append(Draft(piece, wish.kind, wish.target, wish.reason))
    return found


def line_break(change: Change) -> Wish:
    """White space that is added only where a line would grow too long."""
    return Wish(change, "line-break", None, _LINE_BREAK)


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


def holes(patch: Patch) -> list[int]:
    """The numbers of the holes in a patch."""
    return [piece.number for piece in patch.pieces if isinstance(piece, Filling)]
