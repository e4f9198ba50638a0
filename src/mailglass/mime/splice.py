"""Edits by offset: the only way in which this project changes a message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import PlanMismatch

__all__ = ["Edit", "pieces", "splice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`length` bytes of the original at `offset` give way to `new`."""

    offset: int
    length: int
    new: bytes


def splice(raw: bytes, edits: Iterable[Edit]) -> bytes:
    """`raw` with the edits made; every byte outside them stays.

    Edits stand in the order of their offsets and do not overlap; insertions at one place keep their
    order.  Raises PlanMismatch otherwise.  Memory is that of the result: nothing is copied twice.
    """
    return b"".join(pieces(raw, edits))


def pieces(raw: bytes, edits: Iterable[Edit]) -> Iterator[bytes | memoryview]:
    """What `splice` joins, for a caller that writes it out instead."""
    view = memoryview(raw)
    position = 0
    for edit in edits:
        end = edit.offset + edit.length
        if edit.offset < position or edit.length < 0 or end > len(raw):
            raise PlanMismatch(f"the edit at {edit.offset} overlaps another or leaves the message")
        yield view[position : edit.offset]
        yield edit.new
        position = end
    yield view[position:]
