"""What the tokens of a message point at, numbered once for all recipients."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..mime import Hole
from ..model import Target, TargetKind
from ..tokens import (
    Kind,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    percent_encode,
    unsubscribe_url,
)

__all__ = ["Stamp", "Stamps"]

# A token's two bytes hold numbers to 0x7FFF; some are kept for what a message has once.
_MAX_TARGETS = 0x7FFF - 16
_MARK = "\0"


class Stamp(NamedTuple):
    """One target's token, not yet made, and the URL around it."""

    kind: Kind
    target: int
    bound: bytes
    pieces: tuple[str, Hole, str]  # the URL as pieces of a change


class Stamps:
    """Gives each target its number; the same link or attachment has one number throughout."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self._link_frame = _halves(link_url(base_url, _MARK, ""))
        self._links: dict[tuple[str, TargetKind], Stamp] = {}
        self._attachments: dict[tuple[str, str], Stamp] = {}
        self.stamps: list[Stamp] = []
        self._targets: list[Callable[[int], Target]] = []

    @property
    def is_full(self) -> bool:
        """Whether no further target can be numbered."""
        return len(self.stamps) > _MAX_TARGETS

    def target(self, number: int) -> Target:
        """The record of a target; made on demand, since rendering needs none."""
        return self._targets[number](number)

    def beacon(self) -> Stamp:
        """A new beacon."""
        frame = _halves(beacon_url(self._base, _MARK))
        return self._add(Kind.OPEN, b"", frame, lambda n: Target(number=n, kind=TargetKind.BEACON))

    def link(self, to: str, kind: TargetKind = TargetKind.LINK) -> Stamp:
        """The link to a destination."""
        key = to, kind
        known = self._links.get(key)
        if known is None:
            before, after = self._link_frame
            frame = before, after + percent_encode(to)
            known = self._add(
                Kind.CLICK, link_bound(to), frame, lambda n: Target(number=n, kind=kind, url=to)
            )
            self._links[key] = known
        return known

    def attachment(self, digest: str, name: str, size_bytes: int | None) -> Stamp:
        """A stored attachment."""
        known = self._attachments.get((digest, name))
        if known is None:
            known = self._add(
                Kind.ATTACHMENT,
                attachment_bound(digest, name),
                _halves(attachment_url(self._base, _MARK, digest, name)),
                lambda n: Target(
                    number=n,
                    kind=TargetKind.ATTACHMENT,
                    name=name,
                    digest=digest,
                    size_bytes=size_bytes,
                ),
            )
            self._attachments[digest, name] = known
        return known

    def unsubscribe(self) -> Stamp:
        """The recipient's way out."""
        return self._add(
            Kind.UNSUBSCRIBE,
            b"",
            _halves(unsubscribe_url(self._base, _MARK)),
            lambda n: Target(number=n, kind=TargetKind.UNSUBSCRIBE),
        )

    def _add(
        self,
        kind: Kind,
        bound: bytes,
        frame: tuple[str, str],
        target: Callable[[int], Target],
    ) -> Stamp:
        number = len(self.stamps)
        hole = Hole(number, 29 if number < 0x80 else 31)
        stamp = Stamp(kind, number, bound, (frame[0], hole, frame[1]))
        self.stamps.append(stamp)
        self._targets.append(target)
        return stamp


def _halves(url: str) -> tuple[str, str]:
    """A URL without its token: what stands before and behind it."""
    before, _, after = url.partition(_MARK)
    return before, after
