"""One look at a message for a page: report, clean copy, and where in it each tracker stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .judge import Band
from .parts import Readable
from .report import Examined, Judged, Report, examine, judge_all, report_on
from .rules import MailList
from .sanitise import Clean, clean

__all__ = ["Looked", "Mark", "MarkedPart", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Why a stretch of markup reports on its reader."""

    band: Band | None  # None: a link that tells who followed it
    about: str  # the loader, or `link`, and the vendor when it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedPart:
    """A part's source as a person reads it, in stretches that are marked or not."""

    path: str  # counted as IMAP counts: 1.2
    content_type: str
    pieces: tuple[tuple[str, Mark | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """All that a page shows of one message."""

    report: Report
    clean: Clean
    parts: tuple[MarkedPart, ...]


def look(raw: bytes, recipients: Iterable[str] = (), mail_list: MailList | None = None) -> Looked:
    """Look at a message once for everything; raises NotAMessage."""
    examined = examine(raw, recipients)
    judged = judge_all(examined, None, mail_list)
    return Looked(
        report=report_on(examined, judged),
        clean=clean(examined, mail_list=mail_list),
        parts=tuple(_marked(readable, examined, judged) for readable, _ in examined.documents),
    )


def _marked(readable: Readable, examined: Examined, judged: Iterable[Judged]) -> MarkedPart:
    spans = [
        (one.reference.start, one.reference.end, _mark(one))
        for one in judged
        if one.readable is readable and one.opinion.band is not Band.PLAIN
    ]
    spans += [
        (start, end, Mark(band=None, about=" ".join(filter(None, ("link", link.vendor)))))
        for link, part, start, end in examined.links
        if part is readable and link.is_tracked
    ]
    return MarkedPart(
        path=readable.path,
        content_type=readable.part.content_type,
        pieces=tuple(_pieces(readable, spans)),
    )


def _mark(one: Judged) -> Mark:
    about = " ".join(filter(None, (one.reference.loader, one.opinion.vendor)))
    return Mark(band=one.opinion.band, about=about)


def _pieces(
    readable: Readable, spans: Iterable[tuple[int, int, Mark]]
) -> Iterator[tuple[str, Mark | None]]:
    """All of the source in order; of marks that overlap, the one that begins first."""
    content, at = readable.content, 0
    for start, end, mark in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start < at or end <= start:
            continue
        if start > at:
            yield content.text(at, start), None
        yield content.text(start, end), mark
        at = end
    yield content.text(at), None
