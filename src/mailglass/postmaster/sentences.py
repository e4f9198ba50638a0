"""Everything that the desk's tables can say, for whoever tells it in another language."""

from __future__ import annotations

from collections.abc import Iterator

from .checks.lists import ALL_LISTS, WEIGHTS
from .findings import FINDINGS
from .lint.forecast import sentences as forecast_sentences

__all__ = ["sentences"]


def sentences() -> Iterator[str]:
    """What findings expect, why, and how they are mended, with names for what is put in."""
    for kind in FINDINGS.values():
        yield from (kind.expected, kind.why, *kind.fixes.values())
    # Why a listing matters depends on the list.
    yield ALL_LISTS
    yield from (weight for _, weight in WEIGHTS.values())
    yield from forecast_sentences()
