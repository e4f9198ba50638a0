"""What the tokens of a message point at, numbered once for all recipients."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from ..mime import Hole
from ..model import Target, TargetKind
from ..tokens import (
    Kind,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    percent_encode_all,
    unsubscribe_url,
)

__all__ = ["Stamp", "Stamps"]

# A token's two bytes hold numbers to 0x7FFF; some are kept for what a message has once.
_MAX_TARGETS = 0x7FFF - 16
_MARK = "\0"
_HOLES = tuple(Hole(number, 29) for number in range(0x80))

Stamp = tuple[str, Hole, str]  # the URL of one target around its token, as pieces of a change


# One target, as far as the message tells: its kind, then URL, name, digest and size in bytes.
_Aim = tuple[TargetKind] | tuple[TargetKind, str] | tuple[TargetKind, None, str, str, int | None]


class Stamps:
    """Gives each target its number; the same link or attachment has one number throughout."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self._link_frame = _halves(link_url(base_url, _MARK, ""))
        self._links: dict[str, Stamp] = {}
        self._attachments: dict[tuple[str, str], Stamp] = {}
        self._aims: list[_Aim] = []
        self.wanted: list[tuple[Kind, int, bytes]] = []  # what each number's token is made from

    @property
    def room(self) -> int:
        """How many further targets can be numbered."""
        return max(0, _MAX_TARGETS + 1 - len(self.wanted))

    @property
    def is_full(self) -> bool:
        """Whether no further target can be numbered."""
        return len(self.wanted) > _MAX_TARGETS

    def target(self, number: int) -> Target:
        """The record of a target; made on demand, since rendering needs none."""
        kind, url, name, digest, size_bytes = (*self._aims[number], *(None,) * 4)[:5]
        return Target(
            number=number, kind=kind, url=url, name=name, digest=digest, size_bytes=size_bytes
        )

    def beacon(self) -> Stamp:
        """A new beacon."""
        frame = _halves(beacon_url(self._base, _MARK))
        return self._add(Kind.OPEN, b"", frame, (TargetKind.BEACON,))

    def link(self, to: str) -> Stamp:
        """The link to a destination."""
        return self.links([to])[0]

    def links(self, to: Sequence[str]) -> list[Stamp]:
        """The links to several destinations; what all need is done once for all."""
        known = self._links
        fresh = [url for url in dict.fromkeys(to) if url not in known]
        before, after = self._link_frame
        number = len(self.wanted)
        numbers = range(number, number + len(fresh))
        self.wanted += zip(repeat(Kind.CLICK), numbers, map(link_bound, fresh), strict=False)
        self._aims += zip(repeat(TargetKind.LINK), fresh, strict=False)
        ends = [after + encoded for encoded in percent_encode_all(fresh)]
        stamps = zip(repeat(before), map(_hole, numbers), ends, strict=False)
        known.update(zip(fresh, stamps, strict=True))
        return [known[url] for url in to]

    def honeypot(self, to: str) -> Stamp:
        """A link that no person can see."""
        frame = _halves(link_url(self._base, _MARK, to))
        return self._add(Kind.CLICK, link_bound(to), frame, (TargetKind.HONEYPOT, to))

    def attachment(self, digest: str, name: str, size_bytes: int | None) -> Stamp:
        """A stored attachment."""
        known = self._attachments.get((digest, name))
        if known is None:
            known = self._add(
                Kind.ATTACHMENT,
                attachment_bound(digest, name),
                _halves(attachment_url(self._base, _MARK, digest, name)),
                (TargetKind.ATTACHMENT, None, name, digest, size_bytes),
            )
            self._attachments[digest, name] = known
        return known

    def unsubscribe(self) -> Stamp:
        """The recipient's way out."""
        frame = _halves(unsubscribe_url(self._base, _MARK))
        return self._add(Kind.UNSUBSCRIBE, b"", frame, (TargetKind.UNSUBSCRIBE,))

    def _add(self, kind: Kind, bound: bytes, frame: tuple[str, str], aim: _Aim) -> Stamp:
        number = len(self.wanted)
        self.wanted.append((kind, number, bound))
        self._aims.append(aim)
        return frame[0], _hole(number), frame[1]


def _hole(number: int) -> Hole:
    """A place for the token of this number; most are made already."""
    return _HOLES[number] if number < 0x80 else Hole(number, 31)


def _halves(url: str) -> tuple[str, str]:
    """A URL without its token: what stands before and behind it."""
    before, _, after = url.partition(_MARK)
    return before, after
